"""The hot path on PostgreSQL: one statement with arrays for all members of a group, so that a group costs few round trips.

Rows are named in the order of their ids, so that two committers' groups cannot wait for each other in a circle.
"""

from collections.abc import Sequence
from typing import Any

import psycopg

from worker.ledger.hot import sql
from worker.ledger.hot.database import Database, end_columns, landing, mark_columns
from worker.ledger.hot.values import Outcome, Start

_START = f"""
WITH asked AS (
    SELECT * FROM unnest(%s::bigint[], %s::int[], %s::bigint[], %s::text[], %s::bigint[], %s::bigint[], %s::bigint[],
                         %s::bigint[], %s::int[], %s::bigint[], %s::smallint[], %s::bytea[])
    AS a(letter_id, number, round_id, relay, lane_id, started_at, addressee_pin, frame_pin, signer_version, date_us,
         renderer, hash)
), locked AS (
    SELECT letters.id FROM letters JOIN asked a ON a.letter_id = letters.id
    WHERE letters.state = 'claimed' AND letters.claim = a.round_id AND letters.attempts = a.number - 1 AND {sql.FOUNDED}
    ORDER BY letters.id FOR UPDATE OF letters
), moved AS (
    UPDATE letters l SET state = 'sending', attempts = a.number FROM asked a, locked k
    WHERE l.id = a.letter_id AND l.id = k.id RETURNING l.id
)
INSERT INTO attempts (letter_id, number, round_id, relay, lane_id, started_at, addressee_pin, frame_pin, signer_version,
                      date_us, renderer, hash)
SELECT a.* FROM asked a JOIN moved m ON m.id = a.letter_id
RETURNING letter_id
"""

_ASKED_ENDS = """
WITH asked AS (
    SELECT * FROM unnest(%s::bigint[], %s::int[], %s::bigint[], %s::text[], %s::bigint[], %s::bigint[], %s::text[],
                         %s::bigint[], %s::int[], %s::int[])
    AS a(letter_id, number, round_id, state, due_at, life_us, reason, ended_at, doubt, attempts)
), locked AS (
    SELECT l.id FROM letters l JOIN asked a ON a.letter_id = l.id
    WHERE l.state = %s AND l.claim = a.round_id AND l.attempts = %s ORDER BY l.id FOR UPDATE OF l
)
UPDATE letters l SET state = a.state, due_at = a.due_at, life_us = a.life_us, reason = a.reason, ended_at = a.ended_at,
                     claim = NULL, suspect = 0, doubts = l.doubts + a.doubt, attempts = a.attempts,
                     resend_of = CASE WHEN %s THEN NULL ELSE l.resend_of END
FROM asked a, locked k WHERE l.id = a.letter_id AND l.id = k.id RETURNING l.id
"""

_ENDS = """
SELECT * FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::text[], %s::smallint[], %s::text[], %s::text[],
                     %s::text[], %s::text[], %s::bigint[], %s::int[], %s::bigint[], %s::text[], %s::bigint[])
AS a(ended_at, kind, scope, stage, code, enhanced, text, rule, steps, letter_id, number, round_id, relay, lane_id)
"""

_END_ATTEMPTS = f"""
WITH asked AS ({_ENDS})
UPDATE attempts t SET ended_at = a.ended_at, kind = a.kind, scope = a.scope, stage = a.stage, code = a.code,
    enhanced = a.enhanced, text = a.text, rule = a.rule, steps = a.steps
FROM asked a WHERE t.letter_id = a.letter_id AND t.number = a.number AND t.ended_at IS NULL
"""

_WHOLE_ATTEMPTS = f"""
WITH asked AS ({_ENDS})
INSERT INTO attempts (ended_at, kind, scope, stage, code, enhanced, text, rule, steps,
                      letter_id, number, round_id, relay, lane_id)
SELECT * FROM asked
"""

_CLAIM = """
UPDATE letters SET state = 'claimed', claim = %s WHERE id IN (
    SELECT id FROM letters WHERE id = ANY(%s) AND state = 'queued' ORDER BY id FOR UPDATE SKIP LOCKED
) RETURNING id
"""


_ADD_COUNTS = """
INSERT INTO count_deltas (campaign_id, sendout_id, addressee, state, n)
SELECT * FROM unnest(%s::bigint[], %s::bigint[], %s::text[], %s::text[], %s::bigint[])
"""


class PostgresDatabase(Database):
    """A psycopg connection in autocommit mode, opened by `worker.ledger.engine`."""

    errors = (psycopg.Error,)

    def __init__(self, connection: "psycopg.Connection[tuple[Any, ...]]") -> None:
        super().__init__()
        self._connection = connection

    def rows(self, statement: str, parameters: Sequence[Any] = ()) -> list[Any]:
        return self._run(statement.replace("?", "%s"), parameters)

    def _run(self, statement: str, parameters: Sequence[Any]) -> list[Any]:
        cursor = self._connection.execute(statement, parameters)
        return cursor.fetchall() if cursor.description else []

    def begin(self) -> None:
        self._connection.execute("BEGIN")

    def commit(self) -> None:
        self._connection.execute("COMMIT")

    def rollback(self) -> None:
        if not self._connection.closed:
            self._connection.execute("ROLLBACK")

    def close(self) -> None:
        self._connection.close()

    def start_all(self, starts: Sequence[Start]) -> set[int]:
        return {row[0] for row in self._run(_START, _columns([mark_columns(s) for s in starts]))}

    def end_started(self, outcomes: Sequence[Outcome]) -> set[int]:
        done = self._end(outcomes, "sending", forget_resend=True)
        if done:
            self._run(_END_ATTEMPTS, _ends(outcomes, done))
        return done

    def end_unstarted(self, outcomes: Sequence[Outcome]) -> set[int]:
        done = self._end(outcomes, "claimed", forget_resend=False)
        tried = [o for o in outcomes if o.verdict and o.claimed.letter in done]
        if tried:
            self._run(_WHOLE_ATTEMPTS, _ends(tried, done))
        return done

    def _end(self, outcomes: Sequence[Outcome], state: str, *, forget_resend: bool) -> set[int]:
        guard = "a.number" if state == "sending" else "a.number - 1"
        statement = _ASKED_ENDS.replace("l.attempts = %s", f"l.attempts = {guard}")
        parameters = [*_columns([landing(o) for o in outcomes]), state, forget_resend]
        return {row[0] for row in self._run(statement, parameters)}

    def claim_ids(self, round_id: int, letters: Sequence[int]) -> set[int]:
        return {row[0] for row in self._run(_CLAIM, (round_id, list(letters)))}

    def add_counts(self, rows: Sequence[Sequence[Any]]) -> None:
        self._run(_ADD_COUNTS, _columns(rows))

    def among(self, column: str, values: Sequence[Any]) -> tuple[str, list[Any]]:
        return f"{column} = ANY(?)", [list(values)]


def _columns(rows: Sequence[Sequence[Any]]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]


def _ends(outcomes: Sequence[Outcome], done: set[int]) -> list[list[Any]]:
    return _columns([end_columns(outcome) for outcome in outcomes if outcome.claimed.letter in done])
