"""The hot path on SQLite: one statement for many members of a group, inside one BEGIN IMMEDIATE.

Not for SQLite's sake, which runs a statement in microseconds: Python's driver lets go of the interpreter at each one and
must wait for the event loop to get it back, holding the ledger's only write lock meanwhile.
"""

import json
import sqlite3
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, Final

from worker.ledger.engine import STATEMENTS
from worker.ledger.hot import sql
from worker.ledger.hot.database import Database, Group, batched, end_columns, landing, mark_columns
from worker.ledger.hot.values import Outcome, Start
from worker.ledger.turn import LedgerConnection, begin_immediate

TOGETHER: Final = 32
"""Rows in one statement: a longer group takes several, so that few enough texts are in use to stay prepared."""


class _NotAll(Exception):
    """A statement for several members matched fewer: which ones is learned one by one."""


class SqliteDatabase(Database):
    """A `sqlite3` connection in autocommit mode, opened by `worker.ledger.engine`."""

    errors = (sqlite3.Error,)

    def __init__(self, connection: LedgerConnection) -> None:
        super().__init__()
        self._connection = connection
        self._cursor = connection.cursor()
        self._together = TOGETHER

    def rows(self, statement: str, parameters: Sequence[Any] = ()) -> list[Any]:
        return self._cursor.execute(statement, parameters).fetchall()

    def begin(self) -> None:
        begin_immediate(self._connection)

    def commit(self) -> None:
        self._cursor.execute("COMMIT")

    def rollback(self) -> None:
        if self._connection.in_transaction:
            self._cursor.execute("ROLLBACK")

    def close(self) -> None:
        self._connection.close()

    # -- moves ---------------------------------------------------------------------------------------------------
    def transaction(self, take: Callable[[], Group]) -> list[list[Any]]:
        """As the base does. Where a member did not match, the group is rolled back and run again one by one."""
        taken: list[Group] = []

        def once() -> Group:
            if not taken:
                taken.append(take())
            return taken[0]

        try:
            return super().transaction(once)
        except _NotAll:
            self._together = 1
            try:
                return super().transaction(once)
            finally:
                self._together = TOGETHER

    def start_all(self, starts: Sequence[Start]) -> set[int]:
        marks = {start.claimed.letter: mark_columns(start) for start in starts}
        done = self._move(sql.START, [mark[:3] for mark in marks.values()])
        self._write(sql.MARK, [marks[letter] for letter in done])
        return done

    def end_started(self, outcomes: Sequence[Outcome]) -> set[int]:
        done = self._move(sql.END_SENDING, [landing(outcome) for outcome in outcomes])
        ends = [end_columns(outcome) for outcome in outcomes if outcome.claimed.letter in done]
        self._write(sql.END_ATTEMPT, [end[:11] for end in ends])
        return done

    def end_unstarted(self, outcomes: Sequence[Outcome]) -> set[int]:
        done = self._move(sql.END_CLAIMED, [landing(outcome) for outcome in outcomes])
        tried = [outcome for outcome in outcomes if outcome.verdict and outcome.claimed.letter in done]
        self._write(sql.WHOLE_ATTEMPT, [end_columns(outcome) for outcome in tried])
        return done

    def claim_ids(self, round_id: int, letters: Sequence[int]) -> set[int]:
        among, chosen = self.among("id", letters)
        ((queued,),) = self.rows(sql.QUEUED + among, chosen)
        self.rows(sql.CLAIM + among, (round_id, *chosen))  # nobody else writes in between
        return set(json.loads(queued))

    def add_counts(self, rows: Sequence[Sequence[Any]]) -> None:
        self._write(sql.ADD_COUNTS, rows)

    def among(self, column: str, values: Sequence[Any]) -> tuple[str, list[Any]]:
        return f"{column} IN ({', '.join('?' * len(values))})", list(values)

    def _move(self, statement: str, rows: Sequence[Sequence[Any]]) -> set[int]:
        """Move the letters of `rows`, whose first column is the id; the ids that matched."""
        done: set[int] = set()
        for group in batched(rows, self._together):
            matched = self._run(statement, group)
            if matched == len(group):
                done.update(row[0] for row in group)
            elif len(group) > 1:
                raise _NotAll
        return done

    def _write(self, statement: str, rows: Sequence[Sequence[Any]]) -> None:
        for group in batched(rows, TOGETHER):
            self._run(statement, group)

    def _run(self, statement: str, rows: Sequence[Sequence[Any]]) -> int:
        text = _for_rows(statement, len(rows), len(rows[0]))
        return self._cursor.execute(text, [value for row in rows for value in row]).rowcount


@lru_cache(maxsize=STATEMENTS)
def _for_rows(statement: str, rows: int, columns: int) -> str:
    row = f"({', '.join('?' * columns)})"
    return statement.replace("{rows}", ", ".join([row] * rows))
