"""A campaign's privacy page (GDPR, article 13), from its config and the register of offices."""

from fastapi import APIRouter, HTTPException, Request, Response

from worker.domain.campaign import PrivacyText
from worker.web.campaign_views import campaign_view, consents_of, offices_of, text_language
from worker.web.shop import Shop
from worker.web.views import PrivacyView

_UNWRITTEN = PrivacyText("", "", "", "")


def router(shop: Shop) -> APIRouter:
    """GET /c/{slug}/privacy."""
    routes = APIRouter()

    @routes.get("/c/{slug}/privacy")
    async def privacy(request: Request, slug: str) -> Response:
        campaign = shop.campaign(slug)
        if campaign is None:
            raise HTTPException(404)
        asked = request.query_params.get("language", "") or request.query_params.get("ui", "")
        language = text_language(campaign, asked, request.headers.get("accept-language", ""))
        rehearsal = shop.home.settings.mode == "rehearsal"
        view = campaign_view(campaign, language, shop.clock.now(), rehearsal=rehearsal)
        text = campaign.privacy.get(language) or campaign.privacy.get(campaign.default_language) or _UNWRITTEN
        shown = PrivacyView(
            campaign=view,
            controller=campaign.controller,
            contact=campaign.contact,
            purpose=text.purpose,
            recipients=text.recipients,
            retention=text.retention,
            complaint=text.complaint,
            minimum_age=campaign.minimum_age,
            offices=offices_of(shop.home, campaign),
            consents=consents_of(campaign, language),
        )
        return shop.pages.html(request, "privacy.html", campaign=view, privacy=shown)

    return routes
