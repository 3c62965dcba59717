"""`hold`, `resume`, `resolve`: an operator steps in. Each needs a reason, which stands in the audit."""

from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from worker.cli import say
from worker.cli.acting import act_on, ring
from worker.cli.asking import YesOption, ask
from worker.cli.counting import counting
from worker.cli.frame import Frame, JsonOption, ReasonOption, frame_of, who
from worker.domain.errors import BadInput

if TYPE_CHECKING:
    from worker.ledger.holds import Scope
    from worker.operations.moves import Resolution
    from worker.settings import Home


class What(StrEnum):
    """What can be held."""

    LANE = "lane"
    OFFICE = "office"
    CAMPAIGN = "campaign"
    SENDOUT = "sendout"
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
        help="Its name: a lane or mailbox, an office, a campaign, a relay; a yearly send-out's or a letter's number.",
        show_default=False,
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
    length: Annotated[str, typer.Option("--for", help='End by itself after "2 h", say.', show_default=False)] = "",
    yes: YesOption = False,
    json: JsonOption = False,
) -> None:
    """Stop letters for a while.

    Those of a lane, an office, a campaign, a yearly send-out, a relay, everything, or one letter: none of them is started.
    """
    frame = frame_of(context)
    home = _home(frame, what)
    if what in (What.LETTER, What.SENDOUT) and (until or length):
        raise BadInput(f"--until, --for: a {what.value} is held until it is resumed")
    if what is What.LETTER:
        _letter(frame, home, name, "hold", reason, json=json)
    elif what is What.SENDOUT:
        _sendout(frame, home, name, "hold", reason, yes=yes, json=json)
    else:
        _hold(frame, home, what, name, reason, (until, length), yes=yes, json=json)


def resume(
    context: typer.Context,
    what: _What,
    reason: ReasonOption,
    name: _Name = "",
    yes: YesOption = False,
    json: JsonOption = False,
) -> None:
    """Let what is held go on.

    Its holds are lifted and the trouble is forgotten, so that the next letter is tried at once.
    """
    frame = frame_of(context)
    home = _home(frame, what)
    if what is What.LETTER:
        _letter(frame, home, name, "resume", reason, json=json)
    elif what is What.SENDOUT:
        _sendout(frame, home, name, "resume", reason, yes=yes, json=json)
    else:
        _resume(frame, home, what, name, reason, yes=yes, json=json)
    ring(home)


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
    yes: YesOption = False,
    json: JsonOption = False,
) -> None:
    """Say what became of letters in doubt.

    They were sent; or they are queued to be sent again, with the same bytes and Message-ID.
    """
    if bool(letter) == every:
        raise BadInput("name the letters in doubt, or say --all")
    home = frame_of(context).home()
    from worker.operations.acts import Wanted
    from worker.operations.moves import resolve_letter

    resolution: Resolution = to.value
    with frame_of(context).ledger(home) as ledger:
        if every:
            wanted = Wanted(f"resolve-{resolution}", states=("in_doubt",), office=office, campaign=campaign)
            act_on(home, ledger, wanted, reason, yes=yes, json=json)
        for number in letter or ():
            resolve_letter(ledger, number, resolution, who(), reason)
            if not json:
                say.line(f"letter {number} is resolved: {to.value}")
    if letter and json:
        say.as_json({"letters": letter, "state": to.value})
    if letter and to is To.QUEUED:
        ring(home)


# -- one of each ---------------------------------------------------------------------------------------------------------
def _hold(
    frame: Frame,
    home: "Home",
    what: What,
    name: str,
    reason: str,
    end: tuple[datetime | None, str],
    *,
    yes: bool,
    json: bool,
) -> None:
    from worker.operations.holds import Order, waiting
    from worker.operations.holds import hold as place

    order = Order(_scope(what), name, who(), reason)
    with frame.ledger(home) as ledger:
        until_us = _until(ledger.now_us(), *end)
        n = waiting(ledger, home, order.scope, name)
        if not json:
            say.line(f"{say.number(n, 'letter')} of {_named(what, name)} {'waits' if n == 1 else 'wait'} now")
        ask(f"Hold {_named(what, name)}?", yes=yes)
        number = place(ledger, home, order, until_us)
    if json:
        say.as_json({"hold": number, "scope": what.value, "target": name, "until": _moment(until_us), "waiting": n})
    else:
        say.line(f"{_named(what, name)} is held" + (f" until {say.moment(_moment(until_us))} UTC" if until_us else ""))


def _resume(frame: Frame, home: "Home", what: What, name: str, reason: str, *, yes: bool, json: bool) -> None:
    from worker.operations.holds import Order, waiting
    from worker.operations.holds import resume as lift

    order = Order(_scope(what), name, who(), reason)
    with frame.ledger(home) as ledger:
        n = waiting(ledger, home, order.scope, name)
        if not json:
            say.line(f"{say.number(n, 'letter')} of {_named(what, name)} {'waits' if n == 1 else 'wait'} now")
        ask(f"Let {_named(what, name)} go on?", yes=yes)
        done = lift(ledger, home, order)
    if json:
        body = {"scope": what.value, "target": name, "lifted": done.lifted, "opened": list(done.opened), "waiting": n}
        say.as_json(body)
        return
    opened = f", {say.number(len(done.opened), 'gate')} opened" if done.opened else ""
    say.line(f"{_named(what, name)} goes on: {say.number(done.lifted, 'hold')} lifted{opened}")


def _letter(frame: Frame, home: "Home", name: str, verb: str, reason: str, *, json: bool) -> None:
    from worker.operations.moves import hold_letter, resume_letter

    number = _number(name, "letter", "letters list")
    with frame.ledger(home) as ledger:
        (hold_letter if verb == "hold" else resume_letter)(ledger, number, who(), reason)
    state = "held" if verb == "hold" else "queued"
    if json:
        say.as_json({"letter": number, "state": state})
    else:
        say.line(f"letter {number} is {'held' if verb == 'hold' else 'queued again'}")


def _sendout(frame: Frame, home: "Home", name: str, verb: str, reason: str, *, yes: bool, json: bool) -> None:
    """A yearly send-out is held and resumed as `lettershop sendouts` does it, letters and all."""
    from worker.schedule import Order
    from worker.schedule import hold as stop
    from worker.schedule import resume as let
    from worker.schedule.views import detail
    from worker.wiring.schedule import open_board

    number, order = _number(name, "yearly send-out", "sendouts list"), Order(who(), reason)
    with frame.ledger(home) as ledger:
        board = open_board(home, ledger)
        states: dict[str, int] = detail(board, number)["by_state"]
        n = states.get("queued", 0) + states.get("claimed", 0) + states.get("held", 0)
        if not json:
            say.line(f"{say.number(n, 'letter')} of send-out {number} {'waits' if n == 1 else 'wait'} now")
        ask(f"{verb.capitalize()} send-out {number}?", yes=yes)
        with counting("letters moved", wanted=not json) as told:
            moved = (stop if verb == "hold" else let)(board, number, order, told or (lambda _: None))
    if json:
        say.as_json({"sendout": number, "letters": moved, "waiting": n})
    else:
        became = "is held" if verb == "hold" else "goes on"
        say.line(f"send-out {number} {became}: {say.number(moved, 'letter')} moved")


def _home(frame: Frame, what: What) -> "Home":
    """The home; where it is not asked what offices and campaigns there are, a broken edit of them is no reason to wait."""
    if what in (What.OFFICE, What.CAMPAIGN, What.SENDOUT):
        return frame.home()
    return frame.home_as_far()[0]


# -- what was said -------------------------------------------------------------------------------------------------------
def _number(name: str, what: str, verb: str) -> int:
    if not (name.isascii() and name.isdecimal()):
        raise BadInput(f"{name!r} is not a {what}'s number; `lettershop {verb}` shows them")
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


def _until(now_us: int, until: datetime | None, length: str) -> int | None:
    """When the hold ends; None for never. Raises BadInput."""
    from datetime import UTC, timedelta

    from worker.domain.clock import to_us
    from worker.domain.duration import parse_duration

    if until is not None and length:
        raise BadInput("say --until or --for, not both")
    if length:
        try:
            return now_us + parse_duration(length) // timedelta(microseconds=1)
        except ValueError as exc:
            raise BadInput(f"--for: {exc}") from exc
    return None if until is None else to_us(until if until.tzinfo else until.replace(tzinfo=UTC))


def _moment(at_us: int | None) -> Any:
    from worker.domain.clock import from_us
    from worker.operations.barriers import iso

    return iso(from_us(at_us)) if at_us is not None else None
