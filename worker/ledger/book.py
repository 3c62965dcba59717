"""The ledger, opened: the door through which everything but the hot statements goes.

    keys = Keys.load(...)
    migrate(url, "rehearsal", keys)           # once, and after every upgrade
    with Ledger.open(url, keys, "rehearsal") as ledger:
        with ledger.write() as connection:    # one transaction: commits at the end, rolls back on an error
            ...

`read()` is one snapshot: everything in it sees the same moment, on both databases, and it cannot write. `write()` is
BEGIN IMMEDIATE on SQLite and READ COMMITTED on PostgreSQL. Either raises `Failed`, with a text for a person, where the
database is away, busy, full or damaged; the next call tries again, so everything recovers by itself.
"""

import contextlib
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Self

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from worker.domain.clock import Clock, SystemClock, to_us
from worker.domain.errors import LettershopError
from worker.ledger import admission, sql
from worker.ledger.engine import READING, Dialect, check_server, dialect_of, failures, make_engine
from worker.ledger.keys import Keys
from worker.ledger.moment import ServerClock, ask_server


class Ledger:
    """An open ledger. Share it between threads; it keeps connections until `close()`."""

    def __init__(self, url: str, engine: Engine, keys: Keys, stamp: admission.Stamp, clock: Clock | None) -> None:
        """Use `Ledger.open`, which looks at what it opens."""
        self.url = url
        self.engine = engine
        self.keys = keys
        self.ledger_id: str = stamp.ledger_id
        self.mode: str = stamp.mode
        self.dialect: Dialect = dialect_of(url)
        self._server: ServerClock | None = None
        host = clock or SystemClock()
        self._now_us: Callable[[], int] = lambda: to_us(host.now())
        if clock is None and self.dialect == "postgresql":
            self._server = ServerClock(self._ask)
            self._now_us = self._server.now_us
        reading: dict[str, Any] = {READING: True}
        if self.dialect == "postgresql":
            reading |= {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        self._reader = engine.execution_options(**{sql.NOW: self.now_us}, **reading)
        self._writer = engine.execution_options(**{sql.NOW: self.now_us})

    @classmethod
    def open(cls, url: str, keys: Keys, mode: str, *, clock: Clock | None = None) -> "Ledger":
        """Open the ledger at `url` for `mode` ("rehearsal" or "live").

        Raises RefusedByState where it is not migrated, newer than this program, of the other mode, or made with
        other keys (naming the key file); Failed where it is away or damaged; BadInput for an unusable url.
        """
        admission.check_mode(mode)
        admission.check_file(url)
        engine = make_engine(url)
        try:
            with failures(url), engine.execution_options(**{READING: True}).begin() as connection:
                check_server(connection)
                stamp = admission.admit(connection, url, keys, mode)
            return cls(url, engine, keys, stamp, clock)
        except BaseException:
            engine.dispose()
            raise

    @contextlib.contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that only reads, over one snapshot."""
        with failures(self.url), self._reader.begin() as connection:
            self._refresh(connection)
            yield connection

    @contextlib.contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that writes; it is committed when the block ends, and rolled back if the block raises.

        A commit whose acknowledgement was lost raises Failed although it may stand: repeat with the same unique keys.
        """
        with failures(self.url), self._writer.begin() as connection:
            self._refresh(connection)
            yield connection

    def now_us(self) -> int:
        """The ledger's clock in microseconds since 1970. May raise Failed on PostgreSQL when the server is away."""
        return self._now_us()

    def tidy(self) -> bool:
        """Empty SQLite's write-ahead log, so that nothing that was deleted stands in it; False where a reader keeps it."""
        if self.dialect != "sqlite":
            return True
        with failures(self.url), self.engine.connect() as connection:
            raw = connection.connection.dbapi_connection
            assert raw is not None
            busy: int = raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
            return not busy

    def epoch(self) -> int:
        """How often this ledger was taken back from a backup."""
        with self.read() as connection:
            return admission.stamp(connection).epoch

    def close(self) -> None:
        """Give the connections back. Closing twice does no harm."""
        self.engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Ledger({self.ledger_id}, {self.dialect})"

    def _refresh(self, connection: Connection) -> None:
        if self._server is not None:
            self._server.refresh(lambda: ask_server(connection))

    def _ask(self) -> int:
        with failures(self.url), self.engine.connect() as connection:
            return ask_server(connection)


def reachable(ledger: Ledger) -> str:
    """Why the ledger does not answer, in a sentence, or "" where it does: what `status` shows."""
    try:
        with ledger.read() as connection:
            connection.execute(sa.select(sa.literal(1)))
    except LettershopError as exc:
        return str(exc)
    return ""
