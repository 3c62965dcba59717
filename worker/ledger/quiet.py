"""Addresses that asked never to be written to again, by their keyed hash alone. Erasing a signer leaves them here."""

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from worker.ledger import sql
from worker.ledger.bulk import select_among
from worker.ledger.schema import quiet


def ask(connection: Connection, address_key: bytes, at_us: int) -> None:
    """Note the wish; repeating it changes nothing."""
    row = {"address_key": address_key, "since": at_us}
    connection.execute(sql.insert(connection, quiet).values(row).on_conflict_do_nothing())


def lift(connection: Connection, address_key: bytes) -> bool:
    """Take the wish back, as its owner asked; False where there was none."""
    return connection.execute(sa.delete(quiet).where(quiet.c.address_key == address_key)).rowcount == 1


def among(connection: Connection, address_keys: Sequence[bytes]) -> set[bytes]:
    """Those of the addresses that asked for it."""
    rows = select_among(connection, "SELECT address_key FROM quiet WHERE address_key", address_keys, "")
    return {bytes(key) for (key,) in rows}
