"""Errors as answers: a page in words or, under /api/, a problem document (RFC 9457).

What the house says to its operators names hosts, paths and commands. Strangers are told none of it: `outside`.
"""

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.responses import JSONResponse

from worker.domain.errors import BadInput, Failed, LettershopError
from worker.web.shop import Shop

log = logging.getLogger("lettershop.web")

AWAY = "the service cannot record anything just now; nothing was saved: try again in a minute"
NOT_NOW = "this cannot be done as things stand now"
API = "/api/"
MEDIA_TYPE = "application/problem+json"


def answer(
    shop: Shop, request: Request, status: int, detail: str, headers: Mapping[str, str] | None = None
) -> Response:
    """The answer to a request that ends with `status`. `detail` says what to do; pages have words of their own."""
    if request.scope["path"].startswith(API):
        return problem(status, detail, headers)
    return shop.pages.html(request, "error.html", status, headers)


def outside(exc: LettershopError) -> str:
    """What may be told to anybody of an error of the house's; what it is goes to the log, where the asker is not at fault.

    The messages of Failed and RefusedByState hold no personal data.
    """
    if isinstance(exc, BadInput):
        return str(exc)
    log.warning("%s: %s", type(exc).__name__, exc)
    return AWAY if isinstance(exc, Failed) else NOT_NOW


def problem(status: int, detail: str = "", headers: Mapping[str, str] | None = None, **more: Any) -> JSONResponse:
    """A problem document. `type` is about:blank, so that `title` is the status's own (RFC 9457, 4.2.1)."""
    phrase = HTTPStatus(status).phrase
    body = {"type": "about:blank", "title": phrase, "status": status, "detail": detail or phrase, **more}
    return JSONResponse(body, status, dict(headers or {}), media_type=MEDIA_TYPE)


def invalid(shop: Shop, request: Request, exc: RequestValidationError) -> Response:
    """A request whose parts have not the form that is asked for. What was written is not repeated."""
    if not request.scope["path"].startswith(API):
        return shop.pages.html(request, "error.html", 400)
    errors = [{"field": _pointer(error["loc"]), "reason": str(error["msg"])} for error in exc.errors()]
    return problem(422, "; ".join(f"{each['field']}: {each['reason']}" for each in errors), errors=errors)


def _pointer(loc: tuple[str | int, ...]) -> str:
    return ".".join(str(part) for part in loc if part != "body") or "body"
