"""Many members in one transaction: a member whose row does not match is answered so, and hurts nobody. Both databases."""

import asyncio
import threading
from collections.abc import Sequence
from typing import Any

import pytest

from tests.fixtures.world import World
from worker.domain.states import Event, State
from worker.domain.verdict import Kind, Reply, Scope, Stage, Verdict
from worker.ledger.hot import Claimed, Committer, Outcome, Start
from worker.ledger.hot.database import Database
from worker.ledger.hot.lanes import Opened, claim, open_round
from worker.rounds.choose import choose
from worker.wiring.home import connect_hot

ACCEPTED = Verdict(Kind.ACCEPT, Scope.LETTER, Stage.DOT, Reply(250, "2.0.0", "2.0.0 Ok"), "accepted")
MANY = 70  # more than one statement takes


def start(world: World, opened: Opened, letter: Claimed) -> Start:
    now_us = world.ledger.now_us()
    return Start(letter, opened.place, world.campaign, now_us, 1, 2, 1, now_us, 1, b"\1" * 32)


def accepted(world: World, opened: Opened, letter: Claimed) -> Outcome:
    now_us = world.ledger.now_us()
    return Outcome(
        letter, opened.place, True, Event.ACCEPT, State.SENT, now_us, now_us, 0, "accepted", ACCEPTED, {"dot": 5}
    )


async def hold_letters(world: World, committer: Committer) -> tuple[Opened, list[Claimed]]:
    """An open round that holds all letters of its lane."""
    house = world.house()

    def take(database: Database) -> tuple[Opened, list[Claimed]]:
        plan, now = house.plan, house.now()
        opened = open_round(database, house.now_us(), "test", lambda seen: choose(seen, plan, now, ("office",)))
        assert opened is not None
        found = database.rows("SELECT id FROM letters WHERE lane_id = ? ORDER BY id", (opened.place.lane_id,))
        return opened, claim(database, opened.place, [row[0] for row in found])

    try:
        taken: tuple[Opened, list[Claimed]] = await committer.call(take)
        return taken
    finally:
        await world.close(house)


async def together(committer: Committer, members: Sequence[Sequence[Any]]) -> list[list[Any]]:
    """Commit so that all members are in one group: they gather while a first transaction is held up."""
    free = threading.Event()
    first = asyncio.ensure_future(committer.call(lambda _: free.wait(30)))
    rest = [asyncio.ensure_future(committer.commit(*operations)) for operations in members]
    await asyncio.sleep(0)  # all have asked
    free.set()
    await first
    return await asyncio.gather(*rest)


async def run(world: World, spoil: int | None) -> tuple[list[Any], list[Any]]:
    """Start all letters of a lane in one group, then end them in one; `spoil` is cancelled by somebody in between."""
    committer = Committer(lambda: connect_hot(world.ledger.url))
    try:
        opened, letters = await hold_letters(world, committer)
        assert len(letters) == MANY
        if spoil is not None:
            chosen = letters[spoil].letter
            await committer.call(lambda db: cancel(db, letters[spoil], chosen))
        started = await together(committer, [[start(world, opened, letter)] for letter in letters])
        ended = await together(
            committer,
            [[accepted(world, opened, letter)] for letter, ok in zip(letters, started, strict=True) if ok[0]],
        )
        return [answer[0] for answer in started], [answer[0] for answer in ended]
    finally:
        await asyncio.to_thread(committer.close)


def cancel(database: Database, letter: Claimed, number: int) -> None:
    database.rows("UPDATE letters SET state = 'cancelled', claim = NULL WHERE id = ?", (number,))
    database.counted(letter, State.CLAIMED, State.CANCELLED)


@pytest.mark.parametrize("spoil", [None, 0, 41, MANY - 1])
def test_one_that_does_not_match_fails_alone(world: World, spoil: int | None) -> None:
    world.submit(MANY)
    started, ended = asyncio.run(run(world, spoil))
    assert [number for number, ok in enumerate(started) if not ok] == ([] if spoil is None else [spoil])
    assert all(ended)
    sent = MANY - (spoil is not None)
    assert world.rows("SELECT count(*), min(kind), max(steps) FROM attempts") == [(sent, "accept", '{"dot":5}')]
    assert world.states().get("sent", 0) == sent


def test_what_is_written_already_is_true_again(world: World) -> None:
    world.submit(3)

    async def twice() -> list[list[Any]]:
        committer = Committer(lambda: connect_hot(world.ledger.url))
        try:
            opened, letters = await hold_letters(world, committer)
            starts = [[start(world, opened, letter)] for letter in letters]
            answers = [await together(committer, starts), await together(committer, starts[:2])]
            ends = [[accepted(world, opened, letter)] for letter in letters]
            answers += [await together(committer, ends[1:]), await together(committer, ends)]
            return [[answer[0] for answer in group] for group in answers]
        finally:
            await asyncio.to_thread(committer.close)

    assert all(all(group) for group in asyncio.run(twice()))
    assert world.rows("SELECT count(*) FROM attempts WHERE kind = 'accept'") == [(3,)]
    assert world.states()["sent"] == 3
