"""Taking an act back: the letters that it moved and that nothing has moved since are moved again, as another act.

    hold -> resume, resume -> hold        as they were; due times that lie ahead are kept
    cancel -> requeue                     exactly the letters that this act cancelled; those it found held are held again
    requeue -> cancel                     those that were not tried since

What was resolved stays so: whether a letter arrived is known, or was decided, and cannot become doubtful again.
"""

from worker.domain.errors import RefusedByState
from worker.domain.states import State
from worker.ledger.book import Ledger
from worker.ledger.bulk_acts import Act
from worker.operations.acts import verbs
from worker.operations.acts.choosing import Preview, count
from worker.operations.acts.running import begin_found, refuse_more, refuse_undone
from worker.operations.acts.verbs import VERBS
from worker.operations.acts.wanted import Order, Wanted


def preview_undo(ledger: Ledger, act_id: int) -> Preview:
    """What undoing the act would do. Raises RefusedByState, saying why, where it cannot be undone; BadInput."""
    with ledger.read() as connection:
        act = refuse_undone(connection, act_id)
    trouble = why_not(act)
    if trouble:
        raise RefusedByState(trouble)
    return count(ledger, _back(act))


def undo(ledger: Ledger, act_id: int, order: Order, expected: int | None = None) -> int:
    """Begin the act that takes `act_id` back; its number, for `carry_on`.

    Raises RefusedByState where it cannot be undone, or `expected`, a preview's count, is given and has grown by now.
    """
    found = preview_undo(ledger, act_id)
    if expected is not None:
        refuse_more(found, expected)
    if not found.count:
        raise RefusedByState(
            f"none of the letters of act {act_id} can be moved back: they have moved on since; nothing was changed"
        )
    return begin_found(ledger, found, order, undoes=act_id)


def why_not(act: Act) -> str:
    """Why an act of this kind can never be undone, "" where it can."""
    verb = VERBS[act.verb]
    if not verb.undo:
        return f"act {act.id} cannot be undone: whether a letter in doubt arrived was decided, and stays so"
    return "" if act.moved or not act.over else f"act {act.id} moved no letter: there is nothing to undo"


def _back(act: Act) -> Wanted:
    verb = VERBS[act.verb]
    return Wanted(verb.undo, states=_standing(verb), up_to=act.up_to, mark=verbs.mark(verb, act.id))


def _standing(verb: verbs.Verb) -> tuple[str, ...]:
    """Where its letters stand; those in the queue may be in a round's hands, with nothing written."""
    if verb.to is State.QUEUED:
        return (State.QUEUED.value, State.CLAIMED.value)
    return (verb.to.value,)
