"""Whose turn it is to write to a SQLite ledger: a file beside it, `ledger.db-turn`, locked while one waits to begin.

SQLite gives its write lock to whoever asks at the right instant. A worker that commits group after group asks again
within microseconds, while a web process with a signer waiting looks every third of a millisecond: the worker wins time
and again. So whoever wants to write takes the turn first and lets it go once its transaction has begun. Who has just
committed must take the turn too, and it is held by the one who waits: two writers alternate.

The lock is flock's: the kernel lets it go when its holder dies. A file system that has none, or a holder that does not
move, costs fairness and nothing else.
"""

import contextlib
import fcntl
import os
import sqlite3
import time
from collections.abc import Iterator

BUSY_S = 30
"""How long one waits for its turn."""

TURN_S = 0.0003
"""How often one looks whether its turn has come."""


class Turn:
    """One connection's place in line. Belongs to one thread at a time, as its connection does."""

    def __init__(self, ledger: str) -> None:
        """`ledger`: the path of the database file."""
        self._file = -1
        with contextlib.suppress(OSError):
            self._file = os.open(f"{ledger}-turn", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)

    @contextlib.contextmanager
    def taken(self, deadline: float) -> Iterator[None]:
        """Hold the turn for the block, as soon as it is free; from `deadline` (monotonic) on without it."""
        held = self._file >= 0 and self._take(deadline)
        try:
            yield
        finally:
            if held:
                fcntl.flock(self._file, fcntl.LOCK_UN)

    def close(self) -> None:
        """Give the file back; doing it twice does no harm."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _take(self, deadline: float) -> bool:
        while time.monotonic() < deadline:
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                time.sleep(TURN_S)
            except OSError:
                return False
            else:
                return True
        return False


class LedgerConnection(sqlite3.Connection):
    """A connection to a SQLite ledger, with its place in the line of those who want to write."""

    turn: Turn | None = None

    def close(self) -> None:
        """Close both."""
        if self.turn is not None:
            self.turn.close()
        super().close()


def begin_immediate(connection: LedgerConnection) -> None:
    """Wait for this connection's turn to write, at most `BUSY_S`, and begin. Raises sqlite3.OperationalError.

    SQLite's own patience sleeps 1, 2, 5, 10 ... 100 ms between tries: where several processes commit within a
    millisecond each, it sleeps through everybody else's turns.
    """
    deadline = time.monotonic() + BUSY_S
    if connection.turn is None:
        connection.turn = Turn(connection.execute("PRAGMA database_list").fetchone()[2])
    with connection.turn.taken(deadline):
        while True:
            try:
                connection.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as exc:
                if exc.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                    raise
                time.sleep(TURN_S)
            else:
                return
