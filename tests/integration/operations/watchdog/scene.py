"""A house of real parts whose needs are read at any moment."""

import dataclasses
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from tests.fixtures.world import World
from worker.domain.clock import from_us
from worker.operations.needs import Need, Parts, in_order, read_needs
from worker.settings import Home
from worker.settings.operating import AlarmKeys

OFFICES = ("sampleton-mayor", "sampleton-library-committee")
SECOND = 1_000_000
MINUTE = 60 * SECOND


def open_home(world: World, root: Any, **alarms: Any) -> Home:
    """The sample home with offices that are always open, under `root`."""
    settings = world.home.settings
    changes = {
        "limits": settings.limits.model_copy(update={"office_hours": "ignore"}),
        "alarms": AlarmKeys(**alarms),
    }
    (root / "var").mkdir(exist_ok=True)
    return dataclasses.replace(world.home, root=root, settings=settings.model_copy(update=changes))


def read(world: World, home: Home, later_us: int = 0) -> list[Need]:
    """What needs somebody `later_us` microseconds from now."""
    with world.ledger.read() as connection:
        return in_order(read_needs(connection, home, world.ledger.now_us() + later_us))


def kinds(found: list[Need]) -> list[str]:
    return [need.kind for need in found]


def the(found: list[Need], kind: str) -> Need:
    """The one need of this kind."""
    mine = [need for need in found if need.kind == kind]
    assert len(mine) == 1, f"{kind}: {found}"
    return mine[0]


def execute(world: World, statement: str, **values: Any) -> None:
    with world.ledger.write() as connection:
        connection.execute(sa.text(statement), values)


def process(world: World, name: str = "alpha:1", *, later_us: int = 0, **changes: Any) -> None:
    """A row that a process wrote of itself `later_us` from now."""
    now = world.ledger.now_us() + later_us
    row = {
        "name": name, "kind": "worker", "host": name.partition(":")[0], "version": "0", "started_at": now - 3600 * SECOND,
        "seen_at": now, "skew_us": 0, "disk_free": 900, "disk_size": 1000, "config": "", "trouble": "",
    } | changes  # fmt: skip
    names = ", ".join(row)
    places = ", ".join(f":{column}" for column in row)
    execute(world, "DELETE FROM processes WHERE name = :name", name=name)
    execute(world, f"INSERT INTO processes ({names}) VALUES ({places})", **row)


@dataclass
class Clock:
    """A clock that stands until it is moved."""

    moment: datetime = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
    passed: float = 1000.0

    def now(self) -> datetime:
        return self.moment

    def monotonic(self) -> float:
        return self.passed

    def move(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)
        self.passed += seconds


@dataclass
class Asked:
    """What the other parts answer."""

    parts: Parts = field(default_factory=Parts)

    def __call__(self, *_: Any) -> Parts:
        return self.parts


def moment(us: int) -> datetime:
    return from_us(us)
