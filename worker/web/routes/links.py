"""Links by mail: never write to this address again, and the link to one's own page for who has lost it.

Both answer alike whether or not anything is known of the address.
"""

from math import ceil
from typing import Any

from fastapi import APIRouter, HTTPException, Request, Response
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool

from worker.domain.errors import BadInput, RefusedByState
from worker.web import faults
from worker.web.forms import read_form
from worker.web.gate import HONEYPOT, Visit
from worker.web.routes.messages import Messages
from worker.web.shop import Shop
from worker.web.signing_form import TOO_MANY, UNPROCESSABLE, Signing

LIKE = "; write one like name@mail.example"  # as the reasons about an address end in `intake.validate`


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
        except RefusedByState:  # erased: no address is known to this link any more
            return self._messages.show(request, "erased", status=410)
        campaign = self._messages.campaign(request, slug)
        return self._shop.pages.html(request, "never.html", campaign=campaign, action=f"/never/{token}")

    async def never(self, request: Request, token: str) -> Response:
        try:
            await run_in_threadpool(self._shop.own_pages.never, token)
        except BadInput:
            return self._messages.show(request, "unknown", status=404)
        except RefusedByState:
            return self._messages.show(request, "erased", status=410)
        return self._messages.show(request, "never")

    def _form(
        self, request: Request, slug: str, status: int = 200, *, value: str = "", error: str = "", wait_s: float = 0
    ) -> Response:
        view = self._messages.campaign(request, slug)
        if view is None:
            raise HTTPException(404)
        at = f"/c/{slug}/link"
        headers = {"Retry-After": str(max(1, ceil(wait_s)))} if status == TOO_MANY else None
        context: dict[str, Any] = {"action": at, "value": value, "error": error}
        return self._shop.pages.html(request, "link.html", status, headers, campaign=view, at=at, **context)

    async def lost(self, request: Request, slug: str) -> Response:
        return self._form(request, slug)

    async def send(self, request: Request, slug: str) -> Response:
        """No proof of work here: at most one message a day comes of it, and to a confirmed signer alone."""
        if self._shop.campaign(slug) is None:
            raise HTTPException(404)
        sent = await read_form(request)
        given = str(sent.get("email", ""))[:500]
        words = self._shop.pages.words_for(request)
        try:
            canonical = self._shop.intake.canonical(given)
        except BadInput as exc:
            reason = f"{str(exc).removeprefix('email: ')}{LIKE}"
            error = faults.fault(words, "email", reason)
            return self._form(request, slug, UNPROCESSABLE, value=given, error=error)
        key = self._shop.ledger.keys.address_key(canonical)
        visit = Visit(self._signing.client(request), key, canonical.rpartition("@")[2], slug)
        leave = await self._shop.limits.ask(visit)
        if not leave.allowed and not leave.silent:
            error = faults.fault(words, "form", "limit")
            return self._form(request, slug, TOO_MANY, value=given, error=error, wait_s=leave.retry_after_s)
        answer = self._messages.show(request, "link", slug)
        if leave.allowed and not sent.get(HONEYPOT):
            # after the answer, so that the time it takes tells nobody whether there is such a signer
            answer.background = BackgroundTask(self._shop.writing, self._shop.own_pages.lost, slug, given)
        return answer
