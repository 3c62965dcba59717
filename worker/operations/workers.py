"""The processes of the fleet, as each says of itself in the ledger: a process that makes no progress there is not alive."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from worker.domain.clock import from_us
from worker.ledger.schema import attempts, processes, rounds
from worker.operations.barriers import iso

ALIVE_US = 30_000_000
"""A process that has not been seen for so long, by the ledger's clock, is not alive."""

GONE_US = 86_400_000_000
"""One that was last seen longer ago is not shown."""

_RECENT = 500


def workers(connection: Connection, at_us: int) -> list[dict[str, Any]]:
    """Every process of the last day, those alive first: what it is, when it was seen, and what it is at."""
    query = sa.select(processes).where(processes.c.seen_at > at_us - GONE_US).order_by(processes.c.name)
    rows = list(connection.execute(query))
    at_work, tried = _open_rounds(connection, at_us), _last_attempts(connection)
    found = [_process(row, at_us, at_work, tried) for row in rows]
    return sorted(found, key=lambda each: (not each["alive"], each["kind"], each["name"]))


def _open_rounds(connection: Connection, at_us: int) -> dict[str, int]:
    query = sa.select(rounds.c.worker, sa.func.count()).where(
        rounds.c.closed_at.is_(None), rounds.c.renewed_at > at_us - ALIVE_US
    )
    return dict(connection.execute(query.group_by(rounds.c.worker)).all())


def _last_attempts(connection: Connection) -> dict[str, int]:
    """When each process last began to write a letter, as far as the newest attempts tell."""
    newest = (
        sa.select(attempts.c.round_id, attempts.c.started_at)
        .where(attempts.c.started_at.is_not(None))
        .order_by(attempts.c.started_at.desc())
        .limit(_RECENT)
        .subquery()
    )
    query = sa.select(rounds.c.worker, sa.func.max(newest.c.started_at)).join(rounds, rounds.c.id == newest.c.round_id)
    return dict(connection.execute(query.group_by(rounds.c.worker)).all())


def _process(row: Any, at_us: int, at_work: dict[str, int], tried: dict[str, int]) -> dict[str, Any]:
    age_us = max(0, at_us - row.seen_at)
    last = tried.get(row.name)
    return {
        "name": row.name,
        "kind": row.kind,
        "host": row.host,
        "version": row.version,
        "alive": age_us < ALIVE_US and row.stopped_at is None,
        "seen_age_s": round(age_us / 1_000_000, 1),
        "rounds": at_work.get(row.name, 0),
        "last_attempt_at": iso(from_us(last)) if last else None,
        "draining": row.drain_asked_at is not None,
        "stopped": row.stopped_at is not None,
        "trouble": row.trouble,
    }
