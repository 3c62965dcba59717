"""`limit set`, `limit list`, `limit lift`: an operator changes a limit for a while."""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from worker.cli import say
from worker.cli.frame import JsonOption, ReasonOption, bell, frame_of, who
from worker.domain.errors import BadInput

if TYPE_CHECKING:
    from worker.settings import Home


class Which(StrEnum):
    """The limits that can be changed."""

    MAILBOX = "mailbox"
    MAILBOX_DAY = "mailbox-day"
    DOMAIN = "domain"
    CAMPAIGN_OFFICE = "campaign-office"
    RELAY = "relay"
    RELAY_DAY = "relay-day"


app = typer.Typer(help="Change a limit for a while, see what is changed, end it.")
_Which = Annotated[Which, typer.Argument(help="Which limit.", show_default=False)]
_Name = Annotated[
    str,
    typer.Argument(
        help="Of what: an office or its mailbox, a mail domain, a relay, or CAMPAIGN:OFFICE.", show_default=False
    ),
]


@app.command("set")
def set_(
    context: typer.Context,
    which: _Which,
    name: _Name,
    rate: Annotated[
        str, typer.Argument(help='Letters in any window, like "60/h" (s, min, h, day).', show_default=False)
    ],
    length: Annotated[str, typer.Option("--for", help='For how long, like "2h" or "3 d".', show_default=False)],
    reason: ReasonOption,
    replace: Annotated[bool, typer.Option("--replace", help="In place of a change that stands.")] = False,
    json: JsonOption = False,
) -> None:
    """Change a limit for a while; it falls back by itself.

    The whole fleet keeps to it within seconds. A mailbox is given at most ten times what is configured.
    """
    home = frame_of(context).home()
    from worker.domain.clock import from_us
    from worker.domain.duration import parse_duration
    from worker.operations.barriers import clock
    from worker.operations.limit_changes import Wish, body, set_limit
    from worker.wiring.servers import forget_windows

    try:
        wanted = parse_duration(length)
    except ValueError as exc:
        raise BadInput(f"--for: {exc}") from exc
    wish = Wish(which.value, name, rate, wanted, who(), reason, replace)
    with frame_of(context).ledger(home) as ledger:
        done = set_limit(ledger, home, wish, lambda: forget_windows(home, ledger))
    if json:
        say.as_json(body(done))
    else:
        say.line(f"{done.scope} {done.target} is {done.rate} until {clock(from_us(done.until_us))}")
    _wake(home)


@app.command("list")
def list_(context: typer.Context, json: JsonOption = False) -> None:
    """Show the limits that are changed now."""
    from worker.operations.limit_changes import body, listing

    with frame_of(context).ledger() as ledger:
        found = [body(change) for change in listing(ledger)]
    if json:
        say.as_json(found)
    elif not found:
        say.line("every limit is as configured")
    else:
        columns = [
            say.Column("limit", style="cyan"),
            say.Column("of", give=True),
            say.Column("rate", "right"),
            say.Column("until"),
            say.Column("by"),
            say.Column("why", wrap=True),
        ]
        rows = [(c["scope"], c["target"], c["rate"], say.moment(c["until"]), c["who"], c["reason"]) for c in found]
        say.table(columns, rows)


@app.command("lift")
def lift(context: typer.Context, which: _Which, name: _Name, reason: ReasonOption) -> None:
    """End a change before its time: the configured limit holds again."""
    home = frame_of(context).home()
    from worker.operations.limit_changes import lift_limit

    with frame_of(context).ledger(home) as ledger:
        done = lift_limit(ledger, home, which.value, name, who(), reason)
    say.line(f"{done.scope} {done.target} is as configured again")
    _wake(home)


def _wake(home: "Home") -> None:
    """Ring, so that nobody waits for the next tick."""
    wake = bell(home)
    if wake is not None:
        wake()
