"""uvicorn's connection with the patience that it lacks: slow and greedy clients are closed.

uvicorn 0.54 limits neither the time nor the size of a request's head, and its keep-alive timer is switched off by the
first byte that comes. Here one timer a connection says when somebody has been waited for long enough:

- for a head, `head_s` after the connection was made, or `idle_s + head_s` after the last answer, however it trickles in
  (Slowloris); a client of which nothing comes is closed after `idle_s` by uvicorn itself;
- for a reader of our answer that takes nothing for `read_s`.

While a request is answered nothing is timed here: a body's time is `hygiene.py`'s matter.

A head above `head_bytes`, or more than `pipelined` requests sent ahead, end the connection; so do connections above
`connections`, of which the last tenth are answered 503 first (uvicorn's `limit_concurrency`).
"""

import asyncio
from dataclasses import dataclass
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


@dataclass(frozen=True, slots=True)
class Patience:
    """How long (`_s`: seconds) and how much."""

    head_s: float = 10.0
    idle_s: int = 5
    read_s: float = 20.0
    head_bytes: int = 32 * 1024
    pipelined: int = 16
    connections: int = 1000
    leave_s: int = 10
    """How long requests under way may take once the server was told to stop."""


class Connection(HttpToolsProtocol):
    """One client's connection."""

    def __init__(self, patience: Patience, **uvicorns: Any) -> None:
        super().__init__(**uvicorns)
        self._patience = patience
        self._timer: asyncio.TimerHandle | None = None
        self._unread = 0
        self._head_bytes = 0

    # -- the life of a connection -------------------------------------------------------------------------------------
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        if len(self.connections) >= self._patience.connections:
            self.transport = transport
            transport.abort()
            return
        super().connection_made(transport)
        self._wait(self._patience.head_s)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        self._stop_waiting()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.cycle.response_complete:  # else a request sent ahead has begun
            self._wait(self._patience.idle_s + self._patience.head_s)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._wait(self._patience.read_s)

    # -- the timer ----------------------------------------------------------------------------------------------------
    def _wait(self, seconds: float) -> None:
        self._stop_waiting()
        self._unread = self.transport.get_write_buffer_size()
        self._timer = self.loop.call_later(seconds, self._look)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        """The time is up: a reader that took something has more of it, a request under way is left alone."""
        self._timer = None
        unread = self.transport.get_write_buffer_size()
        if 0 < unread < self._unread:
            self._wait(self._patience.read_s)
        elif unread or self.cycle is None or self.cycle.response_complete:
            self.transport.abort()

    # -- the parser's callbacks ---------------------------------------------------------------------------------------
    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head_bytes = 0
        if len(self.pipeline) >= self._patience.pipelined:
            self._give_up("more requests sent ahead than anybody needs")

    def on_url(self, url: bytes) -> None:
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count(len(name) + len(value))
        super().on_header(name, value)

    def _count(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > self._patience.head_bytes:
            self._give_up("a head that does not end")

    def _give_up(self, why: str) -> None:
        self.transport.abort()
        raise ValueError(why)  # ends the parser's reading of what has come; uvicorn takes it for an invalid request

    def send_400_response(self, msg: str) -> None:
        if not self.transport.is_closing():
            super().send_400_response(msg)
