"""As long as nobody may log in, there is nothing under /ops: every path and method is 404, whatever is sent there.

Pure ASGI, before the routes: they would answer 405 to a method that they do not know, and so tell that they are there.
"""

from typing import TYPE_CHECKING

from anyio import to_thread
from fastapi import Request

from worker.domain.errors import Failed
from worker.web.ops.private import is_ours
from worker.web.routes import problems

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from worker.web.ops.guard import Gate

_RETRY = {"Retry-After": "60"}


class Shut:
    """The middleware."""

    def __init__(self, app: "ASGIApp", gate: "Gate") -> None:
        self._app, self._gate = app, gate

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        app = self._app
        if scope["type"] == "http" and is_ours(scope["path"]):
            shop, request = self._gate.shop, Request(scope)
            try:
                if not await to_thread.run_sync(self._gate.doorman.open_at_all):
                    app = problems.answer(shop, request, 404, "")
            except Failed as exc:
                app = problems.answer(shop, request, 503, problems.outside(exc), _RETRY)
        await app(scope, receive, send)
