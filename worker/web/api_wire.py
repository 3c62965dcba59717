"""How the API reads requests and writes answers: strict JSON, problem documents, and leave for the campaign's own sites.

JSON is read as RFC 8259 has it and no wider: UTF-8, no NaN, no name twice in an object (section 4: what that means is
anybody's guess), no nesting and no number that would cost more than it can be worth. What cannot be read is 400,
another kind of body 415, what has not the right form 422 with each field named. No answer repeats what was sent, but
for the names of fields.

Other sites' pages may read and write (CORS, Fetch Standard, 3.2) where the campaign names them in `sites`; everybody
else's browser gets no such leave. No credentials: nothing here works by cookie, and the header that carries a key is
not allowed to pages.
"""

import json
from collections.abc import Callable, Coroutine, Mapping
from itertools import islice
from typing import Any, NoReturn

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from worker.domain.campaign import Campaign
from worker.domain.errors import BadInput, Failed, LettershopError, RefusedByState
from worker.intake import BadPerson
from worker.web.routes.problems import outside, problem

JSON = "application/json"
RETRY = {"Retry-After": "60"}

_STATUS: dict[type[LettershopError], int] = {BadPerson: 422, BadInput: 422, RefusedByState: 409, Failed: 503}
_PREFLIGHT = {
    "Access-Control-Allow-Methods": "GET, POST",
    "Access-Control-Allow-Headers": "Content-Type, Idempotency-Key",
    "Access-Control-Max-Age": "3600",
}
_FAULTS_MOST = 20
_NAME_LONGEST = 60  # of a field that nobody knows, in an answer

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class Refusal(Exception):
    """A request that ends with `status`; `more` are members of the problem document."""

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None, **more: Any) -> None:
        super().__init__(status)
        self.response = problem(status, detail, headers, **more)


def route_class(campaigns: Mapping[str, Campaign]) -> type[APIRoute]:
    """The class of the API's routes, which knows the campaigns' sites."""

    class Route(APIRoute):
        def get_route_handler(self) -> Handler:
            handler = super().get_route_handler()
            takes_body = self.body_field is not None

            async def answer(request: Request) -> Response:
                response = await _answered(handler, StrictRequest(request.scope, request.receive), takes_body)
                _share(request, response, campaigns)
                return response

            return answer

    return Route


async def _answered(handler: Handler, request: "StrictRequest", takes_body: bool) -> Response:
    try:
        if takes_body:
            _check_kind(request)
        return await handler(request)
    except Refusal as exc:
        return exc.response
    except RequestValidationError as exc:
        return bad_fields({_place(each["loc"]): str(each["msg"]) for each in exc.errors()})
    except HTTPException as exc:
        return problem(exc.status_code, str(exc.detail), exc.headers)
    except BadPerson as exc:
        return bad_fields(exc.fields)
    except LettershopError as exc:
        status = next(code for kind, code in _STATUS.items() if isinstance(exc, kind))
        return problem(status, outside(exc), RETRY if isinstance(exc, Failed) else None)


def bad_fields(fields: Mapping[str, str]) -> Response:
    """422 that says of each field what to do about it; of the first ones, where somebody sends thousands."""
    fields = dict(islice(fields.items(), _FAULTS_MOST))
    errors = [{"field": name, "reason": reason} for name, reason in fields.items()]
    return problem(422, "; ".join(f"{name}: {reason}" for name, reason in fields.items()), errors=errors)


def _place(loc: tuple[str | int, ...]) -> str:
    """Where in the request, without "body" or "query" in front. In ASCII: a field's name may be anything at all."""
    parts = loc[1:] or loc
    return ".".join(str(part).encode("ascii", "backslashreplace").decode()[:_NAME_LONGEST] for part in parts)


# -- JSON ----------------------------------------------------------------------------------------------------------------
class StrictRequest(Request):
    """A request whose JSON is read strictly."""

    async def json(self) -> Any:
        return read_json(await self.body())


def _check_kind(request: Request) -> None:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != JSON:
        raise HTTPException(415, f"send {JSON}", {"Accept": JSON})


def read_json(body: bytes) -> Any:
    """The value. Raises HTTPException 400."""
    try:
        return json.loads(body.decode(), parse_constant=_no_number, object_pairs_hook=_object)
    except (ValueError, RecursionError) as exc:  # not UTF-8, not JSON, a number of thousands of digits; nested too deep
        raise HTTPException(400, "the body cannot be read: send JSON (RFC 8259) in UTF-8") from exc


def _no_number(text: str) -> NoReturn:
    raise ValueError(text)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name twice")
    return found


# -- other sites ---------------------------------------------------------------------------------------------------------
def preflight() -> Response:
    """The answer to OPTIONS; `_share` adds the leave, if there is one. Without it these headers allow nothing."""
    return Response(status_code=204, headers={"Allow": "GET, HEAD, POST, OPTIONS", **_PREFLIGHT})


def _share(request: Request, response: Response, campaigns: Mapping[str, Campaign]) -> None:
    """Let a page of the campaign's own site read the answer."""
    slug = request.path_params.get("slug")
    if slug is None:
        return
    response.headers.append("Vary", "Origin")
    campaign, origin = campaigns.get(slug), request.headers.get("origin", "")
    if campaign is not None and origin.lower() in campaign.sites:
        response.headers["Access-Control-Allow-Origin"] = origin
        response.headers["Access-Control-Expose-Headers"] = "Retry-After"
        response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
        return
    for name in _PREFLIGHT:
        if name in response.headers:
            del response.headers[name]
