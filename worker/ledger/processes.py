"""What the processes of the fleet say of themselves: one row each, written anew every few seconds.

A row is of one process: one that comes under the name of another (a container with the same host name and number) takes
the row over, and with it no order that was meant for the other. Whoever has said nothing for a day is forgotten.
"""

from dataclasses import asdict, dataclass
from typing import Literal

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from worker.ledger import sql
from worker.ledger.schema import processes

Kind = Literal["worker", "express", "web", "watchdog"]
GONE_US = 86_400 * 1_000_000


@dataclass(frozen=True, slots=True)
class Row:
    """What a process says of itself. Moments are microseconds on the ledger's clock, sizes bytes.

    `skew_us` is its host's clock less the ledger's; `config` a hash of the config that it works to; `trouble` a sentence,
    or "".
    """

    name: str
    kind: Kind
    host: str
    version: str
    started_at: int
    seen_at: int
    skew_us: int
    disk_free: int
    disk_size: int
    config: str
    trouble: str


@dataclass(frozen=True, slots=True)
class Process(Row):
    """The row as it stands, with what was asked of the process, and its end."""

    drain_asked_at: int | None
    stopped_at: int | None


def arrive(connection: Connection, row: Row) -> None:
    """A process begins: nothing was asked of it yet."""
    _write(connection, row, {"drain_asked_at": None, "stopped_at": None})


def say(connection: Connection, row: Row) -> bool:
    """Write the row anew, and forget those who are long gone; whether this process was asked to drain."""
    _write(connection, row, {"stopped_at": None})
    connection.execute(sa.delete(processes).where(processes.c.seen_at < row.seen_at - GONE_US))
    asked = sa.select(processes.c.drain_asked_at).where(processes.c.name == row.name)
    return connection.execute(asked).scalar() is not None


def leave(connection: Connection, name: str, at_us: int) -> None:
    """A process has ended in order."""
    connection.execute(sa.update(processes).where(processes.c.name == name).values(stopped_at=at_us, seen_at=at_us))


def ask_drain(connection: Connection, name: str, at_us: int) -> bool:
    """Ask a running process to drain. False where it was asked before, has stopped, or is not known."""
    free = sa.and_(processes.c.drain_asked_at.is_(None), processes.c.stopped_at.is_(None))
    return _moved(connection, name, free, at_us)


def end_drain(connection: Connection, name: str) -> bool:
    """Take that back. False where it was not asked, or has stopped."""
    asked = sa.and_(processes.c.drain_asked_at.is_not(None), processes.c.stopped_at.is_(None))
    return _moved(connection, name, asked, None)


def listing(connection: Connection) -> list[Process]:
    """All of them, by name."""
    columns = [processes.c[name] for name in Process.__dataclass_fields__]
    return [Process(*row) for row in connection.execute(sa.select(*columns).order_by(processes.c.name))]


def _moved(connection: Connection, name: str, where: sa.ColumnElement[bool], drain_asked_at: int | None) -> bool:
    mine = sa.and_(processes.c.name == name, where)
    asked = sa.update(processes).where(mine).values(drain_asked_at=drain_asked_at).returning(processes.c.name)
    return connection.execute(asked).first() is not None


def _write(connection: Connection, row: Row, besides: dict[str, None]) -> None:
    values = asdict(row)
    new = sql.insert(connection, processes).values(values | besides)
    change = {name: new.excluded[name] for name in (*values, *besides) if name != "name"}
    connection.execute(new.on_conflict_do_update(index_elements=["name"], set_=change))
