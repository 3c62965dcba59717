"""Consents of a signature: which stand, since when, in which words; given and taken back apart from each other."""

from collections.abc import Collection, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from worker.domain.clock import from_us
from worker.ledger.bulk import insert_rows
from worker.ledger.schema import consents
from worker.ledger.signatures import Given

_COLUMNS = ("kind", "wording_hash", "language")


def standing(connection: Connection, signature_id: int) -> set[str]:
    """The kinds of consent that stand."""
    wanted = sa.select(consents.c.kind).where(_mine(signature_id), consents.c.withdrawn_at.is_(None))
    return set(connection.execute(wanted).scalars())


def add(connection: Connection, signature_id: int, new: Sequence[Given], source: str, at_us: int) -> None:
    """Record consents given now."""
    rows = [(each.kind, each.wording_hash, each.language) for each in new]
    insert_rows(connection, consents, _COLUMNS, rows, signature_id=signature_id, source=source, given_at=at_us)


def withdraw(connection: Connection, signature_id: int, kinds: Collection[str], at_us: int) -> None:
    """Take back the consents of these kinds that stand."""
    standing_ones = sa.and_(_mine(signature_id), consents.c.kind.in_(kinds), consents.c.withdrawn_at.is_(None))
    connection.execute(sa.update(consents).where(standing_ones).values(withdrawn_at=at_us))


def history(connection: Connection, signature_id: int) -> list[dict[str, Any]]:
    """Every consent that was ever given under this signature, oldest first."""
    rows = connection.execute(sa.select(consents).where(_mine(signature_id)).order_by(consents.c.id))
    return [
        {
            "kind": row.kind,
            "words_sha256": row.wording_hash,
            "language": row.language,
            "source": row.source,
            "given_at": from_us(row.given_at).isoformat(),
            "withdrawn_at": from_us(row.withdrawn_at).isoformat() if row.withdrawn_at else None,
        }
        for row in rows
    ]


def _mine(signature_id: int) -> sa.ColumnElement[bool]:
    return consents.c.signature_id == signature_id
