"""A worker dies at each instant of a round, and what the next look makes of it. Both databases.

The death is made by raising out of the committer's transaction or after its commit and never coming back: what the dead
process knew is lost, what was committed stays. `docs/delivery-contract.md` names the tests of this file.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from tests.fixtures.world import World
from tests.integration.rounds.test_round import HOUR_US, message_ids
from tests.smtp_server import SCENARIOS
from worker.domain.states import State
from worker.ledger.hot import Committer, LedgerAway, Outcome, Start
from worker.ledger.hot.database import Database
from worker.ledger.hot.rescue import Rescued
from worker.rounds import clear_up, run_round
from worker.rounds.making import Pins
from worker.wiring.home import connect_hot

LEASE_OVER_US = 31 * 1_000_000


class Killed(BaseException):
    """The process is gone: nothing in it catches this."""


def kill_when(
    monkeypatch: pytest.MonkeyPatch, moment: Callable[[tuple[Any, ...]], bool], *, after_commit: bool
) -> None:
    """Let the process die the first time operations for which `moment` holds are committed, before or after it."""
    usual = Committer.commit
    dead = []

    async def commit(self: Committer, *operations: Any) -> list[Any]:
        if dead:
            raise Killed
        if moment(operations):
            if after_commit:
                await usual(self, *operations)
            dead.append(True)
            raise Killed
        return await usual(self, *operations)

    monkeypatch.setattr(Committer, "commit", commit)


def die(world: World, monkeypatch: pytest.MonkeyPatch, moment: Callable[[tuple[Any, ...]], bool], **how: bool) -> None:
    with monkeypatch.context() as patch:
        kill_when(patch, moment, **how)
        with pytest.raises(Killed):
            world.run(rounds=5)


def rescue(world: World) -> Rescued:
    async def look() -> Rescued:
        house = world.house()
        try:
            return await clear_up(house)
        finally:
            await world.close(house)

    return asyncio.run(look())


def starts(operations: tuple[Any, ...]) -> bool:
    return any(isinstance(each, Start) for each in operations)


def accepts(operations: tuple[Any, ...]) -> bool:
    return any(isinstance(each, Outcome) and each.to is State.SENT for each in operations)


def test_death_before_the_mark_loses_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.submit(3)
    with world.relay() as server:
        die(world, monkeypatch, starts, after_commit=False)
        assert server.letters == []
        assert rescue(world) == Rescued()  # the lease still stands
        world.ahead_us = LEASE_OVER_US
        assert rescue(world) == Rescued(rounds=1, released=3)
        world.until_idle()
    assert world.states() == {"sent": 6}
    assert len(server.accepted) == 6


def test_death_after_the_mark_puts_one_letter_in_doubt(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.submit(3)
    with world.relay() as server:
        die(world, monkeypatch, starts, after_commit=True)
        world.ahead_us = LEASE_OVER_US
        assert rescue(world) == Rescued(rounds=1, released=2, in_doubt=1)
        world.until_idle()
    assert world.states() == {"in_doubt": 1, "sent": 5}
    assert len(server.accepted) == 5


def test_death_after_the_reply_before_its_record_puts_one_letter_in_doubt(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.submit(3)
    with world.relay() as server:
        die(world, monkeypatch, accepts, after_commit=False)
        assert len(server.accepted) == 1
        world.ahead_us = LEASE_OVER_US
        assert rescue(world).in_doubt == 1
        world.ahead_us = 48 * HOUR_US
        world.until_idle()
    assert world.states() == {"in_doubt": 1, "sent": 5}
    assert len(set(message_ids(server.accepted))) == 6


def test_death_after_the_record_loses_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.submit(3)
    with world.relay() as server:
        die(world, monkeypatch, accepts, after_commit=True)
        world.ahead_us = LEASE_OVER_US
        rescue(world)
        world.until_idle()
    assert world.states() in ({"sent": 6}, {"in_doubt": 1, "sent": 5})
    assert len(server.accepted) == sum(n for state, n in world.states().items() if state == "sent")


def test_suspects_are_tried_alone(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.submit(3)
    with world.relay() as server:
        die(world, monkeypatch, starts, after_commit=False)
        world.ahead_us = LEASE_OVER_US
        rescue(world)
        world.until_idle()
    assert len(server.accepted) == 6
    lone = world.rows("SELECT count(*) FROM rounds WHERE lone")
    assert lone == [(3,)]


def test_a_letter_that_kills_its_worker_twice_alone_is_faulty(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.submit(3)

    def makes_letter_one(operations: tuple[Any, ...]) -> bool:
        return any(isinstance(each, Start) and each.claimed.letter == 1 for each in operations)

    with world.relay() as server:
        for deaths in range(1, 4):
            die(world, monkeypatch, makes_letter_one, after_commit=False)
            world.ahead_us += LEASE_OVER_US
            found = rescue(world)
            assert found.faulty == (1 if deaths == 3 else 0)
        world.until_idle()
    assert world.states() == {"faulty": 1, "sent": 5}
    assert len(server.accepted) == 5


def test_a_reply_that_comes_after_rescue_still_counts(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.submit(1)
    usual = Committer.commit

    async def late(self: Committer, *operations: Any) -> list[Any]:
        if accepts(operations):
            world.ahead_us += LEASE_OVER_US
            database = connect_hot(world.ledger.url)
            from worker.ledger.hot.rescue import rescue as look

            database.begin()
            look(database, world.ledger.now_us() + world.ahead_us)
            database._write_counts()
            database.commit()
            database.close()
            states.append(dict(world.states()))
            monkeypatch.setattr(Committer, "commit", usual)
        return await usual(self, *operations)

    states: list[dict[str, int]] = []
    monkeypatch.setattr(Committer, "commit", late)
    with world.relay() as server:
        world.until_idle()
        world.until_idle()
    assert states[0]["in_doubt"] == 1
    assert world.states() == {"sent": 2}
    assert len(server.accepted) == 2


def test_resend_once_sends_the_same_bytes_once_more(world: World) -> None:
    from dataclasses import replace

    campaign = replace(world.plan.campaigns[world.campaign], in_doubt="resend_once")
    world.change(campaigns={**world.plan.campaigns, world.campaign: campaign})
    world.submit(1)
    with world.relay(
        {"DOT": [*SCENARIOS["disconnect_after_dot"]["DOT"], None, *SCENARIOS["disconnect_after_dot"]["DOT"]]}
    ) as server:
        world.until_idle()
        assert world.states() == {"in_doubt": 1, "sent": 1}
        world.ahead_us = 14 * 60 * 1_000_000
        rescue(world)
        assert world.states() == {"in_doubt": 1, "sent": 1}
        world.ahead_us = 16 * 60 * 1_000_000
        rescue(world)
        assert world.states() == {"queued": 1, "sent": 1}
        world.until_idle()
        assert world.states() == {"in_doubt": 1, "sent": 1}  # lost again: now only an operator decides
        world.ahead_us = 24 * HOUR_US
        rescue(world)
        world.until_idle()
    assert world.states() == {"in_doubt": 1, "sent": 1}
    first, _, again = (letter.data for letter in server.letters)
    assert first == again


def test_an_outcome_waits_for_a_ledger_that_is_away(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.submit(2)
    usual = Committer.commit
    refusals = []

    async def away(self: Committer, *operations: Any) -> list[Any]:
        if accepts(operations) and len(refusals) < 3:
            refusals.append(operations)
            raise LedgerAway("the disk is full")
        return await usual(self, *operations)

    monkeypatch.setattr(Committer, "commit", away)
    with world.relay() as server:
        world.run(rounds=1)
        assert len(server.accepted) == 1  # nothing more was sent while the ledger was away
        monkeypatch.setattr(Committer, "commit", usual)
        world.until_idle()
    assert world.states() == {"sent": 4}
    assert len(set(message_ids(server.accepted))) == 4


def test_a_commit_whose_answer_was_lost_is_repeated_harmlessly(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.submit(4)
    usual = Database.commit if hasattr(Database, "commit") else None
    assert usual is not None
    kind = type(connect_and_close(world))
    plain = kind.commit
    lost = []

    def commit(self: Database) -> None:
        plain(self)
        if len(lost) % 2 == 0 and self._moves:
            lost.append(True)
            raise self.errors[0]("the answer was lost")
        lost.append(False)

    monkeypatch.setattr(kind, "commit", commit)
    with world.relay() as server:
        for _ in range(12):
            world.ahead_us += LEASE_OVER_US
            world.until_idle()
            rescue(world)
    monkeypatch.setattr(kind, "commit", plain)
    assert set(world.states()) <= {"sent", "in_doubt", "queued"}
    assert len(server.accepted) == len(set(message_ids(server.accepted)))
    sent = world.rows("SELECT count(*) FROM letters WHERE state IN ('sent', 'in_doubt')")[0][0]
    assert len(server.accepted) <= sent


def connect_and_close(world: World) -> Database:
    database = connect_hot(world.ledger.url)
    database.close()
    return database


def test_draining_ends_a_round_at_its_next_letter(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.submit(6)

    async def drained() -> None:
        house = world.house()
        usual = house.committer.commit

        async def commit(*operations: Any) -> list[Any]:
            answers = await usual(*operations)
            world.draining = world.draining or accepts(operations)
            return answers

        monkeypatch.setattr(house.committer, "commit", commit)
        try:
            await run_round(house, Pins(house.committer), ("office",))
        finally:
            await world.close(house)

    with world.relay() as server:
        asyncio.run(drained())
        first = len(server.accepted)
        world.draining = False
        world.until_idle()
    assert first < 6
    assert world.states() == {"sent": 12}
    assert len(server.accepted) == 12
