"""The one connection of a committer, on either database: transactions, rows, and the guarded moves in groups.

Subclasses say how a group of starts and outcomes is run (`sqlite`: statement by statement; `postgresql`: with arrays).
What they have in common stands here: the order inside a transaction, the holds that a start looks at, the repeats and
the late replies, and the counts of the transaction's own moves.
"""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

from worker.domain.states import Event, State
from worker.ledger.hot import sql
from worker.ledger.hot.values import Call, Claimed, CountKey, Effect, Operation, Outcome, Start

DOUBT_REST_US = 15 * 60 * 1_000_000
"""No letter leaves `in_doubt` for `queued` before this time after its round's last renewal."""

FUSE_LANES = 3
"""A relay's refusals hold it only when they come over so many lanes: otherwise it is the lanes' own trouble."""


_T = TypeVar("_T")
Group = Sequence[Sequence[Operation]]
"""What several askers want done in one transaction."""


class Database(ABC):
    """One connection, one thread."""

    errors: tuple[type[Exception], ...] = ()
    """What the driver raises when a statement or the connection fails."""

    def __init__(self) -> None:
        self._moves: Counter[CountKey] = Counter()

    # -- what the drivers differ in ------------------------------------------------------------------------------
    @abstractmethod
    def rows(self, statement: str, parameters: Sequence[Any] = ()) -> list[Any]:
        """Run a statement with `?` places and give all its rows."""

    @abstractmethod
    def begin(self) -> None: ...

    @abstractmethod
    def commit(self) -> None: ...

    @abstractmethod
    def rollback(self) -> None: ...

    @abstractmethod
    def close(self) -> None: ...

    @abstractmethod
    def start_all(self, starts: Sequence[Start]) -> set[int]:
        """Move the letters to `sending` and write their marks; the ids that matched."""

    @abstractmethod
    def end_started(self, outcomes: Sequence[Outcome]) -> set[int]:
        """Move letters out of `sending`, guarded by their attempt's number; the ids that matched."""

    @abstractmethod
    def end_unstarted(self, outcomes: Sequence[Outcome]) -> set[int]:
        """Move letters out of `claimed`, guarded by their round; the ids that matched."""

    @abstractmethod
    def claim_ids(self, round_id: int, letters: Sequence[int]) -> set[int]:
        """Move queued letters to `claimed`; the ids that matched."""

    @abstractmethod
    def add_counts(self, rows: Sequence[Sequence[Any]]) -> None:
        """Append deltas: campaign_id, sendout_id, addressee, state, n."""

    @abstractmethod
    def among(self, column: str, values: Sequence[Any]) -> tuple[str, list[Any]]:
        """`column IN (values)` as SQL with its parameters."""

    # -- one transaction -----------------------------------------------------------------------------------------
    def transaction(self, take: Callable[[], Group]) -> list[list[Any]]:
        """Run the operations of a group in one transaction and give each its result, in the order given.

        `take` tells the group once the transaction has begun: who came while it waited for another writer goes along.
        Outcomes go first, starts last: a start is never written before the outcome it was handed in with.
        A start or outcome answers whether it holds now; a call answers what it returns.
        """
        self._moves.clear()
        self.begin()
        try:
            group = take()
            answers: dict[int, Any] = {}
            flat = [operation for operations in group for operation in operations]
            self._run_outcomes([o for o in flat if isinstance(o, Outcome)], answers)
            for operation in flat:
                if isinstance(operation, Effect):
                    answers[id(operation)] = self._effect(operation)
                elif isinstance(operation, Call):
                    answers[id(operation)] = operation.run(self)
            self._run_starts([s for s in flat if isinstance(s, Start)], answers)
            self._write_counts()
            self.commit()
        except BaseException:
            self.rollback()
            raise
        return [[answers[id(operation)] for operation in operations] for operations in group]

    def counted(self, claimed: Claimed, before: State, after: State) -> None:
        """Note a move for the counts of this transaction."""
        self.counted_key((claimed.campaign_id, claimed.sendout_id, claimed.addressee), before, after)

    def counted_key(self, key: tuple[int, int, str], before: State, after: State, n: int = 1) -> None:
        """Note `n` moves of letters with this (campaign_id, sendout_id, addressee)."""
        self._moves[(*key, before)] -= n
        self._moves[(*key, after)] += n

    def _write_counts(self) -> None:
        rows = [(*key, n) for key, n in self._moves.items() if n]
        if rows:
            self.add_counts(rows)

    # -- outcomes ------------------------------------------------------------------------------------------------
    def _run_outcomes(self, outcomes: list[Outcome], answers: dict[int, Any]) -> None:
        started = [o for o in outcomes if o.started]
        unstarted = [o for o in outcomes if not o.started]
        done = self.end_started(started) if started else set()
        done |= self.end_unstarted(unstarted) if unstarted else set()
        for outcome in outcomes:
            if outcome.claimed.letter in done:
                before = State.SENDING if outcome.started else State.CLAIMED
                self.counted(outcome.claimed, before, outcome.to)
                answers[id(outcome)] = True
            else:
                answers[id(outcome)] = self._end_again(outcome)

    def _end_again(self, outcome: Outcome) -> bool:
        """An outcome that matched no row: written before (the commit's answer was lost), or late (rescue was faster)."""
        claimed, verdict = outcome.claimed, outcome.verdict
        found = self.rows(sql.ATTEMPT_END, (claimed.letter, claimed.number))
        if verdict is None or not found:
            return False
        state, kind, round_id = found[0]
        if round_id == outcome.place.round_id and kind == verdict.kind:
            return True
        late = outcome.started and state == State.IN_DOUBT and kind == "lose" and verdict.kind != "lose"
        return late and self._late_reply(outcome)

    def _late_reply(self, outcome: Outcome) -> bool:
        to = outcome.to if outcome.to in (State.SENT, State.REFUSED) else State.QUEUED
        due = max(outcome.due_at, outcome.at_us + DOUBT_REST_US) if to == State.QUEUED else outcome.due_at
        moved = self.rows(
            sql.LATE_REPLY,
            (to, due, outcome.at_us, outcome.reason, outcome.claimed.letter, outcome.claimed.number),
        )
        if moved:
            self.rows(sql.END_ATTEMPT_LATE, end_columns(outcome)[:11])
            self.counted(outcome.claimed, State.IN_DOUBT, to)
        return bool(moved)

    # -- starts --------------------------------------------------------------------------------------------------
    def _run_starts(self, starts: list[Start], answers: dict[int, Any]) -> None:
        if not starts:
            return
        held = self.standing_holds(max(s.at_us for s in starts))
        free = [s for s in starts if not blocked(s, held)]
        done = self.start_all(free) if free else set()
        for start in starts:
            if start.claimed.letter in done:
                self.counted(start.claimed, State.CLAIMED, State.SENDING)
                answers[id(start)] = True
            else:
                answers[id(start)] = start in free and self._started_before(start)
                if start in free and not answers[id(start)]:
                    self._cancel_unfounded(start)

    def _started_before(self, start: Start) -> bool:
        parameters = (start.claimed.letter, start.claimed.number, start.place.round_id)
        return bool(self.rows(sql.STARTED_BEFORE, parameters))

    def _cancel_unfounded(self, start: Start) -> None:
        """A claimed letter whose signature, or the consent it needs, has ended: it would come back for ever."""
        claimed = start.claimed
        if self.rows(sql.UNFOUNDED, (start.at_us, claimed.letter, start.place.round_id)):
            self.counted(claimed, State.CLAIMED, State.CANCELLED)

    def standing_holds(self, at_us: int) -> set[tuple[str, str]]:
        """The (scope, target) of every hold in force."""
        return {(scope, target) for scope, target in self.rows(sql.STANDING_HOLDS, (at_us,))}

    # -- gates and holds -----------------------------------------------------------------------------------------
    def _effect(self, effect: Effect) -> bool:
        strike = int(effect.strike)
        parameters = (effect.kind, effect.key, effect.opens_at, effect.reason, effect.at_us, strike)
        ((strikes, since),) = self.rows(sql.MOVE_GATE, parameters)
        often = 0 < effect.hold_strikes <= strikes
        long = 0 < effect.hold_age_us <= effect.at_us - since
        wide = effect.kind != "relay-fuse" or self.rows(sql.LANES_REFUSING)[0][0] >= FUSE_LANES
        if strike and (often or long) and wide:
            self._hold(effect)
        return True

    def _hold(self, effect: Effect) -> None:
        if (effect.hold_scope, effect.hold_target) not in self.standing_holds(effect.at_us):
            row = (effect.hold_scope, effect.hold_target, effect.reason, "lettershop", effect.at_us)
            self.rows(sql.PLACE_HOLD, row)


def blocked(start: Start, held: Iterable[tuple[str, str]]) -> bool:
    """Whether a hold in force, or the send-out's last moment, forbids this start."""
    claimed = start.claimed
    if claimed.not_after is not None and claimed.not_after <= start.at_us:
        return True
    mine = {
        ("everything", ""),
        ("campaign", start.campaign),
        ("sendout", str(claimed.sendout_id)),
        ("office", claimed.addressee),
        ("lane", start.place.lane_key),
        ("relay", start.place.relay),
    }
    return bool(mine & set(held))


def mark_columns(start: Start) -> tuple[Any, ...]:
    """The mark as `sql.MARK` names its columns; the first three are what the move is guarded by."""
    claimed, place = start.claimed, start.place
    return (
        claimed.letter,
        claimed.number,
        place.round_id,
        place.relay,
        place.lane_id,
        start.at_us,
        start.addressee_pin,
        start.frame_pin,
        start.signer_version,
        start.date_us,
        start.renderer,
        start.hash,
    )


def landing(outcome: Outcome) -> tuple[Any, ...]:
    """The letter after its outcome: id, number, round, state, due_at, life_us, reason, ended_at, doubts more, attempts."""
    claimed = outcome.claimed
    return (
        claimed.letter,
        claimed.number,
        outcome.place.round_id,
        outcome.to.value,
        outcome.due_at,
        outcome.life_us,
        outcome.reason,
        outcome.at_us if outcome.to not in (State.QUEUED, State.HELD) else None,
        1 if outcome.event is Event.LOSE else 0,
        claimed.number if outcome.started or outcome.verdict else claimed.number - 1,
    )


def end_columns(outcome: Outcome) -> tuple[Any, ...]:
    """The attempt's end: ended_at, kind, scope, stage, code, enhanced, text, rule, steps; and which attempt it is."""
    verdict, claimed, place = outcome.verdict, outcome.claimed, outcome.place
    if verdict is None:
        raise ValueError("an outcome without a verdict writes no attempt")
    steps = ",".join([f'"{name}":{us}' for name, us in outcome.steps.items()])
    return (
        outcome.at_us,
        verdict.kind.value,
        verdict.scope.value,
        verdict.stage.value,
        verdict.reply.code,
        verdict.reply.enhanced,
        verdict.reply.text,
        verdict.rule,
        f"{{{steps}}}",
        claimed.letter,
        claimed.number,
        place.round_id,
        place.relay,
        place.lane_id,
    )


def batched(rows: Sequence[_T], most: int) -> Iterator[Sequence[_T]]:
    """The rows in groups of at most `most`."""
    for start in range(0, len(rows), most):
        yield rows[start : start + most]
