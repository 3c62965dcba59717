"""The app: routes put together, and what stands around them. `make_app(shop)` opens nothing.

From the outside in: probes of health, the access log, the headers that every answer carries, what a request must be like
before anybody reads it, the routes. Whatever goes wrong ends as a page in words, or as a problem document (RFC 9457) under
`/api/`. The operators' pages are put on it too, or on an app of their own.
"""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Literal

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.types import Scope

from worker.domain.errors import BadInput, Failed, LettershopError, RefusedByState
from worker.operations.metrics import Counters
from worker.settings import Home, is_loopback
from worker.web.access_log import AccessLog
from worker.web.counting import flushing
from worker.web.headers import Headers
from worker.web.heads import Heads
from worker.web.hygiene import Hygiene, Site
from worker.web.last_resort import LastResort
from worker.web.ops.mount import mount
from worker.web.ops.place import own_address, url_of
from worker.web.ops.private import Private, is_ours
from worker.web.origins import Origins
from worker.web.routes import api, assets, campaign, confirm, links, metrics, privacy, problems, rehearsal, signer
from worker.web.routes.health import Health, Readiness, parts_of
from worker.web.shop import Shop

if TYPE_CHECKING:
    from worker.web.ops.guard import Gate

RETRY_S = "60"
Only = Literal["pages", "ops"]
"""A part of the app: the pages for supporters with the API, or those for operators."""

_STATUS: dict[type[LettershopError], int] = {BadInput: 400, RefusedByState: 409, Failed: 503}


def make_app(shop: Shop, only: Only | None = None) -> FastAPI:
    """The app of a shop, ready to be served. `only`: a part of it; None: all but what has an address of its own."""
    counters = Counters(shop.ledger)

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with flushing(counters):
            yield
        await close()
        await shop.aclose()

    app = FastAPI(
        title="Lettershop", lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False
    )
    app.state.counters = counters
    close = _put_together(app, shop, only)
    _answer_errors(app, shop)
    site = _site(shop.home, only)
    origins = Origins(shop.home.campaigns)
    # the last one added is the outermost
    app.add_middleware(LastResort, answer=lambda scope: _refusal(shop, scope, 500))
    app.add_middleware(Heads)
    app.add_middleware(
        Hygiene, site=site, allowed=origins.may_write, on_error=lambda scope, status: _refusal(shop, scope, status)
    )
    app.add_middleware(Private)
    app.add_middleware(Headers, public_url=site.url)
    app.add_middleware(AccessLog)
    app.add_middleware(Health, ready=Readiness(partial(parts_of, shop.home, shop.ledger)))
    return app


def _put_together(app: FastAPI, shop: Shop, only: Only | None) -> Callable[[], Awaitable[None]]:
    """Include the routes. Returns what closes them."""
    if only != "ops":
        app.router.routes.append(campaign.signing(shop))
        for routes in (campaign, confirm, links, signer, privacy, rehearsal):
            app.include_router(routes.router(shop), include_in_schema=False)
        app.include_router(api.router(shop))
    for routes in (assets, metrics):
        app.include_router(routes.router(shop), include_in_schema=False)
    if only == "ops" or (only is None and own_address(shop.home) is None):
        return mount(app, shop, alone=only == "ops")

    async def nothing() -> None:
        pass

    return nothing


def _site(home: Home, only: Only | None) -> Site:
    """Where the app is. Operators may come to a loopback address over a tunnel, by any port of their own machine."""
    rehearsal = home.settings.mode == "rehearsal"
    if only != "ops":
        return Site(home.settings.base_url, loopback=rehearsal)
    own = own_address(home)
    return Site(url_of(home), loopback=rehearsal or (own is not None and is_loopback(own[0])))


def _answer_errors(app: FastAPI, shop: Shop) -> None:
    async def http_error(request: Request, exc: Exception) -> Response:
        assert isinstance(exc, HTTPException)
        return _in_ops(request, exc.status_code, str(exc.detail), exc.headers) or problems.answer(
            shop, request, exc.status_code, str(exc.detail), exc.headers
        )

    async def ours(request: Request, exc: Exception) -> Response:
        assert isinstance(exc, LettershopError)
        status = next(code for kind, code in _STATUS.items() if isinstance(exc, kind))
        headers = {"Retry-After": RETRY_S} if isinstance(exc, Failed) else None
        told = _in_ops(request, status, str(exc), headers)  # operators are told what strangers are not
        return told or problems.answer(shop, request, status, problems.outside(exc), headers)

    async def unreadable(request: Request, exc: Exception) -> Response:
        assert isinstance(exc, RequestValidationError)
        return _in_ops(request, 400, "the address or the form has not the right form") or problems.invalid(
            shop, request, exc
        )

    app.add_exception_handler(HTTPException, http_error)
    app.add_exception_handler(LettershopError, ours)
    app.add_exception_handler(RequestValidationError, unreadable)


def _in_ops(request: Request, status: int, detail: str, headers: Mapping[str, str] | None = None) -> Response | None:
    """The answer under /ops to somebody who was let in; None to anybody else, who sees what all see."""
    gate: Gate | None = getattr(request.app.state, "gate", None)
    if gate is None or not is_ours(request.scope["path"]) or getattr(request.state, "visitor", None) is None:
        return None
    return gate.refusal(request, status, detail, headers)


def _refusal(shop: Shop, scope: Scope, status: int) -> Response:
    return problems.answer(shop, Request(scope), status, "")
