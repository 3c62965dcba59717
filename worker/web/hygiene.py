"""What a request must be like before anybody reads it. Pure ASGI; what is refused here costs the app nothing.

| refused | status |
|---|---|
| a Host that is not ours (cache and link poisoning), none, or two | 400 |
| a method that HTTP knows and we do not, one that nobody knows (RFC 9110, 15.5.6 and 15.6.2) | 405, 501 |
| a path and query above `MOST_URL` bytes | 414 |
| more than `MOST_HEADERS` headers, or more than `MOST_HEADER_BYTES` of them | 431 |
| a write that another site's page has asked for, unless `allowed(path, origin)` | 403 |
| a body above `MOST_BODY` bytes, announced or not | 413 |
| a body that is not complete `BODY_S` seconds after its head | 408 |

A body is read whole before the app is called, so that no half of one holds a thread or a transaction.

Whose page asks for a write is told by `Origin` (Fetch Standard) or, lacking it, by `Sec-Fetch-Site` (Fetch Metadata); no
page's script can set either. Old phones and programs send neither and pass: the supporters' pages do nothing by cookie,
so that a forged request carries no authority of its victim's. The operators' pages go by cookie, and their forms carry a
field of the session besides (`worker.web.ops.csrf`). `Origin: null` comes from sandboxed frames, and from our own
token pages, which tell no referrer: there it passes where the browser says that the asker was ours, or says nothing at
all, since the path's secret is the proof then.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from worker.settings import is_loopback
from worker.web.headers import is_token_path

if TYPE_CHECKING:
    from starlette.responses import Response
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

MOST_BODY = 64 * 1024
MOST_URL = 4096
MOST_HEADERS = 64
MOST_HEADER_BYTES = 16 * 1024
BODY_S = 10.0

READING = frozenset({"GET", "HEAD", "OPTIONS"})
METHODS = READING | {"POST", "PUT", "DELETE"}
KNOWN_METHODS = METHODS | {"PATCH", "TRACE", "CONNECT"}

ANY_HOST = frozenset({"/metrics"})
"""Asked by machines, by whatever name or address they know us. It wants a key, which no browser has."""

_TAKEN_IN = 1024 * 1024
_PORTS = {"http": 80, "https": 443}

OnError = Callable[["Scope", int], "Response"]
"""Makes the answer for a status; the app knows whether a page or a problem document is wanted."""

Allowed = Callable[[str, str], bool]
"""Whether a page of `origin` (lower case, or "null") may write to `path`."""


@dataclass(frozen=True, slots=True)
class Site:
    """Where we are. `url`: the public one, without a path; `loopback`: this machine's own names are ours too."""

    url: str
    loopback: bool = False

    def is_host(self, host: str) -> bool:
        """Whether a Host header names us (RFC 9110, 7.2)."""
        scheme = urlsplit(self.url).scheme
        ours = _authority(urlsplit(self.url).netloc, scheme)
        given = _authority(host, scheme)
        return given is not None and (given == ours or (self.loopback and is_loopback(given[0])))

    def is_origin(self, origin: str, host: str) -> bool:
        """Whether an Origin header is ours: the public one or, on this machine, the one that Host names."""
        parts = _split(origin)
        if parts is None or parts[0] not in _PORTS:
            return False
        scheme, netloc = parts
        given = _authority(netloc, scheme)
        ours = urlsplit(self.url)
        if scheme == ours.scheme and given == _authority(ours.netloc, scheme):
            return True
        return self.loopback and given is not None and is_loopback(given[0]) and given == _authority(host, scheme)


def _split(origin: str) -> tuple[str, str] | None:
    scheme, found, netloc = origin.partition("://")
    return (scheme, netloc) if found else None


def _authority(netloc: str, scheme: str) -> tuple[str, int] | None:
    """Host in lower case and port, the scheme's own where none is given; None if it is neither."""
    name, colon, digits = netloc.rpartition(":") if not netloc.endswith("]") else (netloc, "", "")
    if not colon:
        name, digits = netloc, str(_PORTS.get(scheme, 0))
    if not name or not digits.isdecimal() or not digits.isascii() or len(digits) > len("65535"):
        return None
    if set(name) & set("@/\\?# ,") or (":" in name and not name.startswith("[")):
        return None
    return name.lower(), int(digits)


class Hygiene:
    """The middleware. `most_body` in bytes, `body_s` in seconds."""

    def __init__(
        self,
        app: "ASGIApp",
        *,
        site: Site,
        allowed: Allowed,
        on_error: OnError,
        most_body: int = MOST_BODY,
        body_s: float = BODY_S,
    ) -> None:
        self._app, self._site, self._allowed, self._on_error = app, site, allowed, on_error
        self._most_body, self._body_s = most_body, body_s

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        head = Head.of(scope)
        status = head.fault() or self._not_for_us(scope, head) or self._too_long(head)
        if head.has_body and not (status and head.will_not_come):
            body = await self._read(receive)
            if body is None:  # the client has gone
                return
            if isinstance(body, int):
                status = status or body
            else:
                receive = replaying(body, receive)
        if status:
            await self._refusal(status, scope, head)(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _not_for_us(self, scope: "Scope", head: "Head") -> int:
        if scope["path"] not in ANY_HOST and not self._site.is_host(head.host):
            return 400
        return 0 if scope["method"] in READING or self._may_write(scope["path"], head) else 403

    def _may_write(self, path: str, head: "Head") -> bool:
        if head.origin is None:
            return head.fetch_site in {None, "same-origin", "none"}
        if head.origin == "null":
            ours = head.fetch_site == "same-origin" or (head.fetch_site is None and is_token_path(path))
            return ours or self._allowed(path, "null")
        return self._site.is_origin(head.origin, head.host) or self._allowed(path, head.origin)

    def _too_long(self, head: "Head") -> int:
        return 413 if head.length > self._most_body else 0

    async def _read(self, receive: "Receive") -> bytes | int | None:
        """The body; the status that refuses it; None where the client has gone."""
        try:
            async with asyncio.timeout(self._body_s):
                return await _whole(receive, self._most_body)
        except TimeoutError:
            return 408

    def _refusal(self, status: int, scope: "Scope", head: "Head") -> "Response":
        response = self._on_error(scope, status)
        if status == 405:  # noqa: PLR2004 - RFC 9110, 15.5.6
            response.headers["allow"] = ", ".join(sorted(METHODS))
        if head.has_body:  # what may be left of it must not be read as a request
            response.headers["connection"] = "close"
        return response


@dataclass(frozen=True, slots=True)
class Head:
    """What is read of a request's head. `length` is -1 where none was announced; `expects`: 100-continue."""

    method: str
    size: int
    url_size: int
    count: int
    hosts: tuple[str, ...]
    origins: tuple[str, ...]
    fetch_site: str | None
    length: int
    chunked: bool
    expects: bool

    @classmethod
    def of(cls, scope: "Scope") -> "Head":
        """Read it from an ASGI scope, whose header names are in lower case."""
        headers: list[tuple[bytes, bytes]] = scope["headers"]
        found: dict[bytes, list[bytes]] = {}
        size = 0
        for name, value in headers:
            size += len(name) + len(value) + 4
            found.setdefault(name, []).append(value)
        length = found.get(b"content-length", [b""])[0]
        sites = found.get(b"sec-fetch-site")
        return cls(
            method=scope["method"],
            size=size,
            url_size=len(scope.get("raw_path") or scope["path"]) + len(scope["query_string"]),
            count=len(headers),
            hosts=_texts(found.get(b"host", [])),
            origins=_texts(found.get(b"origin", [])),
            fetch_site=", ".join(_texts(sites)) if sites else None,
            length=int(length[:18]) if length.isdigit() else -1,  # an exabyte is long enough
            chunked=b"transfer-encoding" in found,
            expects=b"expect" in found,
        )

    def fault(self) -> int:
        """The status that refuses it whatever it asks for, or 0."""
        if self.method not in METHODS:
            return 405 if self.method in KNOWN_METHODS else 501
        if self.url_size > MOST_URL:
            return 414
        if self.count > MOST_HEADERS or self.size > MOST_HEADER_BYTES:
            return 431
        return 0 if len(self.hosts) == 1 and len(self.origins) <= 1 else 400

    @property
    def has_body(self) -> bool:
        """Whether a body follows the head (RFC 9112, 6)."""
        return self.chunked or self.length > 0

    @property
    def will_not_come(self) -> bool:
        """Whether the body waits for our word (RFC 9110, 10.1.1), or is more than is ever taken in."""
        return self.expects or self.length > _TAKEN_IN

    @property
    def host(self) -> str:
        """The one Host header."""
        return self.hosts[0]

    @property
    def origin(self) -> str | None:
        """The Origin header in lower case, if there is one."""
        return self.origins[0].lower() if self.origins else None


def _texts(values: list[bytes]) -> tuple[str, ...]:
    return tuple(value.decode("latin-1") for value in values)


async def _whole(receive: "Receive", most: int) -> bytes | int | None:
    """The body; 413 where it is longer than `most` bytes; None where the client has gone.

    What is too long is still taken in, up to `_TAKEN_IN`, and forgotten: an answer that meets unread data is thrown
    away by the kernel, and an honest browser would show a broken connection instead of it.
    """
    chunks: list[bytes] = []
    size = 0
    while size <= _TAKEN_IN:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        size += len(message.get("body", b""))
        if size <= most:
            chunks.append(message.get("body", b""))
        else:
            chunks.clear()
        if not message.get("more_body", False):
            return b"".join(chunks) if size <= most else 413
    return 413


def replaying(body: bytes, receive: "Receive") -> "Receive":
    """A `receive` that gives `body` once, and then what the server has to say."""
    given = False

    async def replay() -> "Message":
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay
