"""Imports: which file was read into which campaign, and how far. Moved on in the transaction of each chunk."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from worker.ledger.schema import campaigns, imports
from worker.ledger.sql import insert


@dataclass(frozen=True, slots=True)
class Import:
    """A row of `imports`. `finished_at` is in microseconds, None while rows are left."""

    id: int
    evidence: str
    rows_done: int
    accepted: int
    repeated: int
    rejected: int
    finished_at: int | None


def begin(connection: Connection, campaign_id: int, file_hash: str, evidence: str, at_us: int) -> Import:
    """The import of this file into this campaign as it stands; begun where it is new."""
    row = {"campaign_id": campaign_id, "file_hash": file_hash, "evidence": evidence, "made_at": at_us}
    zeros = dict.fromkeys(("rows_done", "accepted", "repeated", "rejected"), 0)
    connection.execute(insert(connection, imports).values(row | zeros).on_conflict_do_nothing())
    names = [imports.c[name] for name in Import.__dataclass_fields__]
    wanted = sa.select(*names).where(imports.c.campaign_id == campaign_id, imports.c.file_hash == file_hash)
    return Import(*connection.execute(wanted).one())


def advance(connection: Connection, import_id: int, rows_done: int, added: tuple[int, int, int]) -> bool:
    """Count rows as done: (accepted, repeated, rejected). False where another run has come further than `rows_done`."""
    accepted, repeated, rejected = added
    mine = sa.and_(imports.c.id == import_id, imports.c.rows_done == rows_done, imports.c.finished_at.is_(None))
    further = {
        "rows_done": imports.c.rows_done + sum(added),
        "accepted": imports.c.accepted + accepted,
        "repeated": imports.c.repeated + repeated,
        "rejected": imports.c.rejected + rejected,
    }
    return connection.execute(sa.update(imports).where(mine).values(further)).rowcount == 1


def finish(connection: Connection, import_id: int, at_us: int) -> bool:
    """Record that no more rows are read; the first time stays. False where it had been finished before."""
    mine = sa.and_(imports.c.id == import_id, imports.c.finished_at.is_(None))
    return connection.execute(sa.update(imports).where(mine).values(finished_at=at_us)).rowcount == 1


def source(import_id: int) -> str:
    """The source of the signatures that came with this import."""
    return f"import:{import_id}"


def exists(connection: Connection, import_id: int) -> bool:
    """Whether there is an import of this number."""
    return connection.execute(sa.select(imports.c.id).where(imports.c.id == import_id)).first() is not None


def listed(connection: Connection, limit: int, before: int | None = None) -> Sequence[Any]:
    """Up to `limit` imports, the newest first, each row with its campaign's slug; `before` is the last one seen."""
    wanted = (
        sa.select(imports, campaigns.c.slug)
        .join(campaigns, campaigns.c.id == imports.c.campaign_id)
        .order_by(imports.c.id.desc())
        .limit(limit)
    )
    return connection.execute(wanted if before is None else wanted.where(imports.c.id < before)).all()
