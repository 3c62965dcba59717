"""TLS between two memory buffers: bytes in, bytes out, no socket.

A record is handed to the kernel by `Wire`, which therefore knows to the byte which records have left. The record that
carries the final dot begins at a position of its own: while the kernel has taken nothing of it, no peer can have
read the dot.
"""

import functools
import ssl


@functools.cache
def trusted_authorities() -> ssl.SSLContext:
    """The context used where a target brings none: the machine's authorities, host names checked, TLS 1.2 or newer."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    return context


class TlsLayer:
    """One TLS client session. Errors are `ssl.SSLError`; everything written waits in `outgoing()`."""

    __slots__ = ("_incoming", "_object", "_outgoing", "done")

    def __init__(self, context: ssl.SSLContext, host: str) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._object = context.wrap_bio(self._incoming, self._outgoing, server_side=False, server_hostname=host)
        self.done = False

    def shake(self) -> bool:
        """Go on with the handshake as far as the bytes at hand allow; whether it is done."""
        try:
            self._object.do_handshake()
        except ssl.SSLWantReadError:
            return False
        self.done = True
        return True

    def outgoing(self) -> bytes:
        """Records that are to be sent now."""
        return self._outgoing.read()

    def feed(self, data: bytes) -> None:
        """Take what came over the socket; b"" is its end."""
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()

    def encrypt(self, data: bytes) -> bytes:
        """Records that carry `data`. Renegotiation does not exist here, so writing never waits for reading."""
        view = memoryview(data)
        while view:
            view = view[self._object.write(view) :]
        return self._outgoing.read()

    def decrypt(self) -> tuple[bytes, bool]:
        """What has been read so far, and whether the peer closed the session."""
        pieces = []
        try:
            while piece := self._object.read(65_536):
                pieces.append(piece)
        except ssl.SSLWantReadError:
            return b"".join(pieces), False
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            pass
        return b"".join(pieces), True
