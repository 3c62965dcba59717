"""What a process does besides rounds: renewing them, rescuing the dead ones' letters, saying how many rounds are wanted."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

from worker.domain.clock import Clock
from worker.domain.tallying import LAST_STAGE, LEASES_EXPIRED
from worker.ledger.hot import Committer, LedgerAway
from worker.ledger.hot.lanes import renew, survey
from worker.ledger.hot.rescue import Rescued, rescue, resend_once
from worker.rounds.choose import choose
from worker.rounds.house import House, Kind

RENEW_S = 5.0
SURE_S = 20.0
"""A round whose last renewal is older starts no letter: others may soon take its letters for dead (after 30 s)."""


@dataclass(slots=True)
class Leases:
    """The open rounds of this process and when each was last renewed (monotonic seconds)."""

    clock: Clock
    _renewed: dict[int, float] = field(default_factory=dict)

    def opened(self, round_id: int, asked_at: float) -> None:
        """A round was opened; `asked_at` is the monotonic time before the ledger was asked."""
        self._renewed[round_id] = asked_at

    def closed(self, round_id: int) -> None:
        self._renewed.pop(round_id, None)

    def under_way(self) -> frozenset[int]:
        """The open rounds. May be asked from any thread."""
        return frozenset(self._renewed)

    def sure(self, round_id: int) -> bool:
        """Whether the round's lease is surely ours for the next seconds."""
        renewed = self._renewed.get(round_id)
        return renewed is not None and self.clock.monotonic() - renewed < SURE_S

    async def renew(self, committer: Committer, now_us: int) -> None:
        """Renew all of them. A ledger that is away leaves them as they are: `sure` will tell."""
        rounds = list(self._renewed)
        if not rounds:
            return
        asked_at = self.clock.monotonic()
        try:
            await committer.call(lambda database: renew(database, rounds, now_us))
        except LedgerAway:
            return
        for round_id in rounds:
            if round_id in self._renewed:
                self._renewed[round_id] = asked_at


async def clear_up(house: House) -> Rescued:
    """Rescue the letters of dead rounds, and send again what campaigns with `resend_once` have in doubt."""
    now_us = house.now_us()
    found: Rescued = await house.committer.call(lambda database: rescue(database, now_us))
    house.tally.add(LEASES_EXPIRED, (), found.rounds)
    for campaign in house.plan.campaigns.values():
        if campaign.in_doubt == "resend_once":
            await house.committer.call(partial(resend_once, campaign=campaign.slug, now_us=now_us))
    return found


async def stage(house: House, kinds: Sequence[Kind]) -> list[str]:
    """The free lane slots that have due letters now: each wants one round. Their names are for the doorbell."""
    now_us = house.now_us()
    seen = await house.committer.call(lambda database: survey(database, now_us))
    choices = choose(seen, house.plan, house.now(), kinds, all_slots=True)
    for kind in kinds:
        house.tally.latest(LAST_STAGE, now_us, (kind,))
    return [f"{choice.lane_id}:{choice.slot}" for choice in choices]
