"""`/healthz` and `/readyz`: for whoever must know whether this process should get requests, or be started anew.

| path | answer |
|---|---|
| `/healthz` | 200 "ok" as long as the process answers at all; nothing is asked |
| `/readyz` | 200 where the ledger can be read, has this program's version and is not behind its witness, else 503; JSON |

Pure ASGI, outermost: probes come by address, with a Host that is nobody's, and would be refused by `hygiene.py`; they
stand in no access log. Strangers may ask too: the answer says which part is not well, never why, and one look at the
ledger serves everybody for a second.
"""

import asyncio
import contextlib
import json
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from anyio import to_thread
from sqlalchemy.exc import SQLAlchemyError

from worker.domain.errors import LettershopError
from worker.ledger import witness
from worker.ledger.admission import check_version
from worker.ledger.book import Ledger
from worker.settings import Home

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

ALIVE, READY = "/healthz", "/readyz"
FRESH_S = 1.0
PATIENCE_S = 5.0
"""A ledger that does not answer within this time is not ready."""

_HEADERS = [
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'"),
]

Parts = dict[str, bool]


def parts_of(home: Home, ledger: Ledger) -> Parts:
    """Which parts are well. Never raises for the world's faults."""
    found = {"ledger": False, "version": False, "witness": False}
    with contextlib.suppress(LettershopError, SQLAlchemyError):
        with ledger.read() as connection:
            found["ledger"] = True
            check_version(connection, ledger.url)
            found["version"] = True
        witness.refuse_behind(ledger, witness.read(home.var / "witness.json", ledger.ledger_id))
        found["witness"] = True
    return found


class Readiness:
    """Asks for the parts, at most once in `FRESH_S` seconds however many want to know. Belongs to one event loop."""

    def __init__(self, look: Callable[[], Parts], patience_s: float = PATIENCE_S) -> None:
        self._look, self._patience_s = look, patience_s
        self._looking: asyncio.Task[Parts] | None = None
        self._at = float("-inf")

    async def __call__(self) -> Parts:
        """The parts; all False where the look took too long."""
        if self._looking is None or (self._looking.done() and time.monotonic() - self._at >= FRESH_S):
            self._looking = asyncio.create_task(self._seen())
        try:
            async with asyncio.timeout(self._patience_s):
                return await asyncio.shield(self._looking)
        except TimeoutError:
            return {"ledger": False, "version": False, "witness": False}

    async def _seen(self) -> Parts:
        try:
            return await to_thread.run_sync(self._look)
        finally:
            self._at = time.monotonic()


class Health:
    """The middleware. `ready` gives the parts' flags."""

    def __init__(self, app: "ASGIApp", *, ready: Callable[[], Awaitable[Parts]]) -> None:
        self._app, self._ready = app, ready

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        if scope["type"] != "http" or scope["path"] not in {ALIVE, READY} or scope["method"] not in {"GET", "HEAD"}:
            await self._app(scope, receive, send)
        elif scope["path"] == ALIVE:
            await _answer(scope, send, 200, b"ok\n", b"text/plain; charset=utf-8")
        else:
            parts = await self._ready()
            ready = all(parts.values())
            told = {"ready": ready, "parts": {name: {"ok": ok} for name, ok in parts.items()}}
            await _answer(scope, send, 200 if ready else 503, json.dumps(told).encode() + b"\n", b"application/json")


async def _answer(scope: "Scope", send: "Send", status: int, body: bytes, kind: bytes) -> None:
    headers = [*_HEADERS, (b"content-type", kind), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})
