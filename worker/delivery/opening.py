"""From a host name to a relay that waits for MAIL: connect, TLS, greeting, EHLO, STARTTLS, AUTH.

Every failure is a `Trouble` with its stage and closes the socket. What a target asks for is never quietly left out:
no STARTTLS offered, no TLS; no AUTH offered, no login: both are troubles, not downgrades.
"""

import asyncio
import base64
import ipaddress
import os
import socket
from dataclasses import dataclass, field

from worker.delivery import commands
from worker.delivery.dialogue import Broken, Dialogue, Heard
from worker.delivery.replies import Raw, to_reply
from worker.delivery.tls import trusted_authorities
from worker.delivery.values import Extensions, Target, Timeouts, Trouble
from worker.delivery.wire import Wire
from worker.domain.clock import Clock
from worker.domain.verdict import Stage

_MILLION = 1_000_000
_GREETED = 220
_GO_ON = 334
_LOGGED_IN = 235


@dataclass(slots=True)
class Opened:
    """A dialogue that stands before MAIL, and how long each step took (microseconds)."""

    dialogue: Dialogue
    extensions: Extensions
    steps: dict[str, int] = field(default_factory=dict)


async def open_dialogue(target: Target, timeouts: Timeouts, clock: Clock, heard: Heard | None = None) -> Opened:
    """Open `target`; `heard` is told every reply. Raises `Trouble`, stage CONNECT to AUTH; then nothing is left open."""
    begun = clock.monotonic()
    sock = await _connect(target, timeouts)
    dialogue = Dialogue(clock, heard)
    dialogue.wire = Wire(asyncio.get_running_loop(), sock, dialogue)
    opening = _Opening(target, timeouts, clock, dialogue, begun)
    try:
        return await opening.run()
    except BaseException:  # also a cancelled task leaves no socket behind
        dialogue.end("not opened")
        raise


async def _connect(target: Target, timeouts: Timeouts) -> socket.socket:
    """A connected socket. The addresses of a host are tried in turn and share the time."""
    loop = asyncio.get_running_loop()
    trouble: OSError | None = None
    try:
        async with asyncio.timeout(timeouts.connect):
            found = await loop.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as exc:  # TimeoutError is an OSError; a host label too long is a UnicodeError
        raise Trouble(Stage.CONNECT, f"the relay's host name was not found: {_why(exc)}") from exc
    for family, kind, proto, _, address in found:
        try:
            return await _connect_to(socket.socket(family, kind, proto), address, timeouts.connect / len(found))
        except OSError as exc:
            trouble = exc
    raise Trouble(Stage.CONNECT, f"no connection to the relay: {_why(trouble)}") from trouble


async def _connect_to(sock: socket.socket, address: object, seconds: float) -> socket.socket:
    sock.settimeout(0)
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # every write is a whole group
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)  # a final dot may be waited for in silence
        async with asyncio.timeout(seconds):
            await asyncio.get_running_loop().sock_connect(sock, address)  # type: ignore[arg-type]  # as getaddrinfo gave it
    except BaseException:
        sock.close()
        raise
    return sock


def _why(exc: BaseException | None) -> str:
    if isinstance(exc, TimeoutError) and not exc.args:
        return "no answer in time"
    if isinstance(exc, OSError) and not isinstance(exc, socket.gaierror) and exc.errno:
        return os.strerror(exc.errno)
    return str(getattr(exc, "strerror", None) or type(exc).__name__)


class _Opening:
    """The steps of one opening, in order."""

    def __init__(self, target: Target, timeouts: Timeouts, clock: Clock, dialogue: Dialogue, begun: float) -> None:
        self._target, self._timeouts, self._clock, self._dialogue = target, timeouts, clock, dialogue
        self._last = begun
        self._steps: dict[str, int] = {}

    async def run(self) -> Opened:
        target, seconds = self._target, self._timeouts.connect
        self._lap("connect")
        self._dialogue.expect_greeting()  # under TLS it may come along with the end of the handshake
        if target.security == "tls":
            await self._secure(Stage.CONNECT)
        greeting = await self._answer(Stage.GREETING, seconds)
        if greeting.code != _GREETED:
            raise Trouble(Stage.GREETING, "the relay does not serve us", to_reply(greeting))
        self._lap("greeting")
        offered = await self._hello()
        if target.security == "starttls":
            offered = await self._starttls(offered)
        if target.username:
            await self._auth(offered)
        return Opened(self._dialogue, offered, self._steps)

    async def _hello(self) -> Extensions:
        name = self._target.helo or _literal(self._dialogue.wire.local_address())
        raw = await self._ask(Stage.EHLO, f"EHLO {name}\r\n".encode())
        offered = commands.extensions(raw)
        if raw.code // 100 == 5:  # noqa: PLR2004 - RFC 5321 section 3.2: an old server may know HELO only
            raw, offered = await self._ask(Stage.EHLO, f"HELO {name}\r\n".encode()), Extensions()
        if raw.code // 100 != 2:  # noqa: PLR2004
            raise Trouble(Stage.EHLO, "the relay does not accept our EHLO", to_reply(raw))
        self._lap("ehlo")
        return offered

    async def _starttls(self, offered: Extensions) -> Extensions:
        if not offered.starttls:
            raise Trouble(Stage.STARTTLS, "the relay offers no STARTTLS, and without it we do not go on")
        raw = await self._ask(Stage.STARTTLS, b"STARTTLS\r\n")
        if raw.code != _GREETED:
            raise Trouble(Stage.STARTTLS, "the relay refuses STARTTLS", to_reply(raw))
        self._dialogue.poll()
        if self._dialogue.quiet() is not None:
            # What came in clear after the 220 may be somebody else's: never read it as said under TLS.
            raise Trouble(Stage.STARTTLS, "more was sent in clear after the relay agreed to STARTTLS")
        self._dialogue.forget()
        await self._secure(Stage.STARTTLS)
        return await self._hello()  # RFC 3207 section 4.2: what was learned before TLS is discarded

    async def _secure(self, stage: Stage) -> None:
        self._dialogue.wire.secure(self._target.tls or trusted_authorities(), self._target.host)
        try:
            await self._dialogue.secure(self._timeouts.connect)
        except Broken as exc:
            raise Trouble(stage, f"no TLS: {exc.reason}") from None
        self._lap("tls")

    async def _auth(self, offered: Extensions) -> None:
        target = self._target
        if target.security == "none" and not _loopback(target.host):
            raise Trouble(Stage.AUTH, "a password is not sent in clear: set the relay's security to starttls or tls")
        user, password = target.username.encode(), target.password.encode()
        if "PLAIN" in offered.auth:
            raw = await self._ask(Stage.AUTH, b"AUTH PLAIN %b\r\n" % _b64(b"\0%b\0%b" % (user, password)))
        elif "LOGIN" in offered.auth:
            raw = await self._login(user, password)
        else:
            raise Trouble(Stage.AUTH, "the relay offers neither AUTH PLAIN nor AUTH LOGIN")
        if raw.code != _LOGGED_IN:
            raise Trouble(Stage.AUTH, "the relay does not accept our login", to_reply(raw))
        self._lap("auth")

    async def _login(self, user: bytes, password: bytes) -> Raw:
        """AUTH LOGIN, which no RFC defines. Some servers pass over the initial response and ask for the user again."""
        raw = await self._ask(Stage.AUTH, b"AUTH LOGIN %b\r\n" % _b64(user))
        if raw.code == _GO_ON and raw.lines[0].strip().lower().startswith(b"vxnlc"):  # "User"
            raw = await self._ask(Stage.AUTH, _b64(user) + b"\r\n")
        if raw.code == _GO_ON:
            raw = await self._ask(Stage.AUTH, _b64(password) + b"\r\n")
        return raw

    async def _ask(self, stage: Stage, command: bytes) -> Raw:
        self._dialogue.send(command, 1)
        return await self._answer(stage, self._timeouts.command)

    async def _answer(self, stage: Stage, seconds: float) -> Raw:
        try:
            raw, _ = await self._dialogue.answer(seconds)
        except Broken as exc:
            raise Trouble(stage, exc.reason, to_reply(exc.raw) if exc.raw else None) from None
        return raw

    def _lap(self, step: str) -> None:
        now = self._clock.monotonic()
        self._steps[step] = self._steps.get(step, 0) + round((now - self._last) * _MILLION)
        self._last = now


def _b64(data: bytes) -> bytes:
    return base64.b64encode(data)


def _literal(address: str) -> str:
    """RFC 5321 section 4.1.3."""
    return f"[IPv6:{address}]" if ":" in address else f"[{address}]"


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
