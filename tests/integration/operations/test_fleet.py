"""What processes say of themselves, and what operators ask of them. Both databases."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from worker.domain.clock import from_us
from worker.domain.errors import BadInput, RefusedByState
from worker.ledger import audit, processes
from worker.ledger.book import Ledger
from worker.ledger.processes import Kind, Process
from worker.operations.fleet import Presence, disk_of, drain, listing, one_line, undrain

DAY_US = 86_400 * 1_000_000


@dataclass
class HostClock:
    """A host's clock that is `ahead` of the ledger's, however far that is moved."""

    ledger_now: Callable[[], int]
    ahead: timedelta = timedelta()

    def now(self) -> datetime:
        return from_us(self.ledger_now()) + self.ahead

    def monotonic(self) -> float:
        return 0.0


@dataclass
class Fleet:
    """Processes on one ledger, whose clock is moved."""

    ledger: Ledger
    place: Path
    at_us: int = 1_800_000_000_000_000
    made: dict[str, Presence] = field(default_factory=dict)

    def process(self, name: str, kind: Kind = "worker", ahead: timedelta = timedelta()) -> Presence:
        clock = HostClock(lambda: self.at_us, ahead)
        return Presence(self.ledger, self.place, kind, name, clock, lambda _: (25, 100))

    def rows(self) -> dict[str, Process]:
        with self.ledger.read() as connection:
            return {row.name: row for row in processes.listing(connection)}


@pytest.fixture
def fleet(ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fleet:
    made = Fleet(ledger, tmp_path)
    monkeypatch.setattr(ledger, "_now_us", lambda: made.at_us)
    return made


def test_a_process_says_what_it_is(fleet: Fleet) -> None:
    one = fleet.process("north:7", ahead=timedelta(seconds=3))
    assert one.beat("abc", "") is False
    began = fleet.at_us
    fleet.at_us += 5_000_000
    assert one.beat("def", "two\nlines") is False
    row = fleet.rows()["north:7"]
    assert (row.kind, row.host, row.config) == ("worker", "north", "def")
    assert (row.started_at, row.seen_at) == (began, fleet.at_us)
    assert row.skew_us == 3_000_000
    assert (row.disk_free, row.disk_size) == (25, 100)
    assert row.trouble == "two (and 1 more)"
    assert row.stopped_at is None


def test_the_list_tells_who_is_alive_silent_or_stopped(fleet: Fleet) -> None:
    silent, ended, alive = (fleet.process(f"{name}:1") for name in ("silent", "ended", "alive"))
    for each in (silent, ended):
        each.beat("c")
    ended.leave()
    fleet.at_us += 40_000_000
    alive.beat("c")
    found = {each["name"]: (each["alive"], each["stopped"], each["config"]) for each in listing(fleet.ledger)}
    assert found == {"alive:1": (True, False, "c"), "ended:1": (False, True, "c"), "silent:1": (False, False, "c")}
    assert next(each["name"] for each in listing(fleet.ledger)) == "alive:1"


def test_who_is_long_gone_is_forgotten(fleet: Fleet) -> None:
    fleet.process("old:1").beat("c")
    other = fleet.process("new:1")
    fleet.at_us += DAY_US
    other.beat("c")
    assert set(fleet.rows()) == {"old:1", "new:1"}
    fleet.at_us += 1
    other.beat("c")
    assert set(fleet.rows()) == {"new:1"}


def test_a_worker_is_asked_to_drain_and_to_go_on(fleet: Fleet) -> None:
    one = fleet.process("north:7")
    one.beat("c")
    drain(fleet.ledger, "north:7", "anna", "the machine is to be moved")
    assert one.beat("c") is True
    with pytest.raises(RefusedByState, match="already"):
        drain(fleet.ledger, "north:7", "bert", "so do I")
    assert one.beat("c") is True
    undrain(fleet.ledger, "north:7", "anna", "it stays")
    assert one.beat("c") is False
    with pytest.raises(RefusedByState, match="was not asked"):
        undrain(fleet.ledger, "north:7", "anna", "again")
    with fleet.ledger.read() as connection:
        entries = [(e.verb, e.target, e.who, e.reason) for e in audit.latest(connection)]
    assert entries == [
        ("undrain", "worker north:7", "anna", "it stays"),
        ("drain", "worker north:7", "anna", "the machine is to be moved"),
    ]


def test_only_a_worker_that_runs_can_be_drained(fleet: Fleet) -> None:
    fleet.process("north:1").beat("c")
    fleet.process("north:2", "web").beat("c")
    ended = fleet.process("north:3", "express")
    ended.beat("c")
    ended.leave()
    with pytest.raises(BadInput, match=r"there are: north:1$"):
        drain(fleet.ledger, "north:9", "anna", "why not")
    with pytest.raises(RefusedByState, match="web process"):
        drain(fleet.ledger, "north:2", "anna", "why not")
    with pytest.raises(RefusedByState, match="has stopped"):
        drain(fleet.ledger, "north:3", "anna", "why not")
    with pytest.raises(BadInput, match="reason"):
        drain(fleet.ledger, "north:1", "anna", " ")
    with fleet.ledger.read() as connection:
        assert audit.latest(connection) == []


def test_a_new_process_under_an_old_name_is_not_drained(fleet: Fleet) -> None:
    """A container keeps its host name, and its first process is number 1 each time."""
    fleet.process("box:1").beat("c")
    drain(fleet.ledger, "box:1", "anna", "a test")
    anew = fleet.process("box:1")
    assert anew.beat("c") is False
    assert anew.beat("c") is False


def test_one_that_was_forgotten_comes_back(fleet: Fleet) -> None:
    one, other = fleet.process("slow:1"), fleet.process("quick:1")
    one.beat("c")
    began = fleet.at_us
    fleet.at_us += DAY_US + 1
    other.beat("c")
    assert set(fleet.rows()) == {"quick:1"}
    assert one.beat("c") is False
    assert fleet.rows()["slow:1"].started_at == began


def test_a_disk_that_cannot_be_looked_at_costs_nothing(tmp_path: Path) -> None:
    assert disk_of(tmp_path / "not" / "there") == (0, 0)
    free, size = disk_of(tmp_path)
    assert 0 < free <= size


def test_a_long_trouble_is_cut(fleet: Fleet) -> None:
    del fleet
    assert len(one_line("x" * 2000)) == 500
    assert one_line("") == ""


def test_the_host_clock_is_the_hosts_own(ledger: Ledger, tmp_path: Path) -> None:
    """With the real clocks of one machine the two agree."""
    Presence(ledger, tmp_path, "web").beat("c")
    with ledger.read() as connection:
        (row,) = processes.listing(connection)
    assert abs(row.skew_us) < 5_000_000
    assert abs(row.started_at / 1e6 - datetime.now(UTC).timestamp()) < 60
