"""Rounds that outlast their minute: a mail server keeps a letter waiting for its answer, on purpose or not.

A round starts no letter after `Plan.longest_s` (60 s), so one that is open for longer, and alive, waits for a reply.
"""

from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from worker.operations.barriers import Reason
from worker.operations.workers import ALIVE_US

SLOW_US = 75_000_000
"""A round of this age waits, and has waited for 15 s at least."""

SPARED = '--reason "its server is slow"'

_ROUNDS = sa.text("""
SELECT n.id AS lane_id, n.key AS lane, r.relay, min(r.opened_at) AS since FROM rounds r JOIN lanes n ON n.id = r.lane_id
WHERE r.closed_at IS NULL AND r.renewed_at > :alive AND r.opened_at <= :old
GROUP BY n.id, n.key, r.relay ORDER BY since
""")


class Slow(NamedTuple):
    """A lane whose round waits for a reply of `relay`; the round began at `since_us`."""

    lane_id: int
    lane: str
    relay: str
    since_us: int

    def waited_s(self, at_us: int) -> int:
        """How long it has waited at least, in seconds."""
        return (at_us - self.since_us - 60_000_000) // 1_000_000


def slow_reason(each: Slow, at_us: int, office: str = "") -> Reason:
    """The same as something that keeps letters waiting; the verb spares the connection for a while."""
    text = (
        f"its mail server is very slow: one letter has waited {each.waited_s(at_us)} s or more for an answer by relay"
        f" {each.relay}, and the others go after it"
    )
    return Reason("slow", text, mend=f"lettershop hold office {office} --for 1h {SPARED}" if office else "")


def slow_rounds(connection: Connection, at_us: int) -> list[Slow]:
    """The lanes that wait for a slow answer at `at_us`, the longest first."""
    rows = connection.execute(_ROUNDS, {"alive": at_us - ALIVE_US, "old": at_us - SLOW_US})
    return [Slow(*row) for row in rows]
