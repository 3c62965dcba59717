"""One round, in the order that the promises rest on.

    open a round row; ask the pacer for the lane's next letters; claim what was granted
    for each letter, in order:
        make it; offer its envelope                     -> a refusal or deferral here ends this attempt
        one transaction: the earlier outcomes + this letter's start, never the start first
        write its content (with the next envelope)      -> reply -> verdict -> outcome
    close the round, give unused grants back

The critical window lies between `_mark` and the outcome's commit. In it: content is written once, by the connection that
made the mark, on a live grant and a sure lease; a letter that may not be sent after all is abandoned by closing the
connection without a dot. While the ledger cannot be written nothing is sent, and an outcome that is known waits in memory
until it can be: should the process die before, the letter is in doubt, as it must be.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from worker.delivery import Connection, Declined, Envelope, Ready, Trouble, classify, classify_trouble
from worker.domain.states import Event, State
from worker.domain.verdict import Kind as VerdictKind
from worker.domain.verdict import Reply, Scope, Stage, Verdict
from worker.ledger.hot import Claimed, Effect, LedgerAway, Outcome, Start
from worker.ledger.hot.lanes import Gate, Opened, close_round, open_round
from worker.ledger.reviews import COMMENT
from worker.pacing import PacingAway
from worker.rounds.after import Situation, decide
from worker.rounds.choose import choose
from worker.rounds.house import House, Kind
from worker.rounds.making import Faulty, Made, Pins, Unseen, make
from worker.rounds.supply import MARGIN_S, Granted, Supply
from worker.rounds.telling import tell_attempts, tell_connect

MARK_S = 10.0
"""Content is begun within this time (monotonic) of asking for the mark, or not at all."""

LEDGER_PATIENCE_S = 0.5
NOT_SENT = Reply(0, "", "not sent: the time to send it had passed")


@dataclass(slots=True)
class Report:
    """What a round did. `more` says that the lane may have more due letters."""

    opened: bool = False
    more: bool = False
    written: int = 0
    trouble: str = ""
    outcomes: list[Outcome] = field(default_factory=list)


async def run_round(house: House, pins: Pins, kinds: Sequence[Kind]) -> Report:
    """Open a round in the best lane of these kinds and run it to its end. Raises `LedgerAway`."""
    asked_at, now_us = house.clock.monotonic(), house.now_us()
    plan, now = house.plan, house.now()
    opened: Opened | None = await house.committer.call(
        lambda database: open_round(database, now_us, house.worker, lambda seen: choose(seen, plan, now, kinds))
    )
    if opened is None:
        return Report()
    house.leases.opened(opened.place.round_id, asked_at)
    round_ = _Round(house, pins, opened)
    try:
        await round_.work()
    except PacingAway as exc:
        round_.report.trouble = str(exc)
    finally:
        await round_.close()
    return round_.report


class _Round:
    """The state of one round: its connection, its letters, and the outcomes that are known but not yet recorded."""

    def __init__(self, house: House, pins: Pins, opened: Opened) -> None:
        self.house, self.pins, self.place = house, pins, opened.place
        self.front = opened.choice.fronts[0]
        self.campaigns = {front.campaign_id: front.campaign for front in opened.choice.fronts}
        self.gates = dict(opened.gates)
        self.supply = Supply(house, opened)
        self.connection: Connection | None = None
        self.worn = False  # the connection has carried letters before
        self.known: list[Outcome | Effect] = []
        self.untold: list[Outcome] = []  # what the tally has not heard of yet
        self.report = Report(opened=True)
        self.over = False
        self.began = house.clock.monotonic()

    # -- the order of events ------------------------------------------------------------------------------------------
    async def work(self) -> None:
        """Send what there is leave for, until there is nothing more or the round's time is over."""
        await self.house.pacer.note_round(self.house.ledger_id, self.place.round_id)  # before anything is sent
        while not self._ends():
            granted = await self.supply.next()
            if not granted:
                break
            await self._send_all(deque(granted))
            await self._record()
            self._tell()
        self.report.more = self.supply.more and not self.over and not self.supply.trouble
        self.report.trouble = self.supply.trouble

    async def _send_all(self, queue: deque[Granted]) -> None:
        """Try the letters in order, each next one made while there is time and offered with the content before it."""
        current = await self._make_next(queue)
        while current is not None:
            upcoming = await self._make_next(queue)
            offered = await self._attempt(current, upcoming)
            if upcoming is not None and (self._ends() or not self._in_time(upcoming.granted)):
                queue.appendleft(upcoming.granted)
                if offered:
                    self._drop()  # its envelope is under way and will not be used
                break
            current = upcoming
        self.supply.waiting += [granted.claimed for granted in queue]

    def _in_time(self, granted: Granted) -> bool:
        return granted.alive(self.house.clock, MARGIN_S)

    async def _make_next(self, queue: deque[Granted]) -> "_Letter | None":
        """Make the first letter of the queue that can be made; note the faulty and the expired on the way."""
        while queue:
            granted = queue.popleft()
            claimed = granted.claimed
            if claimed.not_after is not None and claimed.not_after <= self.house.now_us():
                self.known.append(self._without_attempt(claimed, Event.AGE_OUT, State.EXPIRED, "past its last moment"))
                continue
            try:
                made = await make(self.house, self.pins, claimed, self.campaigns[claimed.campaign_id])
            except LedgerAway:
                raise
            except Unseen:
                self.known.append(self._without_attempt(claimed, Event.SET_ASIDE, State.HELD, COMMENT))
                continue
            except Exception as exc:  # noqa: BLE001 -- whatever making one letter raises must not stop its lane
                reason = str(exc) if isinstance(exc, Faulty) else f"cannot be made: {type(exc).__name__}"
                self.known.append(self._without_attempt(claimed, Event.FAULT, State.FAULTY, reason))
                continue
            return _Letter(made, granted)
        return None

    async def _attempt(self, ready: "_Letter", upcoming: "_Letter | None") -> bool:
        """Try one letter. True where the next envelope went out with its content."""
        started = False
        try:
            connection, answer = await self._offer(ready.made.envelope)
            if isinstance(answer, Declined):
                self._note(ready, classify(self.house.rules, answer.stage, answer.reply), started=False)
                return False
            if not await self._mark(ready):
                return False
            started = True
            # From here to the outcome's commit is the window in which nobody else can know whether it went out.
            following = self._following(upcoming)
            reply = await connection.content(ready.made.data, following)
        except Trouble as trouble:
            self._note(ready, classify_trouble(self.house.rules, trouble), started=started)
            self._drop()
            return False
        self.report.written += 1
        self.worn = True
        self._note(ready, classify(self.house.rules, Stage.DOT, reply), started=True)
        return following is not None

    async def _offer(self, envelope: Envelope) -> tuple[Connection, Ready | Declined]:
        """Offer an envelope. A connection that the relay has closed after earlier letters is replaced once, silently.

        Relays end a connection after so many letters, or when it was idle: that says nothing about this letter, of
        which no content is written yet. A reply that asks us to slow down is heeded.
        """
        if self.connection is not None and not self.connection.usable:
            self._drop()
        if self.connection is None:
            self.connection, self.worn = await self.house.relays.take(self.place.relay)
            if not self.worn:
                tell_connect(self.house, self.front, self.connection)
        try:
            answer = await self.connection.offer(envelope)
            if not (self.worn and _closed(self.connection, answer)):
                return self.connection, answer
        except Trouble as trouble:
            if not self.worn or _slow_down(trouble.reply):
                raise
        self._drop()
        self.connection, self.worn = await self.house.relays.open(self.place.relay), False
        tell_connect(self.house, self.front, self.connection)
        return self.connection, await self.connection.offer(envelope)

    async def _mark(self, ready: "_Letter") -> bool:
        """Record the earlier outcomes and this letter's start in one transaction. False: it may not be sent."""
        asked_at = self.house.clock.monotonic()
        start = self._start(ready.made)
        try:
            answers = await self.house.committer.commit(*self.known, start)
        except LedgerAway:
            self._drop()
            self._note_unsent(ready)  # the mark may be durable though its answer was lost
            self.over = True
            return False
        self._remember(self.known)
        self.known = []
        if not answers[-1]:
            self._drop()  # cancelled, held or rescued meanwhile: no dot for it
            self.over = True
            return False
        in_time = self.house.clock.monotonic() - asked_at < MARK_S
        if not (in_time and ready.granted.alive(self.house.clock) and self.house.leases.sure(self.place.round_id)):
            self._drop()
            self._note_unsent(ready)
            return False
        self.supply.spent(ready.granted, start.at_us)
        return True

    # -- connections --------------------------------------------------------------------------------------------------
    def _following(self, upcoming: "_Letter | None") -> Envelope | None:
        """The next envelope, to go out with this content, where its letter will surely be tried next."""
        if upcoming is None or self._ends() or not self._in_time(upcoming.granted):
            return None
        return upcoming.made.envelope

    def _drop(self) -> None:
        connection, self.connection = self.connection, None
        if connection is not None:
            connection.abandon()

    # -- outcomes -----------------------------------------------------------------------------------------------------
    def _note(self, ready: "_Letter", verdict: Verdict, *, started: bool) -> None:
        """Keep the outcome until it is recorded with the next start, or at the end of the letters."""
        house = self.house
        situation = Situation(
            claimed=ready.made.claimed,
            place=self.place,
            kind=self.front.lane_kind,
            domain=self.front.domain,
            started=started,
            now_us=house.now_us(),
            retry=house.plan.retry,
            random=house.random(),
            gates=self.gates,
            steps=dict(self.connection.steps) if self.connection else {},
        )
        outcome, effects = decide(verdict, situation)
        self.over = self.over or any(effect.strike and effect.kind != "relay-fuse" for effect in effects)
        self.known += [outcome, *effects]
        self.untold.append(outcome)
        self.report.outcomes.append(outcome)
        if verdict.scope in (Scope.CONNECTION, Scope.RELAY) and verdict.kind is not VerdictKind.ACCEPT:
            self.over = True
            self._drop()

    def _note_unsent(self, ready: "_Letter") -> None:
        """The mark is made, or may be, and the content was not begun."""
        verdict = Verdict(VerdictKind.DEFER, Scope.CONNECTION, Stage.DATA, NOT_SENT, "not-sent")
        claimed = ready.made.claimed
        outcome = self._outcome(claimed, Event.DEFER, State.QUEUED, "not-sent", verdict)
        self.untold.append(outcome)
        self.known.append(outcome)

    def _without_attempt(self, claimed: Claimed, event: Event, to: State, reason: str) -> Outcome:
        return self._outcome(claimed, event, to, reason, None)

    def _outcome(self, claimed: Claimed, event: Event, to: State, reason: str, verdict: Verdict | None) -> Outcome:
        now_us = self.house.now_us()
        return Outcome(
            claimed=claimed,
            place=self.place,
            started=verdict is not None,
            event=event,
            to=to,
            at_us=now_us,
            due_at=now_us,
            life_us=claimed.life_us,
            reason=reason,
            verdict=verdict,
        )

    async def _record(self) -> None:
        """Record what is known, however long the ledger is away: a reply that was read must not be lost."""
        while self.known:
            try:
                await self.house.committer.commit(*self.known)
            except LedgerAway:
                self.over = True
                await asyncio.sleep(LEDGER_PATIENCE_S)
                continue
            self._remember(self.known)
            self.known = []

    def _remember(self, known: Sequence[Outcome | Effect]) -> None:
        """Keep this round's own view of the gates true, so that an accepted letter clears what it struck itself."""
        for effect in known:
            if isinstance(effect, Effect):
                before = self.gates.get((effect.kind, effect.key), Gate(0, "", effect.at_us, 0))
                strikes = before.strikes + 1 if effect.strike else 0
                gate = replace(before, opens_at=effect.opens_at, strikes=strikes)
                self.gates[effect.kind, effect.key] = gate

    def _tell(self) -> None:
        tell_attempts(self.house, self.front, self.untold, self.supply.queued_us)
        self.untold, self.supply.queued_us = [], []

    # -- beginning and end --------------------------------------------------------------------------------------------
    def _start(self, made: Made) -> Start:
        return Start(
            claimed=made.claimed,
            place=self.place,
            campaign=made.campaign,
            at_us=self.house.now_us(),
            addressee_pin=made.addressee_pin,
            frame_pin=made.frame_pin,
            signer_version=made.signer_version,
            date_us=made.date_us,
            renderer=made.renderer,
            hash=made.hash,
        )

    def _ends(self) -> bool:
        long = self.house.clock.monotonic() - self.began >= self.house.plan.longest_s
        return self.over or long or self.house.draining()  # a full round ends when the supply has no more for it

    async def close(self) -> None:
        """Record what is known, give back letters and grants, close the row, keep the connection for the next round."""
        house = self.house
        try:
            await self._record()
            place, now_us = self.place, house.now_us()
            await house.committer.call(lambda database: close_round(database, place, now_us, "done"))
        except LedgerAway:
            self._drop()  # the lease ends by itself, and rescue gives the letters back
        finally:
            self._tell()
            house.leases.closed(self.place.round_id)
            await self.supply.give_back()
            if self.connection is not None:
                house.relays.give(self.place.relay, self.connection, house.clock.monotonic())


@dataclass(frozen=True, slots=True)
class _Letter:
    made: Made
    granted: Granted


def _closed(connection: Connection, answer: Ready | Declined) -> bool:
    """Whether the relay ended the connection instead of answering about this letter (421, RFC 5321 section 3.8)."""
    return isinstance(answer, Declined) and not connection.usable and not _slow_down(answer.reply)


def _slow_down(reply: Reply | None) -> bool:
    """Whether the relay closed with words about policy or pace (RFC 3463: x.7.x), not because it was enough for it."""
    return reply is not None and reply.enhanced.startswith("4.7.")
