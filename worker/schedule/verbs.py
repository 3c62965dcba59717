"""What operators do to an occurrence: approve, hold, resume, cancel, run now, move its end. Each with a reason, and audited.

A hold or a cancel reaches every letter that is not sent, at once (see `stopping`); `progress` is told of the pages.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy.engine import Connection

from worker.domain.clock import from_us
from worker.domain.drip import Drip, Opening, capacity, end_for, openings
from worker.domain.errors import BadInput, RefusedByState
from worker.domain.occasion import LONGEST, Occasion, Window
from worker.domain.occurrence import BEFORE, Life, Step
from worker.domain.office import Office
from worker.ledger import audit, letters_write, occurrences, preflights, sendout_letters
from worker.ledger.occurrences import Occurrence
from worker.ledger.sql import now_us
from worker.ledger.transact import transact
from worker.schedule.board import MICROSECOND, Board
from worker.schedule.preflight import Preflight, look_over
from worker.schedule.stopping import PAGE, Progress, bar, hold_at, sweep

_MOVED = "somebody else has changed it meanwhile: look at it again"


@dataclass(frozen=True, slots=True)
class Order:
    """Who, and why. Raises BadInput for a reason that is empty, too long or not printable."""

    who: str
    reason: str

    def __post_init__(self) -> None:
        if not self.reason.strip() or len(self.reason) > 500 or not self.reason.isprintable():  # noqa: PLR2004 -- a line
            raise BadInput("a reason is needed, in one printable line of at most 500 characters")


def preflight(board: Board, number: int, who: str) -> Preflight:
    """Look it over now, and keep the result."""
    seen, occasion = _seen(board, number)
    report = look_over(board, seen, occasion)

    def keep(connection: Connection) -> None:
        at_us = now_us(connection)
        name = f"asked for at {from_us(at_us):%Y-%m-%d %H:%M:%S}"
        preflights.record(connection, number, name, at_us, passed=report.passed, report=report.body())
        _note(connection, seen, who, "preflight", "", {"passed": report.passed})

    transact(board.ledger, keep)
    return report


def approve(board: Board, number: int, order: Order) -> Occurrence:
    """Let an announced occurrence begin when its time comes. Raises RefusedByState where that was missed."""
    if _find(board, number).state is Life.MISSED:
        raise RefusedByState("it was missed, and approving it does not change that: run it now, or cancel it")
    return _step(board, number, Step.APPROVE, order, lambda at: {"approved_at": at, "approved_by": order.who})


def run(board: Board, number: int, order: Order) -> Occurrence:
    """Begin an approved, or missed, occurrence now. Raises RefusedByState while its announcement is not out long enough."""
    seen, _ = _seen(board, number)
    at_us, told = board.ledger.now_us(), seen.announced_at
    if told is None:
        raise RefusedByState("its supporters were not told yet: nobody would be written for")
    if at_us < told + board.leads.announced_for_us:
        first = from_us(told + board.leads.announced_for_us)
        raise RefusedByState(f"its supporters were told too lately: it can begin at {first:%Y-%m-%d %H:%M:%S} UTC")

    def work(connection: Connection) -> None:
        fresh = occurrences.locked(connection, number)
        values: dict[str, Any] = {"run_at": now_us(connection), "reason": ""}
        if fresh.state is Life.APPROVED:
            _sure(occurrences.change(connection, fresh, **values))
        else:
            values |= {"approved_at": now_us(connection), "approved_by": order.who}
            _sure(occurrences.take(connection, fresh, Step.APPROVE, **values))
        _note(connection, fresh, order.who, "run", order.reason)

    transact(board.ledger, work)
    return _find(board, number)


def hold(board: Board, number: int, order: Order, progress: Progress = lambda _: None) -> int:
    """Stop it where it is. Returns how many letters were set aside, announcements included."""

    def work(connection: Connection) -> None:
        seen = occurrences.locked(connection, number)
        _sure(hold_at(connection, seen, order.who, order.reason))
        _note(connection, seen, order.who, "hold", order.reason)

    transact(board.ledger, work)
    return sweep(board.ledger, number, progress)


def resume(board: Board, number: int, order: Order, progress: Progress = lambda _: None) -> int:
    """Let it go on where it was held. Returns how many letters were queued again, due as they were or, if past, at once."""

    def work(connection: Connection) -> None:
        seen = occurrences.locked(connection, number)
        to = Life(seen.was) if seen.was else None
        _sure(occurrences.take(connection, seen, Step.RESUME, to=to, was="", reason=""))
        _note(connection, seen, order.who, "resume", order.reason)

    transact(board.ledger, work)
    return sweep(board.ledger, number, progress)


def cancel(board: Board, number: int, order: Order, progress: Progress = lambda _: None) -> int:
    """End it for this year. Returns how many letters were taken back, announcements included; what was sent stays sent."""

    def work(connection: Connection) -> None:
        seen = occurrences.locked(connection, number)
        _sure(occurrences.take(connection, seen, Step.CANCEL, was="", reason=order.reason, done_at=now_us(connection)))
        bar(connection, seen, order.who, order.reason)
        _note(connection, seen, order.who, "cancel", order.reason)

    transact(board.ledger, work)
    return sweep(board.ledger, number, progress)


def move_end(board: Board, number: int, end_us: int, order: Order, progress: Progress = lambda _: None) -> int:
    """Let it end then. Returns how many letters are due at another time now.

    Raises RefusedByState for an end that the limits do not allow, with the earliest that they do.
    """
    seen, _ = _seen(board, number)
    _refuse_end(seen)
    begin = max(board.ledger.now_us(), seen.start_us)
    if end_us <= begin:
        raise BadInput("the end must come after its start, and after now")
    if (end_us - begin) * MICROSECOND > LONGEST:
        raise BadInput(f"the end must be within {LONGEST.days} days of its start")
    _refuse_too_close(board, seen, begin, end_us)

    def work(connection: Connection) -> Occurrence:
        fresh = occurrences.locked(connection, number)
        _sure(occurrences.change(connection, fresh, ends_at=end_us))
        _note(connection, fresh, order.who, "end", order.reason, {"ends": from_us(end_us).isoformat()})
        return occurrences.find(connection, number)

    seen = transact(board.ledger, work)
    return _spread_again(board, seen, progress) if seen.state is Life.SENDING else 0


# -- the steps -----------------------------------------------------------------------------------------------------------
def _find(board: Board, number: int) -> Occurrence:
    with board.ledger.read() as connection:
        return occurrences.find(connection, number)


def _seen(board: Board, number: int) -> tuple[Occurrence, Occasion]:
    seen = _find(board, number)
    occasion = board.occasion(seen)
    if occasion is None:
        raise RefusedByState(f"campaign {seen.campaign} has no occasion {seen.occasion!r} any more: put it back first")
    return seen, occasion


def _sure(done: bool) -> None:
    if not done:
        raise RefusedByState(_MOVED)


def _step(
    board: Board, number: int, step: Step, order: Order, values: Callable[[int], Mapping[str, Any]]
) -> Occurrence:
    def work(connection: Connection) -> Occurrence:
        seen = occurrences.locked(connection, number)
        _sure(occurrences.take(connection, seen, step, **values(now_us(connection))))
        _note(connection, seen, order.who, step.value, order.reason)
        return occurrences.find(connection, number)

    return transact(board.ledger, work)


def _note(
    connection: Connection, seen: Occurrence, who: str, verb: str, reason: str, details: Mapping[str, Any] | None = None
) -> None:
    target = f"send-out {seen.campaign}/{seen.name}"
    audit.append(connection, now_us(connection), who, f"sendout-{verb}", target, reason, details)


def _refuse_end(seen: Occurrence) -> None:
    """A preflight that found too many for the window has held it: then the end is moved before it is resumed."""
    if seen.state is Life.EXPANDING:
        raise RefusedByState("its letters are being made: move its end when they are, which takes a minute at most")
    if seen.state is Life.HELD and Life(seen.was) not in BEFORE:
        raise RefusedByState("its letters are set aside: resume it first, then move its end")
    if seen.state not in BEFORE | {Life.HELD, Life.SENDING}:
        raise RefusedByState(f"it is {seen.state}, so its end cannot be moved")


def _refuse_too_close(board: Board, seen: Occurrence, begin_us: int, end_us: int) -> None:
    campaign = board.campaigns[seen.campaign]
    latest: list[str] = []
    left = _left(board, seen)
    for office in left:
        where = board.offices[office]
        letters = sum(n for each, n in left.items() if board.offices[each].lane == where.lane)  # they share its limits
        rates = board.rates(campaign, where)
        spans = [s for s in _until(board, where, begin_us, end_us) if s.start_us < end_us]
        if capacity(spans, rates) >= letters:
            continue
        end = end_for(letters, where, from_us(begin_us), board.closed, rates, observe_hours=board.observe_hours)
        latest.append(f"{end:%Y-%m-%d %H:%M:%S} UTC" if end else "in more than five years")
    if latest:
        raise RefusedByState(
            f"its limits do not let it end then ({len(latest)} offices); the earliest end they allow is {max(latest)}"
        )


def _until(board: Board, office: Office, begin_us: int, end_us: int) -> Sequence[Opening]:
    window = Window(length=(end_us - begin_us) * MICROSECOND)
    return openings(office, from_us(begin_us), window, board.closed, observe_hours=board.observe_hours)


def _left(board: Board, seen: Occurrence) -> dict[str, int]:
    """Letters still to be sent, by office."""
    with board.ledger.read() as connection:
        if seen.sendout_id is not None and seen.state is Life.SENDING:
            return sendout_letters.by_office(connection, seen.campaign_id, seen.sendout_id)
    occasion = board.occasion(seen)
    assert occasion is not None
    supporters = seen.audience if seen.audience is not None else look_over(board, seen, occasion).supporters
    return {office.id: supporters for office in board.addressees(seen)}


def _spread_again(board: Board, seen: Occurrence, progress: Progress) -> int:
    """Each office's letters that wait, evenly over what is left of the window."""
    begin, done = max(board.ledger.now_us(), seen.start_us), 0
    for office in board.addressees(seen):
        with board.ledger.read() as connection:
            sendout = letters_write.sendout_of(connection, seen.sendout_id or 0)
            waiting = sendout_letters.queued_ids(connection, sendout, office.id)
        if not waiting:
            continue
        drip = Drip(board.openings(seen, office, begin), len(waiting))
        due = list(zip(waiting, drip.times(0, len(waiting)), strict=True))
        for start in range(0, len(due), PAGE):
            part = due[start : start + PAGE]
            done += transact(board.ledger, partial(sendout_letters.make_due, due=part))
            progress(done)
    return done
