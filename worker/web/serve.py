"""Serving the pages: uvicorn with httptools and uvloop, and a log that tells nothing of what was asked.

    serve(make_app(shop), "127.0.0.1", 8480)     # until SIGTERM or SIGINT; then requests under way are ended in order

Where uvicorn's own ways are not ours:
- Its protocol waits for ever; `connection.py` does not.
- It raises the signal that stopped it once more when it is done, and what the caller holds open would not be closed.
- It logs paths, and exceptions with their messages, which may quote a request: `worker/logs.py` writes where an exception
  came from and of which kind it is, not what it says.
- It believes X-Forwarded-For of 127.0.0.1: proxy headers are read by the gate alone, from the configured proxies.

One process serves on one port. With `shared` several may (SO_REUSEPORT); each has its share of the connections.
"""

import contextlib
import gc
import logging
import resource
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

import uvicorn

from worker import logs
from worker.domain.errors import Failed
from worker.web.connection import Connection, Patience

if TYPE_CHECKING:
    from starlette.types import ASGIApp

READY = "the pages are served on"
"""The log's line that begins so says that connections are taken."""

SWITCH_S = 0.0005
"""A thread that writes to the ledger lets go of the interpreter at each statement, and gets it back from a busy event
loop after this time at the latest: Python's usual 5 ms, twenty times over, would keep every other writer waiting."""

_BACKLOG = 1024
_SPARE_FILES = 256
_SAID_AGAIN_S = 60.0

log = logging.getLogger("lettershop.web")


def serve(
    app: "ASGIApp",
    host: str,
    port: int,
    *,
    patience: Patience | None = None,
    shared: bool = False,
    log_format: str = "text",
) -> None:
    """Serve `app` until SIGTERM or SIGINT; the log is "text" or "json". Raises Failed where the port cannot be had."""
    patience = patience or Patience()
    sys.setswitchinterval(SWITCH_S)
    with contextlib.closing(listen(host, port, shared=shared)) as listener:
        _allow_files(patience.connections + _SPARE_FILES)
        config = uvicorn.Config(
            app,
            http=partial(Connection, patience),  # type: ignore[arg-type]  # it is only ever called
            loop="uvloop",
            ws="none",
            lifespan="on",
            interface="asgi3",
            log_config=logs.config(log_format, "web", {"calm": {"()": Calm}}),
            access_log=False,
            proxy_headers=False,
            server_header=False,
            limit_concurrency=max(1, patience.connections * 9 // 10),
            timeout_keep_alive=patience.idle_s,
            timeout_graceful_shutdown=patience.leave_s,
        )
        Server(config).run([listener])


class Server(uvicorn.Server):
    """Says when it is there, and returns when it was told to stop."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        gc.freeze()  # what is there now stays: going through it again and again would stop everybody for 0.1 s at a time
        for listener in sockets or ():
            log.info("%s %s", READY, shown(listener))

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """SIGTERM and SIGINT ask it to stop, and are not raised again: the caller has things to close."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


# -- the port ----------------------------------------------------------------------------------------------------------
def listen(host: str, port: int, *, shared: bool = False) -> socket.socket:
    """A listening socket. Raises Failed where the port is taken, or is not to be had on this machine."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        # naming TCP matters: asyncio sets TCP_NODELAY only on sockets that say so
        listener = socket.socket(family, kind, protocol or socket.IPPROTO_TCP)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if shared:
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            listener.bind(address)
            listener.listen(_BACKLOG)
        except OSError:
            listener.close()
            raise
    except OSError as exc:
        reason = exc.strerror or type(exc).__name__
        other = "choose another with --port, or [web] port"
        raise Failed(f"cannot serve pages on {host} port {port}: {reason}; {other}") from exc
    return listener


def shown(listener: socket.socket) -> str:
    """The listener's address as a URL."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


def _allow_files(wanted: int) -> None:
    """Every connection is a file. Where the system does not allow so many, connections wait in the kernel's line."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


# -- the log -----------------------------------------------------------------------------------------------------------
class Calm(logging.Filter):
    """A warning that strangers can provoke is said once a minute: "Invalid HTTP request received." and its like."""

    def __init__(self) -> None:
        super().__init__()
        self._said: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno >= logging.ERROR or record.name != "uvicorn.error":
            return True
        now = time.monotonic()
        due = now - self._said.get(str(record.msg), -_SAID_AGAIN_S) >= _SAID_AGAIN_S
        if due:
            self._said[str(record.msg)] = now
        return due
