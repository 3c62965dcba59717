"""Where a fault of ours ends: as a page or a problem document that tells nothing, and a line in the log that tells no data.

Pure ASGI, innermost: Starlette's own handler of last resort stands outside of all middleware, so that its answer would
carry none of the headers and appear in no access log.
"""

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.responses import Response
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = logging.getLogger("lettershop.web")


class LastResort:
    """The middleware. `answer(scope)` makes the 500."""

    def __init__(self, app: "ASGIApp", *, answer: "Callable[[Scope], Response]") -> None:
        self._app, self._answer = app, answer

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        begun = False

        async def watched(message: "Message") -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except Exception as exc:
            if scope["type"] != "http" or begun:  # half an answer cannot be made good: the connection is closed
                raise
            log.exception("a fault of ours", exc_info=exc)  # told without its message: see logs.Discreet
            await self._answer(scope)(scope, receive, send)
