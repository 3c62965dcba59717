"""Where a round's letters come from: look, ask the pacer, claim what was granted.

Grants are asked for as many letters as the round has lately sent in two seconds, because they live for five: a letter
whose grant died before its turn stays claimed and is asked for again. A short wait is waited for; a long one closes the
gate of the limit that denied it and ends the round.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from worker.domain.clock import Clock
from worker.domain.limits import Limit
from worker.ledger import limit_changes
from worker.ledger.hot import Call, Claimed
from worker.ledger.hot.lanes import Opened, candidates, claim
from worker.ledger.hot.recorded import SIGNER
from worker.ledger.hot.values import Candidate
from worker.ledger.limit_changes import Standing
from worker.pacing import Grant, NeedsRefill, PacingAway, Settling, Wait, Want
from worker.rounds.choose import open_offices
from worker.rounds.house import House
from worker.rounds.pace import UNCHANGED, denied, history, limits_of, shut
from worker.rounds.telling import tell_denial, tell_leave

FIRST_ASK, MOST_ASKED = 12, 50
AHEAD_S = 2.0
PATIENCE_S = 5.0
"""A wait up to this is waited for inside the round."""

SETTLING_S = 15.0

MARGIN_S = 1.0
"""A grant with less life left is not used: making the mark takes time too."""


@dataclass(frozen=True, slots=True)
class Granted:
    """A claimed letter with leave to be sent now."""

    claimed: Claimed
    grant: Grant

    def alive(self, clock: Clock, margin_s: float = 0.0) -> bool:
        """Whether content may be begun on this grant; `margin_s` asks for so much life to be left."""
        return clock.monotonic() + margin_s < self.grant.until


@dataclass(slots=True)
class Supply:
    """The letters of one round."""

    house: House
    opened: Opened
    taken: int = 0
    more: bool = False
    trouble: str = ""
    lone: bool = False
    waiting: list[Claimed] = field(default_factory=list)
    queued_us: list[int] = field(default_factory=list)  # how long letters had been due when they were marked
    _changed: Standing = field(default_factory=lambda: UNCHANGED)  # limits that operators changed, when last looked
    _limits: dict[int, tuple[Limit, ...]] = field(default_factory=dict)
    _unused: dict[int, Grant] = field(default_factory=dict)
    _chunk: int = FIRST_ASK
    _asked_at: float = 0.0

    async def next(self) -> list[Granted]:
        """The next letters to send, in order; none where there is nothing due, or no leave for a while."""
        began = self.house.clock.monotonic()
        while True:
            self._pace()
            waiting, self.waiting = self.waiting, []
            fresh = [] if waiting else await self._look()
            if not waiting and not fresh:
                return []
            await self._return_grants(waiting)
            granted, wait = await self._ask(waiting, fresh)
            if granted:
                waited = self.house.clock.monotonic() - began
                tell_leave(self.house, self.opened.choice.fronts[0], waited, len(granted))
                return granted
            if wait is None or not await self._patient(wait):
                return []

    def spent(self, granted: Granted, at_us: int) -> None:
        """Content is about to be written on this grant; its mark was made at `at_us`."""
        self._unused.pop(granted.claimed.letter, None)
        self.queued_us.append(at_us - granted.claimed.due_at)

    async def give_back(self) -> None:
        """Return the grants that were not used. A pacer that is away keeps them: the error is on the safe side."""
        await self._return(list(self._unused))

    async def _return_grants(self, waiting: Sequence[Claimed]) -> None:
        """What is asked for anew must not count twice."""
        await self._return([claimed.letter for claimed in waiting if claimed.letter in self._unused])

    async def _return(self, letters: Sequence[int]) -> None:
        unused = [self._unused.pop(letter) for letter in letters]
        if unused:
            try:
                await self.house.pacer.give_back(unused)
            except PacingAway as exc:
                self.trouble = str(exc)

    # -- look ---------------------------------------------------------------------------------------------------------
    def _pace(self) -> None:
        """Ask for what two seconds can send, going by the last chunk's speed."""
        now, before = self.house.clock.monotonic(), self._asked_at
        self._asked_at = now
        if before and now > before:
            self._chunk = max(2, min(MOST_ASKED, int(self._chunk * AHEAD_S / (now - before))))

    async def _look(self) -> list[Candidate]:
        plan, fronts = self.house.plan, self.opened.choice.fronts
        most = 0 if self.lone else min(self._chunk, plan.most - self.taken)
        if most <= 0:
            self.more = True
            return []
        now_us, writable = self.house.now_us(), self._writable()
        if not writable:
            self.more = False
            return []
        found: list[Candidate]
        found, changed = await self.house.committer.call(
            lambda db: (candidates(db, fronts, now_us, most, writable), limit_changes.in_force(db, now_us))
        )
        self._heed(changed)
        self.more = len(found) >= most
        return self._suspects_alone(found)

    def _writable(self) -> list[str]:
        """The lane's addressees that may be written to now: two offices that share a mailbox may keep different hours."""
        house, place = self.house, self.opened.place
        if self.opened.choice.fronts[0].lane_kind == "signers":
            return [SIGNER]
        return [office.id for office in open_offices(self.opened.holds, house.plan, place.lane_key, house.now())]

    def _suspects_alone(self, found: list[Candidate]) -> list[Candidate]:
        """A letter of a round that died is tried in a round of its own."""
        for place, each in enumerate(found):
            if each.suspect and place == 0 and self.taken == 0:
                self.lone = self.more = True
                return [each]
            if each.suspect:
                self.more = True
                return found[:place]
        return found

    # -- ask and claim ------------------------------------------------------------------------------------------------
    async def _ask(self, waiting: Sequence[Claimed], fresh: Sequence[Candidate]) -> tuple[list[Granted], Wait | None]:
        asked = [(each.letter, each.campaign_id) for each in waiting] + [
            (each.letter, each.campaign_id) for each in fresh
        ]
        if waiting:  # nothing was looked for, so the changed limits were not read either
            await self._see_changes()
        answers = await self._leave(asked)
        grants = {answer.letter: answer for answer in answers if isinstance(answer, Grant)}
        self._unused |= grants
        held = {claimed.letter: claimed for claimed in waiting}
        new = [each.letter for each in fresh if each.letter in grants]
        for claimed in await self._claim(new):
            held[claimed.letter] = claimed
        self.waiting = [claimed for letter, claimed in held.items() if letter not in grants]
        wait = next((answer for answer in answers if isinstance(answer, Wait)), None)
        return [Granted(held[letter], grant) for letter, grant in grants.items() if letter in held], wait

    async def _leave(self, asked: Sequence[tuple[int, int]]) -> list[Grant | Wait]:
        """Ask, and where Redis is new or has lost its memory, help it and ask again, for as long as a round has patience."""
        pacer, deadline = self.house.pacer, self.house.clock.monotonic() + SETTLING_S
        while True:
            try:
                return list(await pacer.ask([self._want(*each) for each in asked]))
            except (NeedsRefill, Settling) as exc:
                if self.house.draining() or self.house.clock.monotonic() > deadline:
                    self.trouble = "pacing settles: Redis is new or is being refilled"
                    return []
                await self._settle(exc)
                await self._see_changes()  # a new limit on what had none makes the pacer settle
            except PacingAway as exc:
                self.trouble = str(exc)
                return []

    async def _settle(self, reason: NeedsRefill | Settling) -> None:
        try:
            if isinstance(reason, NeedsRefill):
                now_us = self.house.now_us()
                await self.house.pacer.refill(await history(self.house, now_us), now_us)
                return
        except Settling as other:  # another process is faster
            reason = other
        except PacingAway as exc:
            self.trouble = str(exc)
            return
        await asyncio.sleep(min(reason.seconds, PATIENCE_S) if isinstance(reason, Settling) else 0)

    async def _claim(self, letters: Sequence[int]) -> list[Claimed]:
        if not letters:
            return []
        place, lone = self.opened.place, self.lone
        found: list[Claimed] = await self.house.committer.call(lambda db: claim(db, place, letters, lone=lone))
        self.taken += len(found)
        return found

    def _want(self, letter: int, campaign_id: int) -> Want:
        if campaign_id not in self._limits:
            plan = self.house.plan
            front = next(front for front in self.opened.choice.fronts if front.campaign_id == campaign_id)
            relay = plan.relay(self.opened.place.relay)
            lane = (front.lane_kind, front.lane_key, front.domain, front.campaign)
            self._limits[campaign_id] = limits_of(plan, relay, *lane, changed=self._changed)
        return Want(letter, self._limits[campaign_id])

    async def _see_changes(self) -> None:
        now_us = self.house.now_us()
        self._heed(await self.house.committer.call(lambda db: limit_changes.in_force(db, now_us)))

    def _heed(self, changed: Standing) -> None:
        """Limits that an operator changed hold from the next ask on."""
        if changed != self._changed:
            self._changed = changed
            self._limits.clear()

    async def _patient(self, wait: Wait) -> bool:
        """Wait where it is short; else close the gate of the limit that denied, and say that this round is over."""
        tell_denial(self.house, wait.key, wait.seconds)
        if wait.seconds <= PATIENCE_S and not self.house.draining():
            await asyncio.sleep(wait.seconds)
            return True
        front, place = self.opened.choice.fronts[0], self.opened.place
        effect = denied(wait.key, wait.seconds, front, place.relay, self.house.now_us())
        _, stays = await self.house.committer.commit(effect, Call(lambda db: shut(db, effect, self._changed)))
        self.more = not stays
        return False
