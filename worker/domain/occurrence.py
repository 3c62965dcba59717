"""The life of an occurrence: one year's send-out of an occasion, from the plan to the last letter.

    planned -announce-> announced -approve-> approved -begin-> expanding -expanded-> sending -finish-> done
    planned | announced | approved | expanding | sending -hold-> held -resume-> where it was
    planned | announced | approved | held -miss-> missed -approve-> approved   (late beyond its grace)
    announced | approved -void-> planned                                        (the text was edited)
    all but done -cancel-> cancelled

No move leads back to before `begin` from after it: whatever clocks do, a period is never begun twice.
"""

from enum import StrEnum

from worker.domain.errors import RefusedByState


class Life(StrEnum):
    """Where an occurrence stands. The value is what the ledger stores."""

    PLANNED = "planned"
    ANNOUNCED = "announced"
    APPROVED = "approved"
    EXPANDING = "expanding"  # its letters are being made
    SENDING = "sending"
    DONE = "done"
    HELD = "held"
    MISSED = "missed"
    CANCELLED = "cancelled"


class Step(StrEnum):
    """What moves an occurrence."""

    ANNOUNCE = "announce"
    VOID = "void"
    APPROVE = "approve"
    BEGIN = "begin"
    EXPANDED = "expanded"
    FINISH = "finish"
    HOLD = "hold"
    RESUME = "resume"
    MISS = "miss"
    CANCEL = "cancel"


_L, _S = Life, Step

MOVES: dict[Step, tuple[frozenset[Life], frozenset[Life]]] = {
    step: (frozenset(sources), frozenset(targets))
    for step, sources, targets in (
        (_S.ANNOUNCE, {_L.PLANNED}, {_L.ANNOUNCED}),
        (_S.VOID, {_L.ANNOUNCED, _L.APPROVED}, {_L.PLANNED}),
        (_S.APPROVE, {_L.ANNOUNCED, _L.MISSED}, {_L.APPROVED}),
        (_S.BEGIN, {_L.APPROVED}, {_L.EXPANDING}),
        (_S.EXPANDED, {_L.EXPANDING}, {_L.SENDING}),
        (_S.FINISH, {_L.SENDING}, {_L.DONE}),
        (_S.HOLD, {_L.PLANNED, _L.ANNOUNCED, _L.APPROVED, _L.EXPANDING, _L.SENDING}, {_L.HELD}),
        (_S.RESUME, {_L.HELD}, {_L.PLANNED, _L.ANNOUNCED, _L.APPROVED, _L.EXPANDING, _L.SENDING}),
        (_S.MISS, {_L.PLANNED, _L.ANNOUNCED, _L.APPROVED, _L.HELD}, {_L.MISSED}),
        (
            _S.CANCEL,
            {_L.PLANNED, _L.ANNOUNCED, _L.APPROVED, _L.EXPANDING, _L.SENDING, _L.HELD, _L.MISSED},
            {_L.CANCELLED},
        ),
    )
}

BEFORE = frozenset({Life.PLANNED, Life.ANNOUNCED, Life.APPROVED})
"""Not begun: a changed date moves it."""

BEGUN = frozenset({Life.EXPANDING, Life.SENDING})
OVER = frozenset({Life.DONE, Life.CANCELLED})


def step_from(life: Life, step: Step, to: Life | None = None) -> Life:
    """Where `step` leads from `life`; `to` must be named for RESUME. Raises RefusedByState, saying what is possible."""
    sources, targets = MOVES[step]
    if to is None and len(targets) == 1:
        (to,) = targets
    if life not in sources or to not in targets:
        can = sorted(_verb(life, each) for each in _VERBS if life in MOVES[each][0])
        raise RefusedByState(
            f"it is {life}, so it cannot be {_DONE[step]}; possible now: {', '.join(can) or 'nothing'}"
        )
    return to


_VERBS = (Step.APPROVE, Step.HOLD, Step.RESUME, Step.CANCEL)
"""The steps that are an operator's to take."""


def _verb(life: Life, step: Step) -> str:
    return "run" if (life, step) == (Life.MISSED, Step.APPROVE) else step.value


_DONE = {
    Step.ANNOUNCE: "announced",
    Step.VOID: "announced anew",
    Step.APPROVE: "approved",
    Step.BEGIN: "begun",
    Step.EXPANDED: "sent",
    Step.FINISH: "finished",
    Step.HOLD: "held",
    Step.RESUME: "resumed",
    Step.MISS: "missed",
    Step.CANCEL: "cancelled",
}
