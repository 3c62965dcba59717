"""The silent stall: letters are due, nothing stands in their way, and nobody tries them.

A lane counts only if it was open all the while: every hold that stood and every gate that was shut at any moment of the
last `alarms.stalled_after` excuses it, as does an office that was closed at its beginning or its end, and so do workers
that started since.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from worker.domain.clock import from_us
from worker.domain.office import Office
from worker.ledger import gates
from worker.ledger.holds import Hold
from worker.ledger.lanes import ANNOUNCEMENTS, CONFIRMATIONS, PAGES
from worker.ledger.schema import holds, lanes
from worker.operations.barriers import (
    Barriers,
    Share,
    next_opening,
    relay_names,
    share_of,
    why_lane,
    why_office,
    why_relay,
)
from worker.operations.needs.need import Need, count
from worker.settings import Home

ALIVE_US = 30_000_000
"""A round that was renewed, or a process that was heard of, within this time is alive."""

SIGNER = "signer"
MOST = 10_000
MOST_LANES = 500
_MICROSECONDS = 1_000_000

# `state = 'queued'` stands as a literal: SQLite uses a partial index only where it reads the same words. One step of the
# recursion for each addressee that has letters in the queue, two probes of the index in each.
_FIRST_DUE = sa.text("""
WITH RECURSIVE waiting (addressee) AS (
    SELECT (SELECT addressee FROM letters WHERE state = 'queued' ORDER BY addressee LIMIT 1)
    UNION ALL
    SELECT (SELECT l.addressee FROM letters l WHERE l.state = 'queued' AND l.addressee > w.addressee
            ORDER BY l.addressee LIMIT 1)
    FROM waiting w WHERE w.addressee IS NOT NULL
)
SELECT w.addressee, (SELECT d.due_at FROM letters d WHERE d.state = 'queued' AND d.addressee = w.addressee
                     ORDER BY d.due_at LIMIT 1) AS first
FROM waiting w WHERE w.addressee IS NOT NULL
""")
_FRONTS = """
SELECT l.id, c.id AS campaign_id, c.slug, r.rank,
       (SELECT min(x.due_at) FROM letters x
        WHERE x.lane_id = l.id AND x.campaign_id = c.id AND x.rank = r.rank AND x.state = 'queued') AS first
FROM lanes l CROSS JOIN campaigns c
CROSS JOIN (SELECT 0 AS rank UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3) r
WHERE l.id IN :lanes
"""
_DUE = sa.text("""
SELECT count(*) FROM (
    SELECT 1 FROM letters
    WHERE lane_id = :lane AND campaign_id = :campaign AND rank = :rank AND state = 'queued' AND due_at <= :now LIMIT :most
) found
""")
_OPEN = sa.text("SELECT lane_id FROM rounds WHERE closed_at IS NULL AND renewed_at > :alive")
_WORKERS = sa.text("""
SELECT count(*) AS known, count(CASE WHEN stopped_at IS NULL AND seen_at > :alive THEN 1 END) AS alive,
       min(CASE WHEN stopped_at IS NULL AND seen_at > :alive THEN started_at END) AS oldest
FROM processes WHERE kind IN ('worker', 'express')
""")


class Front(NamedTuple):
    """Letters of one lane, campaign and rank: the first of them is due since `first_us`."""

    lane_id: int
    campaign_id: int
    campaign: str
    rank: int
    first_us: int


def fronts(connection: Connection, lane_ids: Sequence[int]) -> list[Front]:
    """What waits in these lanes."""
    if not lane_ids:
        return []
    query = sa.text(_FRONTS).bindparams(sa.bindparam("lanes", expanding=True))
    rows = connection.execute(query, {"lanes": list(lane_ids)})
    return [Front(*row) for row in rows if row.first is not None]


def due_in(connection: Connection, found: Sequence[Front], at_us: int, most: int = MOST) -> int:
    """How many letters of these fronts are due at `at_us`, counted up to `most`."""
    n = 0
    for front in found:
        if n >= most:
            break
        where = {"lane": front.lane_id, "campaign": front.campaign_id, "rank": front.rank, "now": at_us}
        n += connection.execute(_DUE, {**where, "most": most - n}).scalar_one()
    return n


def first_due(connection: Connection) -> dict[str, int]:
    """Since when the first letter of each addressee is due, or when it will be, of those with letters in the queue."""
    return {row.addressee: row.first for row in connection.execute(_FIRST_DUE)}


def stalled(connection: Connection, home: Home, at_us: int, waiting: Mapping[str, int]) -> Iterator[Need]:
    """One need for the whole house: nobody tries anything, or some lanes are passed by. `waiting` is `first_due`."""
    window_us = int(home.settings.alarms.stalled_after.total_seconds() * _MICROSECONDS)
    since_us = at_us - window_us
    first = {addressee: since for addressee, since in waiting.items() if since <= since_us}
    workers = connection.execute(_WORKERS, {"alive": at_us - ALIVE_US}).one()
    if not first or (workers.oldest or 0) > since_us:
        return
    busy = set(connection.execute(_OPEN, {"alive": at_us - ALIVE_US}).scalars())
    rows = connection.execute(sa.select(lanes.c.id, lanes.c.key, lanes.c.kind, lanes.c.domain, lanes.c.served_at)).all()
    idle = {row.id: row for row in rows if row.id not in busy and row.served_at <= since_us}
    scene = Scene.of(home, _barriers(connection, since_us), first, at_us)
    ready = sorted((row for row in idle.values() if scene.open(row)), key=lambda row: (row.served_at, row.id))
    found = _due(connection, scene, ready[:MOST_LANES])
    if not found:
        return
    since = min(max(front.first_us, idle[front.lane_id].served_at) for front in found)
    n = due_in(connection, found, at_us)
    due = f"{count(n, 'letter', MOST)} should go out now, and nothing stands in the way"
    if len(idle) < len(rows):
        text = f"{due}, but only other lanes are served: more workers may be needed"
        yield Need("stalled", "", text, from_us(since), "watch", "lettershop worker", n)
    else:
        why = "no worker is alive" if workers.known and not workers.alive else "nobody tries them"
        yield Need("stalled", "", f"{due}, but {why}", from_us(since), "act", _start(home), n)


def _start(home: Home) -> str:
    """The verb that starts workers."""
    own = "embedded" in (home.settings.broker.url, home.settings.pacing.url)
    return "lettershop up" if own else "lettershop worker"


@dataclass(frozen=True, slots=True)
class Scene:
    """What one look for a stall goes by. `by_lane`: the offices whose letters are due long enough."""

    home: Home
    past: Barriers
    signers_due: bool
    by_lane: Mapping[str, Sequence[Office]]
    at: datetime

    @classmethod
    def of(cls, home: Home, past: Barriers, first: Mapping[str, int], at_us: int) -> "Scene":
        by_lane: dict[str, list[Office]] = {}
        for id_ in first:
            if id_ in home.offices:
                by_lane.setdefault(home.offices[id_].lane, []).append(home.offices[id_])
        return cls(home, past, SIGNER in first, by_lane, from_us(at_us))

    def open(self, lane: Any) -> bool:
        """Whether a lane has letters that were due, and was open all the while."""
        if not self._relay_open(share_of(lane.key)):
            return False
        if lane.kind == "signers":
            return self.signers_due and not why_lane(self.past, self.home, lane.key, lane.domain)
        return any(
            not why_office(self.past, self.home, office) and next_opening(self.home, office, self.at) <= self.at
            for office in self.by_lane.get(lane.key, ())
        )

    def _relay_open(self, share: Share) -> bool:
        """Whether a relay took letters of this share all the while."""
        return any(not why_relay(self.past, name, (share,)) for name in relay_names(self.home))


def _due(connection: Connection, scene: Scene, ready: Sequence[Any]) -> list[Front]:
    """What is due in lanes that were open, of campaigns that were."""
    keys, past = {row.id: row.key for row in ready}, scene.past
    return [
        front
        for front in fronts(connection, list(keys))
        if front.first_us <= past.at_us
        and front.campaign in scene.home.campaigns
        and not any(past.held("campaign", front.campaign))
        and not any(past.shut("campaign-lane", f"{front.campaign}:{keys[front.lane_id]}"))
    ]


def _barriers(connection: Connection, since_us: int) -> Barriers:
    """Every hold that stood and every gate that was shut at `since_us` or later."""
    columns = [holds.c[name] for name in ("id", "scope", "target", "reason", "who", "since", "until")]
    lifted = holds.c.lifted_at.is_(None) | (holds.c.lifted_at > since_us)
    standing = sa.select(*columns).where(lifted, holds.c.until.is_(None) | (holds.c.until > since_us))
    stood = tuple(Hold(*row) for row in connection.execute(standing))
    return Barriers(since_us, stood, {(gate.kind, gate.key): gate for gate in gates.shut(connection, since_us)})


def lane_named(home: Home, key: str) -> str:
    """The lane in words that a volunteer knows: the offices whose mailbox it is, or a kind of mail to signers."""
    words = {
        CONFIRMATIONS: "confirmation mails to signers",
        PAGES: "mails with the link of the own page",
        ANNOUNCEMENTS: "announcements to signers",
    }
    return words.get(key) or " and ".join(offices_of(home, key)) or "a mailbox that is no office's any more"


def offices_of(home: Home, key: str) -> list[str]:
    """The ids of the offices whose mailbox makes this lane."""
    return [office.id for office in home.offices.values() if office.lane == key]
