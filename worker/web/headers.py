"""Headers that every answer carries: what a browser may do with the page, and who may keep a copy of it.

Pure ASGI, outermost but for the access log, so that errors carry them too. A header that a route has set already is
left alone: the embedded form names its own frame-ancestors, a mail's HTML its own Content-Security-Policy.

Token pages (`TOKEN_PATHS`) are reached by a secret in their path. They tell no referrer, are kept in no cache and stand
in no index. A browser that tells no referrer writes `Origin: null` on the page's own forms (Fetch, "append a request
Origin header"); `hygiene.py` knows that.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

TOKEN_PATHS = ("/confirm/", "/me/", "/never/")
"""A path that begins so holds a token."""

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; "
    "worker-src 'self'; form-action 'self'; frame-src 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""CSP 3. No 'unsafe-inline' anywhere: what a campaign or a signer wrote can never run."""

HSTS = "max-age=31536000"
"""RFC 6797, for a year; only where the public URL is https (7.2: never over plain HTTP). Subdomains are others' matter."""

_PERMISSIONS = (
    "accelerometer=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), magnetometer=(), microphone=(), "
    "midi=(), payment=(), usb=()"
)
_ALWAYS = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "x-content-type-options": "nosniff",
    "permissions-policy": _PERMISSIONS,
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
_OPEN = {"referrer-policy": "same-origin"}
_SECRET = {"referrer-policy": "no-referrer", "x-robots-tag": "noindex, nofollow", "cache-control": "no-store"}
_POSTED = {"cache-control": "no-store"}

Raw = tuple[tuple[bytes, bytes], ...]


def is_token_path(path: str) -> bool:
    """Whether `path` holds a token, and must be named nowhere."""
    return path.startswith(TOKEN_PATHS)


class Headers:
    """The middleware. `public_url` is the site's own, like "https://letters.example"."""

    def __init__(self, app: "ASGIApp", *, public_url: str) -> None:
        self._app = app
        always = _ALWAYS | ({"strict-transport-security": HSTS} if public_url.startswith("https://") else {})
        self._open = _raw(always | _OPEN)
        self._secret = _raw(always | _SECRET)
        self._posted = _raw(always | _OPEN | _POSTED)

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        ours = self._for(scope)

        async def send_with_headers(message: "Message") -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *_missing(message.get("headers", ()), ours)]
            await send(message)

        await self._app(scope, receive, send_with_headers)

    def _for(self, scope: "Scope") -> Raw:
        if is_token_path(scope["path"]):
            return self._secret
        return self._open if scope["method"] in {"GET", "HEAD", "OPTIONS"} else self._posted


def _raw(headers: dict[str, str]) -> Raw:
    return tuple((name.encode(), value.encode()) for name, value in headers.items())


def _missing(there: "Raw | list[tuple[bytes, bytes]]", ours: Raw) -> list[tuple[bytes, bytes]]:
    names = {name.lower() for name, _ in there}
    return [header for header in ours if header[0] not in names]
