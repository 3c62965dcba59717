"""The verbs of acts: from which states, to which one, and what each writes into the letter."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from worker.domain.errors import BadInput
from worker.domain.states import Event, State, move, sources
from worker.ledger.letters_write import NOT_SENT
from worker.ledger.schema import attempts, letters


@dataclass(frozen=True, slots=True)
class Verb:
    """A verb. `usual` are the states it takes where none are named; `done` is what has become of a letter then."""

    name: str
    event: Event
    to: State
    usual: tuple[State, ...]
    done: str
    undo: str = ""  # the verb that takes it back

    @property
    def allowed(self) -> tuple[State, ...]:
        """The states it may leave, by the table of states."""
        return tuple(state for state in sources(self.event) if move(state, self.event, self.to))


_SENT_ANEW = (State.REFUSED, State.EXPIRED, State.FAULTY, State.BOUNCED)

VERBS: Mapping[str, Verb] = {
    verb.name: verb
    for verb in (
        Verb("hold", Event.HOLD, State.HELD, sources(Event.HOLD), "held", "resume"),
        Verb("resume", Event.RESUME, State.QUEUED, sources(Event.RESUME), "resumed", "hold"),
        # what is in doubt may have arrived: it is cancelled only where somebody says so
        Verb("cancel", Event.CANCEL, State.CANCELLED, NOT_SENT, "cancelled", "requeue"),
        # what was taken back is queued only where somebody says so
        Verb("requeue", Event.REQUEUE, State.QUEUED, _SENT_ANEW, "queued again", "cancel"),
        Verb("resolve-sent", Event.RESOLVE, State.SENT, sources(Event.RESOLVE), "resolved as sent"),
        Verb("resolve-queued", Event.RESOLVE, State.QUEUED, sources(Event.RESOLVE), "resolved as not sent"),
    )
}


def verb_named(name: str) -> Verb:
    """The verb. Raises BadInput, naming those there are."""
    if name not in VERBS:
        raise BadInput(f"there is no act {name!r} on letters; there are: {', '.join(VERBS)}")
    return VERBS[name]


def mark(verb: Verb, act: int) -> str:
    """The reason of a letter that this act has moved, until something else moves it: what an undo looks for."""
    return f"{verb.done} by an operator, act {act}"


def held_mark(marked: str) -> str:
    """What the reason of a letter begins with that was held before, by its mark; why it was held follows."""
    return f"{marked}, was held: "


def cannot(state: str, verb: Verb) -> str:
    """Why a letter in this state is left alone."""
    what = "a letter in doubt" if state == State.IN_DOUBT else f"a {state} letter"
    return f"{what} cannot be {verb.done}"


def values(verb: Verb, act: int, at_us: int) -> dict[str, Any]:
    """The columns that it sets besides the state. Moments are microseconds."""
    reason = {"reason": mark(verb, act)}
    if verb.to is State.HELD:
        return reason
    if verb.to is not State.QUEUED:
        resolved = {"resend_of": None} if verb.event is Event.RESOLVE else {}
        return {**reason, **resolved, "ended_at": at_us}
    if verb.event is Event.RESUME:
        return {**reason, "due_at": _no_sooner(at_us)}
    if verb.event is Event.RESOLVE:  # the same bytes and Message-ID
        return {**reason, "ended_at": None, "due_at": at_us, "resend_of": _recorded()}
    taken_back = letters.c.state.in_([State.CANCELLED.value, State.SUPPRESSED.value])
    due = sa.case((taken_back, _no_sooner(at_us)), else_=at_us)  # a send-out spreads its letters over weeks
    return {**reason, "ended_at": None, "due_at": due, "life_us": 0, "suspect": 0, "resend_of": None}


def from_held(verb: Verb, act: int, at_us: int) -> dict[str, Any]:
    """The same for a letter that is held: one that is taken back keeps why."""
    usual = values(verb, act, at_us)
    if verb.event is not Event.CANCEL:
        return usual
    return {**usual, "reason": sa.literal(held_mark(mark(verb, act)), sa.Text) + letters.c.reason}


def held_again(marked: str) -> dict[str, Any]:
    """The columns of a letter with this mark that is held as it was."""
    return {"reason": sa.func.substr(letters.c.reason, len(held_mark(marked)) + 1)}


def _no_sooner(at_us: int) -> sa.ColumnElement[int]:
    return sa.case((letters.c.due_at > at_us, letters.c.due_at), else_=at_us)


def _recorded() -> sa.ScalarSelect[int | None]:
    """The last attempt of which is recorded what its bytes were made from."""
    mine = (attempts.c.letter_id == letters.c.id, attempts.c.hash.is_not(None))
    return sa.select(sa.func.max(attempts.c.number)).where(*mine).correlate(letters).scalar_subquery()
