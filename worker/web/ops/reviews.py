"""Signatures that wait for an operator's look, on the operators' pages: the list, a look (audited), and the decision."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request
from starlette.responses import Response

from worker.domain.errors import BadInput, RefusedByState
from worker.operations.review import Order, decide, held, look
from worker.web.forms import read_form
from worker.web.ops.desk import Desk
from worker.web.ops.guard import Gate, Visitor

PAGE = 50
_LARGEST = 2**63 - 1
_LONGEST = 2_000
Number = Annotated[int, Path(ge=1, le=_LARGEST)]


def add(routes: APIRouter, desk: Desk, gate: Gate) -> None:
    """GET /ops/reviews; POST /ops/reviews/{signature}, its field `step` says look, approved or rejected."""

    @routes.get("/ops/reviews")
    async def waiting(
        request: Request,
        user: Annotated[Visitor, Depends(gate.viewer)],
        after: Annotated[int, Query(ge=0, le=_LARGEST)] = 0,
    ) -> Response:
        found = await desk.read(held, desk.ledger, PAGE + 1, after)
        following = f"/ops/reviews?after={found[PAGE - 1]['signature']}" if len(found) > PAGE else ""
        return gate.page(request, user, "ops/reviews.html", 200, waiting=found[:PAGE], following=following)

    @routes.post("/ops/reviews/{signature}")
    async def step(request: Request, user: Annotated[Visitor, Depends(gate.operator)], signature: Number) -> Response:
        form = await read_form(request)
        wanted, reason = str(form.get("step", "")), str(form.get("reason", ""))[:_LONGEST]
        error = ""
        if wanted != "look":
            try:
                decided = await desk.shop.writing(_decide, desk, signature, wanted, user.name, reason)
            except (BadInput, RefusedByState) as exc:
                error, status = str(exc), 400 if isinstance(exc, BadInput) else 409
            else:
                return gate.see_other(user, "/ops/reviews", f"Signature {signature} is {wanted}; letters: {decided}.")
        found = await desk.shop.writing(look, desk.ledger, signature, user.name)
        shown: dict[str, Any] = {"it": found, "error": error, "reason": reason}
        return gate.page(request, user, "ops/review.html", status if error else 200, **shown)


def _decide(desk: Desk, signature: int, wanted: str, who: str, reason: str) -> int:
    if wanted not in ("approved", "rejected"):
        raise BadInput("choose: approve it, or reject it")
    signing = desk.home.settings.signing
    order = Order(wanted, who, reason, signing.confirm_within, signing.remind_after)  # type: ignore[arg-type]  # it is one of both
    return decide(desk.ledger, signature, order).letters
