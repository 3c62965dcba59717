"""An act from its beginning to its end: begun once its preview holds, carried on page by page by whoever is there.

A page is one short transaction that moves its letters, their counts and the act's mark. So a kill costs the page under way
and nothing else, two who are at the same act share its pages, and nobody who writes to the ledger is kept waiting.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from sqlalchemy.engine import Connection

from worker.domain.errors import LettershopError, RefusedByState
from worker.domain.states import Event, State, move
from worker.ledger import audit, bulk_acts
from worker.ledger.book import Ledger
from worker.ledger.bulk_acts import Act, New
from worker.ledger.letters_write import move_found
from worker.ledger.sql import now_us
from worker.ledger.transact import transact
from worker.operations.acts import verbs
from worker.operations.acts.choosing import Finder, Preview, count, look
from worker.operations.acts.wanted import Order, Wanted

PAGE = 150
"""Letters of one transaction: some milliseconds of the ledger's one writer."""

MOVED_ON = "it has moved on meanwhile"

Progress = Callable[[int, int], None]
"""Told (done, expected) after each page."""


def begin(ledger: Ledger, wanted: Wanted, expected: int, order: Order) -> int:
    """Begin the act that a preview showed; its number. `carry_on` does the work.

    Give the preview's own `wanted` and `count`. That letters leave meanwhile is no reason to refuse: a busy campaign's do.
    Raises RefusedByState where there are more by now, or nothing can be moved; BadInput as the preview does.
    """
    found = count(ledger, wanted)
    refuse_more(found, expected)
    return begin_found(ledger, found, order)


def refuse_more(found: Preview, expected: int) -> None:
    """Raises RefusedByState where more letters were found than somebody has seen."""
    if found.count > expected:
        raise RefusedByState(
            f"the count grew since the preview: {expected:,} then, {found.count:,} now; nothing was changed: look again"
        )


def begin_found(ledger: Ledger, found: Preview, order: Order, undoes: int | None = None) -> int:
    """Begin what was counted just now. Raises RefusedByState where nothing can be moved, or the act is undone already."""
    if not found.count:
        raise RefusedByState(f"no letter can be {found.wanted.does.done}{_why(found)}; nothing was changed")
    new = New(found.wanted.verb, found.wanted.body(), order.who, order.reason, found.count, found.up_to, undoes)
    return transact(ledger, partial(_begin, new=new, left=found.not_allowed))


def _why(found: Preview) -> str:
    if not found.not_allowed:
        return ": none fits"
    return ": " + "; ".join(f"{n:,} x {why}" for why, n in found.not_allowed.items())


def carry_on(
    ledger: Ledger,
    act_id: int,
    progress: Progress = lambda _done, _expected: None,
    *,
    stopping: Callable[[], bool] = lambda: False,
) -> Act:
    """Do what is left of the act, and give it as it stands then: over, unless `stopping` said to leave it to another.

    Safe to call for an act that another process is at, and for one that has ended. Raises BadInput for an unknown act,
    Failed where the ledger is away: then it goes on when somebody calls again.
    """
    with ledger.read() as connection:
        act = bulk_acts.read(connection, act_id)
    wanted = Wanted.read(act.wanted)
    finder = Finder(ledger, wanted, act.up_to, PAGE)
    while not act.over and not stopping():
        ids = finder.behind(act.after)
        act = transact(ledger, partial(_page if ids else _end, act_id=act_id, after=act.after, ids=ids))
        progress(min(act.moved + act.skipped, act.expected), act.expected)
    return act


def carry_on_abandoned(ledger: Ledger, *, stopping: Callable[[], bool] = lambda: False) -> int:
    """Carry on the acts that nobody has been at for half a minute. Returns how many letters were moved meanwhile.

    One that cannot be carried on stops no other: the first error is raised at the end.
    """
    with ledger.read() as connection:
        waiting = bulk_acts.abandoned(connection, ledger.now_us())
    moved = 0
    trouble: LettershopError | None = None
    for number in waiting:
        before = transact(ledger, partial(_take_up, act_id=number))
        if before is None or stopping():
            continue
        try:
            moved += carry_on(ledger, number, stopping=stopping).moved - before.moved
        except LettershopError as exc:
            trouble = trouble or exc
    if trouble is not None:
        raise trouble
    return moved


def stop(ledger: Ledger, act_id: int, order: Order) -> Act:
    """End an act where it is; what it has moved stays moved. Raises RefusedByState where it is over, BadInput."""
    return transact(ledger, partial(_stop, act_id=act_id, order=order))


# -- in the transaction ------------------------------------------------------------------------------------------------
def _begin(connection: Connection, new: New, left: dict[str, int]) -> int:
    if new.undoes is not None:
        refuse_undone(connection, new.undoes, lock=True)
    at_us = now_us(connection)
    number = bulk_acts.begin(connection, at_us, new)
    details = {"letters": new.expected, "wanted": new.wanted, "left": left, "undoes": new.undoes}
    audit.append(connection, at_us, new.who, new.verb, f"act {number}", new.reason, details)
    return number


def refuse_undone(connection: Connection, act_id: int, *, lock: bool = False) -> Act:
    """The act, if it is over and not undone. Raises RefusedByState."""
    act = bulk_acts.read(connection, act_id, lock=lock)
    if not act.over:
        raise RefusedByState(f"act {act_id} is still under way: `lettershop acts stop {act_id}` first, then undo it")
    by = bulk_acts.undone_by(connection, act_id)
    if by is not None:
        raise RefusedByState(f"act {act_id} was undone by act {by}; nothing was changed")
    return act


def _page(connection: Connection, act_id: int, after: int, ids: Sequence[int]) -> Act:
    """Move a page, unless somebody else has moved the mark. Returns the act as it stands then."""
    act = bulk_acts.read(connection, act_id, lock=True)
    if act.over or act.after != after:
        return act
    at_us, wanted = now_us(connection), Wanted.read(act.wanted)
    verb, chosen = wanted.does, {state.value for state in wanted.chosen}
    found = look(connection, wanted, ids, at_us)
    whys = [row.why if row.state in chosen else verbs.cannot(row.state, verb) for row in found]
    movable = [row for row, why in zip(found, whys, strict=True) if not why]
    left = Counter(why for why in whys if why)
    left[MOVED_ON] += len(ids) - len(found)
    _move(connection, act, wanted, movable, at_us)
    bulk_acts.advance(connection, act, at_us, after=ids[-1], moved=len(movable), left=left)
    return bulk_acts.read(connection, act_id)


def _move(connection: Connection, act: Act, wanted: Wanted, found: Sequence[Any], at_us: int) -> None:
    """Move locked letters; one that was held when the act that is undone took it is held again, and is not sent."""
    verb, marked = wanted.does, verbs.held_mark(wanted.mark)
    waiting: list[Any] = []
    held: list[Any] = []
    again: list[Any] = []
    for row in found:
        was_held = wanted.mark and row.reason.startswith(marked)
        (again if was_held else held if row.state == State.HELD else waiting).append(row)
    usual = verbs.values(verb, act.id, at_us)
    move_found(connection, waiting, verb.to, usual)
    move_found(connection, held, verb.to, verbs.from_held(verb, act.id, at_us))
    if again:  # two moves of the table, of which nobody sees the first: raises IllegalMove should it forbid one
        to = move(move(State.CANCELLED, Event.REQUEUE), Event.HOLD)
        move_found(connection, again, to, usual | verbs.held_again(wanted.mark))


def _end(connection: Connection, act_id: int, after: int, ids: Sequence[int]) -> Act:
    """End the act where nothing is left behind its mark; `ids` is empty."""
    act = bulk_acts.read(connection, act_id, lock=True)
    if act.over or act.after != after or ids:
        return act
    return _ended(connection, act, act.who, f"{act.verb}-done", "")


def _stop(connection: Connection, act_id: int, order: Order) -> Act:
    act = bulk_acts.read(connection, act_id, lock=True)
    if act.over:
        raise RefusedByState(f"act {act_id} is over already; nothing was changed")
    return _ended(connection, act, order.who, f"{act.verb}-stopped", order.reason, by=order.who)


def _ended(connection: Connection, act: Act, who: str, verb: str, reason: str, by: str = "") -> Act:
    at_us = now_us(connection)
    bulk_acts.end(connection, act, at_us, by)
    details = {"moved": act.moved, "skipped": act.skipped, "why": dict(act.why_skipped)}
    audit.append(connection, at_us, who, verb, f"act {act.id}", reason, details)
    return bulk_acts.read(connection, act.id)


def _take_up(connection: Connection, act_id: int) -> Act | None:
    """The act, if it fell to this call."""
    taken = bulk_acts.take_up(connection, act_id, now_us(connection))
    return bulk_acts.read(connection, act_id) if taken else None
