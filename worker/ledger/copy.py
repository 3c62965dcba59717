"""`ledger copy`: move a ledger from SQLite to PostgreSQL, or back.

The stack is stopped first. The source is locked against writers for the whole time. Tables are copied one by one, in
pages by primary key; each page and the place reached are committed together in the target, so that a copy that was
killed goes on where it was when it is run again. At the end every table is read once more on both sides and compared,
by number of rows and by a checksum over all their values. Only then is the target stamped, and can be opened.

The source keeps its rows but gets a hold on everything: one letter must not leave from two ledgers. Whoever goes on
with the source after all lifts the hold, and must then throw the copy away.
"""

import contextlib
import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import DataError, IntegrityError

from worker.domain.clock import Clock, SystemClock, to_us
from worker.domain.errors import BadInput, Failed, RefusedByState
from worker.ledger import admission, holds, sql
from worker.ledger.bulk import insert_rows
from worker.ledger.engine import failures, make_engine, parse_url, shown
from worker.ledger.keys import Keys
from worker.ledger.migrate import migrate_empty
from worker.ledger.moment import ask_server
from worker.ledger.restore import refuse_running
from worker.ledger.schema import holds as holds_table
from worker.ledger.schema import meta, metadata

PAGE = 2_000
WHO = "ledger copy"
"""Who places the hold on the source; that one row is not part of what is copied."""

Rows = list[tuple[Any, ...]]  # in the order of the table's columns

TABLES = tuple(table for table in metadata.sorted_tables if table is not meta)

_place = sa.Table(  # in the target, only while a copy is under way
    "copy_place",
    sa.MetaData(),
    sa.Column("table_name", sa.Text, primary_key=True),
    sa.Column("ledger_id", sa.Text, nullable=False),
    sa.Column("after", sa.Text, nullable=False),  # the last primary key copied, as JSON
)


@dataclass(frozen=True, slots=True)
class Copied:
    """One table: its rows, and the checksum on which both sides agree."""

    table: str
    rows: int
    checksum: str


@dataclass(slots=True)
class Sum:
    """The number of rows, and the sum of their hashes: no order is needed, for the two databases sort text unlike."""

    rows: int = 0
    total: int = 0

    def add(self, rows: Rows) -> None:
        """Count a page of rows."""
        self.rows += len(rows)
        self.total += sum(
            int.from_bytes(hashlib.blake2b(repr(row).encode(), digest_size=16).digest(), "big") for row in rows
        )

    def of(self, table: sa.Table) -> Copied:
        """What was added up, as that of `table`."""
        return Copied(table.name, self.rows, f"{self.total % 2**128:032x}")


def copy(
    source_url: str,
    target_url: str,
    keys: Keys,
    mode: str,
    *,
    progress: Callable[[str, int], None] = lambda _table, _rows: None,
    clock: Clock | None = None,
) -> list[Copied]:
    """Copy the ledger at `source_url` into `target_url`, which is made; returns what was copied, table by table.

    `progress` is told (table, rows just copied). Raises RefusedByState where workers run or the target is not empty,
    Failed where the two sides differ in the end. Run it again after a failure or a kill: it goes on where it was.
    """
    if parse_url(source_url) == parse_url(target_url):
        raise BadInput("a ledger cannot be copied into itself")
    admission.check_file(source_url)
    with _engine(source_url) as source_engine, _locked(source_engine, source_url) as source:
        stamp = admission.admit(source, source_url, keys, mode)
        at_us = _now_us(source, clock)
        refuse_running(source, at_us)
        migrate_empty(target_url)
        with _engine(target_url) as target, failures(target_url):
            _begin(target, target_url, stamp.ledger_id)
            for table in TABLES:
                _copy_table(source, target, table, stamp.ledger_id, progress)
            copied = _compare(source, target)
            holds.place(source, at_us, "everything", "", reason=f"copied to {shown(target_url)}", who=WHO)
            source.commit()  # held before the target can be opened
            _finish(source_engine, target)
    return copied


@contextlib.contextmanager
def _engine(url: str) -> Iterator[Engine]:
    engine = make_engine(url)
    try:
        yield engine
    finally:
        engine.dispose()


@contextlib.contextmanager
def _locked(engine: Engine, url: str) -> Iterator[Connection]:
    """A transaction on the source during which nobody else writes there, and nobody else copies it."""
    with failures(url), engine.connect() as connection:
        if connection.dialect.name == "postgresql":
            names = ", ".join(table.name for table in metadata.sorted_tables)
            connection.execute(sa.text("SET LOCAL lock_timeout = '10s'"))
            connection.execute(sa.text(f"LOCK TABLE {names} IN SHARE ROW EXCLUSIVE MODE"))
        yield connection


def _now_us(source: Connection, clock: Clock | None) -> int:
    if clock is None and source.dialect.name == "postgresql":
        return ask_server(source)
    return to_us((clock or SystemClock()).now())


def _begin(target: Engine, url: str, ledger_id: str) -> None:
    """Find the target empty, or half filled by an earlier run from the same ledger."""
    with target.begin() as connection:
        if connection.execute(sa.select(meta.c.id)).first():
            raise RefusedByState(f"{shown(url)} is a ledger already: copy into an empty database")
        if not sa.inspect(connection).has_table(_place.name):
            if any(connection.execute(sa.select(sa.literal(1)).select_from(t).limit(1)).first() for t in TABLES):
                raise RefusedByState(f"{shown(url)} is not empty: copy into an empty database")
            _place.create(connection)
        others = sa.select(_place.c.ledger_id).where(_place.c.ledger_id != ledger_id).limit(1)
        if connection.execute(others).first():
            raise RefusedByState(f"{shown(url)} holds half a copy of another ledger: empty it first")


def _copy_table(
    source: Connection, target: Engine, table: sa.Table, ledger_id: str, progress: Callable[[str, int], None]
) -> None:
    with target.connect() as connection:
        stored = connection.execute(sa.select(_place.c.after).where(_place.c.table_name == table.name)).scalar()
    for rows in pages(source, table, _rows_of(table), _decode(stored) if stored else None):
        with target.begin() as connection:
            insert(connection, table, rows)
            after = _encode(_key(table, rows[-1]))
            place = {"table_name": table.name, "ledger_id": ledger_id, "after": after}
            statement = sql.insert(connection, _place).values(place)
            connection.execute(statement.on_conflict_do_update(index_elements=["table_name"], set_=place))
        progress(table.name, len(rows))


def insert(connection: Connection, table: sa.Table, rows: Rows) -> None:
    """Insert whole rows. Raises Failed, naming the place, where the database cannot hold one."""
    if connection.dialect.name == "postgresql":
        _insert_postgresql(connection, table, rows)
        return
    with _refusals(table, rows, DataError, IntegrityError):
        insert_rows(connection, table, table.c.keys(), rows)


@contextlib.contextmanager
def _refusals(table: sa.Table, rows: Rows, *errors: type[Exception]) -> Iterator[None]:
    try:
        yield
    except errors as exc:
        first, last = (_encode(_key(table, row)) for row in (rows[0], rows[-1]))
        raise Failed(
            f"a row of {table.name} between {first} and {last} cannot be stored in the target"
            f" ({type(getattr(exc, 'orig', exc)).__name__}): run `lettershop ledger verify` on the source"
        ) from exc


def _insert_postgresql(connection: Connection, table: sa.Table, rows: Rows) -> None:
    import psycopg

    statement = f"COPY {table.name} ({', '.join(table.c.keys())}) FROM STDIN".encode()
    driver = connection.connection.driver_connection
    assert isinstance(driver, psycopg.Connection)
    told = _refusals(table, rows, psycopg.DataError, psycopg.IntegrityError)
    with told, driver.cursor() as cursor, cursor.copy(statement) as stream:
        for row in rows:
            stream.write_row(row)


def pages(
    connection: Connection, table: sa.Table, query: sa.Select[Any] | None = None, after: tuple[Any, ...] | None = None
) -> Iterator[Rows]:
    """The rows of `table`, or those that `query` leaves of it, by primary key, page by page, from `after` on."""
    key = list(table.primary_key)
    ordered = (sa.select(table) if query is None else query).order_by(*key).limit(PAGE)
    while True:
        page = ordered
        if after is not None:
            places = [sa.literal(value, column.type) for value, column in zip(after, key, strict=True)]
            page = ordered.where(sa.tuple_(*key) > sa.tuple_(*places))
        rows = [tuple(row) for row in connection.execute(page)]
        if not rows:
            return
        yield rows
        after = _key(table, rows[-1])


def _key(table: sa.Table, row: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(value for column, value in zip(table.c, row, strict=True) if column.primary_key)


def _rows_of(table: sa.Table) -> sa.Select[Any]:
    query = sa.select(table)
    return query.where(table.c.who != WHO) if table is holds_table else query


def _compare(source: Connection, target: Engine) -> list[Copied]:
    copied = []
    with target.connect() as connection:
        for table in TABLES:
            here, there = _sum(source, table), _sum(connection, table)
            if here != there:
                raise Failed(
                    f"the copy of {table.name} differs: {here.rows} rows here, {there.rows} there, checksums"
                    f" {here.checksum} and {there.checksum}. The ledger was changed between two runs of the copy,"
                    " or the target was: empty the target and copy again"
                )
            copied.append(here)
    return copied


def _sum(connection: Connection, table: sa.Table) -> Copied:
    return sum_up(connection, table, _rows_of(table))


def sum_up(connection: Connection, table: sa.Table, query: sa.Select[Any] | None = None) -> Copied:
    """Read a table once, for its number of rows and its checksum."""
    found = Sum()
    for rows in pages(connection, table, query):
        found.add(rows)
    return found.of(table)


def _finish(source: Engine, target: Engine) -> None:
    """Set the numbering behind the rows, take the scaffold away, and stamp the target: now it is a ledger."""
    with source.connect() as old, target.begin() as new:
        raise_sequences(old, new)
        _place.drop(new)
        new.execute(meta.insert(), [dict(row) for row in old.execute(sa.select(meta)).mappings()])


def raise_sequences(old: Connection, new: Connection) -> None:
    """Let `new` number its rows behind those of `old`."""
    for table in TABLES:
        if "id" in table.c:
            sql.raise_sequence(new, table.name, sql.last_id(old, table))


def _encode(key: tuple[Any, ...]) -> str:
    return json.dumps([{"hex": value.hex()} if isinstance(value, bytes) else value for value in key])


def _decode(stored: str) -> tuple[Any, ...]:
    return tuple(bytes.fromhex(value["hex"]) if isinstance(value, dict) else value for value in json.loads(stored))
