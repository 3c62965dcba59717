"""The pages while their config changes: a new app from a new shop over the same ledger; who is being served stays.

    app = Changing(make, Presence(ledger, home.var, "web"), Reloading(home, lambda: read_home(home.root)))
    serve(app, ...)

Every few seconds it looks whether the home changed, and says in the ledger that this process is there. A request is
served to its end by the app that it came to; an app that is changed and serves nobody any more is closed. Pure ASGI.
"""

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING

from worker.domain.errors import LettershopError
from worker.operations.fleet import TICK_S, Presence
from worker.operations.reload import Reloading
from worker.settings import Home

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastapi import FastAPI
    from starlette.types import Receive, Scope, Send

log = logging.getLogger("lettershop.web")


class _Serving:
    """One app, alive in a task of its own, and how many requests it serves."""

    def __init__(self, app: "FastAPI") -> None:
        self.app = app
        self.requests = 0
        self.changed = False
        self._over = asyncio.Event()
        self._life: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Raises what the start of the app's lifespan raises."""
        ready = asyncio.Event()
        self._life = asyncio.create_task(self._live(ready))
        waiting = asyncio.create_task(ready.wait())
        await asyncio.wait([self._life, waiting], return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if self._life.done():
            self._life.result()

    async def serve(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        self.requests += 1
        try:
            await self.app(scope, receive, send)
        finally:
            self.requests -= 1
            if self.changed and not self.requests:
                self._over.set()

    def change(self) -> None:
        """No request comes to it any more: it ends with the last one that is under way."""
        self.changed = True
        if not self.requests:
            self._over.set()

    @property
    def over(self) -> bool:
        return self._life is None or self._life.done()

    async def close(self) -> None:
        """End now: the server has given requests their time."""
        self._over.set()
        if self._life is not None:
            await asyncio.wait([self._life])

    async def _live(self, ready: asyncio.Event) -> None:
        async with self.app.router.lifespan_context(self.app):
            ready.set()
            await self._over.wait()


class Changing:
    """The app that is served. `make(home)` makes one app of a home, in a thread; `tick_s` is how often it looks."""

    def __init__(
        self, make: "Callable[[Home], FastAPI]", presence: Presence, config: Reloading, tick_s: float = TICK_S
    ) -> None:
        """Makes the first app. Raises what `make` raises."""
        self._make, self._presence, self._config, self._tick_s = make, presence, config, tick_s
        self._first = make(config.home)
        self._serving: _Serving | None = None
        self._before: list[_Serving] = []
        self._looking = asyncio.Lock()

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        assert self._serving is not None, "the server waits for the start of the lifespan"
        await self._serving.serve(scope, receive, send)

    async def tick(self) -> None:
        """Say that this process is there, and take a config that has changed. Never raises."""
        async with self._looking:
            for step in (self._beat, self._look):
                try:
                    await step()
                except LettershopError as exc:
                    log.warning("%s", exc)
                except Exception:  # a fault of ours: the next tick tries again
                    log.exception("a step of the tick failed")

    async def _beat(self) -> None:
        await asyncio.to_thread(self._presence.beat, self._config.hash, self._config.trouble)

    async def _look(self) -> None:
        fresh = await asyncio.to_thread(self._config.look)
        if fresh is not None:
            await self._take(fresh)

    async def _take(self, fresh: Home) -> None:
        try:
            serving = await self._opened(await asyncio.to_thread(self._make, fresh))
        except (LettershopError, OSError) as exc:
            self._config.failed(str(exc))
            return
        if self._serving is not None:
            self._serving.change()
            self._before = [each for each in (*self._before, self._serving) if not each.over]
        self._serving = serving
        self._config.took(fresh)

    @staticmethod
    async def _opened(app: "FastAPI") -> _Serving:
        serving = _Serving(app)
        await serving.open()
        return serving

    # -- the server's lifespan ----------------------------------------------------------------------------------------
    async def _live(self, receive: "Receive", send: "Send") -> None:
        await receive()
        self._serving = await self._opened(self._first)
        ticking = asyncio.create_task(self._tick_on())
        await send({"type": "lifespan.startup.complete"})
        await receive()
        ticking.cancel()
        await asyncio.wait([ticking])
        for serving in (*self._before, self._serving):
            await serving.close()
        with contextlib.suppress(LettershopError):  # it is known by its silence then
            await asyncio.to_thread(self._presence.leave)
        await send({"type": "lifespan.shutdown.complete"})

    async def _tick_on(self) -> None:
        while True:
            await self.tick()
            await asyncio.sleep(self._tick_s)
