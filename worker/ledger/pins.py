"""Pinned values: text versions, office blocks, frames, words of consent. Stored once, by content hash, and never changed."""

import json
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from worker.domain.campaign import canonical, content_hash
from worker.domain.errors import Failed
from worker.ledger import sql
from worker.ledger.schema import pins

KINDS = ("text", "office", "frame", "consent")


def pin(connection: Connection, kind: str, body: Mapping[str, Any], *, at_us: int | None = None) -> int:
    """The id of the pin with this body; made, at `at_us` (default: the ledger's clock), where there is none yet.

    `kind` is one of `KINDS`. Needs a writing transaction, even where the pin exists.
    """
    if kind not in KINDS:
        raise ValueError(f"{kind!r} is no kind of pin")
    name = content_hash(body)
    found = find(connection, name)
    if found is not None:
        return found
    made_at = sql.now_us(connection) if at_us is None else at_us
    row = {"hash": name, "kind": kind, "body": canonical(body), "made_at": made_at}
    connection.execute(sql.insert(connection, pins).values(row).on_conflict_do_nothing())
    made: int = connection.execute(sa.select(pins.c.id).where(pins.c.hash == name)).scalar_one()
    return made


def find(connection: Connection, content: str) -> int | None:
    """The id of the pin with this content hash (hex), or None."""
    return connection.execute(sa.select(pins.c.id).where(pins.c.hash == content)).scalar()


def hash_of(connection: Connection, pin_id: int) -> str:
    """The content hash (hex) of the pin."""
    found: str = connection.execute(sa.select(pins.c.hash).where(pins.c.id == pin_id)).scalar_one()
    return found


def body(connection: Connection, pin_id: int) -> dict[str, Any]:
    """What is pinned under `pin_id`. Raises Failed where it is missing or no longer has its hash."""
    row = connection.execute(sa.select(pins.c.hash, pins.c.body).where(pins.c.id == pin_id)).first()
    if row is None:
        raise Failed(f"pin {pin_id} is missing from the ledger: run `lettershop ledger verify`")
    value: dict[str, Any] = json.loads(row.body)
    if content_hash(value) != row.hash:
        raise Failed(f"pin {pin_id} was altered: run `lettershop ledger verify`")
    return value
