"""How the ledger's database is opened: SQLite or PostgreSQL, set up so that what is committed stays.

SQLite: WAL, `synchronous=FULL`, foreign keys checked, 30 s of patience with another writer. Every transaction that may
write is BEGIN IMMEDIATE: one that begins reading and then writes fails under a second writer, whatever its patience.
PostgreSQL: 15 or newer, UTF8; a connection is tried before it is used, so that a restarted server costs no error.

`failures()` maps what the drivers raise for the world's faults (server away, disk full, file damaged, too busy) to
`Failed` with a text for a person. Faults of a statement (a unique key, a missing column) pass through unchanged.

`raw_connection` gives the plain driver's connection, set up the same way, for statements where each microsecond counts.
"""

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import URL, Connection, Engine, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from worker.domain.errors import BadInput, Failed, RefusedByState
from worker.ledger.driver_errors import driver_errors, is_of_postgresql
from worker.ledger.turn import BUSY_S, LedgerConnection, begin_immediate

if TYPE_CHECKING:
    import psycopg

Dialect = Literal["sqlite", "postgresql"]

READING = "lettershop_reading"
"""The execution option of a transaction that only reads."""

STATEMENTS = 512
"""How many statements a SQLite connection keeps prepared."""

POOL_SIZE, POOL_OVERFLOW = 5, 25
_OLDEST_SERVER = 15
_SETTINGS = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA foreign_keys=ON",
    "PRAGMA trusted_schema=OFF",
    "PRAGMA cell_size_check=ON",
    "PRAGMA journal_size_limit=67108864",
)
_SERVER_OPTIONS: dict[str, Any] = {
    "client_encoding": "utf8",
    "connect_timeout": 10,
    "application_name": "lettershop",
    # a machine that vanished without a word is noticed in about a minute, not in two hours
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
}

_FULL = "the disk is full ({where}): make room; nothing acknowledged is lost, and work goes on by itself"
_READ_ONLY = "the ledger {where} cannot be written: it must belong to this user, on a drive that is not read-only"
_DAMAGED = (
    "the ledger {where} is damaged ({said}): stop everything, keep the file, restore a backup,"
    " then run `lettershop ledger accept-restore`"
)
_SQLITE_TEXTS = {  # by result code, https://www.sqlite.org/rescode.html
    sqlite3.SQLITE_FULL: _FULL,
    sqlite3.SQLITE_IOERR_WRITE: _FULL,  # a file-size limit; a full quota
    sqlite3.SQLITE_IOERR: "the ledger {where} cannot be read or written ({said}): look at the drive",
    sqlite3.SQLITE_BUSY: f"the ledger {{where}} is busy: another process has held it for {BUSY_S} s; try again",
    sqlite3.SQLITE_CANTOPEN: "the ledger {where} cannot be opened: its directory must exist and belong to this user",
    sqlite3.SQLITE_READONLY: _READ_ONLY,
    sqlite3.SQLITE_PERM: _READ_ONLY,
    sqlite3.SQLITE_CORRUPT: _DAMAGED,
    sqlite3.SQLITE_NOTADB: _DAMAGED,
}

_BUSY = "the ledger was busy with another change ({said}): try again"
_POSTGRESQL_TEXTS = {  # by the beginning of SQLSTATE, https://www.postgresql.org/docs/current/errcodes-appendix.html
    ("53100", "58030"): (
        "the ledger's disk is full ({said}): make room; nothing acknowledged is lost, and work goes on by itself"
    ),
    ("40", "55P03"): _BUSY,  # serialisation, deadlock, lock not available
    (
        "42501",
    ): "the ledger {where} does not permit it ({said}): its user must own the database, or be granted all on it",
    ("XX",): "the ledger {where} is damaged ({said}): restore a backup, then run `lettershop ledger accept-restore`",
}


def parse_url(url: str) -> URL:
    """The ledger's URL, checked. Raises BadInput for what is neither a SQLite file nor a PostgreSQL database."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError) as exc:
        raise BadInput(_form("the ledger's url cannot be read")) from exc
    if parsed.drivername == "sqlite":
        if not parsed.database or parsed.database.startswith((":memory:", "file:")):
            raise BadInput(_form("a ledger in memory would be lost"))
        return parsed
    if parsed.drivername in {"postgresql", "postgres", "postgresql+psycopg"}:
        if not parsed.database:
            raise BadInput(_form("the ledger's url names no database"))
        return parsed.set(drivername="postgresql+psycopg")
    raise BadInput(_form(f"a ledger cannot be a {parsed.drivername!r} database"))


def _form(problem: str) -> str:
    return f'{problem}; [ledger] url is like "sqlite:///var/ledger.db" or "postgresql://user@host/name"'


def dialect_of(url: str) -> Dialect:
    """Which of the two databases `url` names."""
    return "sqlite" if parse_url(url).drivername == "sqlite" else "postgresql"


def shown(url: str) -> str:
    """`url` as it may be printed: without the password."""
    return parse_url(url).render_as_string(hide_password=True).replace("+psycopg", "", 1)


def sqlite_file(url: str) -> Path:
    """The file of a SQLite ledger."""
    return Path(parse_url(url).database or "")


def make_engine(url: str, *, create: bool = False, foreign_keys: bool = True) -> Engine:
    """An engine for the ledger at `url`; nothing is opened yet. `create` permits a SQLite file to be made.

    Transactions are BEGIN IMMEDIATE on SQLite unless they carry the execution option `READING`.
    """
    parsed = parse_url(url)
    if parsed.drivername == "sqlite":
        engine = sa.create_engine(
            "sqlite://",
            creator=lambda: _sqlite(url, create=create, foreign_keys=foreign_keys),
            poolclass=sa.QueuePool,
            pool_size=POOL_SIZE,
            max_overflow=POOL_OVERFLOW,
            hide_parameters=True,  # a failed statement's values are not for logs
        )
        event.listen(engine, "begin", _begin_on_sqlite)
        return engine
    return sa.create_engine(
        parsed,
        connect_args=_SERVER_OPTIONS,
        pool_size=POOL_SIZE,
        max_overflow=POOL_OVERFLOW,
        pool_pre_ping=True,
        hide_parameters=True,
    )


def raw_connection(url: str) -> "LedgerConnection | psycopg.Connection[Any]":
    """The driver's own connection, in autocommit: the caller says BEGIN IMMEDIATE (SQLite) or uses `transaction()`.

    May be handed from one thread to another, but not used by two at once. Raises Failed where it cannot be opened.
    """
    with failures(url):
        if dialect_of(url) == "sqlite":
            connection = _sqlite(url)
            connection.execute("PRAGMA busy_timeout=0")  # `begin_immediate` has the patience
            return connection
        import psycopg

        parsed = parse_url(url)
        # not as a URL again: SQLAlchemy and libpq disagree on how a space in a password is written
        place: dict[str, Any] = {**parsed.translate_connect_args(username="user", database="dbname"), **parsed.query}
        return psycopg.connect(autocommit=True, **{**place, **_SERVER_OPTIONS})


def _sqlite(url: str, *, create: bool = False, foreign_keys: bool = True) -> LedgerConnection:
    where = f"file:{quote(str(sqlite_file(url)))}?mode={'rwc' if create else 'rw'}"
    connection = sqlite3.connect(
        where,
        uri=True,
        timeout=BUSY_S,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=STATEMENTS,
        factory=LedgerConnection,
    )
    try:
        for setting in _SETTINGS:
            connection.execute(setting).fetchall()
        if not foreign_keys:
            connection.execute("PRAGMA foreign_keys=OFF")
    except BaseException:
        connection.close()
        raise
    return connection


def _begin_on_sqlite(connection: Connection) -> None:
    reading = bool(connection.get_execution_options().get(READING, False))
    if connection.info.get(READING) is not reading:  # the pool hands the same connection to readers and to writers
        connection.exec_driver_sql(f"PRAGMA query_only={'ON' if reading else 'OFF'}")
        # a writer's patience is `begin_immediate`'s: SQLite's own would sleep before that is ever asked
        connection.exec_driver_sql(f"PRAGMA busy_timeout={BUSY_S * 1000 if reading else 0}")
        connection.info[READING] = reading
    if reading:
        connection.exec_driver_sql("BEGIN")
    else:
        begin_immediate(cast("LedgerConnection", connection.connection.dbapi_connection))


def check_server(connection: Connection) -> None:
    """Refuse a PostgreSQL that is too old or not UTF8. Raises RefusedByState."""
    if connection.dialect.name == "sqlite":
        return
    number, encoding, version = connection.execute(
        sa.text("SELECT current_setting('server_version_num')::int, current_setting('server_encoding'), version()")
    ).one()
    if number // 10_000 < _OLDEST_SERVER:
        raise RefusedByState(
            f"the ledger needs PostgreSQL {_OLDEST_SERVER} or newer; this is {version.split(' on ')[0]}"
        )
    if encoding != "UTF8":
        raise RefusedByState(
            f"the ledger's database is encoded in {encoding}: make one with `createdb --encoding=UTF8 --template=template0`"
        )


def durability(connection: Connection) -> list[str]:
    """What would let a committed letter be lost in a power cut, one sentence each; empty where all is well."""
    if connection.dialect.name == "sqlite":
        mode = connection.exec_driver_sql("PRAGMA journal_mode").scalar()
        return [] if mode == "wal" else [f"SQLite's journal mode is {mode}, not wal: is the ledger on a network drive?"]
    rows = connection.execute(
        sa.text(
            "SELECT name, setting FROM pg_settings WHERE name IN ('fsync', 'full_page_writes', 'synchronous_commit')"
        )
    )
    return [
        f"PostgreSQL's {name} is off: set `{name} = on`" for name, setting in sorted(rows.all()) if setting == "off"
    ]


@contextlib.contextmanager
def failures(url: str) -> Iterator[None]:
    """Turn the world's faults into `Failed` with a text that names the ledger and what to do; let others pass."""
    try:
        yield
    except PoolTimeout as exc:
        raise Failed("all connections to the ledger are in use: try again, with fewer workers in one process") from exc
    except driver_errors() as exc:
        cause = exc.orig if isinstance(exc, DBAPIError) else exc
        text = explain(cause, url)
        if text is None:
            raise
        raise Failed(text) from exc


def explain(cause: BaseException | None, url: str) -> str | None:
    """What a driver's error means, for a person; None where it is the statement's fault, not the world's."""
    if isinstance(cause, sqlite3.Error):
        return _explain_sqlite(cause, url)
    if is_of_postgresql(cause):
        return _explain_postgresql(cause, url)
    return None


def _explain_sqlite(cause: sqlite3.Error, url: str) -> str | None:
    code = getattr(cause, "sqlite_errorcode", 0)
    primary = code & 0xFF
    if primary == sqlite3.SQLITE_READONLY and not _file_read_only(url):
        return None  # a write in a reading transaction: our own mistake
    text = _SQLITE_TEXTS.get(code) or _SQLITE_TEXTS.get(primary)
    return text and text.format(where=sqlite_file(url), said=cause)


def _file_read_only(url: str) -> bool:
    return not os.access(sqlite_file(url), os.W_OK)


def _explain_postgresql(cause: "psycopg.Error", url: str) -> str | None:
    import psycopg

    state = cause.sqlstate or ""
    said = (cause.diag.message_primary or str(cause).strip()).split("\n", maxsplit=1)[0]
    for states, text in _POSTGRESQL_TEXTS.items():
        if state.startswith(states):
            return text.format(where=shown(url), said=said)
    if state == "25006" and "recovery" in said:
        return "the ledger's server is a standby, which only reads: give the url of the primary"
    if isinstance(cause, psycopg.OperationalError):
        return f"the ledger {shown(url)} is away ({said}): nothing is sent until it is back, and nothing is lost"
    return None
