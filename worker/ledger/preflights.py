"""The results of looking a send-out over before it begins, each with its date, attached to the occurrence."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from worker.ledger.schema import preflights
from worker.ledger.sql import insert


@dataclass(frozen=True, slots=True)
class Result:
    """One look: `name` is "7 days before" or "asked for ..."; `report` is JSON as it was recorded."""

    name: str
    at: int
    passed: bool
    report: Any


def record(connection: Connection, occurrence_id: int, name: str, at_us: int, *, passed: bool, report: Any) -> None:
    """Attach a result; one of the same name is replaced."""
    row = {"occurrence_id": occurrence_id, "name": name}
    values = {"at": at_us, "passed": passed, "report": json.dumps(report, ensure_ascii=False)}
    statement = insert(connection, preflights).values({**row, **values})
    connection.execute(statement.on_conflict_do_update(index_elements=list(row), set_=values))


def names(connection: Connection, occurrence_id: int) -> frozenset[str]:
    """The names of the results that there are."""
    wanted = sa.select(preflights.c.name).where(preflights.c.occurrence_id == occurrence_id)
    return frozenset(connection.execute(wanted).scalars())


def times(connection: Connection, occurrence_id: int) -> dict[str, int]:
    """When each result was recorded (microseconds), by name."""
    wanted = sa.select(preflights.c.name, preflights.c.at).where(preflights.c.occurrence_id == occurrence_id)
    return dict(connection.execute(wanted).all())


def results(connection: Connection, occurrence_id: int) -> Sequence[Result]:
    """All results, the newest first."""
    wanted = sa.select(preflights.c.name, preflights.c.at, preflights.c.passed, preflights.c.report)
    rows = connection.execute(
        wanted.where(preflights.c.occurrence_id == occurrence_id).order_by(preflights.c.at.desc(), preflights.c.name)
    )
    return [Result(row.name, row.at, bool(row.passed), json.loads(row.report)) for row in rows]
