"""`hold`, `resume`, `resolve`: an operator steps in. Each needs a reason, which stands in the audit."""

from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from worker.cli import say
from worker.cli.frame import ReasonOption, bell, frame_of, who
from worker.domain.errors import BadInput, RefusedByState

if TYPE_CHECKING:
    from worker.ledger.holds import Scope
    from worker.operations.moves import Resolution
    from worker.settings import Home


class What(StrEnum):
    """What can be held."""

    LANE = "lane"
    OFFICE = "office"
    CAMPAIGN = "campaign"
    RELAY = "relay"
    EVERYTHING = "everything"
    LETTER = "letter"


class To(StrEnum):
    """How a doubt ends."""

    SENT = "sent"
    QUEUED = "queued"


_What = Annotated[What, typer.Argument(help="What kind of thing.", show_default=False)]
_Name = Annotated[
    str,
    typer.Argument(
        help="Its name: a lane or mailbox, an office, a campaign, a relay, a letter's number.", show_default=False
    ),
]


def hold(
    context: typer.Context,
    what: _What,
    reason: ReasonOption,
    name: _Name = "",
    until: Annotated[
        datetime | None, typer.Option(help="End by itself then (UTC where no zone is given).", show_default=False)
    ] = None,
) -> None:
    """Stop letters for a while.

    Those of a lane, an office, a campaign, a relay, everything, or one letter: none of them is started.
    """
    home = frame_of(context).home()
    from worker.operations.holds import Order
    from worker.operations.holds import hold as place
    from worker.operations.moves import hold_letter

    with frame_of(context).ledger(home) as ledger:
        if what is What.LETTER:
            hold_letter(ledger, _number(name), who(), reason)
        else:
            place(ledger, home, Order(_scope(what), name, who(), reason), _microseconds(until))
    say.line(f"{_named(what, name)} is held")


def resume(context: typer.Context, what: _What, reason: ReasonOption, name: _Name = "") -> None:
    """Let what is held go on.

    Its holds are lifted and the trouble is forgotten, so that the next letter is tried at once.
    """
    home = frame_of(context).home()
    from worker.operations.holds import Order
    from worker.operations.holds import resume as lift
    from worker.operations.moves import resume_letter

    with frame_of(context).ledger(home) as ledger:
        if what is What.LETTER:
            resume_letter(ledger, _number(name), who(), reason)
            say.line(f"letter {name} is queued again")
        else:
            done = lift(ledger, home, Order(_scope(what), name, who(), reason))
            opened = f", {say.number(len(done.opened), 'gate')} opened" if done.opened else ""
            say.line(f"{_named(what, name)} goes on: {say.number(done.lifted, 'hold')} lifted{opened}")
    _wake(home)


def resolve(
    context: typer.Context,
    to: Annotated[
        To, typer.Argument(help="sent: it arrived. queued: send it again, the same bytes.", show_default=False)
    ],
    reason: ReasonOption,
    letter: Annotated[list[int] | None, typer.Argument(help="Letters in doubt.", show_default=False)] = None,
    every: Annotated[bool, typer.Option("--all", help="All in doubt, or those of --office and --campaign.")] = False,
    office: Annotated[str, typer.Option(help="With --all: of this office.", show_default=False)] = "",
    campaign: Annotated[str, typer.Option(help="With --all: of this campaign.", show_default=False)] = "",
) -> None:
    """Say what became of letters in doubt.

    They were sent; or they are queued to be sent again, with the same bytes and Message-ID.
    """
    if bool(letter) == every:
        raise BadInput("name the letters in doubt, or say --all")
    home = frame_of(context).home()
    from worker.operations.moves import Doubts, resolve_letter, resolve_many

    resolution: Resolution = to.value
    with frame_of(context).ledger(home) as ledger:
        if every:
            done = resolve_many(ledger, Doubts(office, campaign), resolution, who(), reason)
            for why in done.left.values():
                say.note(why)
            say.line(f"{say.number(done.moved, 'letter')} resolved as {to.value}, {len(done.left)} left in doubt")
            if done.left and not done.moved:
                raise RefusedByState("none could be resolved now")
        for number in letter or ():
            resolve_letter(ledger, number, resolution, who(), reason)
            say.line(f"letter {number} is resolved: {to.value}")
    if to is To.QUEUED:
        _wake(home)


def _wake(home: "Home") -> None:
    """Ring, so that nobody waits for the next tick."""
    wake = bell(home)
    if wake is not None:
        wake()


def _number(name: str) -> int:
    if not (name.isascii() and name.isdecimal()):
        raise BadInput(f"{name!r} is not a letter's number; `lettershop letters list` shows them")
    return int(name)


def _scope(what: What) -> "Scope":
    """What a hold's row calls it; a letter has none."""
    scopes: dict[What, Scope] = {
        What.LANE: "lane",
        What.OFFICE: "office",
        What.CAMPAIGN: "campaign",
        What.RELAY: "relay",
        What.EVERYTHING: "everything",
    }
    return scopes[what]


def _named(what: What, name: str) -> str:
    return f"{what.value} {name}".strip()


def _microseconds(until: datetime | None) -> int | None:
    if until is None:
        return None
    from datetime import UTC

    from worker.domain.clock import to_us

    return to_us(until if until.tzinfo else until.replace(tzinfo=UTC))
