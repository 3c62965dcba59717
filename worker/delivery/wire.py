"""A non-blocking socket on the running loop that knows to the byte what the kernel has taken.

Why no asyncio transport: after a failure a transport has thrown its buffer away and cannot say how much of the last
write went out. Here every `send` is our own; its result is added to `taken`, and a failed `send` took nothing. So
`taken <= mark` proves that not one byte from `mark` on was handed over (and under TLS nothing of its record).
Works on asyncio's selector loop and on uvloop. Calls back `Owner`; never raises for what the peer does.
"""

import asyncio
import contextlib
import socket
import ssl
import struct
from typing import Protocol

from worker.delivery.tls import TlsLayer

_READ = 16_384
_NOTHING = memoryview(b"")


class Owner(Protocol):
    """Who is told what happens on a wire."""

    def on_bytes(self, data: bytes) -> None: ...
    def on_gone(self, reason: str) -> None: ...
    def on_taken(self) -> None: ...
    def on_secure(self) -> None: ...


class Wire:
    """One connected socket. `taken` counts octets that the kernel took (of ciphertext, where there is TLS)."""

    __slots__ = ("_fd", "_loop", "_owner", "_pending", "_sock", "_tls", "closed", "taken")

    def __init__(self, loop: asyncio.AbstractEventLoop, sock: socket.socket, owner: Owner) -> None:
        self._loop, self._sock, self._owner = loop, sock, owner
        self._fd = sock.fileno()
        self._tls: TlsLayer | None = None
        self._pending = _NOTHING
        self.taken = 0
        self.closed = False
        loop.add_reader(self._fd, self._readable)

    def local_address(self) -> str:
        """Our end's IP address."""
        return str(self._sock.getsockname()[0])

    def write(self, data: bytes) -> None:
        """Hand `data` to the kernel, now as far as it takes it, the rest as it goes."""
        try:
            self._push(data if self._tls is None else self._tls.encrypt(data))
        except ssl.SSLError as exc:
            self._gone(_reason(exc))

    def write_content(self, head: bytes, tail: bytes) -> int:
        """Write both in one go; gives the mark, the value of `taken` up to which nothing of `tail` has left."""
        start = self.taken + len(self._pending)
        if self._tls is not None:
            try:
                head, tail = self._tls.encrypt(head), self._tls.encrypt(tail)
            except ssl.SSLError as exc:
                self._gone(_reason(exc))
                return start
        # The critical write: from the first octet of `tail` on, the letter may have been sent.
        self._push(head + tail)
        return start + len(head)

    def poll(self) -> None:
        """Read what the kernel holds, without waiting for the loop to say so."""
        if not self.closed:
            self._readable()

    def secure(self, context: ssl.SSLContext, host: str) -> None:
        """Begin TLS as a client; `on_secure` tells of its end, `on_gone` of its failure. `host` is checked."""
        self._tls = TlsLayer(context, host)
        self._shake(self._tls)

    def close(self, *, reset: bool = False) -> None:
        """Close at once. What the kernel has not taken is never sent; `reset` also withdraws what it still holds."""
        if self.closed:
            return
        self.closed = True
        self._loop.remove_reader(self._fd)
        self._loop.remove_writer(self._fd)
        self._pending = _NOTHING
        if reset:
            with contextlib.suppress(OSError):  # the peer may have reset it first
                self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._sock.close()

    def _push(self, data: bytes) -> None:
        if self._pending:
            self._pending = memoryview(bytes(self._pending) + data)
        elif data and not self.closed:
            self._send(data)

    def _send(self, data: bytes | memoryview) -> None:
        try:
            n = self._sock.send(data)
        except (BlockingIOError, InterruptedError):
            n = 0
        except OSError as exc:
            self._failed(exc)
            return
        self.taken += n
        waited = bool(self._pending)
        self._pending = memoryview(data)[n:] if n < len(data) else _NOTHING
        if bool(self._pending) != waited:
            self._watch(writing=not waited)
        if waited and n:
            self._owner.on_taken()

    def _watch(self, *, writing: bool) -> None:
        if writing:
            self._loop.add_writer(self._fd, self._writable)
        else:
            self._loop.remove_writer(self._fd)

    def _writable(self) -> None:
        if self._pending:
            self._send(self._pending)

    def _failed(self, exc: OSError) -> None:
        """A write failed. What the relay said before it hung up may still be readable, and says why."""
        self._pending = _NOTHING
        self._readable()
        self._gone(_reason(exc))

    def _readable(self) -> None:
        try:
            data = self._sock.recv(_READ)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as exc:
            self._gone(_reason(exc))
            return
        if self._tls is not None:
            self._read_records(self._tls, data)
        elif data:
            self._owner.on_bytes(data)
        else:
            self._gone("the relay closed the connection")

    def _read_records(self, tls: TlsLayer, data: bytes) -> None:
        tls.feed(data)
        if not tls.done:
            self._shake(tls)
        if not tls.done or self.closed:
            return
        try:
            plain, ended = tls.decrypt()
        except ssl.SSLError as exc:
            self._gone(_reason(exc))
            return
        if plain:
            self._owner.on_bytes(plain)
        if ended:
            self._gone("the relay closed the connection")
        elif not self.closed and (answer := tls.outgoing()):  # a key update (RFC 8446 section 4.6.3)
            self._push(answer)

    def _shake(self, tls: TlsLayer) -> None:
        try:
            done = tls.shake()
        except ssl.SSLError as exc:
            self._push(tls.outgoing())  # the alert that tells the relay why
            self._gone(_reason(exc))
            return
        self._push(tls.outgoing())
        if done and not self.closed:
            self._owner.on_secure()

    def _gone(self, reason: str) -> None:
        if not self.closed:
            self.close()
            self._owner.on_gone(reason)


def _reason(exc: OSError) -> str:
    if isinstance(exc, ssl.SSLCertVerificationError):
        return f"the relay's certificate is not trusted: {exc.verify_message}"
    if isinstance(exc, ssl.SSLError):
        return f"TLS failed: {exc.reason}"
    return exc.strerror or type(exc).__name__
