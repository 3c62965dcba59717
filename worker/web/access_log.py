"""The access log: one line for each request, without a word of who asked or what stood in it.

    POST /c/{slug} 303 12 ms 0 B

The route's template stands where other logs have the path: tokens and addresses in paths or queries are never written,
nor is the client's address. "-" stands for a request that no route took, and for an answer that never began.
"""

import logging
import time
from typing import TYPE_CHECKING, Any

from worker.web.hygiene import KNOWN_METHODS

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = logging.getLogger("lettershop.access")
NONE = "-"


class AccessLog:
    """The middleware; the outermost one, so that it sees what really goes out."""

    def __init__(self, app: "ASGIApp") -> None:
        self._app = app

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        if scope["type"] != "http" or not log.isEnabledFor(logging.INFO):
            await self._app(scope, receive, send)
            return
        status: int | str = NONE
        size = 0
        began = time.perf_counter()

        async def counted(message: "Message") -> None:
            nonlocal status, size
            if message["type"] == "http.response.start":
                status = message["status"]
            else:
                size += len(message.get("body", b""))
            await send(message)

        try:
            await self._app(scope, receive, counted)
        finally:
            took_ms = (time.perf_counter() - began) * 1000
            log.info("%s %s %s %.0f ms %d B", _method(scope), route_template(scope), status, took_ms, size)


def _method(scope: "Scope") -> str:
    method: str = scope["method"]
    return method if method in KNOWN_METHODS else NONE


def route_template(scope: "Scope") -> str:
    """The template of the route that took the request, like "/me/{token}"; "-" where none did."""
    fastapi: dict[str, Any] = scope.get("fastapi", {})
    # an included router's prefix is known to FastAPI's context of the route, not to the route itself
    route = fastapi.get("effective_route_context") or scope.get("route")
    return str(getattr(route, "path_format", None) or getattr(route, "path", NONE))
