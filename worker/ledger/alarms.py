"""Alarms: what watchdogs found, whom it was told to and when. Several watchdogs keep one book of them.

Of one kind and target there is one open alarm: whoever finds it again says only that it still is. Telling is taken by
compare-and-set: a watchdog has `telling_until` to get its mail accepted, and then counts it as told. One that dies
meanwhile leaves the alarm to the others, so that a mail may come twice but never not at all. An alarm that nobody has
found for a while is cleared; where it was told, so is its end. The daily summary is an alarm of kind `SUMMARY`, one for
each day, that nobody is shown.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from worker.ledger import sql
from worker.ledger.schema import alarms

SUMMARY = "summary"
_NAMES = ("id", "kind", "target", "text", "since", "seen_at", "told_at", "told", "cleared_at", "clear_told_at")


@dataclass(frozen=True, slots=True)
class Alarm:
    """One alarm. Moments are microseconds since 1970 by the ledger's clock; `told`: how many mails were accepted."""

    id: int
    kind: str
    target: str
    text: str
    since_us: int
    seen_us: int
    told_us: int | None
    told: int
    cleared_us: int | None
    clear_told_us: int | None

    @property
    def key(self) -> tuple[str, str]:
        """What tells one open alarm from another."""
        return self.kind, self.target


def found(connection: Connection, at_us: int, kind: str, target: str, text: str, since_us: int) -> bool:
    """It is so now: open the alarm, or say that it still is. True where it was opened by this call."""
    row = {"kind": kind, "target": target, "text": text, "since": since_us, "seen_at": at_us, "told": 0}
    opened = sql.insert(connection, alarms).values(row).on_conflict_do_nothing().returning(alarms.c.id)
    if connection.execute(opened).first() is not None:
        return True
    mine = _open(kind, target)
    connection.execute(sa.update(alarms).where(mine, alarms.c.seen_at <= at_us).values(text=text, seen_at=at_us))
    return False


def standing(connection: Connection) -> list[Alarm]:
    """The open alarms, oldest first."""
    return _read(connection, _no_summary() & alarms.c.cleared_at.is_(None))


def clear_unseen(connection: Connection, at_us: int, seen_before_us: int, but: Iterable[str] = ()) -> list[Alarm]:
    """Clear the open alarms that nobody has found since `seen_before_us`, but for these kinds. Gives those it cleared."""
    over = alarms.c.cleared_at.is_(None) & (alarms.c.seen_at <= seen_before_us) & _no_summary()
    over &= alarms.c.kind.not_in(list(but))
    cleared = sa.update(alarms).where(over).values(cleared_at=at_us).returning(*_columns())
    return sorted((Alarm(*row) for row in connection.execute(cleared)), key=lambda alarm: alarm.id)


def clear(connection: Connection, at_us: int, kind: str, but_target: str) -> None:
    """Clear the open alarms of this kind but for one target, and tell nobody: yesterday's summary is over."""
    others = (alarms.c.kind == kind) & (alarms.c.target != but_target) & alarms.c.cleared_at.is_(None)
    connection.execute(sa.update(alarms).where(others).values(cleared_at=at_us, clear_told_at=at_us))


def ends_untold(connection: Connection) -> list[Alarm]:
    """Alarms that were told, are over, and whose end was not told yet."""
    return _read(connection, _no_summary() & alarms.c.cleared_at.is_not(None) & _end_untold())


def take(connection: Connection, at_us: int, seen: Alarm, until_us: int) -> bool:
    """Take it upon oneself to tell of an open alarm, or of a cleared one's end. False where another one has or did."""
    free = alarms.c.telling_until.is_(None) | (alarms.c.telling_until <= at_us)
    state = alarms.c.cleared_at.is_(None) if seen.cleared_us is None else _end_untold()
    mine = (alarms.c.id == seen.id) & (alarms.c.told == seen.told) & free & state
    taken = sa.update(alarms).where(mine).values(telling_until=until_us).returning(alarms.c.id)
    return connection.execute(taken).first() is not None


def told(connection: Connection, at_us: int, seen: Alarm) -> None:
    """The mail about it was accepted."""
    if seen.cleared_us is None:
        values: dict[str, object] = {"told_at": at_us, "told": seen.told + 1}
    else:
        values = {"clear_told_at": at_us}
    mine = (alarms.c.id == seen.id) & (alarms.c.told == seen.told)
    connection.execute(sa.update(alarms).where(mine).values(telling_until=None, **values))


def not_told(connection: Connection, seen: Alarm) -> None:
    """The mail about it was not accepted: whoever looks next may try."""
    connection.execute(sa.update(alarms).where(alarms.c.id == seen.id).values(telling_until=None))


def one(connection: Connection, kind: str, target: str) -> Alarm | None:
    """The open alarm of this kind and target."""
    return next(iter(_read(connection, _open(kind, target))), None)


def _open(kind: str, target: str) -> sa.ColumnElement[bool]:
    return (alarms.c.kind == kind) & (alarms.c.target == target) & alarms.c.cleared_at.is_(None)


def _end_untold() -> sa.ColumnElement[bool]:
    return (alarms.c.told > 0) & alarms.c.clear_told_at.is_(None)


def _no_summary() -> sa.ColumnElement[bool]:
    return alarms.c.kind != SUMMARY


def _columns() -> list[sa.ColumnElement[Any]]:
    return [alarms.c[name] for name in _NAMES]


def _read(connection: Connection, condition: sa.ColumnElement[bool]) -> list[Alarm]:
    return [Alarm(*row) for row in connection.execute(sa.select(*_columns()).where(condition).order_by(alarms.c.id))]
