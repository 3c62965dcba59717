"""Who agreed to a text that was not shown to them when they signed."""

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from worker.ledger.schema import agreements
from worker.ledger.sql import insert


def agree(connection: Connection, signature_id: int, text_id: int, at_us: int) -> None:
    """Record it; again changes nothing."""
    row = {"signature_id": signature_id, "text_id": text_id, "at": at_us}
    connection.execute(insert(connection, agreements).values(row).on_conflict_do_nothing())


def take_back(connection: Connection, signature_id: int) -> None:
    """Forget all that this signature's signer agreed to so."""
    connection.execute(sa.delete(agreements).where(agreements.c.signature_id == signature_id))


def agreed(connection: Connection, signature_id: int, text_id: int) -> bool:
    """Whether this text was agreed to."""
    mine = (agreements.c.signature_id == signature_id, agreements.c.text_id == text_id)
    return connection.execute(sa.select(agreements.c.at).where(*mine)).first() is not None
