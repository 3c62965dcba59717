"""The app: routes put together, and what stands around them. `make_app(shop)` opens nothing.

From the outside in: the access log, the headers that every answer carries, what a request must be like before anybody
reads it, the routes. Whatever goes wrong ends as a page in words, or as a problem document (RFC 9457) under `/api/`.
"""

import contextlib
from collections.abc import AsyncIterator

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from worker.domain.errors import BadInput, Failed, LettershopError, RefusedByState
from worker.web.access_log import AccessLog
from worker.web.headers import Headers
from worker.web.hygiene import Hygiene, Site
from worker.web.last_resort import LastResort
from worker.web.origins import Origins
from worker.web.routes import api, assets, campaign, confirm, links, privacy, problems, rehearsal, signer
from worker.web.shop import Shop

RETRY_S = "60"
_STATUS: dict[type[LettershopError], int] = {BadInput: 400, RefusedByState: 409, Failed: 503}


def make_app(shop: Shop) -> FastAPI:
    """The app of a shop, ready to be served."""

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await shop.aclose()

    app = FastAPI(
        title="Lettershop", lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False
    )
    app.router.routes.append(campaign.signing(shop))
    for routes in (assets, campaign, confirm, links, signer, privacy, rehearsal):
        app.include_router(routes.router(shop), include_in_schema=False)
    app.include_router(api.router(shop))
    _answer_errors(app, shop)
    settings = shop.home.settings
    site = Site(settings.base_url, loopback=settings.mode == "rehearsal")
    origins = Origins(shop.home.campaigns)
    # the last one added is the outermost
    app.add_middleware(LastResort, answer=lambda scope: _refusal(shop, scope, 500))
    app.add_middleware(Heads)
    app.add_middleware(
        Hygiene, site=site, allowed=origins.may_write, on_error=lambda scope, status: _refusal(shop, scope, status)
    )
    app.add_middleware(Headers, public_url=settings.base_url)
    app.add_middleware(AccessLog)
    return app


class Heads:
    """HEAD is answered wherever GET is, and in the same way but for the body (RFC 9110, 9.3.2). Pure ASGI.

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

        got = {**scope, "method": "GET"}
        try:
            await self._app(got, receive, bare)
        finally:
            scope.update({**got, "method": "HEAD"})


def _answer_errors(app: FastAPI, shop: Shop) -> None:
    async def http_error(request: Request, exc: Exception) -> Response:
        assert isinstance(exc, HTTPException)
        return problems.answer(shop, request, exc.status_code, str(exc.detail), exc.headers)

    async def ours(request: Request, exc: Exception) -> Response:
        assert isinstance(exc, LettershopError)
        status = next(code for kind, code in _STATUS.items() if isinstance(exc, kind))
        headers = {"Retry-After": RETRY_S} if isinstance(exc, Failed) else None
        return problems.answer(shop, request, status, problems.outside(exc), headers)

    async def unreadable(request: Request, exc: Exception) -> Response:
        assert isinstance(exc, RequestValidationError)
        return problems.invalid(shop, request, exc)

    app.add_exception_handler(HTTPException, http_error)
    app.add_exception_handler(LettershopError, ours)
    app.add_exception_handler(RequestValidationError, unreadable)


def _refusal(shop: Shop, scope: Scope, status: int) -> Response:
    return problems.answer(shop, Request(scope), status, "")
