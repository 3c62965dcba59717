"""What happened, added up by every process: the counters of /metrics. One row for each name and set of labels.

    add(connection, {(name, labels): more, ...}, {(name, labels): moment, ...})

Rows are written in the order of their keys, so that processes which write at once wait for each other and never in a
circle. An increment is not repeatable: a commit whose acknowledgement was lost, and which is made again, counts twice.
"""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from worker.ledger import sql
from worker.ledger.schema import tallies

Key = tuple[str, str]
"""A name, and its labels as canonical JSON."""


def add(connection: Connection, more: Mapping[Key, int], latest: Mapping[Key, int]) -> None:
    """Add `more` to what is there, and raise what is there to `latest` where that is higher."""
    statement = sql.insert(connection, tallies)
    new = statement.excluded.n
    higher = sa.case((tallies.c.n > new, tallies.c.n), else_=new)
    _write(connection, statement, tallies.c.n + new, more)
    _write(connection, statement, higher, latest)


def read(connection: Connection) -> list[tuple[str, str, int]]:
    """Every row: name, labels, n."""
    query = sa.select(tallies.c.name, tallies.c.labels, tallies.c.n).order_by(tallies.c.name, tallies.c.labels)
    return [(row.name, row.labels, row.n) for row in connection.execute(query)]


def _write(connection: Connection, insert: Any, value: sa.ColumnElement[int], given: Mapping[Key, int]) -> None:
    if given:
        rows = [{"name": name, "labels": labels, "n": n} for (name, labels), n in sorted(given.items())]
        connection.execute(insert.on_conflict_do_update(index_elements=["name", "labels"], set_={"n": value}), rows)
