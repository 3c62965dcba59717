"""The hot path on SQLite: statement by statement inside one BEGIN IMMEDIATE, where a statement costs a few microseconds."""

import sqlite3
from collections.abc import Sequence
from typing import Any

from worker.ledger.hot import sql
from worker.ledger.hot.database import Database, doubt, end_columns, ends_life
from worker.ledger.hot.values import Outcome, Start


class SqliteDatabase(Database):
    """A `sqlite3` connection in autocommit mode, opened by `worker.ledger.engine`."""

    errors = (sqlite3.Error,)

    def __init__(self, connection: sqlite3.Connection) -> None:
        super().__init__()
        self._connection = connection
        self._cursor = connection.cursor()

    def rows(self, statement: str, parameters: Sequence[Any] = ()) -> list[Any]:
        return self._cursor.execute(statement, parameters).fetchall()

    def begin(self) -> None:
        self._cursor.execute("BEGIN IMMEDIATE")

    def commit(self) -> None:
        self._cursor.execute("COMMIT")

    def rollback(self) -> None:
        if self._connection.in_transaction:
            self._cursor.execute("ROLLBACK")

    def close(self) -> None:
        self._connection.close()

    def start_all(self, starts: Sequence[Start]) -> set[int]:
        done = set()
        for start in starts:
            claimed, place = start.claimed, start.place
            parameters = (claimed.number, claimed.letter, place.round_id, claimed.number - 1)
            if self._cursor.execute(sql.START, parameters).rowcount == 1:
                self._cursor.execute(sql.MARK, mark_columns(start))
                done.add(claimed.letter)
        return done

    def end_started(self, outcomes: Sequence[Outcome]) -> set[int]:
        done = set()
        for outcome in outcomes:
            claimed = outcome.claimed
            parameters = (
                *_landing(outcome),
                doubt(outcome.event),
                claimed.letter,
                outcome.place.round_id,
                claimed.number,
            )
            if self._cursor.execute(sql.END_SENDING, parameters).rowcount == 1:
                self._cursor.execute(sql.END_ATTEMPT, (*end_columns(outcome), claimed.letter, claimed.number))
                done.add(claimed.letter)
        return done

    def end_unstarted(self, outcomes: Sequence[Outcome]) -> set[int]:
        done = set()
        for outcome in outcomes:
            claimed, place = outcome.claimed, outcome.place
            number = claimed.number if outcome.verdict else claimed.number - 1
            parameters = (*_landing(outcome), number, claimed.letter, place.round_id, claimed.number - 1)
            if self._cursor.execute(sql.END_CLAIMED, parameters).rowcount == 1:
                if outcome.verdict:
                    where = (claimed.letter, claimed.number, place.round_id, place.relay, place.lane_id)
                    self._cursor.execute(sql.WHOLE_ATTEMPT, (*end_columns(outcome), *where))
                done.add(claimed.letter)
        return done

    def claim_ids(self, round_id: int, letters: Sequence[int]) -> set[int]:
        return {i for i in letters if self._cursor.execute(sql.CLAIM, (round_id, i)).rowcount == 1}

    def among(self, column: str, values: Sequence[Any]) -> tuple[str, list[Any]]:
        return f"{column} IN ({', '.join('?' * len(values))})", list(values)


def mark_columns(start: Start) -> tuple[Any, ...]:
    """The mark as `sql.MARK` names its columns."""
    claimed, place = start.claimed, start.place
    return (
        claimed.letter,
        claimed.number,
        place.round_id,
        place.relay,
        place.lane_id,
        start.at_us,
        start.addressee_pin,
        start.frame_pin,
        start.signer_version,
        start.date_us,
        start.renderer,
        start.hash,
    )


def _landing(outcome: Outcome) -> tuple[Any, ...]:
    """The letter's columns after its outcome: state, due_at, life_us, reason, ended_at."""
    ended = outcome.at_us if ends_life(outcome.to) else None
    return (outcome.to.value, outcome.due_at, outcome.life_us, outcome.reason, ended)
