"""The audit: what operators and the house itself did, one row each, appended and never changed.

Each row carries the hash of the row before, so that a row altered, removed or slipped in shows. Rows cut off at the end
leave a sound chain: compare `head` with one noted elsewhere. Signers are named by id only, never by name or address.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from worker.domain.campaign import canonical
from worker.ledger import sql
from worker.ledger.schema import audit

_PAGE = 1_000
_SIGNED = ("at", "who", "verb", "target", "reason", "details", "previous")


@dataclass(frozen=True, slots=True)
class Entry:
    """One row. `at_us` is microseconds since 1970."""

    id: int
    at_us: int
    who: str
    verb: str
    target: str
    reason: str
    details: Mapping[str, Any]


def append(
    connection: Connection,
    at_us: int,
    who: str,
    verb: str,
    target: str,
    reason: str = "",
    details: Mapping[str, Any] | None = None,
) -> int:
    """Append one row in the caller's transaction, and return its id. Others who append wait until that ends."""
    sql.lock(connection, sql.AUDIT_LOCK)
    row = {
        "at": at_us,
        "who": who,
        "verb": verb,
        "target": target,
        "reason": reason,
        "details": canonical(details or {}),
        "previous": head(connection)[1],
    }
    done = connection.execute(audit.insert().values(**row, hash=_hash(row)).returning(audit.c.id))
    appended: int = done.scalar_one()
    return appended


def head(connection: Connection) -> tuple[int, str]:
    """The last row's id and hash, (0, "") where there is none: names the whole chain."""
    row = connection.execute(sa.select(audit.c.id, audit.c.hash).order_by(audit.c.id.desc()).limit(1)).first()
    return (row.id, row.hash) if row else (0, "")


def latest(connection: Connection, n: int = 50, target: str | None = None) -> list[Entry]:
    """The last `n` rows, newest first; of one target if named."""
    query = sa.select(audit).order_by(audit.c.id.desc()).limit(n)
    if target is not None:
        query = query.where(audit.c.target == target)
    return [
        Entry(row.id, row.at, row.who, row.verb, row.target, row.reason, json.loads(row.details))
        for row in connection.execute(query)
    ]


def verify(connection: Connection) -> list[str]:
    """Where the chain is broken, one sentence each. Reads page by page."""
    problems: list[str] = []
    previous, last = "", 0
    while rows := _page(connection, last):
        for row in rows:
            if row["previous"] != previous:
                problems.append(f"audit row {row['id']} does not follow the row before it: one was removed or added")
            if row["hash"] != _hash(row):
                problems.append(f"audit row {row['id']} was altered")
            previous, last = row["hash"], row["id"]
    return problems


def _page(connection: Connection, after: int) -> list[dict[str, Any]]:
    query = sa.select(audit).where(audit.c.id > after).order_by(audit.c.id).limit(_PAGE)
    return [dict(row) for row in connection.execute(query).mappings()]


def _hash(row: Mapping[str, Any]) -> str:
    return hashlib.sha256(canonical({name: row[name] for name in _SIGNED}).encode()).hexdigest()
