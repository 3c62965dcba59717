"""From a signature, as intake reads it for its signer, to what their own page shows."""

from collections.abc import Mapping

from fastapi import Request

from worker.domain.states import State
from worker.intake.own_page import OwnPage
from worker.ledger.own_letters import OwnLetter
from worker.web import faults
from worker.web.anniversary_view import anniversary_view
from worker.web.campaign_views import campaign_view, occasions_of, office_view, version_of, wishes_of
from worker.web.shop import Shop
from worker.web.views import CampaignView, LetterRow, SignerView, YearView
from worker.web.words import N_

_DEEDS = ("withdraw", "correct", "consents", "agree", "end", "resend", "data", "erase")
_HELD = N_("Your letters wait until somebody at the campaign has read your own words.")
_IMPORTED = N_("It waits so that you can object: you were entered from a list.")


def campaign_of(shop: Shop, page: OwnPage) -> CampaignView:
    """The campaign of a signature, in the language in which it was signed."""
    campaign = shop.home.campaigns[page.campaign]
    language = page.language if page.language in campaign.languages else campaign.default_language
    return campaign_view(campaign, language, shop.clock.now(), rehearsal=shop.home.settings.mode == "rehearsal")


def signer_view(
    shop: Shop,
    request: Request,
    token: str,
    page: OwnPage,
    *,
    typed: Mapping[str, str] | None = None,
    wrong: Mapping[str, str] | None = None,
) -> SignerView:
    """The page. `typed` is what a correction said that could not be taken, `wrong` why, by field."""
    campaign = shop.home.campaigns[page.campaign]
    view = campaign_of(shop, page)
    words = shop.pages.words_for(request, view.language)
    stands = page.state == "confirmed"
    values = typed or {"name": page.person.name, "city": page.person.city, "comment": page.person.comment}
    offered, imported = _DEEDS if stands else ("data", "erase"), words.gettext(_IMPORTED)
    wishes = wishes_of(campaign, view.language, page.consents)
    now = shop.clock.now()
    return SignerView(
        name=values["name"],
        city=values["city"],
        comment=values["comment"],
        country=page.person.country,
        campaign=view,
        signed=page.signed,
        confirmed=page.confirmed,
        state="confirmed" if stands else "withdrawn",
        letters=tuple(_row(shop, each, imported) for each in page.letters),
        consents=wishes,
        can_correct=stands and page.unsent,
        can_withdraw=stands,
        paths={deed: f"/me/{token}/{deed}" for deed in offered},
        held=words.gettext(_HELD) if page.held else "",
        errors={name: faults.fault(words, name, why) for name, why in (wrong or {}).items()},
        asks_city=campaign.asks_city,
        takes_comments=campaign.takes_comments,
        years=tuple(
            YearView(each.day, each.begun, tuple(_row(shop, letter, imported) for letter in each.letters))
            for each in page.written
        ),
        anniversaries=tuple(anniversary_view(shop, words, view, page, each) for each in page.coming),
        occasions=occasions_of(shop.letters, campaign, view.language, now, [each.kind for each in wishes]),
        version=version_of(campaign, view.language),
    )


def _row(shop: Shop, letter: OwnLetter, imported: str) -> LetterRow:
    waits = letter.state == State.QUEUED and letter.due > shop.clock.now()
    return LetterRow(
        office=office_view(shop.home, letter.office),
        state=letter.state,
        at=letter.ended,
        due=letter.due if waits else None,
        reply=letter.reply,
        reason=imported if waits and letter.reason == "imported" else "",
    )
