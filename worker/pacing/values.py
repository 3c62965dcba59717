"""What the pacer is asked and what it answers."""

from dataclasses import dataclass

from worker.domain.errors import Failed, RefusedByState
from worker.domain.limits import UNITS_S, Limit

WINDOWS_S = tuple(sorted(set(UNITS_S.values())))
"""The windows a rate may have, in seconds: each grant counts in all of them. The same list stands in `pacing.lua`."""
GRANT_LIFE_S = 5.0
"""Content may be written on a grant for so long after it was asked for."""


@dataclass(frozen=True, slots=True)
class Want:
    """Leave to write one letter's content, which counts against every one of `limits`.

    The same key may come with several windows, and with different counts in different wants: a caller keeps a share
    back for notices by naming a smaller count for all other letters. `letter` is the caller's and only handed back.
    """

    letter: int
    limits: tuple[Limit, ...]


@dataclass(frozen=True, slots=True)
class Grant:
    """Leave to write the content of `letter` before `until` (monotonic seconds of the asker's clock)."""

    letter: int
    limits: tuple[Limit, ...]
    until: float
    epoch: str  # with batch and index: this grant's name, so that it is taken back once at most
    batch: int
    index: int
    at_us: int  # when it was counted, on Redis's clock

    def alive(self, monotonic: float) -> bool:
        """Whether content may still be written on it at this moment of the asker's clock."""
        return monotonic < self.until


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing was taken for `letter`: the limit on `key` has room again in `seconds` (> 0), at the soonest."""

    letter: int
    seconds: float
    key: str


class PacingAway(Failed):
    """Redis cannot be asked, so nothing may be sent."""


class Settling(RefusedByState):
    """Nothing is granted for another `seconds`: Redis started anew, or another process is refilling the windows."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"pacing settles: Redis is new or being refilled; ask again in {seconds:.1f} s")
        self.seconds = seconds


class NeedsRefill(RefusedByState):
    """Redis does not know what was sent lately: `Pacer.refill` must load it from the ledger first."""

    def __init__(self) -> None:
        super().__init__(
            "pacing needs a refill: Redis does not know what was sent lately; a worker reads it from the ledger"
        )
