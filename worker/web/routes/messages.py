"""Pages that say one thing: the outcome of a link or of a deed."""

from fastapi import Request, Response

from worker.web import tellings
from worker.web.campaign_views import campaign_view, text_language
from worker.web.shop import Shop
from worker.web.views import CampaignView


class Messages:
    """Shows `message.html`."""

    def __init__(self, shop: Shop) -> None:
        self._shop = shop

    def show(self, request: Request, kind: str, slug: str = "", *, status: int = 200, action: str = "") -> Response:
        """The message of this `kind` (see `tellings`), in the frame of the campaign where one is known.

        `action`: where its one button leads ("" for none): a POST, because programs follow links.
        """
        view = self.campaign(request, slug)
        words = self._shop.pages.words_for(request, view.language if view else "")
        told = tellings.message(words, kind)
        return self._shop.pages.html(
            request,
            "message.html",
            status,
            campaign=view,
            title=told.title,
            text=told.text,
            tone=told.tone,
            links=(),
            action=action,
        )

    def campaign(self, request: Request, slug: str) -> CampaignView | None:
        """The campaign as the frame of a page."""
        campaign = self._shop.campaign(slug)
        if campaign is None:
            return None
        asked = request.query_params.get("ui", "")
        language = text_language(campaign, asked, request.headers.get("accept-language", ""))
        rehearsal = self._shop.home.settings.mode == "rehearsal"
        return campaign_view(campaign, language, self._shop.clock.now(), rehearsal=rehearsal)
