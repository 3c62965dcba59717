"""Limits that operators changed for a while. Of one scope and target one stands at most.

Rounds read those that stand, in the ledger, whenever they ask for leave: a change holds for the whole fleet from the next
ask on, and one that has ended falls back by itself. `set_one` and `lift` open the gates that the limit had shut, and keep
every gate from being written meanwhile: a round that was denied by the old limit either has shut its gate before, and it
is opened here, or shuts it after, and then sees the change (`refute`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from worker.domain.limits import Rate
from worker.ledger.hot.database import Database
from worker.ledger.schema import gates, limit_changes

Scope = Literal["relay", "relay-day", "domain", "mailbox", "mailbox-day", "campaign-office"]
SCOPES: tuple[str, ...] = get_args(Scope)

Standing = Mapping[tuple[Scope, str], Rate]
"""The changed limits in force, by scope and target."""

_NOW = "lifted_at IS NULL AND until > ?"
_STANDING = f"SELECT scope, target, count, window_s FROM limit_changes WHERE {_NOW} ORDER BY id"
_ENDS = f"SELECT scope, target, until FROM limit_changes WHERE {_NOW}"
_REOPEN = "UPDATE gates SET opens_at = ? WHERE kind = ? AND key = ? AND opens_at > ? RETURNING key"
_KINDS = {
    "relay": "relay-pace",
    "relay-day": "relay-pace",
    "domain": "domain-pace",
    "mailbox": "lane-pace",
    "mailbox-day": "lane-pace",
    "campaign-office": "campaign-lane",
}
PACE_GATES = tuple(sorted(set(_KINDS.values())))
"""The kinds of gates that used-up limits shut."""


@dataclass(frozen=True, slots=True)
class Change:
    """One change. Times are microseconds since 1970.

    `target` is a relay's name, a mail domain, a lane's key, or "<campaign>:<lane's key>".
    """

    id: int
    scope: Scope
    target: str
    rate: Rate
    reason: str
    who: str
    since_us: int
    until_us: int


# -- for rounds --------------------------------------------------------------------------------------------------------
def in_force(database: Database, now_us: int) -> Standing:
    """The changed limits in force, for a round: a few rows, by index."""
    rows = database.rows(_STANDING, (now_us,))
    return {(scope, target): Rate(count, window_s) for scope, target, count, window_s in rows}


def open_by_next_end(database: Database, gate: tuple[str, str], now_us: int) -> None:
    """Let a gate open when the next change of its limit ends, if it would stay shut for longer."""
    kind, key = gate
    ends = [
        u
        for scope, target, u in database.rows(_ENDS, (now_us,))
        if _KINDS[scope] == kind and key in _keys(scope, target)
    ]
    if ends:
        database.rows(_REOPEN, (min(ends), kind, key, min(ends)))


def refute(database: Database, asked: Standing, gate: tuple[str, str], now_us: int) -> bool:
    """Open a gate that this transaction has shut, if the limits it was shut by are not those in force. True if so."""
    if in_force(database, now_us) == asked:
        return False
    database.rows(_REOPEN, (now_us, *gate, now_us))
    return True


# -- for operators -----------------------------------------------------------------------------------------------------
def standing(connection: Connection, at_us: int) -> list[Change]:
    """Those in force at `at_us`, the oldest first."""
    columns = [limit_changes.c[name] for name in ("id", "scope", "target", "count", "window_s")]
    rest = [limit_changes.c[name] for name in ("reason", "who", "since", "until")]
    query = sa.select(*columns, *rest).where(_stands(at_us)).order_by(limit_changes.c.id)
    return [
        Change(number, scope, target, Rate(count, window_s), *others)
        for number, scope, target, count, window_s, *others in connection.execute(query)
    ]


def find(connection: Connection, at_us: int, scope: Scope, target: str) -> Change | None:
    """The one of this scope and target."""
    return next((c for c in standing(connection, at_us) if (c.scope, c.target) == (scope, target)), None)


def alone(connection: Connection) -> None:
    """Wait until no transaction that wrote a gate is under way, and let none begin before this one ends.

    Call it first. SQLite has one writer at a time anyway.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(sa.text("LOCK TABLE gates IN SHARE ROW EXCLUSIVE MODE"))


def set_one(
    connection: Connection, at_us: int, scope: Scope, target: str, rate: Rate, *, until_us: int, who: str, reason: str
) -> int:
    """Change a limit from `at_us` up to `until_us`, in place of a change that stands there; its id."""
    lift(connection, at_us, scope, target)
    row = {"scope": scope, "target": target, "count": rate.count, "window_s": rate.window_s}
    row |= {"who": who, "reason": reason, "since": at_us, "until": until_us}
    made: int = connection.execute(limit_changes.insert().values(row).returning(limit_changes.c.id)).scalar_one()
    return made


def lift(connection: Connection, at_us: int, scope: Scope, target: str) -> bool:
    """Let the configured limit hold again, and open what the limit had shut. False where no change stood."""
    mine = _stands(at_us) & (limit_changes.c.scope == scope) & (limit_changes.c.target == target)
    lifted = sa.update(limit_changes).where(mine).values(lifted_at=at_us).returning(limit_changes.c.id)
    stood = bool(connection.execute(lifted).all())
    _open(connection, at_us, sa.and_(gates.c.kind == _KINDS[scope], gates.c.key.in_(_keys(scope, target))))
    return stood


def open_all(connection: Connection, at_us: int) -> int:
    """Open every gate that a used-up limit had shut, because limits were configured anew; how many those were."""
    return _open(connection, at_us, gates.c.kind.in_(PACE_GATES))


def _keys(scope: Scope, target: str) -> list[str]:
    if scope in ("relay", "relay-day"):
        return [f"{target}:office", f"{target}:signers"]
    return [target]


def _open(connection: Connection, at_us: int, which: sa.ColumnElement[bool]) -> int:
    shut = sa.and_(which, gates.c.opens_at > at_us)
    return len(connection.execute(sa.update(gates).where(shut).values(opens_at=at_us).returning(gates.c.key)).all())


def _stands(at_us: int) -> sa.ColumnElement[bool]:
    return sa.and_(limit_changes.c.lifted_at.is_(None), limit_changes.c.until > at_us)
