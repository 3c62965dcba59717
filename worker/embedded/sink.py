"""The sink: the relay of a rehearsal. An SMTP server on the loopback interface that keeps every letter in a Maildir.

    python -m worker.embedded.sink --root var/sink --port 0 --port-file var/sink.port [--defer-share 0.1]

Promises
- 250 after the final dot means that message and envelope are on the disk (see `maildir.py`). When they cannot be stored
  the reply is 452 4.3.1, nothing is kept, and the next letter is tried afresh.
- With `--defer-share` that share of letters, chosen by a hash of the Message-ID, gets "451 4.0.0" at the first try and
  is accepted at any later one, also by a restarted sink.
- It offers SIZE, 8BITMIME, SMTPUTF8 and PIPELINING: aiosmtpd reads commands one by one from a buffer that it never
  drops, which is what RFC 2920 asks of a server.
- `--port 0` takes the port named in the port file if that is free, else any: a restarted sink keeps its address.
- SIGTERM: no new connections; letters whose content has come are still stored and answered.

It is no relay: no TLS, no AUTH, nothing is sent on, and it listens on 127.0.0.1 alone.
"""

import argparse
import asyncio
import contextlib
import errno
import hashlib
import logging
import os
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP

from worker.domain.clock import Clock, SystemClock
from worker.embedded.maildir import Maildir, message_id

HOST = "127.0.0.1"
NAME = "sink.rehearsal.invalid"
SIZE_LIMIT = 32 * 1024 * 1024
ACCEPTED = "250 2.0.0 Kept as"
DEFERRED = "451 4.0.0 Try again later (the rehearsal sink was asked to defer this letter once)"
NO_ROOM = "452 4.3.1 Cannot store the letter"
_READ_AHEAD = 256 * 1024
_DRAIN_S = 5.0

log = logging.getLogger(__name__)


def sink_argv(root: Path, port_file: Path, port: int = 0, defer_share: float = 0.0) -> list[str]:
    """The command that runs a sink."""
    # -P: a folder named `worker` where the operator happens to stand must not be taken for ours
    module = [sys.executable, "-P", "-m", "worker.embedded.sink", "--root", str(root)]
    return [*module, "--port", str(port), "--port-file", str(port_file), "--defer-share", str(defer_share)]


def sink_port(port_file: Path, patience_s: float = 2.0) -> int | None:
    """The port of the sink that wrote `port_file`, if one listens and greets there; else None."""
    try:
        port = int(port_file.read_text())
        with socket.create_connection((HOST, port), timeout=patience_s) as conversation:
            greeting = conversation.recv(256)
            conversation.sendall(b"QUIT\r\n")
    except (OSError, ValueError):
        return None
    return port if greeting.startswith(b"220 " + NAME.encode()) else None


def chosen(key: str, share: float) -> bool:
    """Whether `key` is among the `share` (0 to 1) of letters to defer: the same answer for the same key."""
    draw = int.from_bytes(hashlib.blake2b(key.encode(errors="replace"), digest_size=8).digest())
    return draw < share * 2**64


class Handler:
    """What happens to a letter: aiosmtpd's hooks."""

    def __init__(self, maildir: Maildir, defer_share: float, clock: Clock) -> None:
        self._maildir = maildir
        self._share = defer_share
        self._clock = clock
        self._under_way = 0
        self.idle = asyncio.Event()
        self.idle.set()

    async def handle_EHLO(  # noqa: N802 - aiosmtpd's name
        self, _server: SMTP, session: Any, _envelope: Any, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        return [*responses[:-1], "250-PIPELINING", responses[-1]]

    async def handle_DATA(self, _server: SMTP, _session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        self._under_way += 1
        self.idle.clear()
        try:
            return await asyncio.to_thread(
                self._keep, bytes(envelope.original_content), str(envelope.mail_from), tuple(envelope.rcpt_tos)
            )
        finally:
            self._under_way -= 1
            if not self._under_way:  # the reply is written before anybody who waits for this can run
                self.idle.set()

    def _keep(self, content: bytes, sender: str, recipients: Sequence[str]) -> str:
        key = message_id(content) or hashlib.sha256(content).hexdigest()
        try:
            if chosen(key, self._share) and self._maildir.defer_once(key):
                return DEFERRED
            return f"{ACCEPTED} {self._maildir.store(content, sender, recipients, self._clock)}"
        except OSError as exc:
            log.error("cannot store a letter: %s", exc.strerror)  # noqa: TRY400 - the errno says it all
            return f"{NO_ROOM}: {errno.errorcode.get(exc.errno or 0, 'unknown')}"


class Door(SMTP):
    """aiosmtpd with a larger reading buffer, and lines still limited as RFC 5321 (4.5.3.1.6) says."""

    line_length_limit = _READ_AHEAD  # what the constructor takes for the buffer

    def __init__(self, handler: Handler) -> None:
        loop = asyncio.get_running_loop()
        super().__init__(
            handler,
            loop=loop,
            hostname=NAME,
            ident="rehearsal sink",
            enable_SMTPUTF8=True,
            data_size_limit=SIZE_LIMIT,
            timeout=600,
        )
        self.line_length_limit = SMTP.line_length_limit


def listen(port: int, port_file: Path | None) -> socket.socket:
    """A listening socket on `port`; for 0 on the port in `port_file` if it is free, else on any. Raises OSError."""
    former = 0
    if port == 0 and port_file is not None:
        with contextlib.suppress(OSError, ValueError):
            former = int(port_file.read_text())
    if former:
        with contextlib.suppress(OSError):
            return _listener(former)
    return _listener(port)


def _listener(port: int) -> socket.socket:
    # Naming TCP matters: asyncio sets TCP_NODELAY only on sockets that say so, and every reply would wait 40 ms.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, port))
        listener.listen(512)
    except OSError:
        listener.close()
        raise
    return listener


async def serve(handler: Handler, listener: socket.socket, stop: asyncio.Event) -> None:
    """Serve until `stop` is set, then answer the letters whose content has come, for at most five seconds."""
    server = await asyncio.get_running_loop().create_server(lambda: Door(handler), sock=listener)
    await stop.wait()
    server.close()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_DRAIN_S):
            await handler.idle.wait()


async def run(options: argparse.Namespace) -> None:
    """Run a sink until SIGTERM or SIGINT."""
    maildir = Maildir(options.root)
    maildir.prepare()
    listener = listen(options.port, options.port_file)
    port = listener.getsockname()[1]
    if options.port_file is not None:
        _write_port(options.port_file, port)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    sys.stdout.write(f"the sink listens on {HOST}:{port} and keeps letters in {options.root}\n")
    sys.stdout.flush()
    await serve(Handler(maildir, options.defer_share, SystemClock()), listener, stop)


def _write_port(port_file: Path, port: int) -> None:
    unfinished = port_file.with_name(f"{port_file.name}.{os.getpid()}")
    unfinished.write_text(f"{port}\n")
    unfinished.rename(port_file)


def _share(text: str) -> float:
    share = float(text)
    if not 0 <= share <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not a share between 0 and 1")
    return share


def main(argv: Sequence[str] | None = None) -> None:
    """The command `python -m worker.embedded.sink`."""
    parser = argparse.ArgumentParser(prog="python -m worker.embedded.sink", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--root", type=Path, required=True, help="the folder that holds the Maildir")
    parser.add_argument("--port", type=int, default=0, help="0: the one in the port file, or any")
    parser.add_argument("--port-file", type=Path, help="where to write the port")
    parser.add_argument("--defer-share", type=_share, default=0.0, help="share of letters to defer once, 0 to 1")
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s")
    # aiosmtpd logs addresses at INFO, and a traceback for a client that is gone: neither belongs in a log
    logging.getLogger("mail.log").setLevel(logging.CRITICAL)
    asyncio.run(run(parser.parse_args(argv)))


if __name__ == "__main__":
    main()
