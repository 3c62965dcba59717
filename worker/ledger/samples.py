"""Samples: one row a minute of how the letters stand, from which throughput is told and curves are drawn.

Any process may take one; of many in the same minute one row stands. They are kept for a month.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from worker.ledger.schema import meta, samples
from worker.ledger.sql import insert

MINUTE_US = 60_000_000
KEPT_US = 31 * 86_400_000_000


@dataclass(frozen=True, slots=True)
class Sample:
    """How things stood in the minute of `at_us`, at `taken_us` (microseconds since 1970). `states`: letters per state."""

    at_us: int
    taken_us: int
    due: int
    oldest_due_us: int | None
    states: Mapping[str, int]

    @property
    def accepted(self) -> int:
        """Letters that a relay had accepted by then."""
        return accepted(self.states)


def accepted(states: Mapping[str, int]) -> int:
    """Letters that a relay accepted: a bounced one was accepted first."""
    return states.get("sent", 0) + states.get("bounced", 0)


def take(connection: Connection, at_us: int, due: int, oldest_us: int | None, states: Mapping[str, int]) -> bool:
    """Record the minute of `at_us`. False where somebody did before; then nothing is changed."""
    body = json.dumps({"at": at_us, **{state: n for state, n in sorted(states.items()) if n}}, separators=(",", ":"))
    row = {"at": at_us - at_us % MINUTE_US, "due": due, "oldest_due": oldest_us, "body": body}
    statement = insert(connection, samples).values(row).on_conflict_do_nothing().returning(samples.c.at)
    return connection.execute(statement).first() is not None


def taken(connection: Connection, at_us: int) -> bool:
    """Whether the minute of `at_us` has its sample."""
    return (
        connection.execute(sa.select(samples.c.at).where(samples.c.at == at_us - at_us % MINUTE_US)).first() is not None
    )


def since(connection: Connection, at_us: int) -> list[Sample]:
    """The samples from `at_us` on, oldest first."""
    query = sa.select(samples).where(samples.c.at >= at_us).order_by(samples.c.at)
    return [_sample(row.at, row.due, row.oldest_due, row.body) for row in connection.execute(query)]


def before(connection: Connection, at_us: int) -> Sample | None:
    """The newest sample before `at_us`."""
    query = sa.select(samples).where(samples.c.at < at_us).order_by(samples.c.at.desc()).limit(1)
    row = connection.execute(query).first()
    return None if row is None else _sample(row.at, row.due, row.oldest_due, row.body)


def birth(connection: Connection) -> Sample:
    """The minute in which the ledger was made, and had no letters: as good as a sample."""
    at_us: int = connection.execute(sa.select(meta.c.made_at)).scalar_one()
    return Sample(at_us - at_us % MINUTE_US, at_us, 0, None, {})


def _sample(at_us: int, due: int, oldest_us: int | None, body: str) -> Sample:
    states = json.loads(body)
    return Sample(at_us, states.pop("at", at_us), due, oldest_us, states)


def prune(connection: Connection, at_us: int, kept_us: int = KEPT_US) -> int:
    """Forget samples that are older than `kept_us` at `at_us`. Returns how many there were."""
    return connection.execute(sa.delete(samples).where(samples.c.at < at_us - kept_us)).rowcount
