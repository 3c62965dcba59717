"""What the overview says, read in one go: the status and what needs an operator every time, slower things now and then.

`Readings` is called in a thread, by one at a time (see `pulse`). Each call costs the ledger some dozens of milliseconds at
any size; the shape, forecasts and the curves of a day are kept for `SELDOM_S`.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from worker.domain.clock import from_us
from worker.domain.errors import LettershopError
from worker.ledger import samples
from worker.ledger.book import Ledger
from worker.ledger.samples import Sample
from worker.operations.forecast import forecast
from worker.operations.needs import Parts, needs, quotas_of
from worker.operations.parts import ask_broker, ask_pacing
from worker.operations.shape import shape
from worker.operations.status import Seen, status
from worker.settings import Home
from worker.wiring.plan import open_gauge
from worker.wiring.servers import broker_url, open_pacer, private_server

T = TypeVar("T")

SELDOM_S = 10.0
HOUR_US, DAY_US = 3_600_000_000, 86_400_000_000
SPANS = {"hour": HOUR_US, "day": DAY_US}

_NOT_UP = "the private Redis server is not running: `lettershop up` starts it"


class Readings:
    """Reads a home's ledger and parts."""

    def __init__(self, home: Home, ledger: Ledger) -> None:
        self._home, self._ledger = home, ledger
        self._kept: dict[str, tuple[float, Any]] = {}

    def __call__(self) -> dict[str, Any]:
        """Keys: status, needs (JSON forms), shape, forecast, samples (`Sample`s of a day), at_us. Raises LettershopError."""
        seen = self._seldom("parts", self._parts)
        found = status(self._home, self._ledger, seen)
        needed = needs(self._ledger, self._home, Parts(seen.broker, seen.pacing, quotas=quotas_of(found["relays"])))
        away = not found["ledger"]["ok"] and not found["letters"]
        return {
            "status": found,
            "needs": [need.body() for need in needed],
            "at_us": self._ledger.now_us() if not away else 0,
            "shape": None if away else self._seldom("shape", lambda: shape(self._ledger, self._home)),
            "forecast": None if away else self._seldom("forecast", self._forecast, 60.0),
            "samples": [] if away else self._seldom("samples", self._samples),
        }

    def seen(self) -> Seen:
        """Whether broker and pacing answer, as of some seconds ago."""
        return self._seldom("parts", self._parts)

    def _parts(self) -> Seen:
        home = self._home
        server = private_server(home)
        there = server.socket.exists()
        broker = _NOT_UP if home.settings.broker.url == "embedded" and not there else ask_broker(broker_url(home))
        pacing, ready = _NOT_UP, False
        if home.settings.pacing.url != "embedded" or there:
            pacing, ready = ask_pacing(open_pacer(home, self._ledger))
        try:
            gauge = open_gauge(home, self._ledger)
        except LettershopError:  # the ledger is away, which the status says
            gauge = None
        return Seen(broker, pacing, ready, gauge)

    def _forecast(self) -> Any:
        gauge = self.seen().gauge
        now = from_us(self._ledger.now_us())
        return None if gauge is None else forecast(self._home, self._ledger, gauge, now)

    def _samples(self) -> list[Sample]:
        with self._ledger.read() as connection:
            return samples.since(connection, self._ledger.now_us() - DAY_US)

    def _seldom(self, name: str, read: Callable[[], T], kept_s: float = SELDOM_S) -> T:
        at, kept = self._kept.get(name, (0.0, None))
        if kept is None or time.monotonic() - at >= kept_s:
            kept = read()
            self._kept[name] = (time.monotonic(), kept)
        found: T = kept
        return found


def span_of(wanted: str) -> str:
    """The span that is asked for; an hour where there is no such."""
    return wanted if wanted in SPANS else "hour"


Reading = Mapping[str, Any]
