"""The confirmation link. Mail scanners follow links: its GET shows the letter and changes nothing, its POST confirms."""

from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse

from worker.domain.consents import OPTIONAL, SEND
from worker.domain.errors import BadInput, RefusedByState
from worker.intake.own_page import OwnPage
from worker.ledger.tokens import CONFIRM
from worker.web.campaign_views import asked_for, campaign_view, occasions_of, office_view
from worker.web.counting import count_confirmation, tally_of
from worker.web.forms import read_form
from worker.web.routes.campaign import SEE_OTHER
from worker.web.routes.messages import Messages
from worker.web.shop import Shop


def router(shop: Shop) -> APIRouter:
    """GET and POST /confirm/{token}."""
    pages, routes = Confirming(shop), APIRouter()
    routes.add_api_route("/confirm/{token}", pages.show, methods=["GET"])
    routes.add_api_route("/confirm/{token}", pages.confirm, methods=["POST"])
    return routes


class Confirming:
    """The answers. Belongs to one event loop."""

    def __init__(self, shop: Shop) -> None:
        self._shop, self._messages = shop, Messages(shop)

    async def _confirmed(self, request: Request, token: str, slug: str) -> Response:
        page = await run_in_threadpool(self._shop.own_pages.page_token, token)
        if page:
            return RedirectResponse(f"/me/{page}", SEE_OTHER)
        return self._messages.show(request, "confirmed", slug)

    async def show(self, request: Request, token: str) -> Response:
        page = await self._opened(request, token)
        if isinstance(page, Response):
            return page
        run_out = page.expires is not None and page.expires <= self._shop.clock.now()
        if page.state == "confirmed":
            kind = "confirmed before" if run_out or not page.has_page else "confirmed already"
            action = "" if kind == "confirmed before" else f"/confirm/{token}"
            return self._messages.show(request, kind, page.campaign, action=action)
        if page.state != "unconfirmed" or run_out:
            kind = "expired" if page.state == "unconfirmed" else "withdrawn"
            return self._messages.show(request, kind, page.campaign, status=410)
        return _letter(self._shop, request, token, page)

    async def confirm(self, request: Request, token: str) -> Response:
        page = await self._opened(request, token)
        if isinstance(page, Response):
            return page
        seen = str((await read_form(request)).get("seen", ""))
        if page.state == "unconfirmed" and seen != page.fingerprint:
            return RedirectResponse(f"/confirm/{token}", SEE_OTHER)  # it is not what was shown: it is shown again
        if page.expires is not None and page.expires <= self._shop.clock.now():
            return RedirectResponse(f"/confirm/{token}", SEE_OTHER)
        try:
            receipt = await self._shop.writing(self._shop.intake.confirm, token)
        except RefusedByState:  # run out, or withdrawn meanwhile: the page says which
            return RedirectResponse(f"/confirm/{token}", SEE_OTHER)
        if not receipt.repeated:
            count_confirmation(tally_of(request), page.campaign, page.person.email)
        return await self._confirmed(request, token, page.campaign)

    async def _opened(self, request: Request, token: str) -> OwnPage | Response:
        try:
            page = await run_in_threadpool(self._shop.own_pages.read, token, CONFIRM)
        except BadInput:
            return self._messages.show(request, "unknown", status=404)
        except RefusedByState:
            return self._messages.show(request, "erased", status=410)
        if self._shop.campaign(page.campaign) is None:
            return self._messages.show(request, "closed", status=410)
        return page


def _letter(shop: Shop, request: Request, token: str, page: OwnPage) -> Response:
    """The letter as it will be sent, to whom, and one button."""
    campaign, now = shop.home.campaigns[page.campaign], shop.clock.now()
    offices = [
        office_view(shop.home, each)
        for each in campaign.offices
        if each not in page.left_out and shop.home.offices[each].accepts_letters
    ]
    language = page.language if page.language in campaign.languages else campaign.default_language
    shown = {
        each.name for each in asked_for(campaign, page.consents) if each.text and each.text.hash in page.shown_texts
    }
    occasions = occasions_of(shop.letters, campaign, language, now, page.consents)
    return shop.pages.html(
        request,
        "confirm.html",
        campaign=campaign_view(campaign, language, now, rehearsal=shop.home.settings.mode == "rehearsal"),
        letter=shop.letters.signed(
            campaign, (offices or [office_view(shop.home, campaign.offices[0])])[0].id, page, now
        ),
        offices=offices,
        name=page.person.name,
        action=f"/confirm/{token}",
        never=f"/never/{token}",
        seen=page.fingerprint,
        occasions=[each for each in occasions if each.name in shown],
        agreed=[campaign.consent_words(kind, language) for kind in (SEND, *OPTIONAL) if kind in page.consents],
    )
