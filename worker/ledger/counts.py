"""How many letters stand in which state, per campaign, send-out and addressee, without counting them.

A transition appends its changes to `count_deltas` in its own transaction: appended rows never wait for each other,
where counters updated in arrival order deadlock. `fold` adds deltas up into `counts` in the background. A reading is
base + deltas, and always agrees with the letters of the same transaction; `verify` says so by a full count.
"""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from worker.ledger import sql
from worker.ledger.bulk import insert_rows
from worker.ledger.schema import count_deltas, counts, letters

FOLD_ROWS = 500
"""Deltas folded in one transaction: some milliseconds of the ledger's one writer."""


class Cell(NamedTuple):
    """What is counted. A plain tuple of the same four does as well."""

    campaign_id: int
    sendout_id: int
    addressee: str
    state: str


class Difference(NamedTuple):
    """A cell whose count (base + deltas) is `excess` more than there are letters."""

    cell: Cell
    excess: int


_NAMES = Cell._fields


def add(connection: Connection, deltas: Mapping[tuple[int, int, str, str], int]) -> None:
    """Append changes: (campaign id, send-out id, addressee, state) -> how many more. Part of the transition's write."""
    insert_rows(connection, count_deltas, (*_NAMES, "n"), [(*cell, n) for cell, n in deltas.items() if n])


def read(connection: Connection, campaign_id: int | None = None) -> dict[Cell, int]:
    """Letters per cell, of one campaign or of all; cells with none are left out."""
    both = sa.union_all(*(sa.select(*_cell(table), table.c.n) for table in (counts, count_deltas))).subquery()
    query = sa.select(*_cell(both), _total(both.c.n)).group_by(*_cell(both))
    if campaign_id is not None:
        query = query.where(both.c.campaign_id == campaign_id)
    return {Cell(*cell): n for *cell, n in connection.execute(query) if n}


def fold(connection: Connection, rows: int = FOLD_ROWS) -> int:
    """Move up to `rows` deltas into the base; returns how many were moved. Call again while it returns `rows`.

    Exactly the deltas that are deleted are summed, so writers may append meanwhile. One folds at a time: another gets 0.
    """
    if not sql.try_lock(connection, sql.FOLD_LOCK):
        return 0
    oldest = sa.select(count_deltas.c.id).order_by(count_deltas.c.id).limit(rows)
    taken = connection.execute(
        sa.delete(count_deltas).where(count_deltas.c.id.in_(oldest)).returning(*_cell(count_deltas), count_deltas.c.n)
    ).all()
    sums: defaultdict[Cell, int] = defaultdict(int)
    for *cell, n in taken:
        sums[Cell(*cell)] += n
    changed = [{**cell._asdict(), "n": n} for cell, n in sorted(sums.items()) if n]
    if changed:
        statement = sql.insert(connection, counts)
        total = counts.c.n + statement.excluded.n
        connection.execute(statement.on_conflict_do_update(index_elements=_NAMES, set_={"n": total}), changed)
    return len(taken)


def verify(connection: Connection) -> list[Difference]:
    """Every cell whose count is not what a full count of the letters gives. One statement, so one moment."""
    actual = sa.select(*_cell(letters), (-sa.func.count()).label("n")).group_by(*_cell(letters))
    parts = [sa.select(*_cell(table), table.c.n) for table in (counts, count_deltas)]
    both = sa.union_all(*parts, actual).subquery()
    query = sa.select(*_cell(both), _total(both.c.n)).group_by(*_cell(both)).having(sa.func.sum(both.c.n) != 0)
    return sorted(Difference(Cell(*cell), excess) for *cell, excess in connection.execute(query))


def _cell(table: sa.FromClause) -> list[sa.ColumnElement[Any]]:
    return [table.c[name] for name in _NAMES]


def _total(column: sa.ColumnElement[int]) -> sa.ColumnElement[int]:
    return sa.cast(sa.func.sum(column), sa.BigInteger)  # PostgreSQL sums bigint into numeric
