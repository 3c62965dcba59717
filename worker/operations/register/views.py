"""The register as operators see it: who is named today, how an office is greeted, where its letters go, what is amiss."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

import dns.resolver

from worker.domain.address_block import block_on
from worker.domain.office import Holder, Office
from worker.operations.checks.finding import Finding, Question
from worker.operations.checks.offices import check_mail_servers, check_one
from worker.settings import Home


def listed(home: Home, unsent: Mapping[str, int], now: datetime, tag: str = "") -> list[dict[str, Any]]:
    """A row for each office, of those with `tag` where one is named.

    Keys: id, title, organisation, holder (a name, "vacant" or "stale"), waits (why, by its policy), lane, accepts_letters,
    refusal, unsent (letters), tags.
    """
    return [
        _summary(office, now, max(0, unsent.get(office.id, 0)))
        for office in home.offices.values()
        if not tag or tag in office.tags
    ]


def _summary(office: Office, now: datetime, unsent: int) -> dict[str, Any]:
    day = _day(office, now)
    there = office.present(day)
    return {
        "id": office.id,
        "title": office.title,
        "organisation": office.organisation,
        "holder": there.name if there and there.fresh(day) else "stale" if there else "vacant",
        "waits": office.standstill(day),
        "lane": office.lane,
        "accepts_letters": office.accepts_letters,
        "refusal": office.refusal,
        "unsent": unsent,
        "tags": sorted(office.tags),
    }


def shown(home: Home, office: Office, unsent: Mapping[str, int], now: datetime) -> dict[str, Any]:
    """All that is known of one office: its entry, its summary, greetings, campaigns, partners, limits, warnings."""
    day = _day(office, now)
    return {
        **_summary(office, now, max(0, unsent.get(office.id, 0))),
        "country": office.country,
        "time_zone": office.zone.key,
        "language": office.language,
        "hours": str(office.hours),
        "holidays": office.holidays or office.country,
        "mailbox": office.mailbox,
        "source": office.source,
        "as_of": _iso(office.as_of),
        "vacancy": office.vacancy,
        "stale": office.stale,
        "holders": [_holder(each, day) for each in office.holders],
        "campaigns": [slug for slug, campaign in home.campaigns.items() if office.id in campaign.offices],
        "greetings": _greetings(home, office, day),
        "shares_with": _partners(home, office),
        "limits": _limits(home, office),
        "warnings": [str(found) for found in look(home, [office.id], now)],
    }


def look(
    home: Home,
    offices: list[str],
    now: datetime,
    *,
    ask_dns: bool = False,
    resolver: dns.resolver.Resolver | None = None,
) -> list[Finding]:
    """What `offices check` finds about these offices, each finding once, errors first."""
    question = Question(home, home.settings.mode == "live", now)
    found = [finding for name in offices for finding in check_one(question, home.offices[name])]
    if ask_dns:
        found += check_mail_servers(question, offices, resolver)
    return sorted(dict.fromkeys(found), key=lambda finding: finding.level)


def _holder(holder: Holder, day: date) -> dict[str, Any]:
    return {
        "name": holder.name,
        "form": holder.form,
        "salutation": holder.salutation,
        "from": _iso(holder.since),
        "until": _iso(holder.until),
        "verified": _iso(holder.verified),
        "in_office": holder.in_office(day),
        "fresh": holder.fresh(day),
    }


def _greetings(home: Home, office: Office, day: date) -> list[dict[str, Any]]:
    """How a letter of today begins, in each language of the campaigns that write to it; `used` in the one it gets."""
    writing = [campaign for campaign in home.campaigns.values() if office.id in campaign.offices]
    used = {campaign.language_for(office.language) for campaign in writing}
    found = []
    for language in dict.fromkeys(each for campaign in writing for each in campaign.languages):
        block = block_on(office, day, language)
        named = " ".join(filter(None, (block.form, block.holder)))
        found.append({"language": language, "named": named, "salutation": block.salutation, "used": language in used})
    return found


def _partners(home: Home, office: Office) -> list[str]:
    return [other.id for other in home.offices.values() if other.lane == office.lane and other.id != office.id]


def _limits(home: Home, office: Office) -> str:
    """What its mailbox may be sent, in a line: together with the offices that share it."""
    limits = home.settings.limits
    connections = "1 connection" if limits.mailbox_connections == 1 else f"{limits.mailbox_connections} connections"
    parts = [f"{limits.mailbox}, {limits.mailbox_per_day} in 24 hours, {connections}"]
    if limits.domain:
        parts.append(f"{limits.domain} to all of {office.domain}")
    parts += [
        f"{campaign.per_office} from {campaign.slug}"
        for campaign in home.campaigns.values()
        if campaign.per_office and office.id in campaign.offices
    ]
    partners = _partners(home, office)
    return "; ".join(parts) + (f"; shared with {', '.join(partners)}" if partners else "")


def _day(office: Office, now: datetime) -> date:
    return now.astimezone(office.zone).date()


def _iso(day: date | None) -> str | None:
    return day.isoformat() if day else None
