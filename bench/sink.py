"""An SMTP server that takes letters as fast as it can and counts them, in a process of its own.

    python -m bench.sink            own server: prints "PORT CONTROL_PORT", and a line of JSON to whoever dials the latter

Postfix's `smtp-sink` is used instead where it is installed (`open_sink`). Both offer PIPELINING and 8BITMIME, both count a
letter when its 250 is written. The own one also tells how many different Message-IDs it saw.
"""

import asyncio
import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import uvloop

_END = b"\r\n.\r\n"
_MESSAGE_ID = re.compile(rb"\r\nmessage-id:\s*<([^>]*)>", re.IGNORECASE)
_OFFERS = ("sink.test", "PIPELINING", "SIZE 10485760", "8BITMIME", "ENHANCEDSTATUSCODES")
_EHLO = "".join(f"250-{offer}\r\n" for offer in _OFFERS).encode() + b"250 SMTPUTF8\r\n"
_REPLIES = {
    b"EHLO": _EHLO,
    b"HELO": b"250 sink.test\r\n",
    b"MAIL": b"250 2.1.0 Ok\r\n",
    b"RCPT": b"250 2.1.5 Ok\r\n",
    b"RSET": b"250 2.0.0 Ok\r\n",
    b"NOOP": b"250 2.0.0 Ok\r\n",
    b"DATA": b"354 End data with <CR><LF>.<CR><LF>\r\n",
    b"QUIT": b"221 2.0.0 Bye\r\n",
}


@dataclass(slots=True)
class Tally:
    """What was taken so far. Times are of the monotonic clock, which all processes of a Linux machine share."""

    count: int = 0
    distinct: int = -1  # -1: not known
    first: float = 0.0
    last: float = 0.0
    octets: int = 0

    def add(self, octets: int, count: int = 1) -> None:
        self.last = time.monotonic()
        self.first = self.first or self.last
        self.count += count
        self.octets += octets

    @property
    def rate(self) -> float:
        """Letters a second from the first to the last."""
        return (self.count - 1) / (self.last - self.first) if self.count > 1 else 0.0


class Conversation(asyncio.Protocol):
    """One client. Every reply to what came in one read goes out in one write."""

    def __init__(self, tally: Tally, seen: set[bytes]) -> None:
        self._tally, self._seen = tally, seen
        self._buffer = bytearray()
        self._in_data = False

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        transport.write(b"220 sink.test ESMTP\r\n")

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        replies = []
        while (reply := self._take_content() if self._in_data else self._take_command()) is not None:
            replies.append(reply)
        if replies:
            self._transport.write(b"".join(replies))
            if replies[-1].startswith(b"221"):
                self._transport.close()

    def _take_command(self) -> bytes | None:
        end = self._buffer.find(b"\r\n")
        if end < 0:
            return None
        verb = bytes(self._buffer[:4]).upper()
        del self._buffer[: end + (0 if verb == b"DATA" else 2)]  # DATA's line end may be the dot's own
        self._in_data = verb == b"DATA"
        return _REPLIES.get(verb, b"500 5.5.1 What?\r\n")

    def _take_content(self) -> bytes | None:
        end = self._buffer.find(_END)
        if end < 0:
            return None
        found = _MESSAGE_ID.search(self._buffer, 0, end)
        if found:
            self._seen.add(found.group(1))
        del self._buffer[: end + len(_END)]
        self._in_data = False
        self._tally.add(end)
        return b"250 2.0.0 Ok\r\n"


async def _serve() -> None:
    tally, seen, stop = Tally(), set[bytes](), asyncio.Event()
    loop = asyncio.get_running_loop()

    async def report(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tally.distinct = len(seen)
        fields = {name: getattr(tally, name) for name in Tally.__slots__}
        writer.write(json.dumps(fields).encode())
        writer.close()

    door = await loop.create_server(lambda: Conversation(tally, seen), "127.0.0.1", 0, backlog=1024)
    control = await asyncio.start_server(report, "127.0.0.1", 0)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    print(door.sockets[0].getsockname()[1], control.sockets[0].getsockname()[1], flush=True)
    await stop.wait()


class OwnSink:
    """The server above as a child process."""

    name = "own asyncio sink"

    def __init__(self) -> None:
        self.process = subprocess.Popen([sys.executable, "-m", "bench.sink"], stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.port, self._control = map(int, self.process.stdout.readline().split())

    def tally(self) -> Tally:
        with socket.create_connection(("127.0.0.1", self._control), timeout=30) as line, line.makefile("rb") as answer:
            return Tally(**json.loads(answer.read()))


class PostfixSink:
    """`smtp-sink -c`: it writes "sess=N quit=N mesg=N" after every letter, which is counted as it is read."""

    name = "postfix smtp-sink"

    def __init__(self, program: str) -> None:
        self.port = _free_port()
        self._tally = Tally()
        drop = ["-u", "nobody"] if os.geteuid() == 0 else []
        argv = [program, *drop, "-c", f"inet:127.0.0.1:{self.port}", "1024"]
        self.process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        threading.Thread(target=self._read, daemon=True).start()
        _await_listener(self.port)

    def _read(self) -> None:
        assert self.process.stdout is not None
        rest = b""
        while chunk := os.read(self.process.stdout.fileno(), 1 << 16):
            *whole, rest = (rest + chunk).split(b"\r")
            numbers = re.findall(rb"mesg=(\d+)", b" ".join(whole) + b" " + rest)
            if numbers and (more := int(numbers[-1]) - self._tally.count) > 0:
                self._tally.add(0, more)

    def tally(self) -> Tally:
        return self._tally


Sink = OwnSink | PostfixSink


@contextlib.contextmanager
def open_sink(*, own: bool = False) -> Iterator[Sink]:
    """A running sink, `smtp-sink` where it is installed unless `own`; ended afterwards."""
    program = None if own else shutil.which("smtp-sink", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    sink: Sink = PostfixSink(program) if program else OwnSink()
    try:
        yield sink
    finally:
        sink.process.terminate()
        sink.process.wait(30)
        if sink.process.stdout is not None:
            sink.process.stdout.close()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def _await_listener(port: int) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return


if __name__ == "__main__":
    uvloop.run(_serve())
