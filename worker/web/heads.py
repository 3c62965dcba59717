"""HEAD, answered wherever GET is, and in the same way but for the body (RFC 9110, 9.3.2)."""

from collections.abc import Mapping
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_MARK = "lettershop.head"


def is_head(scope: Mapping[str, Any]) -> bool:
    """Whether a route that is asked by GET was asked by HEAD: then a stream without an end is not begun."""
    return bool(scope.get(_MARK, False))


class Heads:
    """The middleware. Pure ASGI.

    The routes have a scope of their own: the server reads in its own, while the answer goes out, that no body is due. What
    the routes note in theirs, as which one was taken, is for the access log.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return

        async def bare(message: Message) -> None:
            await send({**message, "body": b""} if message["type"] == "http.response.body" else message)

        got = {**scope, "method": "GET", _MARK: True}
        try:
            await self._app(got, receive, bare)
        finally:
            scope.update({**got, "method": "HEAD"})
