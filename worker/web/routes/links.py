"""Links by mail: never write to this address again, and the link to one's own page for who has lost it.

Both answer alike whether or not anything is known of the address.
"""

from datetime import timedelta
from typing import Any

from fastapi import APIRouter, HTTPException, Request, Response
from starlette.concurrency import run_in_threadpool

from worker.domain.errors import BadInput, RefusedByState
from worker.web import faults
from worker.web.forms import read_form
from worker.web.gate import HONEYPOT, Visit
from worker.web.gate.challenge import FIELD
from worker.web.routes.messages import Messages
from worker.web.shop import Shop
from worker.web.signing_form import TOO_MANY, UNPROCESSABLE, Signing

LIKE = "; write one like name@mail.example"  # as the reasons about an address end in `intake.validate`
_HOUR_S = str(timedelta(hours=1) // timedelta(seconds=1))


def router(shop: Shop) -> APIRouter:
    """GET and POST /never/{token}, /c/{slug}/link."""
    pages, routes = Links(shop), APIRouter()
    routes.add_api_route("/never/{token}", pages.ask, methods=["GET"])
    routes.add_api_route("/never/{token}", pages.never, methods=["POST"])
    routes.add_api_route("/c/{slug}/link", pages.lost, methods=["GET"])
    routes.add_api_route("/c/{slug}/link", pages.send, methods=["POST"])
    return routes


class Links:
    """The answers. Belongs to one event loop."""

    def __init__(self, shop: Shop) -> None:
        self._shop, self._messages, self._signing = shop, Messages(shop), Signing(shop)

    async def ask(self, request: Request, token: str) -> Response:
        try:
            slug = await run_in_threadpool(self._shop.own_pages.campaign_of, token)
        except BadInput:
            return self._messages.show(request, "unknown", status=404)
        campaign = self._messages.campaign(request, slug)
        return self._shop.pages.html(request, "never.html", campaign=campaign, action=f"/never/{token}")

    async def never(self, request: Request, token: str) -> Response:
        try:
            await run_in_threadpool(self._shop.own_pages.never, token)
        except BadInput:
            return self._messages.show(request, "unknown", status=404)
        except RefusedByState:  # erased: nothing is known that could be written to
            return self._messages.show(request, "erased")
        return self._messages.show(request, "never")

    async def _form(
        self, request: Request, slug: str, status: int = 200, *, value: str = "", error: str = ""
    ) -> Response:
        view = self._messages.campaign(request, slug)
        if view is None:
            raise HTTPException(404)
        challenge = await self._shop.limits.challenged(self._signing.client(request), slug)
        context: dict[str, Any] = {"action": f"/c/{slug}/link", "value": value, "error": error, "challenge": challenge}
        headers = {"Retry-After": _HOUR_S} if status == TOO_MANY else None
        at = f"/c/{slug}/link"
        return self._shop.pages.html(request, "link.html", status, headers, campaign=view, at=at, **context)

    async def lost(self, request: Request, slug: str) -> Response:
        return await self._form(request, slug)

    async def send(self, request: Request, slug: str) -> Response:
        if self._shop.campaign(slug) is None:
            raise HTTPException(404)
        sent = await read_form(request)
        given = str(sent.get("email", ""))[:500]
        words = self._shop.pages.words_for(request)
        try:
            canonical = self._shop.intake.canonical(given)
        except BadInput as exc:
            reason = f"{str(exc).removeprefix('email: ')}{LIKE}"
            return await self._form(
                request, slug, UNPROCESSABLE, value=given, error=faults.fault(words, "email", reason)
            )
        key = self._shop.ledger.keys.address_key(canonical)
        leave = await self._shop.limits.ask(
            Visit(self._signing.client(request), key, canonical.rpartition("@")[2], slug)
        )
        unproved = leave.challenge and not await self._shop.challenges.solved(
            str(sent.get(FIELD, "")), self._shop.clock.now()
        )
        if not leave.allowed or unproved:
            why = "challenge" if leave.allowed else "limit"
            status = UNPROCESSABLE if leave.allowed else TOO_MANY
            return await self._form(request, slug, status, value=given, error=faults.fault(words, "form", why))
        if not sent.get(HONEYPOT):
            await run_in_threadpool(self._shop.own_pages.lost, slug, given)
        return self._messages.show(request, "link", slug)
