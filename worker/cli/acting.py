"""Acts on many letters: `cancel`, `requeue`, `letters hold|resume`, `undo`. Each previews, asks, shows how far it is."""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from worker.cli import say
from worker.cli.asking import YesOption, ask
from worker.cli.frame import JsonOption, ReasonOption, bell, frame_of, who
from worker.cli.letters import app as letters_app
from worker.domain.errors import BadInput, RefusedByState

if TYPE_CHECKING:
    from worker.domain.office import Office
    from worker.ledger.book import Ledger
    from worker.ledger.bulk_acts import Act
    from worker.operations.acts import Preview, Wanted
    from worker.settings import Home

Begin = Callable[["Ledger"], int]
"""Begins an act; its number."""

_SHOWN = 12  # offices of a preview; the rest is one line
_TENTHS = 10
_Letters = Annotated[list[int] | None, typer.Argument(help="Letters by number.", show_default=False)]
_State = Annotated[list[str] | None, typer.Option(help="In this state; may be said again.", show_default=False)]
_Office = Annotated[str, typer.Option(help='The office\'s id; "signer" for notices.', show_default=False)]
_Campaign = Annotated[str, typer.Option(help="The campaign's slug.", show_default=False)]
_Sendout = Annotated[str, typer.Option(help='Like "signing", "anniversary-2027".', show_default=False)]
_Code = Annotated[str, typer.Option(help='Of the last reply: "550", "5xx", "5.1.1".', show_default=False)]
_Older = Annotated[str, typer.Option(help='Made longer ago than "3 d".', show_default=False)]
_Newer = Annotated[str, typer.Option(help='Made within the last "2 h".', show_default=False)]
_Signature = Annotated[int | None, typer.Option(help="The signature's number.", show_default=False)]
_Expect = Annotated[int | None, typer.Option(min=0, help="Refuse if it is more letters.", show_default=False)]
_Look = Annotated[bool, typer.Option("--preview", help="Only say what would be done.")]


def verb_of(name: str, doc: str) -> Callable[..., None]:
    """The command of an act on letters that fit."""

    def command(
        context: typer.Context,
        reason: ReasonOption = "",
        letter: _Letters = None,
        state: _State = None,
        office: _Office = "",
        campaign: _Campaign = "",
        sendout: _Sendout = "",
        code: _Code = "",
        older: _Older = "",
        newer: _Newer = "",
        signature: _Signature = None,
        expect: _Expect = None,
        look: _Look = False,
        yes: YesOption = False,
        json: JsonOption = False,
    ) -> None:
        home = frame_of(context).home()
        from worker.operations.acts import Wanted

        with frame_of(context).ledger(home) as ledger:
            wanted = Wanted(
                name,
                ids=tuple(letter or ()),
                states=tuple(state or ()),
                office=office,
                campaign=campaign,
                sendout=sendout,
                code=code,
                signature=signature,
                older_us=_ago(ledger, older, "--older"),
                newer_us=_ago(ledger, newer, "--newer"),
            )
            act_on(home, ledger, wanted, reason, expect=expect, look=look, yes=yes, json=json)

    command.__name__ = name.replace("-", "_")
    command.__doc__ = doc
    return command


def act_on(
    home: "Home",
    ledger: "Ledger",
    wanted: "Wanted",
    reason: str,
    *,
    expect: int | None = None,
    look: bool = False,
    yes: bool = False,
    json: bool = False,
) -> "Act | None":
    """Preview an act, ask, begin it and carry it out; None where it was only looked at."""
    from worker.operations.acts import Order, begin, preview

    order = None if look else Order(who(), reason)
    seen = preview(ledger, home, wanted)
    if expect is not None and seen.count > expect:
        raise RefusedByState(f"{say.number(seen.count, 'letter')} would be moved, not {expect:,}; nothing was changed")
    if not json:
        show_preview(seen)
    elif look:
        say.as_json(seen.body())
    if order is None:
        return None
    ask(f"{say.number(seen.count, 'letter')}, go on?", yes=yes or not seen.count)
    done = run_act(home, ledger, begin(ledger, seen.wanted, seen.count, order), json=json)
    _tell_gone(done, seen)
    return done


def undo(
    context: typer.Context,
    act: Annotated[int, typer.Argument(help="The act's number.", show_default=False)],
    reason: ReasonOption,
    yes: YesOption = False,
    json: JsonOption = False,
) -> None:
    """Take an act back: the letters that it moved and nothing has moved since.

    A hold is resumed, a resume held again; what was cancelled is queued (what was held before is held again), what was
    queued again and not tried is cancelled.
    """
    home = frame_of(context).home()
    from worker.operations.acts import Order, preview_undo
    from worker.operations.acts import undo as take_back

    order = Order(who(), reason)
    with frame_of(context).ledger(home) as ledger:
        seen = preview_undo(ledger, act)
        if not json:
            show_preview(seen)
        ask(f"{say.number(seen.count, 'letter')}, go on?", yes=yes or not seen.count)
        _tell_gone(run_act(home, ledger, take_back(ledger, act, order, seen.count), json=json), seen)


# -- the steps -----------------------------------------------------------------------------------------------------------
def show_preview(seen: "Preview") -> None:
    """How many letters, where and in which states; and those that are left alone, with the reasons."""
    states = ", ".join(f"{n:,} {state}" for state, n in seen.by_state.items())
    say.line(f"{say.number(seen.count, 'letter')} to be {seen.wanted.does.done}" + (f": {states}" if states else ""))
    offices = list(seen.by_office.items())
    if offices:
        rows = [(office, f"{n:,}") for office, n in offices[:_SHOWN]]
        more = offices[_SHOWN:]
        rows += [(f"and {len(more):,} more", f"{sum(n for _, n in more):,}")] if more else []
        say.table([say.Column("office", give=True), say.Column("letters", "right")], rows)
    for why, n in seen.not_allowed.items():
        say.line(f"left alone: {n:,} x {why}")


def run_act(
    home: "Home",
    ledger: "Ledger",
    number: int,
    *,
    json: bool = False,
    offices: "Mapping[str, Office] | None" = None,
) -> "Act":
    """Carry an act on to its end, or until somebody stops it; say what became of it, and ring.

    `offices` is the register where that is another by now than the home's.
    """
    from worker.intake import sync_register
    from worker.operations.acts import act_body, carry_on

    try:
        with progress(f"act {number}") as told:
            done = carry_on(ledger, number, told)
    except KeyboardInterrupt:
        say.note(
            f"act {number} is not done; a worker carries it on in a minute. `lettershop acts go-on {number}` does so now,"
            f" `lettershop acts stop {number}` ends it"
        )
        raise
    if done.verb in {"resume", "requeue", "resolve-queued"}:
        # an office's mailbox may have changed since they were made
        sync_register(ledger, home.offices if offices is None else offices, who=who())
        ring(home)
    if json:
        say.as_json(act_body(done, ledger.now_us()))
    else:
        _tell(done)
    return done


def _tell(done: "Act") -> None:
    from worker.operations.acts import VERBS

    verb = VERBS[done.verb]
    left = f", {done.skipped:,} left alone" if done.skipped else ""
    say.line(f"act {done.id}: {say.number(done.moved, 'letter')} {verb.done}{left}")
    for why, n in done.why_skipped.items():
        say.line(f"left alone: {n:,} x {why}")
    if done.ended_by:
        say.note(f"act {done.id} was stopped by {done.ended_by}")
    elif verb.undo and done.moved:
        say.note(f"`lettershop undo {done.id} --reason WHY` takes it back")


def _tell_gone(done: "Act", seen: "Preview") -> None:
    gone = seen.count - done.expected
    if gone:
        say.note(f"{gone:,} of the {say.number(seen.count, 'letter')} had moved on before act {done.id} began")


@contextlib.contextmanager
def progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """A function that is told (done, expected): a bar on a terminal, a line at each tenth in a pipe."""
    if not say.on_terminal():
        yield _in_lines(what)
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=say.console(), transient=True) as drawn:
        task = drawn.add_task(say.plain(what), total=None)
        yield lambda done, expected: drawn.update(task, completed=done, total=expected)


def _in_lines(what: str) -> Callable[[int, int], None]:
    reached = 0

    def told(done: int, expected: int) -> None:
        nonlocal reached
        tenth = done * _TENTHS // max(1, expected)
        if reached < tenth < _TENTHS:  # the end has a line of its own
            say.note(f"{what}: {done:,} of {expected:,} letters")
        reached = max(reached, tenth)

    return told


def ring(home: "Home") -> None:
    """Ring, so that nobody waits for the next tick."""
    wake = bell(home)
    if wake is not None:
        wake()


def _ago(ledger: "Ledger", length: str, option: str) -> int | None:
    """The moment so long ago, by the ledger's clock; None where nothing is said."""
    if not length:
        return None
    from datetime import timedelta

    from worker.domain.duration import parse_duration

    try:
        return max(0, ledger.now_us() - parse_duration(length) // timedelta(microseconds=1))
    except ValueError as exc:
        raise BadInput(f"{option}: {exc}") from exc


VERBS: Mapping[str, Callable[..., Any]] = {
    "cancel": verb_of(
        "cancel",
        """Take letters back that are not sent, for good or until `undo`.

        Those that are queued, in a round's hands or held; those in doubt only with --state in_doubt: they may have arrived.
        """,
    ),
    "requeue": verb_of(
        "requeue",
        """Queue letters again that were refused, expired, faulty or bounced, due now.

        Cancelled and suppressed ones only with --state. Whose signature has ended is not written for.
        """,
    ),
}

letters_app.command("cancel")(VERBS["cancel"])
letters_app.command("requeue")(VERBS["requeue"])
letters_app.command("hold")(verb_of("hold", "Set letters aside that wait, until they are resumed."))
letters_app.command("resume")(verb_of("resume", "Queue letters again that are held; none is due sooner than it was."))
