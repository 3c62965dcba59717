"""Holds: one row stops a lane, an office, a campaign, a relay or everything. Claim and start look at those that stand.

Several may stand on the same target, each with its own reason (a fuse's and an operator's, say); lifting lifts them all.
Who does it writes the audit too.
"""

from dataclasses import dataclass
from typing import Literal

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from worker.ledger.schema import holds

Scope = Literal["lane", "office", "campaign", "sendout", "relay", "everything"]


@dataclass(frozen=True, slots=True)
class Hold:
    """A hold. `target`: a lane's key, an office's id, a campaign's slug, a send-out's number, a relay's name, "" for all."""

    id: int
    scope: Scope
    target: str
    reason: str
    who: str
    since_us: int
    until_us: int | None


def place(
    connection: Connection,
    at_us: int,
    scope: Scope,
    target: str,
    *,
    reason: str,
    who: str,
    until_us: int | None = None,
) -> int:
    """Place a hold from `at_us` on, up to `until_us` where given; returns its id."""
    row = {"scope": scope, "target": target, "reason": reason, "who": who, "since": at_us, "until": until_us}
    placed: int = connection.execute(holds.insert().values(row).returning(holds.c.id)).scalar_one()
    return placed


def lift(connection: Connection, at_us: int, scope: Scope, target: str) -> int:
    """Lift every hold that stands on the target; returns how many did."""
    standing_there = _in_force(at_us) & (holds.c.scope == scope) & (holds.c.target == target)
    lifted = sa.update(holds).where(standing_there).values(lifted_at=at_us).returning(holds.c.id)
    return len(connection.execute(lifted).all())


def standing(connection: Connection, at_us: int, scope: Scope | None = None) -> list[Hold]:
    """The holds in force at `at_us`, oldest first; of one scope if named."""
    columns = [holds.c[name] for name in ("id", "scope", "target", "reason", "who", "since", "until")]
    query = sa.select(*columns).where(_in_force(at_us)).order_by(holds.c.id)
    if scope is not None:
        query = query.where(holds.c.scope == scope)
    return [Hold(*row) for row in connection.execute(query)]


def _in_force(at_us: int) -> sa.ColumnElement[bool]:
    return holds.c.lifted_at.is_(None) & (holds.c.until.is_(None) | (holds.c.until > at_us))
