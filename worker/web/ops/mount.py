"""The operators' pages, put on an app."""

from collections.abc import Awaitable, Callable

from fastapi import APIRouter, FastAPI, Request
from starlette.responses import RedirectResponse, Response

from worker.web.ops import account, audit_page, dashboard, login, people
from worker.web.ops.guard import Gate, Turned
from worker.web.ops.place import PREFIX
from worker.web.ops.shut import Shut
from worker.web.shop import Shop

Closing = Callable[[], Awaitable[None]]


def mount(app: FastAPI, shop: Shop, *, alone: bool = False) -> Closing:
    """Put every page of /ops on the app. Returns what closes them, on the app's event loop. `alone`: "/" leads there."""
    gate, routes = Gate(shop), APIRouter()
    for part in (login, account, people, audit_page):
        part.add(routes, gate)
    closing = dashboard.add(routes, gate)
    app.include_router(routes, include_in_schema=False)
    app.state.gate = gate
    app.add_middleware(Shut, gate=gate)

    if alone:
        app.add_route("/", lambda _: RedirectResponse(PREFIX), methods=["GET"])

    async def turned(_: Request, exc: Exception) -> Response:
        assert isinstance(exc, Turned)
        return exc.response

    app.add_exception_handler(Turned, turned)
    return closing
