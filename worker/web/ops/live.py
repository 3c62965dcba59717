"""Server-sent events: a page that stays open is given its parts anew as they change (WHATWG HTML, 9.2).

    event: parts        {"needs": "<h2>...", ...}: those that differ from what this client was sent before
    event: still        nothing changed, for `HEARTBEAT_S`
    event: stale        the reading fails: what is shown is old
    event: done         there is nothing more to come
    event: over         the session has ended: the page asks anew, and is told to log in

Every client shares one reading (see `pulse`); each takes the latest frame when its connection has room for one. A stream
ends after `LONGEST_S`, and the browser opens another: so no stream outlives a changed config or a session for long. A
Last-Event-ID says nothing that we need: whoever comes again is sent everything once.
"""

import contextlib
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from functools import partial

from anyio import to_thread
from fastapi import HTTPException
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from worker.domain.errors import LettershopError
from worker.web.ops.pulse import Frame, Parts, Pulse

HEARTBEAT_S = 15.0
CHECKED_S = 10.0
LONGEST_S = 300.0
MOST = 6
"""Streams of one user. A browser opens no more than six connections to a host over HTTP/1.1."""

RETRY_MS = 3_000
EVENTS = "text/event-stream"
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}

Make = Callable[[Frame], Parts]
"""Makes the parts of a page of a frame; called in a thread."""


class Streams:
    """Counts the streams that are open, by user."""

    def __init__(self, most: int = MOST) -> None:
        self._most, self._open = most, Counter[str]()

    def free(self, name: str) -> bool:
        """Whether this user may open another."""
        return self._open[name] < self._most

    @contextlib.contextmanager
    def one(self, name: str) -> Iterator[None]:
        """Count one while the block lasts. Raises HTTPException (429) where there are enough: asked and counted in one."""
        if not self.free(name):
            raise HTTPException(429, "too many of your windows are live: close some")
        self._open[name] += 1
        try:
            yield
        finally:
            self._open[name] -= 1
            self._open += Counter()  # forget those that have none


class Live(StreamingResponse):
    """A stream that is counted from before its first byte until it is over, however it ends."""

    def __init__(self, streams: Streams, name: str, events: AsyncIterator[str]) -> None:
        super().__init__(events, media_type=EVENTS, headers=HEADERS)
        self._streams, self._name = streams, name

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it. Raises HTTPException (429)."""
        with self._streams.one(self._name):
            await super().__call__(scope, receive, send)


def event(name: str, data: str, number: int | None = None) -> str:
    """One event of the stream. `data` has no line breaks."""
    head = f"id: {number}\n" if number is not None else ""
    return f"{head}event: {name}\ndata: {data}\n\n"


async def stream(
    pulse: Pulse,
    make: Make,
    good: Callable[[], Awaitable[bool]],
    over: Callable[[Parts], bool] = lambda _: False,
) -> AsyncIterator[str]:
    """The events of one client. `good` says whether its session still is; `over`, whether these parts are the last."""
    sent: dict[str, str] = {}
    number, began, checked = 0, time.monotonic(), time.monotonic()
    yield f"retry: {RETRY_MS}\n\n"
    async with pulse.watched():
        while time.monotonic() - began < LONGEST_S:
            frame = await pulse.newer(number, HEARTBEAT_S)
            try:
                if time.monotonic() - checked >= CHECKED_S:
                    if not await good():
                        yield event("over", "")
                        return
                    checked = time.monotonic()
                parts = await to_thread.run_sync(partial(make, frame)) if frame is not None else None
            except LettershopError:  # the ledger is away, and will come again
                parts = None
            number = frame.number if frame is not None else number
            if parts is None:
                yield event("stale", "")
                continue
            changed = differing(parts, sent)
            sent.update(changed)
            yield event("parts", json.dumps(changed), number) if changed else event("still", "")
            if over(parts):
                yield event("done", "")
                return


def differing(parts: Parts, sent: Mapping[str, str]) -> dict[str, str]:
    """The parts that are not as they were sent."""
    return {name: html for name, html in parts.items() if sent.get(name) != html}
