"""The one alarm that no ledger can keep: that the ledger is away. It lives in the memory of each watchdog."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from worker.domain.clock import EPOCH, Clock
from worker.operations.needs import Need

LOOKS = 2
"""It is told when it was so for two looks, and over when it was not for two: a restart is no news."""


@dataclass(frozen=True, slots=True)
class Step:
    """What a look changes. `tell`: a mail is due, of the absence or of its end; `told`: how many there were."""

    begun: bool
    ended: bool
    tell: bool
    told: int
    since: datetime


@dataclass(slots=True)
class Absence:
    """Counts looks with and without the ledger."""

    _since: datetime | None = None
    _away: int = 0
    _back: int = 0
    _told: int = 0
    _told_at: float = 0.0
    _standing: bool = False
    _owed: bool = False  # the mail of its end, until it is accepted

    def step(self, need: Need | None, clock: Clock, pause: Callable[[int], timedelta]) -> Step:
        """One look: `need` where the ledger is away. `pause(n)` is how long after the n-th mail it is told again."""
        if need is not None:
            return self._gone(clock, pause)
        return self._there()

    def _gone(self, clock: Clock, pause: Callable[[int], timedelta]) -> Step:
        self._back, self._owed = 0, False
        self._away += 1
        self._since = self._since or clock.now()
        begun = self._away >= LOOKS and not self._standing
        self._standing = self._standing or begun
        due = not self._told or clock.monotonic() >= self._told_at + pause(self._told).total_seconds()
        return Step(begun, ended=False, tell=self._standing and due, told=self._told, since=self._since)

    def _there(self) -> Step:
        self._back += 1
        since = self._since or EPOCH
        ended = self._standing and self._back >= LOOKS
        if ended:
            self._standing, self._owed = False, self._told > 0
        if self._back >= LOOKS or not self._standing:
            self._away = 0
        if not self._standing and not self._owed:
            self._since, self._told = None, 0
        return Step(begun=False, ended=ended, tell=self._owed, told=self._told, since=since)

    def was_told(self, clock: Clock, *, over: bool) -> None:
        """A mail was accepted."""
        if over:
            self._owed, self._told, self._since = False, 0, None
        else:
            self._told += 1
            self._told_at = clock.monotonic()
