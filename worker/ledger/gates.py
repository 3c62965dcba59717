"""Gates: when a lane, a domain or a relay opens again after trouble, why it is shut and since when.

`strikes` counts troubles in a row: the back-off and the fuse read it. A gate with no strikes is as good as none.
The hot path moves gates in the transaction of the outcome that moved them; here they are read and set by hand.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from worker.ledger import sql
from worker.ledger.schema import gates


@dataclass(frozen=True, slots=True)
class Gate:
    """A gate. `kind` is lane, domain, relay or campaign-lane; times are microseconds since 1970."""

    kind: str
    key: str
    opens_at_us: int
    reason: str
    since_us: int
    strikes: int

    def shut(self, at_us: int) -> bool:
        """Whether nothing passes at `at_us`."""
        return at_us < self.opens_at_us


def read(connection: Connection, kind: str, key: str) -> Gate | None:
    """The gate, or None where there never was trouble."""
    return next(iter(_rows(connection, (gates.c.kind == kind) & (gates.c.key == key))), None)


def shut(connection: Connection, at_us: int, kinds: Iterable[str] | None = None) -> list[Gate]:
    """The gates that are shut at `at_us`, by kind and key; of these kinds if named."""
    condition: sa.ColumnElement[bool] = gates.c.opens_at > at_us
    if kinds is not None:
        condition &= gates.c.kind.in_(list(kinds))
    return _rows(connection, condition)


def strike(connection: Connection, at_us: int, kind: str, key: str, *, opens_at_us: int, reason: str) -> Gate:
    """Shut the gate until `opens_at_us` and count one more trouble; `since` stays that of the first in a row."""
    row = {"kind": kind, "key": key, "opens_at": opens_at_us, "reason": reason, "since": at_us, "strikes": 1}
    statement = sql.insert(connection, gates).values(row)
    new = statement.excluded
    first = gates.c.strikes == 0
    change = {
        "opens_at": new.opens_at,
        "reason": new.reason,
        "since": sa.case((first, new.since), else_=gates.c.since),
        "strikes": gates.c.strikes + 1,
    }
    statement = statement.on_conflict_do_update(index_elements=["kind", "key"], set_=change).returning(*_columns())
    return Gate(*connection.execute(statement).one())


def reopen(connection: Connection, at_us: int, kind: str, key: str, reason: str = "") -> bool:
    """Open the gate now and forget its strikes. False where there was no gate."""
    opened = (
        sa.update(gates)
        .where(gates.c.kind == kind, gates.c.key == key)
        .values(opens_at=at_us, strikes=0, since=at_us, reason=reason)
        .returning(gates.c.key)
    )
    return connection.execute(opened).first() is not None


def _columns() -> list[sa.ColumnElement[Any]]:
    return [gates.c[name] for name in ("kind", "key", "opens_at", "reason", "since", "strikes")]


def _rows(connection: Connection, condition: sa.ColumnElement[bool]) -> list[Gate]:
    query = sa.select(*_columns()).where(condition).order_by(gates.c.kind, gates.c.key)
    return [Gate(*row) for row in connection.execute(query)]
