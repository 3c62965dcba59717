"""Small helps for statements that must run on both databases."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

NOW = "lettershop_now_us"
"""The execution option that carries the ledger's clock, so that a function handed a connection can ask the time."""

# Names of the advisory locks (PostgreSQL keeps them per database). SQLite needs none: it has one writer at a time.
MIGRATION_LOCK = 7_301_001
AUDIT_LOCK = 7_301_002
FOLD_LOCK = 7_301_003


def insert(connection: Connection, table: sa.Table) -> Any:
    """An INSERT which knows ON CONFLICT: both databases write it alike, SQLAlchemy in two places."""
    return sqlite.insert(table) if connection.dialect.name == "sqlite" else postgresql.insert(table)


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
