"""When a signature that was never confirmed is looked at next: to be reminded of, once, and then to lapse.

One that ended without having been confirmed stays here until then, so that its signer is erased too.
"""

from collections.abc import Collection, Sequence
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from worker.ledger.bulk import insert_rows
from worker.ledger.schema import campaigns, lapses, signatures


class Due(NamedTuple):
    """A signature never confirmed, whose time has come."""

    signature_id: int
    campaign: str
    reminded: bool


def watch(connection: Connection, signature_ids: Sequence[int], next_us: int) -> None:
    """Look at these new signatures at `next_us`."""
    rows = [(number,) for number in signature_ids]
    insert_rows(connection, lapses, ("signature_id",), rows, next_at=next_us, reminded=False)


def due(connection: Connection, at_us: int, limit: int) -> Sequence[Due]:
    """Up to `limit` of those whose time has come, the longest overdue first."""
    wanted = (
        sa.select(lapses.c.signature_id, campaigns.c.slug, lapses.c.reminded)
        .join(signatures, signatures.c.id == lapses.c.signature_id)
        .join(campaigns, campaigns.c.id == signatures.c.campaign_id)
        .where(lapses.c.next_at <= at_us)
        .order_by(lapses.c.next_at)
        .limit(limit)
    )
    return [Due(*row) for row in connection.execute(wanted)]


def reminded(connection: Connection, signature_id: int, next_us: int) -> bool:
    """Its reminder is seen to; look again at `next_us`. False where another did it, or it ended meanwhile."""
    mine = sa.and_(lapses.c.signature_id == signature_id, lapses.c.reminded.is_(False))
    return connection.execute(sa.update(lapses).where(mine).values(reminded=True, next_at=next_us)).rowcount == 1


def again(connection: Connection, signature_ids: Collection[int], next_us: int) -> None:
    """Look at these anew, as if they had just been signed: their notices were held back until now."""
    mine = lapses.c.signature_id.in_(signature_ids)
    connection.execute(sa.update(lapses).where(mine).values(reminded=False, next_at=next_us))


def is_due(connection: Connection, signature_id: int, at_us: int) -> bool:
    """Whether its time has come, seen by who holds the signature's lock."""
    mine = sa.and_(lapses.c.signature_id == signature_id, lapses.c.next_at <= at_us)
    return connection.execute(sa.select(lapses.c.signature_id).where(mine)).first() is not None


def forget(connection: Connection, signature_ids: Collection[int]) -> None:
    """They were confirmed, or are erased."""
    connection.execute(sa.delete(lapses).where(lapses.c.signature_id.in_(signature_ids)))
