"""What every answer under /ops carries besides the headers of all pages: it is kept nowhere and stands in no index.

Pure ASGI. The Content-Security-Policy of all pages forbids to frame them already (`worker.web.headers`).
"""

from typing import TYPE_CHECKING

from worker.web.ops.place import PREFIX

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_OURS = ((b"cache-control", b"no-store"), (b"x-robots-tag", b"noindex, nofollow"))


def is_ours(path: str) -> bool:
    """Whether the path is one of the operators' pages."""
    return path == PREFIX or path.startswith(f"{PREFIX}/")


class Private:
    """The middleware."""

    def __init__(self, app: "ASGIApp") -> None:
        self._app = app

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        if scope["type"] != "http" or not is_ours(scope["path"]):
            await self._app(scope, receive, send)
            return

        async def private(message: "Message") -> None:
            if message["type"] == "http.response.start":
                names = {name for name, _ in _OURS}
                others = [each for each in message.get("headers", ()) if each[0].lower() not in names]
                message["headers"] = [*others, *_OURS]
            await send(message)

        await self._app(scope, receive, private)
