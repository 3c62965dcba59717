"""A campaign's page: what is asked, the letter, the form; and the form alone, for a frame on the campaign's own site."""

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, HTTPException, Request, Response
from starlette.responses import RedirectResponse
from starlette.routing import Match, Route
from starlette.types import Scope

from worker.domain.campaign import Campaign
from worker.web.campaign_views import campaign_view, openness, text_language
from worker.web.counting import count_form, tally_of
from worker.web.forms import read_form
from worker.web.origins import frame_policy
from worker.web.shop import Shop
from worker.web.signing_form import Answered, Signing, blank
from worker.web.views import FormView, LetterView

SEE_OTHER = 303


def router(shop: Shop) -> APIRouter:
    """GET /, /c/{slug}, /c/{slug}/letter, /c/{slug}/embed, /c/{slug}/sent."""
    pages, routes = CampaignPages(shop), APIRouter()
    routes.add_api_route("/", pages.index, methods=["GET"])
    routes.add_api_route("/c/{slug}", pages.show, methods=["GET"])
    routes.add_api_route("/c/{slug}/embed", pages.embed, methods=["GET"])
    routes.add_api_route("/c/{slug}/letter", pages.letter, methods=["GET"])
    routes.add_api_route("/c/{slug}/sent", pages.sent, methods=["GET"])
    return routes


def signing(shop: Shop) -> Route:
    """POST /c/{slug}, past FastAPI's reading of parameters: that costs as much as all that is done with the form."""
    return Taken("/c/{slug}", CampaignPages(shop).sign, methods=["POST"])


class Taken(Route):
    """A route that notes in the scope, as FastAPI's do, that it was taken."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        match, noted = super().matches(scope)
        return match, {**noted, "route": self}


class CampaignPages:
    """The answers. Belongs to one event loop."""

    def __init__(self, shop: Shop) -> None:
        self._shop, self._signing = shop, Signing(shop)
        self._rehearsal = shop.home.settings.mode == "rehearsal"

    def _known(self, slug: str) -> Campaign:
        campaign = self._shop.campaign(slug)
        if campaign is None:
            raise HTTPException(404)
        return campaign

    def _language_of(self, request: Request, campaign: Campaign, asked: str = "") -> str:
        wanted = asked or request.query_params.get("language", "") or request.query_params.get("ui", "")
        return text_language(campaign, wanted, request.headers.get("accept-language", ""))

    def _letter_for(self, request: Request, campaign: Campaign) -> LetterView:
        query = request.query_params
        open_ones = [each for each in campaign.offices if self._shop.home.offices[each].accepts_letters]
        asked = query.get("office", "")
        office = asked if asked in campaign.offices else (open_ones or list(campaign.offices))[0]
        language = query.get("sheet", "")  # the page's own language does not choose what an office gets
        return self._shop.letters.unsigned(
            campaign, office, language if language in campaign.languages else "", self._shop.clock.now()
        )

    async def _page(
        self, request: Request, campaign: Campaign, form: FormView, status: int = 200, wait_s: int = 0
    ) -> Response:
        language = self._language_of(request, campaign, form.values.get("language", ""))
        view = campaign_view(campaign, language, self._shop.clock.now(), rehearsal=self._rehearsal)
        headers: dict[str, str] = {"Retry-After": str(wait_s)} if wait_s else {}
        if form.frame:
            headers["Content-Security-Policy"] = frame_policy(campaign)
            return self._shop.pages.html(
                request, "embed.html", status, headers, campaign=view, form=form, language=language, frame=True
            )
        context: dict[str, Any] = {
            "letter": self._letter_for(request, campaign),
            "progress": await self._shop.progress.of(campaign.slug),
        }
        return self._shop.pages.html(
            request, "campaign.html", status, headers, campaign=view, form=form, language=language, **context
        )

    async def _fresh(self, request: Request, campaign: Campaign, *, frame: bool) -> FormView:
        language = self._language_of(request, campaign)
        if openness(campaign, self._shop.clock.now()) != "open":
            return blank(self._shop, campaign, language, frame=frame, challenge=False)
        challenge = await self._shop.limits.challenged(self._signing.client(request), campaign.slug)
        return blank(self._shop, campaign, language, frame=frame, challenge=challenge)

    async def index(self, request: Request) -> Response:
        now = self._shop.clock.now()
        views = [
            campaign_view(each, self._language_of(request, each), now, rehearsal=self._rehearsal)
            for each in self._shop.home.campaigns.values()
        ]
        return self._shop.pages.html(request, "index.html", campaigns=views, rehearsal=self._rehearsal)

    async def show(self, request: Request, slug: str) -> Response:
        campaign = self._known(slug)
        return await self._page(request, campaign, await self._fresh(request, campaign, frame=False))

    async def embed(self, request: Request, slug: str) -> Response:
        campaign = self._known(slug)
        return await self._page(request, campaign, await self._fresh(request, campaign, frame=True))

    async def letter(self, request: Request, slug: str) -> Response:
        campaign = self._known(slug)
        shown = self._letter_for(request, campaign)
        return self._shop.pages.html(
            request, "letter_fragment.html", letter=shown, sample=True, language=shown.language
        )

    async def sign(self, request: Request) -> Response:
        slug: str = request.path_params["slug"]
        campaign = self._known(slug)
        answered: Answered = await self._signing.answer(request, campaign)
        count_form(tally_of(request), slug, await read_form(request), answered.status)
        if answered.form is None:
            return RedirectResponse(_sent(slug, answered.frame, request.query_params), SEE_OTHER)
        return await self._page(request, campaign, answered.form, answered.status, answered.wait_s)

    async def sent(self, request: Request, slug: str) -> Response:
        campaign = self._known(slug)
        frame = request.query_params.get("frame") == "1"
        view = campaign_view(
            campaign, self._language_of(request, campaign), self._shop.clock.now(), rehearsal=self._rehearsal
        )
        headers = {"Content-Security-Policy": frame_policy(campaign)} if frame else {}
        return self._shop.pages.html(request, "sent.html", 200, headers, campaign=view, frame=frame)


def _sent(slug: str, frame: bool, query: Mapping[str, str]) -> str:
    kept = [f"ui={query['ui']}"] if query.get("ui") in {"en", "fr"} else []
    parts = "&".join([*kept, *(["frame=1"] if frame else [])])
    return f"/c/{slug}/sent?{parts}" if parts else f"/c/{slug}/sent"
