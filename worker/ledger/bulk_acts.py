"""Acts: an operator's verb over many letters, of which a row remembers how far it has come.

An act goes through its letters by rising id. Each page is one transaction that moves letters and the act's mark together,
and names the mark that it began behind: of several processes at one act, or one that was killed and another that goes
on, each letter is moved by one. `renewed_us` says when somebody was last at it.
"""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from worker.domain.campaign import canonical
from worker.domain.errors import BadInput
from worker.ledger import audit
from worker.ledger.schema import bulk_acts

LEASE_US = 30_000_000
"""Nobody is at an act that was not renewed for so long."""

RESTORE = "restore"
"""By whom an act was ended that was open in a backup."""


@dataclass(frozen=True, slots=True)
class Act:
    """A row. Moments are microseconds since 1970.

    `wanted` says which letters, `expected` how many that were when it began. Letters up to the one numbered `after` are
    done; those above `up_to` are not meant. `why_skipped` has the number of letters for each reason.
    """

    id: int
    verb: str
    wanted: Mapping[str, Any]
    who: str
    reason: str
    undoes: int | None
    expected: int
    up_to: int
    after: int
    moved: int
    skipped: int
    why_skipped: Mapping[str, int]
    began_us: int
    renewed_us: int
    ended_us: int | None
    ended_by: str

    @property
    def over(self) -> bool:
        """Whether there is nothing left to do, or somebody stopped it."""
        return self.ended_us is not None


@dataclass(frozen=True, slots=True)
class New:
    """An act to be begun; as in `Act`."""

    verb: str
    wanted: Mapping[str, Any]
    who: str
    reason: str
    expected: int
    up_to: int
    undoes: int | None = None


def begin(connection: Connection, at_us: int, new: New) -> int:
    """Write the row; its number."""
    row = {
        "verb": new.verb,
        "filter": canonical(new.wanted),
        "who": new.who,
        "reason": new.reason,
        "undoes": new.undoes,
        "expected": new.expected,
        "up_to": new.up_to,
        "after": 0,
        "moved": 0,
        "skipped": 0,
        "began_at": at_us,
        "renewed_at": at_us,
    }
    number: int = connection.execute(bulk_acts.insert().values(row).returning(bulk_acts.c.id)).scalar_one()
    return number


def read(connection: Connection, act: int, *, lock: bool = False) -> Act:
    """The act; with `lock` nobody else moves it before this transaction ends. Raises BadInput where there is none."""
    query = sa.select(bulk_acts).where(bulk_acts.c.id == act)
    row = connection.execute(query.with_for_update() if lock else query).mappings().first()
    if row is None:
        raise BadInput(f"there is no act {act}; `lettershop acts list` shows those there are")
    return _act(row)


def listed(connection: Connection, limit: int, before: int | None = None) -> list[Act]:
    """The newest acts, or those below the number `before`."""
    query = sa.select(bulk_acts).order_by(bulk_acts.c.id.desc()).limit(limit)
    if before is not None:
        query = query.where(bulk_acts.c.id < before)
    return [_act(row) for row in connection.execute(query).mappings()]


def undone_by(connection: Connection, act: int) -> int | None:
    """The act that takes this one back, None where there is none, or somebody stopped it."""
    mine = (bulk_acts.c.undoes == act, bulk_acts.c.ended_by == "")
    found: int | None = connection.execute(sa.select(sa.func.max(bulk_acts.c.id)).where(*mine)).scalar()
    return found


def abandoned(connection: Connection, at_us: int) -> list[int]:
    """The acts that nobody is at any more, the oldest first."""
    mine = (bulk_acts.c.ended_at.is_(None), bulk_acts.c.renewed_at < at_us - LEASE_US)
    return list(connection.execute(sa.select(bulk_acts.c.id).where(*mine).order_by(bulk_acts.c.id)).scalars())


def take_up(connection: Connection, act: int, at_us: int) -> bool:
    """Renew an abandoned act; False where another has taken it up, or it has ended."""
    mine = (bulk_acts.c.id == act, bulk_acts.c.ended_at.is_(None), bulk_acts.c.renewed_at < at_us - LEASE_US)
    taken = sa.update(bulk_acts).where(*mine).values(renewed_at=at_us).returning(bulk_acts.c.id)
    return connection.execute(taken).first() is not None


def advance(connection: Connection, act: Act, at_us: int, *, after: int, moved: int, left: Mapping[str, int]) -> None:
    """Note a page of an act that this transaction has locked: letters up to `after` are done, these were left."""
    values = {
        "after": after,
        "moved": act.moved + moved,
        "skipped": act.skipped + sum(left.values()),
        "why_skipped": canonical(dict(Counter(act.why_skipped) + Counter(left))),
        "renewed_at": at_us,
    }
    connection.execute(sa.update(bulk_acts).where(bulk_acts.c.id == act.id).values(values))


def end(connection: Connection, act: Act, at_us: int, by: str = "") -> None:
    """End an act that this transaction has locked; `by` is who stopped it before its end."""
    values = {"ended_at": at_us, "ended_by": by}
    connection.execute(sa.update(bulk_acts).where(bulk_acts.c.id == act.id).values(values))


def end_open(connection: Connection, at_us: int, who: str, reason: str) -> list[int]:
    """End every act that is open, each with its audit row: after a restore none may go on by itself. Their numbers.

    What such an act had moved may have gone out since the backup, and moved again it would go out twice.
    """
    rows = connection.execute(sa.select(bulk_acts).where(bulk_acts.c.ended_at.is_(None)).order_by(bulk_acts.c.id))
    found = [_act(row) for row in rows.mappings()]
    for act in found:
        end(connection, act, at_us, by=RESTORE)
        details = {"moved": act.moved, "skipped": act.skipped, "why": dict(act.why_skipped), "by": RESTORE}
        audit.append(connection, at_us, who, f"{act.verb}-stopped", f"act {act.id}", reason, details)
    return [act.id for act in found]


def _act(row: RowMapping) -> Act:
    names = ("id", "verb", "who", "reason", "undoes", "expected", "up_to", "after", "moved", "skipped", "ended_by")
    return Act(
        **{name: row[name] for name in names},
        wanted=json.loads(row["filter"]),
        why_skipped=json.loads(row["why_skipped"]),
        began_us=row["began_at"],
        renewed_us=row["renewed_at"],
        ended_us=row["ended_at"],
    )
