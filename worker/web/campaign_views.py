"""From a home's campaigns to what their pages show."""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from hashlib import sha256
from typing import Literal

from worker.domain.campaign import Campaign
from worker.domain.consents import SEND
from worker.domain.occasion import Occasion
from worker.settings import Home
from worker.web.letter import Letters
from worker.web.views import CampaignView, Choice, ConsentView, OccasionView, OfficeView
from worker.web.words import choose, own_name


def text_language(campaign: Campaign, asked: str, accept: str) -> str:
    """The language of the campaign's texts: the one asked for where it has it, else what the browser prefers."""
    return asked if asked in campaign.languages else choose(accept, "", campaign.languages)


def campaign_view(campaign: Campaign, language: str, now: datetime, *, rehearsal: bool) -> CampaignView:
    """A campaign in one of its languages."""
    text = campaign.page.get(language) or campaign.page.get(campaign.default_language)
    wording = campaign.text.wordings[language]
    return CampaignView(
        slug=campaign.slug,
        name=campaign.name,
        site=campaign.site,
        controller=campaign.controller,
        contact=campaign.contact,
        language=language,
        languages=tuple(
            Choice(each, own_name(each), each == language, f"/c/{campaign.slug}?language={each}")
            for each in campaign.languages
        ),
        title=text.title if text else campaign.name,
        lead=text.lead if text else (),
        goals=wording.goals,
        logo=bool(campaign.look.logo),
        has_look=bool(campaign.look.accent or campaign.look.accent_dark),
        openness=openness(campaign, now),
        opens=campaign.opens,
        closes=campaign.closes,
        rehearsal=rehearsal,
    )


def openness(campaign: Campaign, now: datetime) -> Literal["open", "not yet", "closed"]:
    """Whether it can be signed at `now`."""
    if campaign.opens and now < campaign.opens:
        return "not yet"
    return "closed" if campaign.closes and now >= campaign.closes else "open"


def offices_of(home: Home, campaign: Campaign, chosen: Collection[str] | None = None) -> tuple[OfficeView, ...]:
    """The campaign's offices in its order; all that accept letters are chosen where nothing else is said."""
    return tuple(office_view(home, each, chosen is None or each in chosen) for each in campaign.offices)


def office_view(home: Home, office_id: str, chosen: bool = True) -> OfficeView:
    """One office; one that has left the register is shown by its id."""
    office = home.offices.get(office_id)
    if office is None:
        return OfficeView(office_id, office_id, "", "", chosen, accepts=False)
    return OfficeView(
        office.id,
        office.title,
        office.organisation,
        office.country,
        chosen and office.accepts_letters,
        office.accepts_letters,
    )


def consents_of(
    campaign: Campaign, language: str, given: Collection[str] = (), errors: Mapping[str, str] | None = None
) -> tuple[ConsentView, ...]:
    """The questions of consent, none of them answered beforehand; `given` are those that this visitor ticked."""
    return tuple(
        ConsentView(
            kind, campaign.consent_words(kind, language), kind == SEND, kind in given, (errors or {}).get(kind, "")
        )
        for kind in (SEND, *campaign.offers)
    )


def wishes_of(campaign: Campaign, language: str, standing: Iterable[str]) -> tuple[ConsentView, ...]:
    """The consents that may be switched on the signer's own page."""
    given = set(standing)
    kinds = [kind for kind in campaign.offers if kind != SEND] + sorted(given - {SEND} - set(campaign.offers))
    return tuple(ConsentView(k, campaign.consent_words(k, language), given=k in given) for k in kinds)


def asked_for(campaign: Campaign, kinds: Collection[str] | None = None) -> tuple[Occasion, ...]:
    """The occasions whose own text is shown beside a consent that is asked for; `kinds`: those, else what is offered."""
    wanted = campaign.offers if kinds is None else kinds
    return tuple(each for each in campaign.occasions.values() if each.text and each.consent in wanted)


def occasions_of(
    letters: Letters, campaign: Campaign, language: str, now: datetime, kinds: Collection[str] | None = None
) -> tuple[OccasionView, ...]:
    """What will be written on the occasions that are asked for, in `language`. Raises TemplateFault."""
    return tuple(
        OccasionView(
            each.name,
            each.consent,
            each.day_in(each.next_year(now)),
            letters.of_occasion(campaign, each, language, now),
        )
        for each in asked_for(campaign, kinds)
    )


def version_of(campaign: Campaign, language: str) -> str:
    """Names what a visitor read: text versions, and the words of every consent. Goes through the form."""
    consents = (each.words for each in consents_of(campaign, language))
    texts = sorted(each.text.hash for each in asked_for(campaign) if each.text)
    words = "\0".join((campaign.text.hash, *consents, *texts))
    return sha256(words.encode()).hexdigest()[:20]
