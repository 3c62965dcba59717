"""What waits for somebody's decision: yearly send-outs, signatures that want a look, bulk acts that were left half done."""

from collections.abc import Iterator

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from worker.domain.clock import from_us
from worker.domain.occurrence import Life
from worker.ledger import occurrences
from worker.ledger.schema import bulk_acts, reviews
from worker.operations.needs.need import Need, count
from worker.settings import Home

ABANDONED_US = 300_000_000
"""Whoever is at a bulk act says so with every page."""

MOST = 1_000
_WHY = '--reason "why"'


def sendouts(connection: Connection, home: Home) -> Iterator[Need]:
    """Those that do not go on by themselves."""
    for seen in occurrences.open_ones(connection):
        campaign = home.campaigns.get(seen.campaign)
        occasion = campaign.occasions.get(seen.occasion) if campaign else None
        named = f"Send-out {seen.id} ({seen.name} of {seen.campaign})"
        needed = {
            Life.HELD: (f"{named} is held: {seen.reason}", "resume"),
            Life.MISSED: (f"{named} was missed ({seen.reason}): run it now, or cancel it", "run"),
        }
        if occasion is not None and occasion.approval:
            begins = from_us(seen.start_us)
            needed[Life.ANNOUNCED] = (f"{named} waits for approval; it begins {begins:%Y-%m-%d %H:%M} UTC", "approve")
        if seen.state in needed:
            text, verb = needed[seen.state]
            yield Need("sendout", str(seen.id), text, None, "act", f"lettershop sendouts {verb} {seen.id} {_WHY}")


def open_reviews(connection: Connection) -> Iterator[Need]:
    """Signatures that wait for a look."""
    waiting = sa.select(reviews.c.since).where(reviews.c.decided_at.is_(None)).order_by(reviews.c.since).limit(MOST)
    since = list(connection.execute(waiting).scalars())
    if since:
        text = f"{count(len(since), 'signature', MOST)} with words of their own, or doubtful ones, to be looked at"
        yield Need("review", "", text, from_us(since[0]), "watch", "lettershop signatures held")


def open_acts(connection: Connection, at_us: int) -> Iterator[Need]:
    """Acts that nobody is at any more."""
    query = sa.select(bulk_acts).where(bulk_acts.c.ended_at.is_(None)).order_by(bulk_acts.c.id)
    for act in connection.execute(query):
        if act.renewed_at < at_us - ABANDONED_US:
            done = act.moved + act.skipped
            text = (
                f"Act {act.id} ({act.verb} by {act.who}) was left at {done:,} of {act.expected:,} letters,"
                " and no worker carries it on"
            )
            left = max(0, act.expected - done)
            mend = f"lettershop acts go-on {act.id}"
            yield Need("bulk-act", str(act.id), text, from_us(act.renewed_at), "act", mend, left)
