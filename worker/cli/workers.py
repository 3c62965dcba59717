"""`workers list`, `workers drain`, `workers undrain`: the processes of the fleet."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from worker.cli import say
from worker.cli.frame import JsonOption, ReasonOption, frame_of, who

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from worker.ledger.book import Ledger

app = typer.Typer(help="The processes of the fleet: see them, drain one, let it go on.")
_Name = Annotated[str, typer.Argument(help="Its name, as `workers list` shows it.", show_default=False)]


@app.command("list")
def list_(context: typer.Context, json: JsonOption = False) -> None:
    """Show every process of the last day, those alive first.

    Alive is who was seen in the ledger within half a minute. `config` names the config that it works to.
    """
    from worker.operations.fleet import listing

    with _ledger(context) as ledger:
        found = listing(ledger)
    if json:
        say.as_json(found)
    elif not found:
        say.line("no process has been seen: start the stack with `lettershop up`")
    else:
        _print(found)


@app.command("drain")
def drain(context: typer.Context, name: _Name, reason: ReasonOption) -> None:
    """Let a worker end its rounds and begin no other; it stays until it is stopped."""
    from worker.operations.fleet import drain as ask

    with _ledger(context) as ledger:
        ask(ledger, name, who(), reason)
    say.line(f"{name} drains: within seconds it begins no other round")


@app.command("undrain")
def undrain(context: typer.Context, name: _Name, reason: ReasonOption) -> None:
    """Let a drained worker go on."""
    from worker.operations.fleet import undrain as ask

    with _ledger(context) as ledger:
        ask(ledger, name, who(), reason)
    say.line(f"{name} goes on within seconds")


def _ledger(context: typer.Context) -> "AbstractContextManager[Ledger]":
    """The ledger, whatever an edit of the config is like at the moment."""
    frame = frame_of(context)
    return frame.ledger(frame.home_as_far()[0])


def _print(found: list[dict[str, Any]]) -> None:
    columns = [
        say.Column("process", style="cyan"),
        say.Column("kind"),
        say.Column("state"),
        say.Column("seen", "right"),
        say.Column("rounds", "right"),
        say.Column("config"),
        say.Column("trouble", wrap=True),
    ]
    rows = [
        (
            each["name"],
            each["kind"],
            _state(each),
            f"{say.span(each['seen_age_s'])} ago",
            str(each["rounds"]),
            each["config"][:8],
            each["trouble"],
        )
        for each in found
    ]
    say.table(columns, rows)


def _state(each: dict[str, Any]) -> str:
    if each["stopped"]:
        return "stopped"
    if not each["alive"]:
        return "silent"
    return "drains" if each["draining"] else "alive"
