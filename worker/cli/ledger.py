"""`lettershop ledger copy|verify|accept-restore`: the ledger as a whole."""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from worker.cli import say
from worker.cli.frame import JsonOption, ReasonOption, frame_of, stack_is_up, who
from worker.domain.errors import BadInput, Failed, RefusedByState

if TYPE_CHECKING:
    from worker.ledger.book import Ledger
    from worker.settings import Home

app = typer.Typer(help="The ledger as a whole.")


@app.callback()
def _group() -> None:
    """The ledger as a whole."""


@app.command("copy")
def copy(
    context: typer.Context,
    url: Annotated[
        str, typer.Argument(help="An empty database: postgresql://... or sqlite:///...", show_default=False)
    ],
    json: JsonOption = False,
) -> None:
    """Copy the ledger into an empty database.

    With the stack stopped. Counts and checksums are compared. Run it again after a failure: it goes on where it was.
    """
    from worker.ledger.copy import copy as copy_ledger
    from worker.wiring.home import open_keys

    home = frame_of(context).home()
    _refuse_up(home)
    source = home.settings.ledger.url
    if not url.startswith(("postgresql://", "sqlite:///")):
        raise BadInput('the target must be a "postgresql://" or "sqlite:///" url')
    copied = copy_ledger(source, url, open_keys(home), home.settings.mode, progress=_told(quiet=json))
    if json:
        say.as_json([{"table": each.table, "rows": each.rows, "checksum": each.checksum} for each in copied])
        return
    rows = sum(each.rows for each in copied)
    say.line(f"{say.number(len(copied), 'table')} with {say.number(rows, 'row')} copied; counts and checksums agree")
    say.line("next: set [ledger] url to the copy; this ledger is on hold, so that no letter leaves twice")


def _told(*, quiet: bool) -> Callable[[str, int], None]:
    """Names each table on a terminal as its copying begins."""
    begun: set[str] = set()

    def tell(table: str, _rows: int) -> None:
        if table not in begun and say.on_terminal() and not quiet:
            say.note(f"copying {table}")
        begun.add(table)

    return tell


@app.command("verify")
def verify(context: typer.Context, json: JsonOption = False) -> None:
    """Read the whole ledger for faults.

    Counts, seals, the audit's chain, states, pins, personal data. Changes nothing.
    """
    from worker.ledger.verify import CHECKS
    from worker.ledger.verify import verify as verify_ledger

    def tell(part: str) -> None:
        if say.on_terminal() and not json:
            say.note(f"reading {part}")

    with frame_of(context).ledger() as ledger:
        problems = verify_ledger(ledger, tell)
    if json:
        say.as_json({"ok": not problems, "problems": problems})
    else:
        for problem in problems:
            say.line(problem)
        if not problems:
            say.line(f"the ledger is sound: {', '.join(CHECKS)}")
    if problems:
        raise Failed(f"{say.number(len(problems), 'problem')} found")


@app.command("accept-restore")
def accept_restore(
    context: typer.Context,
    reason: ReasonOption,
    anyway: Annotated[
        bool, typer.Option("--anyway", help="Although no witness says that the ledger was restored.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Take back a ledger from a backup.

    Whatever may have gone out since the backup is put in doubt, for you to look at.
    """
    from worker.ledger.restore import accept_restore as accept
    from worker.operations.holds import checked_reason

    checked_reason(reason)
    home = frame_of(context).home()
    _refuse_up(home)
    with frame_of(context).ledger(home) as ledger:
        done = accept(ledger, _witness(home, ledger), who(), reason, anyway=anyway)
    if json:
        say.as_json({"epoch": done.epoch, "in_doubt": done.in_doubt, "rounds_closed": done.rounds_closed})
        return
    say.line(f"accepted: {say.number(done.in_doubt, 'letter')} in doubt now, the ledger's epoch is {done.epoch}")
    if done.in_doubt:
        say.line("next: `lettershop letters list --state in_doubt`, then `lettershop resolve sent|queued`")


def _witness(home: "Home", ledger: "Ledger") -> int:
    """The highest round that any witness has seen: the file under var/, and Redis where it answers."""
    from worker.ledger import witness
    from worker.pacing import PacingAway
    from worker.wiring.servers import open_pacer

    async def ask() -> int:
        pacer = open_pacer(home, ledger)
        try:
            return await pacer.highest_round(ledger.ledger_id) or 0
        except PacingAway:
            if home.settings.pacing.url != "embedded":
                say.note("Redis (pacing) does not answer: only the witness under var/ is asked")
            return 0
        finally:
            await pacer.aclose()

    return max(witness.read(home.var / "witness.json", ledger.ledger_id), asyncio.run(ask()))


def _refuse_up(home: "Home") -> None:
    if stack_is_up(home):
        raise RefusedByState("the stack is up on this home: stop it first (Ctrl-C where it runs)")
