"""Campaigns: what must be written before anybody signs, and what must be real before anybody is written to."""

from collections.abc import Iterator
from urllib.parse import urlsplit

from worker.domain.campaign import Campaign
from worker.operations.checks.finding import Finding, Question, campaign_file
from worker.settings import domain_of, is_placeholder


def check_campaigns(question: Question) -> Iterator[Finding]:
    """Findings about each campaign's own file."""
    for campaign in question.home.campaigns.values():
        yield from _words(question, campaign)
        yield from _times(question, campaign)
        yield from _placeholders(question, campaign)
        yield from _addressees(question, campaign)


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


def _times(question: Question, campaign: Campaign) -> Iterator[Finding]:
    name = campaign_file(campaign.slug)
    if campaign.closes and campaign.closes <= question.now:
        yield question.warning(question.at(name, "closes"), "signing is closed; move closes, or take the campaign away")


def _placeholders(question: Question, campaign: Campaign) -> Iterator[Finding]:
    name = campaign_file(campaign.slug)
    test = question.home.settings.allow_test_domains
    left = [
        (loc, value)
        for loc, value, domain in _reachable(campaign)
        if value and is_placeholder(domain, allow_test_domains=test)
    ]
    if question.live:
        for loc, value in left:
            key = ".".join(loc)
            yield question.error(question.at(name, *loc), f"{key}: {value} is a placeholder; enter the campaign's own")
    elif left:
        keys = ", ".join(".".join(loc) for loc, _ in left)
        yield question.warning(name, f"placeholders in {keys}: fine in rehearsal, refused in live mode")
    if question.live and campaign.confirm_link.startswith("http://"):
        yield question.error(question.at(name, "confirm_link"), "confirm_link carries a secret; use https://")


def _reachable(campaign: Campaign) -> Iterator[tuple[tuple[str, ...], str, str]]:
    """Key, value and domain of everything that must be real in live mode."""
    for loc, address in (
        (("contact",), campaign.contact),
        (("sender", "address"), campaign.sender.address),
        (("sender", "reply_to"), campaign.sender.reply_to),
    ):
        yield loc, address, domain_of(address)
    yield ("list_id",), campaign.list_id, campaign.list_id
    for key, url in (("site", campaign.site), ("confirm_link", campaign.confirm_link)):
        yield (key,), url, urlsplit(url).hostname or ""


def _addressees(question: Question, campaign: Campaign) -> Iterator[Finding]:
    if not any(question.home.offices[each].accepts_letters for each in campaign.offices):
        place = question.at(campaign_file(campaign.slug), "offices")
        yield question.error(place, "none of the campaign's offices accepts letters; nothing would be sent")
