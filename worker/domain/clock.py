"""Time as a value that is handed in. Nobody below wiring reads the machine's clock by himself."""

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Clock(Protocol):
    """Wall time for what is recorded, monotonic time for what is measured."""

    def now(self) -> datetime:
        """The present moment, aware, in UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds from an unknown start; never goes back."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()


def aware(moment: datetime) -> datetime:
    """`moment` in UTC. Raises ValueError for a naive one."""
    if moment.tzinfo is None:
        raise ValueError(f"a moment without a time zone: {moment!r}")
    return moment.astimezone(UTC)


def to_us(moment: datetime) -> int:
    """Microseconds since 1970 in UTC: how the ledger stores every moment."""
    return (aware(moment) - EPOCH) // _MICROSECOND


def from_us(stored: int) -> datetime:
    """The reverse of `to_us`."""
    return EPOCH + stored * _MICROSECOND
