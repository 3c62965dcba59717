"""Campaigns: what must be written before anybody signs, and what must be real before anybody is written to."""

from collections.abc import Iterator
from urllib.parse import urlsplit

from worker.domain.campaign import Campaign
from worker.domain.colour import DARK_GROUND, ENOUGH, LIGHT_GROUND, contrast
from worker.operations.checks.finding import Finding, Question, campaign_file
from worker.settings import domain_of, is_placeholder


def check_campaigns(question: Question) -> Iterator[Finding]:
    """Findings about each campaign's own file."""
    for campaign in question.home.campaigns.values():
        yield from _words(question, campaign)
        yield from _pages(question, campaign)
        yield from _colours(question, campaign)
        yield from _times(question, campaign)
        yield from _placeholders(question, campaign)
        yield from _addressees(question, campaign)
        yield from _occasions(question, campaign)


def _words(question: Question, campaign: Campaign) -> Iterator[Finding]:
    name = campaign_file(campaign.slug)
    for language, wording in campaign.text.wordings.items():
        if not wording.goals:
            place = question.at(name, "goals", language)
            yield question.error(place, f"goals are empty for language {language!r}; write what the letter asks for")
        if not campaign.consent.get(language):
            yield question.if_live(
                question.at(name, "consent"),
                f"consent has no words for language {language!r}; write what a signer agrees to",
            )


def _pages(question: Question, campaign: Campaign) -> Iterator[Finding]:
    """What a visitor must be able to read before signing."""
    name = campaign_file(campaign.slug)
    for language in campaign.languages:
        if language not in campaign.page:
            message = f"the page has no words for language {language!r}; write [page.{language}]"
            yield question.if_live(question.at(name, "page"), message)
        if language not in campaign.privacy:
            message = f"the privacy page has no words for language {language!r}; write [privacy.{language}]"
            yield question.if_live(question.at(name, "privacy"), message)
    if not campaign.minimum_age:
        message = "no minimum age is stated; set form.minimum_age"
        yield question.if_live(question.at(name, "form", "minimum_age"), message)


def _colours(question: Question, campaign: Campaign) -> Iterator[Finding]:
    """A campaign's own accent must be readable on the ground that it stands on."""
    grounds = (("accent", campaign.look.accent, LIGHT_GROUND), ("accent_dark", campaign.look.accent_dark, DARK_GROUND))
    for key, colour, ground in grounds:
        if colour and contrast(colour, ground) < ENOUGH:
            yield question.warning(
                question.at(campaign_file(campaign.slug), "look", key),
                f"look.{key}: {colour} on the page's {ground} has a contrast of {contrast(colour, ground):.1f};"
                f" {ENOUGH} is needed to be read (WCAG 2.2)",
            )


def _times(question: Question, campaign: Campaign) -> Iterator[Finding]:
    name = campaign_file(campaign.slug)
    if campaign.closes and campaign.closes <= question.now:
        yield question.warning(question.at(name, "closes"), "signing is closed; move closes, or take the campaign away")


def _placeholders(question: Question, campaign: Campaign) -> Iterator[Finding]:
    name = campaign_file(campaign.slug)
    test = question.home.settings.allow_test_domains
    left = [
        (loc, value)
        for loc, value, domain in _reachable(question, campaign)
        if value and is_placeholder(domain, allow_test_domains=test)
    ]
    if question.live:
        for loc, value in left:
            key = ".".join(loc)
            yield question.error(question.at(name, *loc), f"{key}: {value} is a placeholder; enter the campaign's own")
    elif left:
        keys = ", ".join(".".join(loc) for loc, _ in left)
        yield question.warning(name, f"placeholders in {keys}: fine in rehearsal, refused in live mode")
    if question.live and _own_link(question, campaign).startswith("http://"):
        yield question.error(question.at(name, "confirm_link"), "confirm_link carries a secret; use https://")


def _own_link(question: Question, campaign: Campaign) -> str:
    """The confirmation link where the campaign states one; "" where it follows from `web.url`, which is checked once."""
    base = question.home.settings.base_url
    return "" if base and campaign.confirm_link.startswith(f"{base}/") else campaign.confirm_link


def _reachable(question: Question, campaign: Campaign) -> Iterator[tuple[tuple[str, ...], str, str]]:
    """Key, value and domain of everything that must be real in live mode."""
    for loc, address in (
        (("contact",), campaign.contact),
        (("sender", "address"), campaign.sender.address),
        (("sender", "reply_to"), campaign.sender.reply_to),
    ):
        yield loc, address, domain_of(address)
    yield ("list_id",), campaign.list_id, campaign.list_id
    for key, url in (("site", campaign.site), ("confirm_link", _own_link(question, campaign))):
        yield (key,), url, urlsplit(url).hostname or ""


def _addressees(question: Question, campaign: Campaign) -> Iterator[Finding]:
    if not any(question.home.offices[each].accepts_letters for each in campaign.offices):
        place = question.at(campaign_file(campaign.slug), "offices")
        yield question.error(place, "none of the campaign's offices accepts letters; nothing would be sent")


def _occasions(question: Question, campaign: Campaign) -> Iterator[Finding]:
    """An occasion needs somebody to write to and somebody who may agree to be written for."""
    name = campaign_file(campaign.slug)
    for occasion in campaign.occasions.values():
        place = ("occasions", occasion.name)
        offices = [question.home.offices[each] for each in campaign.offices]
        if not any(each.accepts_letters and (not occasion.tags or occasion.tags & each.tags) for each in offices):
            message = f"occasions.{occasion.name}: none of the campaign's offices with one of its tags accepts letters"
            yield question.error(question.at(name, *place, "tags"), message)
        if occasion.consent not in campaign.offers:
            message = f"occasions.{occasion.name}: the form does not ask for the consent {occasion.consent!r}"
            yield question.warning(question.at(name, *place), f"{message}; add it to form.offers")
        if strange := sorted(occasion.languages - set(campaign.languages)):
            message = f"occasions.{occasion.name}: {strange[0]!r} is not one of the campaign's languages"
            yield question.error(question.at(name, *place, "languages"), message)
