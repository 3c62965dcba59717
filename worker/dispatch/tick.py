"""Work that may take long, in threads of its own, so that the tick and its leases wait for none of it.

chores.begin("schedule", engine.plan)        # unless it is still at it since an earlier tick
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

log = logging.getLogger("lettershop.engine")

Guarded = Callable[[Coroutine[Any, Any, Any], Any], Coroutine[Any, Any, Any]]


class Chores:
    """Belongs to one event loop. `guarded` says, once, what is away, and gives its second argument instead."""

    def __init__(self, guarded: Guarded) -> None:
        self._guarded = guarded
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def begin(self, name: str, work: Callable[[], object]) -> None:
        """Begin `work` in a thread, unless the chore of this name is still under way."""
        task = self._tasks.get(name)
        if task is None or task.done():
            self._tasks[name] = asyncio.create_task(self._run(name, work))

    async def end(self) -> None:
        """Wait until all are done."""
        if self._tasks:
            await asyncio.wait(self._tasks.values())

    async def _run(self, name: str, work: Callable[[], object]) -> None:
        try:
            await self._guarded(asyncio.to_thread(work), None)
        except Exception:  # a fault of ours: the next tick tries again
            log.exception("the %s failed", name)
