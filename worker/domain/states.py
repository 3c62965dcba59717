"""The states of a letter and every legal move between them.

This table is the only place where they are listed: the SQL CHECK, the guards of the ledger's statements and the
diagram in `docs/states.md` are made from it. A move that is not in it raises `IllegalMove` and changes nothing.
"""

from enum import StrEnum


class State(StrEnum):
    """Where a letter stands. The value is what the ledger stores."""

    QUEUED = "queued"  # waits for its due time, its lane, its turn
    CLAIMED = "claimed"  # taken by a round, nothing written yet
    SENDING = "sending"  # its mark is made: content may be on the wire
    SENT = "sent"  # the relay's 2xx is recorded
    REFUSED = "refused"  # a permanent reply, recorded
    HELD = "held"  # an operator must look
    EXPIRED = "expired"  # its retry life or its send-out's last day is over
    IN_DOUBT = "in_doubt"  # content sent, reply never recorded
    FAULTY = "faulty"  # ours to mend: it cannot be rendered, or its seal does not match
    BOUNCED = "bounced"  # accepted first, returned later
    CANCELLED = "cancelled"  # taken back before it was sent
    SUPPRESSED = "suppressed"  # its office asked not to be written to
    BOUND = "bound"  # a digest speaks for it


class Event(StrEnum):
    """What moves a letter."""

    CLAIM = "claim"
    RELEASE = "release"
    START = "start"
    FAULT = "fault"
    DEFER = "defer"
    REFUSE = "refuse"
    SET_ASIDE = "set_aside"
    AGE_OUT = "age_out"
    ACCEPT = "accept"
    LOSE = "lose"
    BOUNCE_NOTICE = "bounce_notice"
    LATE_REPLY = "late_reply"
    RESOLVE = "resolve"
    CANCEL = "cancel"
    SUPPRESS = "suppress"
    HOLD = "hold"
    RESUME = "resume"
    BIND = "bind"
    UNBIND = "unbind"
    REQUEUE = "requeue"


class IllegalMove(Exception):
    """The letter is not in a state from which this event may move it."""

    def __init__(self, state: State, event: Event) -> None:
        super().__init__(f"a {state} letter cannot {event}; legal here: {', '.join(sorted(events_from(state))) or '-'}")
        self.state, self.event = state, event


_S, _E = State, Event

# event -> (states it may leave, states it may reach)
MOVES: dict[Event, tuple[frozenset[State], frozenset[State]]] = {
    event: (frozenset(sources), frozenset(targets))
    for event, sources, targets in (
        (_E.CLAIM, {_S.QUEUED}, {_S.CLAIMED}),
        (_E.RELEASE, {_S.CLAIMED}, {_S.QUEUED}),
        (_E.START, {_S.CLAIMED}, {_S.SENDING}),
        (_E.FAULT, {_S.CLAIMED}, {_S.FAULTY}),
        (_E.DEFER, {_S.CLAIMED, _S.SENDING}, {_S.QUEUED}),
        (_E.REFUSE, {_S.CLAIMED, _S.SENDING}, {_S.REFUSED}),
        (_E.SET_ASIDE, {_S.CLAIMED, _S.SENDING}, {_S.HELD}),
        (_E.AGE_OUT, {_S.CLAIMED, _S.SENDING, _S.QUEUED, _S.HELD}, {_S.EXPIRED}),
        (_E.ACCEPT, {_S.SENDING}, {_S.SENT}),
        (_E.LOSE, {_S.SENDING}, {_S.IN_DOUBT}),
        (_E.BOUNCE_NOTICE, {_S.SENT, _S.IN_DOUBT}, {_S.BOUNCED}),
        (_E.LATE_REPLY, {_S.IN_DOUBT}, {_S.SENT, _S.REFUSED, _S.QUEUED}),
        (_E.RESOLVE, {_S.IN_DOUBT}, {_S.SENT, _S.QUEUED}),
        (_E.CANCEL, {_S.QUEUED, _S.CLAIMED, _S.HELD, _S.IN_DOUBT}, {_S.CANCELLED}),
        (_E.SUPPRESS, {_S.QUEUED, _S.CLAIMED, _S.HELD}, {_S.SUPPRESSED}),
        (_E.HOLD, {_S.QUEUED, _S.CLAIMED}, {_S.HELD}),
        (_E.RESUME, {_S.HELD}, {_S.QUEUED}),
        (_E.BIND, {_S.QUEUED}, {_S.BOUND}),
        (_E.UNBIND, {_S.BOUND}, {_S.QUEUED}),
        (
            _E.REQUEUE,
            {_S.REFUSED, _S.EXPIRED, _S.FAULTY, _S.BOUNCED, _S.CANCELLED, _S.SUPPRESSED},
            {_S.QUEUED},
        ),
    )
}

WRITTEN = frozenset({State.SENDING, State.SENT, State.IN_DOUBT, State.BOUNCED})
"""The addressee may have this letter: it is not written to again in the same send-out."""

WAITING = frozenset({State.QUEUED, State.CLAIMED, State.SENDING, State.HELD, State.BOUND})
"""Not at an end yet: something is still to happen by itself or by an operator."""

FINAL = frozenset(State) - WAITING
"""An end, which only an operator's verb, a bounce notice or a late reply leaves."""


def events_from(state: State) -> frozenset[Event]:
    """The events that may move a letter out of `state`."""
    return frozenset(event for event, (sources, _) in MOVES.items() if state in sources)


def sources(event: Event) -> tuple[State, ...]:
    """The states that `event` may leave, sorted: what a guarded UPDATE names in its WHERE."""
    return tuple(sorted(MOVES[event][0]))


def move(state: State, event: Event, to: State | None = None) -> State:
    """The state that `event` leads to from `state`.

    `to` must be named where the event has several outcomes (a late reply, a resolve). Raises `IllegalMove`.
    """
    origin, targets = MOVES[event]
    if to is None and len(targets) == 1:
        (to,) = targets
    if state not in origin or to not in targets:
        raise IllegalMove(state, event)
    return to
