"""Letters whose send-out ends before the limits and hours let them go: known days ahead, if somebody looks."""

from collections.abc import Iterator
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from worker.domain.campaign import Campaign
from worker.domain.clock import from_us
from worker.domain.drip import Opening, capacity, openings
from worker.domain.limits import Rate, parse_rate
from worker.domain.occasion import LONGEST, Window
from worker.domain.office import Office
from worker.ledger.book import Ledger
from worker.operations.needs.need import Need
from worker.settings import Home

MEND = "lettershop sendouts list"
_DAY_S = 86_400

_ENDING = sa.text("""
SELECT s.id, s.name, s.not_after, c.slug, o.id AS occurrence
FROM sendouts s JOIN campaigns c ON c.id = s.campaign_id LEFT JOIN occurrences o ON o.sendout_id = s.id
WHERE s.not_after > :now ORDER BY s.not_after
""")
_QUEUED = sa.text("""
SELECT addressee, sum(n) AS n FROM (
    SELECT addressee, n FROM counts WHERE sendout_id = :sendout AND state IN ('queued', 'claimed', 'held')
    UNION ALL
    SELECT addressee, n FROM count_deltas WHERE sendout_id = :sendout AND state IN ('queued', 'claimed', 'held')
) cells GROUP BY addressee HAVING sum(n) > 0 ORDER BY addressee
""")


class Waiting(NamedTuple):
    """So many letters of an ending send-out wait for one addressee."""

    campaign: str
    sendout: str
    occurrence: int | None
    not_after_us: int
    addressee: str
    letters: int


def too_late(ledger: Ledger, home: Home) -> list[Need]:
    """A need for each send-out that cannot be done in time by its limits and hours."""
    with ledger.read() as connection:
        at_us = ledger.now_us()
        waiting = list(_waiting(connection, at_us))
    late: dict[tuple[str, str], list[tuple[Waiting, int]]] = {}
    for each in waiting:
        over = each.letters - _fits(home, each, at_us)
        if over > 0:
            late.setdefault((each.campaign, each.sendout), []).append((each, over))
    return [_need(found) for found in late.values()]


def _waiting(connection: Connection, at_us: int) -> Iterator[Waiting]:
    for row in connection.execute(_ENDING, {"now": at_us}).all():
        for addressee, n in connection.execute(_QUEUED, {"sendout": row.id}):
            yield Waiting(row.slug, row.name, row.occurrence, row.not_after, addressee, int(n))


def _fits(home: Home, each: Waiting, at_us: int) -> int:
    """How many of them the limits let through before the end; all, where nobody can say."""
    office, campaign = home.offices.get(each.addressee), home.campaigns.get(each.campaign)
    if office is None or campaign is None:
        return each.letters
    try:
        return capacity(_spans(home, office, at_us, each.not_after_us), _rates(home, campaign))
    except ValueError:  # the office has no opening for weeks: none of them
        return 0


def _spans(home: Home, office: Office, at_us: int, end_us: int) -> list[Opening]:
    observe = home.settings.limits.office_hours == "observe"
    window = Window(length=min(from_us(end_us) - from_us(at_us), LONGEST))
    found = openings(office, from_us(at_us), window, home.closed, observe_hours=observe)
    return [opening for opening in found if opening.start_us < end_us]


def _rates(home: Home, campaign: Campaign) -> list[Rate]:
    limits = home.settings.limits
    rates = [limits.mailbox, Rate(limits.mailbox_per_day, _DAY_S)]
    return [*rates, parse_rate(campaign.per_office)] if campaign.per_office else rates


def _need(found: list[tuple[Waiting, int]]) -> Need:
    first, over = max(found, key=lambda each: each[1])
    n = sum(more for _, more in found)
    more = f" (most of them to {first.addressee}: {over:,})" if len(found) > 1 else f" to {first.addressee}"
    text = (
        f"{n:,} letters{more} cannot go out before the send-out {first.sendout} of {first.campaign} ends,"
        f" {from_us(first.not_after_us):%Y-%m-%d %H:%M} UTC: move its end, or let more letters through"
    )
    mend = MEND if first.occurrence is None else f'lettershop sendouts end {first.occurrence} MOMENT --reason "why"'
    return Need("too-late", f"{first.campaign}:{first.sendout}", text, None, "act", mend, n)
