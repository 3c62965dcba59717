"""The server's clock, carried on by the local one."""

import pytest

from worker.domain.errors import Failed
from worker.ledger.moment import FRESH_S, STALE_S, ServerClock


class _World:
    """A server and a machine with clocks that are set by hand, in seconds."""

    def __init__(self) -> None:
        self.server, self.monotonic, self.wall = 1_000.0, 50.0, 7_000.0
        self.trip, self.asked, self.away = 0.0, 0, False
        self.clock = ServerClock(self.ask, monotonic=lambda: self.monotonic, wall=lambda: self.wall)

    def pass_(self, seconds: float) -> None:
        self.server += seconds
        self.monotonic += seconds
        self.wall += seconds

    def ask(self) -> int:
        if self.away:
            raise Failed("away")
        self.asked += 1
        self.pass_(self.trip / 2)
        told = round(self.server * 1_000_000)
        self.pass_(self.trip / 2)
        return told


def test_time_goes_on_without_asking() -> None:
    world = _World()
    assert world.clock.now_us() == 1_000_000_000
    world.pass_(FRESH_S)
    assert world.clock.now_us() == 1_005_000_000
    assert world.asked == 1


def test_the_way_there_and_back_is_allowed_for() -> None:
    world = _World()
    world.trip = 0.2
    assert world.clock.now_us() == 1_000_200_000 == round(world.server * 1_000_000)


def test_whoever_is_there_anyway_asks_anew() -> None:
    world = _World()
    world.clock.refresh(world.ask)
    world.clock.refresh(world.ask)
    assert world.asked == 1
    world.pass_(FRESH_S + 0.1)
    world.server += 3  # the server's clock was set
    assert world.clock.now_us() == 1_005_100_000
    world.clock.refresh(world.ask)
    assert world.clock.now_us() == 1_008_100_000


def test_a_stale_anchor_is_not_trusted() -> None:
    world = _World()
    world.clock.now_us()
    world.pass_(STALE_S + 0.1)
    world.away = True
    with pytest.raises(Failed):
        world.clock.now_us()
    world.away = False
    assert world.clock.now_us() == 1_030_100_000


def test_a_machine_that_slept_asks_first() -> None:
    world = _World()
    world.clock.now_us()
    world.server += 3_600
    world.wall += 3_600  # the monotonic clock slept too
    assert world.clock.now_us() == 4_600_000_000
    assert world.asked == 2
