"""The form's counting in Redis, for all processes together, in the shape that `memory.Windows` has too."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from worker.domain.clock import Clock
from worker.domain.limits import Limit
from worker.pacing import Pacer, Wait
from worker.web.gate.asks import Asks

LOOK_S = 1.0
"""For so long a campaign's rate is not read again, only counted on."""

MOST = 1_000
"""Rates remembered between readings; the one not used for longest goes first."""


class Counts(Protocol):
    """Something that counts: the whole fleet in Redis, or one process by itself."""

    async def take(self, limits: Sequence[Limit]) -> Wait | None:
        """Count one against all of `limits` (None), or take nothing and name the limit that has room last."""
        ...

    async def used(self, limits: Sequence[Limit]) -> list[int]:
        """How many count against each of `limits` now."""
        ...

    async def rate(self, limit: Limit) -> int:
        """As `used` for one limit that is asked about all the time; may be behind what others did by `LOOK_S`."""
        ...


@dataclass(slots=True)
class _Pulse:
    used: int
    until: float  # monotonic


class Pulses:
    """Rates as last read, with what this process has taken since."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._known: OrderedDict[str, _Pulse] = OrderedDict()

    def beat(self, key: str) -> None:
        """One more was taken of `key`."""
        if key in self._known:
            self._known[key].used += 1

    async def read(self, counts: Counts, limit: Limit) -> int:
        """The rate. One asker reads it anew; those who come meanwhile are told what was known before."""
        now = self._clock.monotonic()
        pulse = self._known.setdefault(limit.key, _Pulse(0, now))
        self._known.move_to_end(limit.key)
        if len(self._known) > MOST:
            self._known.popitem(last=False)
        if now >= pulse.until:
            pulse.until = now + LOOK_S
            (pulse.used,) = await counts.used([limit])
        return pulse.used


class Fleet:
    """Counts through `pacer`, together with others who ask at the moment. Raises what the pacer raises."""

    def __init__(self, pacer: Pacer, asks: Asks, pulses: Pulses) -> None:
        self._pacer = pacer
        self._asks = asks
        self._pulses = pulses

    async def take(self, limits: Sequence[Limit]) -> Wait | None:
        answer = await self._asks.ask(limits)
        if isinstance(answer, Wait):
            return answer
        for limit in limits:
            self._pulses.beat(limit.key)
        return None

    async def used(self, limits: Sequence[Limit]) -> list[int]:
        return [used for used, _ in await self._pacer.used(limits)]

    async def rate(self, limit: Limit) -> int:
        return await self._pulses.read(self, limit)
