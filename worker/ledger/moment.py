"""The ledger's clock. Due times, leases and expiry are compared with it alone, never two machines' clocks with each other.

On SQLite all writers share one machine, whose clock it is. On PostgreSQL it is the server's: asked now and then, and
carried on between by the local monotonic clock. The error is half a round trip plus the drift of a few seconds.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

FRESH_S = 5.0
"""A transaction that begins with an older anchor asks the server anew."""

STALE_S = 30.0
"""With an anchor older than this no time is told before the server was asked."""

_SLEPT_S = 1.0
_ASK = sa.text("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint")


@dataclass(frozen=True, slots=True)
class _Anchor:
    server_us: int
    monotonic: float
    wall: float


class ServerClock:
    """PostgreSQL's clock, anchored. `connect` opens a connection to ask it; `monotonic` and `wall` are in seconds."""

    def __init__(
        self,
        ask: Callable[[], int],
        *,
        monotonic: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._ask = ask
        self._monotonic = monotonic
        self._wall = wall
        self._anchor: _Anchor | None = None
        self._lock = threading.Lock()

    def now_us(self) -> int:
        """Microseconds since 1970. Asks the server first where the anchor is stale, which may raise its error."""
        anchor = self._anchor
        if anchor is None or self._age(anchor) > STALE_S:
            with self._lock:
                anchor = self._anchor
                if anchor is None or self._age(anchor) > STALE_S:
                    anchor = self._set(self._ask)
        return anchor.server_us + round((self._monotonic() - anchor.monotonic) * 1_000_000)

    def refresh(self, ask: Callable[[], int]) -> None:
        """Anchor anew with `ask` if the anchor is no longer fresh: done by whoever talks to the server anyway."""
        anchor = self._anchor
        if anchor is None or self._age(anchor) > FRESH_S:
            self._set(ask)

    def _set(self, ask: Callable[[], int]) -> _Anchor:
        before = self._monotonic()
        server_us = ask()
        after = self._monotonic()
        self._anchor = anchor = _Anchor(server_us, (before + after) / 2, self._wall())
        return anchor

    def _age(self, anchor: _Anchor) -> float:
        """Seconds since the anchor; without end if the machine slept, for the monotonic clock sleeps with it."""
        passed = self._monotonic() - anchor.monotonic
        by_wall = self._wall() - anchor.wall
        return passed if abs(by_wall - passed) <= _SLEPT_S + passed / 100 else float("inf")


def ask_server(connection: Connection) -> int:
    """The server's clock at this moment, in microseconds since 1970."""
    stamp: int = connection.execute(_ASK).scalar_one()
    return stamp
