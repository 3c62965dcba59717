"""Small helps for statements that must run on both databases."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

NOW = "lettershop_now_us"
"""The execution option that carries the ledger's clock, so that a function handed a connection can ask the time."""

# Names of the advisory locks (PostgreSQL keeps them per database). SQLite needs none: it has one writer at a time.
MIGRATION_LOCK = 7_301_001
AUDIT_LOCK = 7_301_002
FOLD_LOCK = 7_301_003


def insert(connection: Connection, table: sa.Table) -> Any:
    """An INSERT which knows ON CONFLICT: both databases write it alike, SQLAlchemy in two places."""
    if connection.dialect.name == "sqlite":
        from sqlalchemy.dialects import sqlite

        return sqlite.insert(table)
    from sqlalchemy.dialects import postgresql

    return postgresql.insert(table)


def now_us(connection: Connection) -> int:
    """The ledger's clock, for a connection that came from `Ledger.read` or `Ledger.write`."""
    stamp: int = connection.get_execution_options()[NOW]()
    return stamp


def lock(connection: Connection, name: int) -> None:
    """Wait until nobody else holds `name`; it is free again when the transaction ends."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(name)))


def try_lock(connection: Connection, name: int) -> bool:
    """Take `name` if it is free, until the transaction ends; False where another has it."""
    if connection.dialect.name != "postgresql":
        return True
    return bool(connection.execute(sa.select(sa.func.pg_try_advisory_xact_lock(name))).scalar_one())


def last_id(connection: Connection, table: sa.Table) -> int:
    """The highest id of `table` that is or was in use, as far as the database remembers."""
    highest: int = connection.execute(sa.select(sa.func.coalesce(sa.func.max(table.c.id), 0))).scalar_one()
    if connection.dialect.name == "postgresql":
        query = sa.text(f"SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM {table.name}_id_seq")
        return max(highest, int(connection.execute(query).scalar_one()))
    remembered = sa.text("SELECT seq FROM sqlite_sequence WHERE name = :t")  # rounds alone have one
    return max(highest, int(connection.execute(remembered, {"t": table.name}).scalar() or 0))


def raise_sequence(connection: Connection, table: str, at_least: int) -> None:
    """Make the next id of `table` greater than `at_least`; never lowers it. No effect where SQLite follows the rows."""
    if at_least < 1:
        return
    if connection.dialect.name == "postgresql":
        raised = f"SELECT setval('{table}_id_seq', greatest(:n, (SELECT last_value FROM {table}_id_seq)))"
        connection.execute(sa.text(raised), {"n": at_least})
        return
    if table != "rounds":
        return
    parameters = {"n": at_least, "t": table}
    connection.execute(sa.text("UPDATE sqlite_sequence SET seq = max(seq, :n) WHERE name = :t"), parameters)
    missing = "NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = :t)"
    connection.execute(sa.text(f"INSERT INTO sqlite_sequence (name, seq) SELECT :t, :n WHERE {missing}"), parameters)
