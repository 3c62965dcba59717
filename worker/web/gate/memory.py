"""What one process can remember by itself while Redis is away: windows and things seen, both bounded."""

from collections import OrderedDict
from collections.abc import Sequence

from worker.domain.clock import Clock
from worker.domain.limits import Limit
from worker.pacing import Wait

MOST = 50_000
"""Keys kept; the one not used for longest goes first. A few hundred bytes each."""

SLOTS = 12
"""Parts of a window that are told apart: a count is forgotten up to one part late, never early."""

_Slots = dict[int, int]  # number of the slot -> how many were taken in it


class Windows:
    """Sliding windows in memory, asked as the pacer is. Not for several threads."""

    def __init__(self, clock: Clock, most: int = MOST) -> None:
        self._clock = clock
        self._most = most
        self._kept: OrderedDict[tuple[str, int], _Slots] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    async def take(self, limits: Sequence[Limit]) -> Wait | None:
        """Count one against all of `limits`, or take nothing and say which of them has room last, and when."""
        longest = max(map(self._wait, limits), key=lambda wait: wait.seconds, default=None)
        if longest is not None and longest.seconds > 0:
            return longest
        for name in {(limit.key, limit.rate.window_s) for limit in limits}:
            self._add(name)
        return None

    async def used(self, limits: Sequence[Limit]) -> list[int]:
        """How many count against each of `limits` now."""
        return [sum(self._slots((limit.key, limit.rate.window_s)).values()) for limit in limits]

    async def rate(self, limit: Limit) -> int:
        """As `used`, for one limit."""
        (used,) = await self.used([limit])
        return used

    def _add(self, name: tuple[str, int]) -> None:
        slots = self._slots(name)
        slot = int(self._clock.monotonic() // (name[1] / SLOTS))
        slots[slot] = slots.get(slot, 0) + 1
        self._kept[name] = slots
        if len(self._kept) > self._most:
            self._kept.popitem(last=False)

    def _wait(self, limit: Limit) -> Wait:
        window = limit.rate.window_s
        slots = self._slots((limit.key, window))
        over = sum(slots.values()) + 1 - limit.rate.count
        seconds = 0.0
        for slot in sorted(slots):
            if over <= 0:
                break
            over -= slots[slot]
            seconds = (slot + 1) * (window / SLOTS) + window - self._clock.monotonic()
        return Wait(0, seconds, limit.key)

    def _slots(self, name: tuple[str, int]) -> _Slots:
        """The slots of a window that still count. Having been looked at, it is kept longer than others."""
        if name not in self._kept:
            return {}
        self._kept.move_to_end(name)
        width = name[1] / SLOTS
        oldest = (self._clock.monotonic() - name[1]) / width - 1
        return {slot: n for slot, n in self._kept[name].items() if slot > oldest}


class Seen:
    """Things that may come once only, each remembered for `life_s` seconds. Not for several threads."""

    def __init__(self, clock: Clock, life_s: float, most: int = MOST) -> None:
        self._clock = clock
        self._life_s = life_s
        self._most = most
        self._until: OrderedDict[str, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._until)

    def first(self, thing: str) -> bool:
        """True the first time; False for every other time within `life_s`."""
        now = self._clock.monotonic()
        while self._until and (next(iter(self._until.values())) <= now or len(self._until) >= self._most):
            self._until.popitem(last=False)
        if thing in self._until:
            return False
        self._until[thing] = now + self._life_s
        return True
