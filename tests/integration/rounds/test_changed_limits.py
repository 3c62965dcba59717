"""Limits that an operator changes while rounds run: kept from the next ask on, on both databases."""

import asyncio
import threading
from datetime import timedelta
from typing import Any

import pytest

from tests.fixtures.world import World
from tests.support import until
from worker.domain.errors import LettershopError
from worker.domain.limits import Rate, parse_rate
from worker.ledger import limit_changes
from worker.ledger.hot.database import Database
from worker.ledger.limit_changes import Scope
from worker.operations.limit_changes import Wish, lift_limit, set_limit
from worker.pacing import Pacer, Settling
from worker.wiring.home import connect_hot

MINUTE_US = 60 * 1_000_000


OFFICES = ("sampleton-mayor", "sampleton-library-committee")


def lane(world: World, place: int = 0) -> str:
    return world.plan.offices[world.plan.campaigns[world.campaign].offices[place]].lane


def change(world: World, scope: Scope, target: str, rate: str, minutes: int = 60) -> None:
    with world.ledger.write() as connection:
        limit_changes.alone(connection)
        at_us = world.ledger.now_us()
        limit_changes.set_one(
            connection,
            at_us,
            scope,
            target,
            parse_rate(rate),
            until_us=at_us + minutes * MINUTE_US,
            who="anna",
            reason="a test",
        )


def by_lane(world: World, state: str) -> dict[str, int]:
    rows = world.rows(
        "SELECT n.key, count(*) FROM letters l JOIN lanes n ON n.id = l.lane_id WHERE l.state = ? GROUP BY n.key", state
    )
    return dict(map(tuple, rows))


def shut(world: World) -> dict[str, str]:
    return dict(map(tuple, world.rows("SELECT key, kind FROM gates WHERE opens_at > ?", world.ledger.now_us())))


def test_a_limit_lowered_in_mid_round_holds_from_the_next_ask(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = lane(world), lane(world, 1)
    world.submit(30)
    usual, asks = Pacer.ask, []

    async def ask(self: Pacer, wants: Any) -> Any:
        answers = await usual(self, wants)
        asks.append(wants[0].limits)
        if len(asks) == 1:
            for each in (first, second):
                change(world, "mailbox", each, "12/h")
        return answers

    monkeypatch.setattr(Pacer, "ask", ask)
    with world.relay() as server:
        world.until_idle()
    assert by_lane(world, "sent") == {first: 12, second: 12}
    assert len(server.accepted) == 24
    assert shut(world) == {first: "lane-pace", second: "lane-pace"}
    assert world.rows("SELECT count(*) FROM attempts") == [(24,)]


def test_a_limit_lowered_while_the_pacer_settles_holds(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a limit does on what had none: it makes the pacer settle, and a round that waits for it must not miss it."""
    world.submit(4)
    usual, asks = Pacer.ask, []

    async def ask(self: Pacer, wants: Any) -> Any:
        asks.append(wants)
        if len(asks) == 1:
            for place in (0, 1):
                change(world, "domain", world.plan.offices[OFFICES[place]].domain, "1/h")
            raise Settling(0.01)
        return await usual(self, wants)

    monkeypatch.setattr(Pacer, "ask", ask)
    with world.relay() as server:
        world.until_idle()
    assert len(server.accepted) == len({world.plan.offices[each].domain for each in OFFICES})


def test_a_raised_limit_opens_the_gate_that_the_old_one_shut(world: World) -> None:
    first, second = lane(world), lane(world, 1)
    world.change(mailbox=parse_rate("2/h"))
    world.submit(6)
    with world.relay():
        world.until_idle()
        assert by_lane(world, "sent") == {first: 2, second: 2}
        change(world, "mailbox", first, "5/h")
        assert shut(world) == {second: "lane-pace"}
        world.until_idle()
    assert by_lane(world, "sent") == {first: 5, second: 2}


def test_a_change_that_ended_falls_back_by_itself(world: World) -> None:
    """Also the gate that it shut opens then, although the lowered limit would have kept it shut for an hour."""
    world.submit(4)
    for place in (0, 1):
        change(world, "mailbox", lane(world, place), "1/h", minutes=10)
    with world.relay():
        world.until_idle()
        assert world.states() == {"queued": 6, "sent": 2}
        world.ahead_us = 11 * MINUTE_US
        world.until_idle()
    assert world.states() == {"sent": 8}


def test_a_changed_limit_of_another_lane_keeps_a_gate_shut(world: World) -> None:
    world.change(mailbox=parse_rate("1/h"))
    world.submit(3)
    change(world, "mailbox", "mailbox:somebody@else.example", "1/h", minutes=10)
    with world.relay():
        world.until_idle()
        world.ahead_us = 11 * MINUTE_US
        world.until_idle()
    assert world.states() == {"queued": 4, "sent": 2}


@pytest.mark.parametrize(
    ("scope", "target", "most"),
    [("relay", "main", 4), ("domain", "", 4), ("campaign-office", "campaign", 8), ("mailbox-day", "", 8)],
)
def test_every_scope_is_kept(world: World, scope: Scope, target: str, most: int) -> None:
    """Of each a limit of 4 (a tenth of which, rounded down, is nothing, so that notices have none kept)."""
    offices = [world.plan.offices[each] for each in world.plan.campaigns[world.campaign].offices]
    world.submit(10)
    for office in offices:
        named = {
            "domain": office.domain,
            "mailbox-day": office.lane,
            "campaign-office": f"{world.campaign}:{office.lane}",
        }
        change(world, scope, named.get(scope, target), "4/day" if scope.endswith("-day") else "4/h")
    domains = {office.domain for office in offices}
    with world.relay() as server:
        world.until_idle()
    assert len(server.accepted) == (most * len(domains) if scope == "domain" else most)


def test_a_denial_by_the_old_limit_does_not_shut_the_gate_of_the_new_one(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The change comes between the denial and the gate that it shuts."""
    world.change(mailbox=parse_rate("2/h"))
    world.submit(5)
    usual = Pacer.ask

    async def ask(self: Pacer, wants: Any) -> Any:
        answers = await usual(self, wants)
        if any(type(answer).__name__ == "Wait" for answer in answers):
            monkeypatch.undo()
            for place in (0, 1):
                change(world, "mailbox", lane(world, place), "100/h")
        return answers

    monkeypatch.setattr(Pacer, "ask", ask)
    with world.relay():
        world.until_idle()
    assert world.states() == {"sent": 10}


@pytest.mark.parametrize("ledger_url", ["postgresql"], indirect=True)  # SQLite has one writer at a time
def test_a_change_waits_for_a_round_that_shuts_a_gate(world: World) -> None:
    """Two transactions could miss each other: the gate is written, then the change, then both commit."""
    database, key, now_us = connect_hot(world.ledger.url), lane(world), world.ledger.now_us()
    database.begin()
    database.rows(
        "INSERT INTO gates VALUES ('lane-pace', ?, ?, 'used up', ?, 0) RETURNING key", (key, now_us * 2, now_us)
    )

    changing = threading.Thread(target=change, args=(world, "mailbox", key, "60/h"))
    changing.start()
    until(lambda: world.rows("SELECT 1 FROM pg_locks WHERE NOT granted"), "the change waits for the round")
    assert not limit_changes.refute(database, {}, ("lane-pace", key), now_us)
    database.commit()
    changing.join()
    database.close()
    assert shut(world) == {}


def test_a_limit_on_what_had_none_counts_what_was_sent_before(world: World) -> None:
    """The windows are filled again from the attempts of before, the new key's among them."""
    assert world.home.settings.limits.domain is None
    offices = [world.plan.offices[each] for each in world.plan.campaigns[world.campaign].offices]
    world.submit(3)
    forgotten: list[int] = []

    async def forget() -> None:
        house = world.house()
        try:
            await house.pacer.forget()
        finally:
            await world.close(house)

    def drop() -> None:
        forgotten.append(1)
        asyncio.run(forget())

    with world.relay() as server:
        world.until_idle()
        assert len(server.accepted) == 6
        world.submit(3)
        for domain in {office.domain for office in offices}:
            wish = Wish("domain", domain, "3/h", timedelta(hours=1), "anna", "they asked us to slow down")
            set_limit(world.ledger, world.home, wish, drop)
        world.until_idle()  # settles for five seconds, then refills
    assert len(forgotten) == 2 * len({office.domain for office in offices})
    assert len(server.accepted) == 6
    assert set(shut(world).values()) == {"domain-pace"}


def test_a_lifted_change_opens_what_it_had_shut(world: World) -> None:
    first = lane(world)
    world.submit(3)
    change(world, "mailbox", first, "1/h")
    with world.relay():
        world.until_idle()
        assert by_lane(world, "queued") == {first: 2}
        lift_limit(world.ledger, world.home, "mailbox", first, "anna", "it was a mistake")
        world.until_idle()
    assert world.states() == {"sent": 6}


def test_asking_costs_one_small_reading(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    change(world, "mailbox", lane(world), "60/h")
    database = connect_hot(world.ledger.url)
    seen: list[str] = []
    usual = type(database).rows

    def rows(self: Database, statement: str, parameters: Any = ()) -> Any:
        seen.append(statement)
        return usual(self, statement, parameters)

    monkeypatch.setattr(type(database), "rows", rows)
    assert limit_changes.in_force(database, world.ledger.now_us()) == {("mailbox", lane(world)): Rate(60, 3600)}
    database.close()
    assert len(seen) == 1


def test_redis_away_changes_nothing(world: World) -> None:
    def away() -> None:
        raise LettershopError("Redis is away")

    domain = world.plan.offices[world.plan.campaigns[world.campaign].offices[0]].domain
    wish = Wish("domain", domain, "3/h", timedelta(hours=1), "anna", "a test")
    with pytest.raises(LettershopError):
        set_limit(world.ledger, world.home, wish, away)
    assert world.rows("SELECT count(*) FROM limit_changes") == [(0,)]
