"""`lettershop migrate`: make the ledger, or bring it to this program's version."""

from typing import TYPE_CHECKING

import typer

from worker.cli import say
from worker.cli.frame import frame_of, who

if TYPE_CHECKING:
    from worker.settings import Home


def migrate(context: typer.Context) -> None:
    """Make the ledger, or bring it up to date.

    Safe to run again. Letters follow their offices to new mailboxes.
    """
    home = frame_of(context).home()
    for sentence in bring_up(home):
        say.line(sentence)


def bring_up(home: "Home") -> list[str]:
    """Keys where none were made yet, the ledger's schema, letters in the lanes of their offices' mailboxes.

    Returns what was done, a sentence each. Raises RefusedByState, Failed, BadInput.
    """
    from worker.intake import sync_register
    from worker.ledger.engine import shown
    from worker.ledger.migrate import migrate as migrate_ledger
    from worker.ledger.migrations import HEAD
    from worker.operations.init import ensure_keys
    from worker.wiring.home import open_keys, open_ledger

    done = []
    made = ensure_keys(home.settings.keys, home.settings.ledger.url)
    if made:
        done.append(f"made {len(made)} keys in {made[0].parent}: copy them to a safe place, apart from the ledger")
    keys, url = open_keys(home), home.settings.ledger.url
    before = migrate_ledger(url, home.settings.mode, keys)
    if before is None:
        done.append(f"made the {home.settings.mode} ledger {shown(url)}, version {HEAD}")
    elif before != HEAD:
        done.append(f"brought the ledger {shown(url)} from version {before} to {HEAD}")
    else:
        done.append(f"the ledger {shown(url)} is at version {HEAD}; nothing to do")
    with open_ledger(home) as ledger:
        moved = sync_register(ledger, home.offices, who=who())
    if moved:
        done.append(f"moved {say.number(moved, 'letter')} to their offices' new mailboxes")
    return done
