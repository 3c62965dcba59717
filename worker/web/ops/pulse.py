"""One reading for all who look: whoever opens the dashboard shares it, and with nobody there nothing is read.

    async with pulse.watched():
        frame = await pulse.newer(than=0, within_s=15)      # the latest there is, None where none came in time

A single task reads, in a thread, begun by the first watcher and ended after the last. Each watcher takes the latest frame
when it is ready for one: who is slow misses those between, and keeps nobody waiting.
"""

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from anyio import CapacityLimiter, to_thread

from worker.domain.errors import LettershopError

EVERY_S = 2.0

Reading = Mapping[str, Any]
Parts = Mapping[str, str]

log = logging.getLogger("lettershop.web")


@dataclass(slots=True)
class Frame:
    """A reading, with what was made of it since: each thing once, whoever asks first."""

    number: int
    reading: Reading
    taken: float  # monotonic, seconds
    _made: dict[str, Parts] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def made(self, key: str, make: Callable[[Reading], Parts]) -> Parts:
        """What `make` makes of the reading, kept under `key`. Call it in a thread."""
        with self._lock:
            if key not in self._made:
                self._made[key] = make(self.reading)
            return self._made[key]


class Pulse:
    """Belongs to the event loop that first uses it. `read` is called in a thread, never twice at once."""

    def __init__(self, read: Callable[[], Reading], every_s: float = EVERY_S) -> None:
        self._read, self._every_s = read, every_s
        self._latest: Frame | None = None
        self._came = asyncio.Event()
        self._watchers = 0
        self._task: asyncio.Task[None] | None = None
        self._one = asyncio.Lock()
        self._thread = CapacityLimiter(1)

    @property
    def watchers(self) -> int:
        """How many there are now."""
        return self._watchers

    @contextlib.asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        """Frames come while the block lasts."""
        self._watchers += 1
        if self._task is None:
            self._task = asyncio.create_task(self._beat())
        try:
            yield
        finally:
            self._watchers -= 1
            if not self._watchers and self._task is not None:
                self._task.cancel()
                self._task = None

    async def newer(self, than: int, within_s: float) -> Frame | None:
        """The latest frame, once it is another than number `than`; None where none came in time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while self._latest is None or self._latest.number == than:
                    await self._came.wait()
                return self._latest
        return None

    async def now(self) -> Frame:
        """A frame that is not older than one beat. Raises what the reading raises."""
        async with self._one:
            latest = self._latest
            if latest is not None and time.monotonic() - latest.taken < self._every_s:
                return latest
            reading = await to_thread.run_sync(self._read, limiter=self._thread)
            self._latest = Frame(latest.number + 1 if latest else 1, reading, time.monotonic())
            self._came.set()
            self._came = asyncio.Event()
            return self._latest

    async def _beat(self) -> None:
        while True:
            began = time.monotonic()
            try:
                await self.now()
            except LettershopError as exc:  # watchers see no new frame, and their pages say since when
                log.warning("the dashboard's reading: %s", exc)
            except Exception:  # and one fault of ours is not the end of the dashboard
                log.exception("the dashboard's reading")
            await asyncio.sleep(max(self._every_s / 4, self._every_s - (time.monotonic() - began)))
