"""Make a ledger, or bring it to this program's version.

Everything happens in one transaction on either database: a migrator that dies leaves things as they were. Of two
migrators at once, one waits (PostgreSQL: an advisory lock; SQLite: BEGIN IMMEDIATE) and then finds nothing to do.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from sqlalchemy.engine import Connection

from worker.domain.clock import Clock, SystemClock, to_us
from worker.domain.errors import Failed
from worker.ledger import admission, sql
from worker.ledger.engine import check_server, dialect_of, failures, make_engine, sqlite_file
from worker.ledger.keys import Keys
from worker.ledger.migrations import HEAD, KNOWN
from worker.ledger.schema import meta


def migrate(url: str, mode: str, keys: Keys, *, clock: Clock | None = None) -> str | None:
    """Bring the ledger at `url` to `HEAD`, making and stamping it where there is none.

    Returns the version it had before (None for a new one). Raises RefusedByState for a ledger of a newer version, of
    the other mode or with other keys; Failed where the database is away or full.
    """
    admission.check_mode(mode)
    with _exclusive(url) as connection:
        before = _refuse_newer(connection, url)
        upgrade(connection)
        _stamp(connection, url, mode, keys, clock or SystemClock())
        _check_references(connection)
        return before


def migrate_empty(url: str) -> None:
    """Make the tables only, without a stamp: the target of `ledger copy`, which nobody can open until it is whole."""
    with _exclusive(url) as connection:
        _refuse_newer(connection, url)
        upgrade(connection)


def _refuse_newer(connection: Connection, url: str) -> str | None:
    before = admission.version(connection)
    if before is not None and before not in KNOWN:
        raise admission.newer(url, before)
    return before


def upgrade(connection: Connection, to: str = HEAD) -> None:
    """Run the steps up to `to` in the connection's transaction."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, to)


@contextlib.contextmanager
def _exclusive(url: str) -> Iterator[Connection]:
    """A transaction that no other migrator shares. Foreign keys are checked at its end, so that tables can be rebuilt."""
    if dialect_of(url) == "sqlite":
        _make_directory(sqlite_file(url))
    engine = make_engine(url, create=True, foreign_keys=False)
    try:
        with failures(url), engine.begin() as connection:
            sql.lock(connection, sql.MIGRATION_LOCK)
            check_server(connection)
            yield connection
    finally:
        engine.dispose()


def _make_directory(file: Path) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as exc:
        raise Failed(f"the directory {file.parent} for the ledger cannot be made: {exc.strerror}") from exc


def _stamp(connection: Connection, url: str, mode: str, keys: Keys, clock: Clock) -> None:
    if connection.execute(sa.select(meta.c.id)).first() is None:
        admission.put_stamp(connection, mode, keys, to_us(clock.now()))
    else:
        admission.check_stamp(admission.stamp(connection), url, keys, mode)


def _check_references(connection: Connection) -> None:
    if connection.dialect.name == "sqlite":
        broken = connection.exec_driver_sql("PRAGMA foreign_key_check").fetchall()
        if broken:
            raise Failed(f"the ledger is damaged: {len(broken)} rows refer to nothing; run `lettershop ledger verify`")
