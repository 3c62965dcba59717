"""How a send-out's letters follow it where it is held, resumed or cancelled, be they a million.

A step bars them in its own transaction: a hold on the send-out stands, and no letter behind it can be begun. Then `sweep`
moves them in pages to where the occurrence's state wants them, and lifts the bar when they are there:

    held                            what waits is set aside; the bar stays, and what a relay deferred later follows
    cancelled, or announced anew    what is not sent is taken back, and what is under way is too late to come back
    any other                       what was set aside is queued again, due as it was

The bar is all that is remembered: after a crash in any page the next tick goes on. It is placed on the announcements too.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

from sqlalchemy.engine import Connection

from worker.domain.occurrence import Life, Step
from worker.domain.states import State
from worker.ledger import holds, letters_write, occurrences, sendout_letters
from worker.ledger.book import Ledger
from worker.ledger.letters_write import Sendout
from worker.ledger.occurrences import Occurrence
from worker.ledger.sql import now_us
from worker.ledger.transact import transact
from worker.schedule.audience import announcements_of, outdated_announcements_of

PAGE = 500
HELD = "its send-out is held"
CANCELLED = "its send-out was cancelled"

Progress = Callable[[int], None]


Finder = Callable[[Connection, Sendout, int], Sequence[Any]]
"""(connection, send-out, most) -> the next letters to be moved, locked."""


class _Barred(NamedTuple):
    occurrence: int
    sendout: Sendout
    outdated: bool  # an announcement of a text that was edited since
    to: State  # where its letters belong


def bar(connection: Connection, seen: Occurrence, who: str, reason: str) -> None:
    """No letter of it, and none of its announcements, may be begun from this transaction on."""
    own = [] if seen.sendout_id is None else [seen.sendout_id]
    _bar(connection, [*own, *_announcing(connection, seen, announcements_of(seen))], who, reason)


def bar_announcements(connection: Connection, seen: Occurrence, who: str, reason: str) -> None:
    """No announcement that was made so far may be begun from this transaction on: another one follows."""
    _bar(connection, _announcing(connection, seen, announcements_of(seen)), who, reason)


def hold_at(connection: Connection, seen: Occurrence, who: str, reason: str) -> bool:
    """Hold it where it stands. Returns whether it fell to this call. Raises RefusedByState as the step does."""
    taken = occurrences.take(connection, seen, Step.HOLD, was=seen.state.value, reason=reason)
    if taken:
        bar(connection, seen, who, reason)
    return taken


def sweep(ledger: Ledger, only: int | None = None, progress: Progress = lambda _: None) -> int:
    """Move what stands behind bars, of all occurrences or of one. Returns how many letters this call moved."""
    with ledger.read() as connection:
        bars = {each.target for each in holds.standing(connection, ledger.now_us(), "sendout")}
        found = _barred(connection, bars, only) if bars else []
        lanes = sendout_letters.all_lanes(connection) if found else []
    done = 0
    for each in found:
        finders = _finders(each.to, lanes)
        if each.to is State.CANCELLED:
            transact(ledger, partial(_end_under_way, each=each))
        while moved := transact(ledger, partial(_page, each=each, finders=finders)):
            done += moved
            progress(done)
        if each.to is not State.HELD:
            transact(ledger, partial(_lift, each=each, finders=finders))
    return done


# -- the bars ------------------------------------------------------------------------------------------------------------
def _bar(connection: Connection, numbers: Sequence[int], who: str, reason: str) -> None:
    for number in numbers:
        holds.place(connection, now_us(connection), "sendout", str(number), reason=reason, who=who)


def _announcing(connection: Connection, seen: Occurrence, names: Sequence[str]) -> list[int]:
    told = (letters_write.sendout_id(connection, seen.campaign_id, name) for name in names)
    return [number for number in told if number is not None]


def _barred(connection: Connection, bars: set[str], only: int | None) -> list[_Barred]:
    found: list[_Barred] = []
    for each in occurrences.listed(connection):
        if only not in {None, each.id}:
            continue
        current = [] if each.sendout_id is None else [each.sendout_id]
        if each.told_to >= 0:  # else the last announcement is outdated as well, and the next one not begun
            current += _announcing(connection, each, announcements_of(each))
        outdated = _announcing(connection, each, outdated_announcements_of(each))
        numbers = [(number, False) for number in current] + [(number, True) for number in outdated]
        found += [
            _Barred(each.id, letters_write.sendout_of(connection, number), old, _belonging(each.state, old))
            for number, old in numbers
            if str(number) in bars
        ]
    return found


def _lift(connection: Connection, each: _Barred, finders: Sequence[Finder]) -> None:
    """Where the letters are where they belong. The counts see those too that were moved to a new lane meanwhile."""
    left = each.to is State.CANCELLED and sendout_letters.takeable(connection, each.sendout)
    if not left and _still(connection, each) and not any(finder(connection, each.sendout, 1) for finder in finders):
        holds.lift(connection, now_us(connection), "sendout", str(each.sendout.id))


# -- the letters -----------------------------------------------------------------------------------------------------------
def _belonging(life: Life, outdated: bool) -> State:
    if outdated or life is Life.CANCELLED:
        return State.CANCELLED
    return State.HELD if life is Life.HELD else State.QUEUED


def _still(connection: Connection, each: _Barred) -> bool:
    """Whether its letters belong there now. Nobody moves the occurrence before this transaction has ended."""
    return _belonging(occurrences.state_of(connection, each.occurrence), each.outdated) is each.to


def _end_under_way(connection: Connection, each: _Barred) -> None:
    sendout_letters.end_under_way(connection, each.sendout.id, now_us(connection))


def _finders(to: State, lanes: Sequence[int]) -> list[Finder]:
    if to is State.QUEUED:
        return [partial(sendout_letters.held_in, reason=HELD)]
    waiting: list[Finder] = [partial(sendout_letters.queued_in, lane_id=lane) for lane in lanes]
    waiting += [sendout_letters.claimed_in]
    return waiting if to is State.HELD else [*waiting, sendout_letters.held_in]


def _page(connection: Connection, each: _Barred, finders: Sequence[Finder]) -> int:
    """Move the next letters, unless they belong elsewhere by now. Returns how many."""
    if not _still(connection, each):
        return 0
    ended = {"ended_at": now_us(connection)} if each.to is State.CANCELLED else {}
    found = next((some for finder in finders if (some := finder(connection, each.sendout, PAGE))), [])
    return sendout_letters.move(connection, found, each.to, reason=_REASONS[each.to], **ended)


_REASONS = {State.HELD: HELD, State.CANCELLED: CANCELLED, State.QUEUED: "resumed"}
