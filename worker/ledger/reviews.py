"""Signatures that wait for an operator's look: opened with a reason, decided once."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from worker.ledger import sql
from worker.ledger.schema import campaigns, reviews, signatures

COMMENT = "comment"
"""The reason of a signature whose letters carry the signer's own words."""

APPROVED, REJECTED, ENDED = "approved", "rejected", "ended"


@dataclass(frozen=True, slots=True)
class Review:
    """A signature that waits. `since` is in microseconds; `state` is the signature's."""

    signature_id: int
    campaign: str
    state: str
    reason: str
    since: int


@dataclass(frozen=True, slots=True)
class Case:
    """A review by itself; `decision` is "" while it is open."""

    reason: str
    since: int
    decision: str


def begin(connection: Connection, signature_id: int, reason: str, at_us: int) -> None:
    """Let it wait for `reason`; a review that was decided before is opened anew."""
    row = {"signature_id": signature_id, "reason": reason, "since": at_us, "decided_at": None, "decision": ""}
    statement = sql.insert(connection, reviews).values(row)
    again = {name: row[name] for name in ("reason", "since", "decided_at", "decision")}
    connection.execute(statement.on_conflict_do_update(index_elements=["signature_id"], set_=again))


def decide(connection: Connection, signature_ids: Collection[int], decision: str, at_us: int) -> int:
    """Close the open reviews of these signatures. Returns how many there were."""
    mine = sa.and_(reviews.c.signature_id.in_(signature_ids), reviews.c.decided_at.is_(None))
    return connection.execute(sa.update(reviews).where(mine).values(decided_at=at_us, decision=decision)).rowcount


def waiting(connection: Connection, signature_id: int) -> str:
    """Why this signature waits, "" where it does not."""
    mine = sa.and_(reviews.c.signature_id == signature_id, reviews.c.decided_at.is_(None))
    return connection.execute(sa.select(reviews.c.reason).where(mine)).scalar() or ""


def waiting_among(connection: Connection, signature_ids: Collection[int], reason: str) -> set[int]:
    """Those of the signatures that wait for this very reason."""
    mine = sa.and_(
        reviews.c.signature_id.in_(signature_ids), reviews.c.decided_at.is_(None), reviews.c.reason == reason
    )
    return set(connection.execute(sa.select(reviews.c.signature_id).where(mine)).scalars())


def count(connection: Connection, reason: str) -> int:
    """How many signatures wait for this very reason."""
    mine = sa.and_(reviews.c.decided_at.is_(None), reviews.c.reason == reason)
    return connection.execute(sa.select(sa.func.count()).select_from(reviews).where(mine)).scalar_one()


def find(connection: Connection, signature_id: int) -> Case | None:
    """The signature's review, decided or not; None where it never waited."""
    names = [reviews.c[name] for name in Case.__dataclass_fields__]
    row = connection.execute(sa.select(*names).where(reviews.c.signature_id == signature_id)).first()
    return Case(*row) if row else None


def page(connection: Connection, limit: int, after: tuple[int, int] = (0, 0), reason: str = "") -> Sequence[Review]:
    """Up to `limit` signatures that wait (for `reason`, where given), longest first.

    `after` is (since, id) of the last one seen.
    """
    key = sa.tuple_(reviews.c.since, reviews.c.signature_id)
    wanted = (
        sa.select(
            reviews.c.signature_id,
            campaigns.c.slug,
            signatures.c.state,
            reviews.c.reason,
            reviews.c.since,
        )
        .join(signatures, signatures.c.id == reviews.c.signature_id)
        .join(campaigns, campaigns.c.id == signatures.c.campaign_id)
        .where(reviews.c.decided_at.is_(None), key > sa.tuple_(sa.literal(after[0]), sa.literal(after[1])))
        .order_by(reviews.c.since, reviews.c.signature_id)
        .limit(limit)
    )
    if reason:
        wanted = wanted.where(reviews.c.reason == reason)
    return [Review(*row) for row in connection.execute(wanted)]
