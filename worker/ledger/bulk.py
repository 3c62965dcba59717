"""Many rows in one statement: ids reserved ahead, rows inserted with arrays (PostgreSQL) or in groups (SQLite).

SQLAlchemy's own executemany costs about as much again as the insert. The SQL is put together from the schema's names.
"""

import contextlib
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

_ARRAYS: tuple[tuple[type[sa.types.TypeEngine[Any]], str], ...] = (  # the most special first
    (sa.SmallInteger, "smallint[]"),
    (sa.BigInteger, "bigint[]"),
    (sa.Integer, "integer[]"),
    (sa.LargeBinary, "bytea[]"),
    (sa.Boolean, "boolean[]"),
    (sa.Text, "text[]"),
)


_GROUP = 60  # rows of one statement on SQLite


def reserve_ids(connection: Connection, table: sa.Table, n: int) -> Sequence[int]:
    """`n` ids that no other transaction will use. Call it inside the transaction that inserts the rows.

    On SQLite the transaction is the only writer, so they follow the highest; on PostgreSQL they come from the sequence.
    """
    if connection.dialect.name == "sqlite":
        highest = connection.exec_driver_sql(f"SELECT COALESCE(MAX(id), 0) FROM {table.name}").scalar_one()
        return range(highest + 1, highest + 1 + n)
    sequence = f"nextval(pg_get_serial_sequence('{table.name}', 'id'))"
    return connection.execute(sa.text(f"SELECT {sequence} FROM generate_series(1, :n)"), {"n": n}).scalars().all()


def insert_rows(
    connection: Connection, table: sa.Table, columns: Sequence[str], rows: Sequence[Sequence[Any]], /, **constant: Any
) -> None:
    """Insert `rows`, tuples in the order of `columns`; `constant` are columns that are the same in every row.

    Raises SQLAlchemy's IntegrityError where a row breaks a rule; then none is inserted.
    """
    if not rows:
        return
    if connection.dialect.name == "sqlite":
        _insert_sqlite(connection, table, columns, rows, constant)
        return
    names = ", ".join((*columns, *constant))
    arrays = ", ".join(f"%s::{_array(table.c[name])}" for name in columns)
    scalars = "".join(f", %s::{_array(table.c[name]).removesuffix('[]')}" for name in constant)
    sql = f"INSERT INTO {table.name} ({names}) SELECT r.*{scalars} FROM unnest({arrays}) AS r"
    connection.exec_driver_sql(sql, (*constant.values(), *(list(values) for values in zip(*rows, strict=True))))


def _insert_sqlite(
    connection: Connection,
    table: sa.Table,
    columns: Sequence[str],
    rows: Sequence[Sequence[Any]],
    constant: Mapping[str, Any],
) -> None:
    """Rows go in groups, one statement each: half the cost of a statement per row."""
    names = ", ".join((*constant, *columns))
    fixed = tuple(constant.values())
    row = f"({', '.join([*(f'?{n}' for n in range(1, len(fixed) + 1)), *'?' * len(columns)])})"
    for start in range(0, len(rows), _GROUP):
        group = rows[start : start + _GROUP]
        sql = f"INSERT INTO {table.name} ({names}) VALUES {', '.join([row] * len(group))}"
        connection.exec_driver_sql(sql, (*fixed, *itertools.chain.from_iterable(group)))


@contextlib.contextmanager
def sent_together(connection: Connection) -> Iterator[None]:
    """Send the inserts of the block in one go; on PostgreSQL, that is, where each would be a round trip of its own.

    The block may not ask for rows. What a row breaks is told at its end, in the driver's own words (psycopg.Error).
    """
    if connection.dialect.name == "sqlite":
        yield
        return
    driver: Any = connection.connection.driver_connection
    with driver.pipeline():
        yield


def select_among(connection: Connection, sql: str, keys: Sequence[bytes], tail: str) -> Sequence[Any]:
    """The rows of `sql`, which ends with a column's name, where that is one of `keys`.

    `tail` is what follows the condition; a FOR UPDATE in it is for PostgreSQL: SQLite's writer is alone anyway.
    """
    if connection.dialect.name == "sqlite":
        places = ", ".join("?" * len(keys))
        statement = f"{sql} IN ({places}) {tail.removesuffix('FOR UPDATE')}"
        return connection.exec_driver_sql(statement, tuple(keys)).all()
    return connection.exec_driver_sql(f"{sql} = ANY(%s::bytea[]) {tail}", (list(keys),)).all()


def _array(column: sa.Column[Any]) -> str:
    return next(name for kind, name in _ARRAYS if isinstance(column.type, kind))
