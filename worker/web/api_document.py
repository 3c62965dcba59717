"""The API's OpenAPI 3.1 document, made from its routes and models."""

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi.openapi.utils import get_openapi
from starlette.routing import BaseRoute

from worker.web.api_models import Problem
from worker.web.routes.problems import MEDIA_TYPE

_REF = "#/components/schemas/"
_DESCRIPTION = """\
Sign a campaign's open letter from another site or program, and follow what becomes of it.

Without a key a signature is unconfirmed: its signer is asked by mail, and answers never tell who has signed before.
With a key (`Authorization: Bearer lsk_...`) signatures confirmed elsewhere may be entered, read and withdrawn.

Errors are problem documents (RFC 9457). 503 says that the ledger is away for a moment: send the same again.
"""
_WHY = {
    400: "The request cannot be read.",
    401: "The API key is missing, unknown or no longer valid.",
    403: "The API key lacks the scope; or another site's page asked, which the campaign does not name.",
    404: "There is no such thing, or none that this key may see.",
    405: "This method is not for this path.",
    408: "The body did not come in time.",
    409: "The campaign cannot be signed now.",
    413: "The body has more than 64 KiB.",
    414: "The address is too long.",
    415: "The body is not application/json.",
    422: "Fields have not the form that is asked for: `errors` names each.",
    428: "A proof of work is asked for: solve `challenge`, and send the same again with `altcha`.",
    429: "Too many signatures: wait as long as Retry-After says.",
    431: "The headers are too long.",
    503: "The ledger is away: nothing is known to be recorded. Send the same again.",
}
_ANY = (400, 405, 414, 431, 503)
_WAITS = {"Retry-After": {"description": "Seconds.", "schema": {"type": "integer"}}}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The errors of an operation, those included that may always come."""
    return {status: _described(status) for status in sorted({*_ANY, *statuses})}


def _described(status: int) -> dict[str, Any]:
    content = {MEDIA_TYPE: {"schema": {"$ref": f"{_REF}Problem"}}}
    told: dict[str, Any] = {"description": _WHY[status], "content": content}
    return told | ({"headers": _WAITS} if status in {429, 503} else {})


def document(routes: Sequence[BaseRoute], base_url: str) -> Mapping[str, Any]:
    """The document. `base_url`: where the API is served, "" where that is not known."""
    made = get_openapi(
        title="Lettershop",
        version="1",
        openapi_version="3.1.0",
        description=_DESCRIPTION,
        routes=routes,
        servers=[{"url": base_url or "/"}],
        tags=[
            {"name": "campaigns", "description": "For everybody."},
            {"name": "signatures", "description": "For holders of a key."},
        ],
    )
    problem = Problem.model_json_schema(ref_template=f"{_REF}{{model}}", mode="serialization")
    schemas = made.setdefault("components", {}).setdefault("schemas", {})
    schemas |= problem.pop("$defs", {}) | {"Problem": problem}
    return made
