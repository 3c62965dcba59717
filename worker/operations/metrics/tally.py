"""What one process has counted since its last flush, kept in memory: a letter costs it about a microsecond.

    counters = Counters(ledger)
    counters.add(ATTEMPTS, ("sampleton-mayor", "main", "accept"))
    counters.flush()                 # every five seconds, and once more at the end

Promises: an increment is added to the ledger once, or stays here for the next flush. Not promised: a process that is
killed takes up to five seconds of increments with it, and a flush whose commit stood although its acknowledgement was
lost counts again. Gauges are read from the ledger itself and know neither.
"""

import threading
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from functools import partial

from worker.domain.campaign import canonical
from worker.domain.tallying import Labels
from worker.ledger import tallies
from worker.ledger.book import Ledger
from worker.ledger.transact import transact
from worker.operations.metrics.families import BOUNDS_S, FAMILIES, LE, SECOND_US

SUM = -1
"""In the place of a bucket: the sum of all that a histogram was told, in microseconds."""

_BOUNDS_US = tuple(round(bound * SECOND_US) for bound in BOUNDS_S)

_bucket = partial(bisect_left, _BOUNDS_US)
_not_below_0 = partial(max, 0)

_Key = tuple[str, Labels, int | None]  # the last one: a histogram's bucket, or SUM


class Counters:
    """A `domain.tallying.Tally` that ends up in the ledger. Share it between threads."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._lock = threading.Lock()
        self._flushing = threading.Lock()
        self._more: dict[_Key, int] = {}
        self._latest: dict[_Key, int] = {}

    def add(self, name: str, labels: Labels = (), n: int = 1) -> None:
        """`n` more of it; nothing for none."""
        if n:
            key = (name, labels, None)
            with self._lock:
                self._more[key] = self._more.get(key, 0) + n

    def took(self, name: str, labels: Labels, each_us: Sequence[int]) -> None:
        """It took so many microseconds, once for each. A clock that was set back shows as 0."""
        if not each_us:
            return
        total = (name, labels, SUM)
        buckets = Counter(map(_bucket, each_us))
        with self._lock:
            more = self._more
            for bucket, n in buckets.items():
                key = (name, labels, bucket)
                more[key] = more.get(key, 0) + n
            more[total] = more.get(total, 0) + sum(each_us if min(each_us) >= 0 else map(_not_below_0, each_us))

    def latest(self, name: str, at_us: int, labels: Labels = ()) -> None:
        """It happened at `at_us`."""
        key = (name, labels, None)
        with self._lock:
            self._latest[key] = max(at_us, self._latest.get(key, 0))

    def flush(self) -> None:
        """Add all that was counted to the ledger, in one transaction. Blocks.

        Raises Failed where the ledger is away; then everything is kept for the next time.
        """
        with self._flushing:
            with self._lock:
                more, latest, self._more, self._latest = self._more, self._latest, {}, {}
            if not more and not latest:
                return
            try:
                transact(self._ledger, lambda connection: tallies.add(connection, _rows(more), _rows(latest)))
            except BaseException:
                self._keep(more, latest)
                raise

    def _keep(self, more: dict[_Key, int], latest: dict[_Key, int]) -> None:
        with self._lock:
            for key, n in more.items():
                self._more[key] = self._more.get(key, 0) + n
            for key, at_us in latest.items():
                self._latest[key] = max(at_us, self._latest.get(key, 0))


def _rows(counted: dict[_Key, int]) -> dict[tallies.Key, int]:
    """As the ledger keeps them. The sum of a histogram has a name of its own, its buckets a label more."""
    rows: dict[tallies.Key, int] = {}
    for (name, labels, bucket), n in counted.items():
        named = dict(zip(FAMILIES[name].labels, labels, strict=True))
        if bucket == SUM:
            rows[f"{name}_sum", canonical(named)] = n
        else:
            rows[name, canonical(named if bucket is None else {**named, "le": LE[bucket]})] = n
    return rows
