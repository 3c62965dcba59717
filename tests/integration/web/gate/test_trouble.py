"""Redis away, killed and back, frozen, new: the form stays open, counts by itself, and never waits."""

import asyncio
import itertools
import logging
import os
import signal

import pytest

from tests.integration.web.gate.house import CAMPAIGN, HOUR, Gate, client, play, rates, ready
from worker.domain.limits import Rate
from worker.pacing import PacingAway
from worker.web.gate.door import PATIENCE_S, REST_S, Away

EIGHT = rates(per_address=Rate(8, HOUR))
NOWHERE = "unix:///nowhere/at/all"
_ip = itertools.count()


async def allowed(gate: Gate, n: int = 10) -> int:
    """How many of `n` forms for one address, from everywhere, are allowed."""
    leaves = [await gate.ask(f"10.{k // 256 % 256}.{k % 256}.1") for k in itertools.islice(_ip, n)]
    assert all(leave.retry_after_s > 0 for leave in leaves if not leave.allowed)
    return sum(leave.allowed for leave in leaves)


def said(caplog) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "worker.web.gate.door"]


def test_without_a_redis_each_process_allows_a_quarter_and_says_so_once(caplog):
    async def story(gate: Gate):
        assert await allowed(gate) == 2
        assert (await gate.ask("198.51.100.1", b"somebody else")).allowed
        gate.time.go(HOUR + 400)
        assert await allowed(gate) == 2

    with caplog.at_level(logging.INFO):
        play(NOWHERE, story, EIGHT)
    (line,) = said(caplog)
    assert "Redis is away" in line
    assert "10." not in line


def test_without_a_redis_ten_thousand_forms_at_one_victim_are_one():
    async def story(gate: Gate):
        assert await allowed(gate, 10_000) == 1

    play(NOWHERE, story)


def test_without_a_redis_a_64_is_still_one_visitor():
    async def story(gate: Gate):
        leaves = [await gate.ask(f"2001:db8:1:1::{n:x}", b"%d" % n) for n in range(30)]
        assert [leave.challenge for leave in leaves[:5]] == [False, False, True, True, True]
        assert sum(leave.allowed for leave in leaves) == 5
        assert await gate.limits.challenged(client("2001:db8:1:1::ffff"), CAMPAIGN)
        assert not await gate.limits.challenged(client("2001:db8:2:1::ffff"), CAMPAIGN)

    play(NOWHERE, story)


def test_without_a_redis_domain_and_campaign_are_held_too():
    async def story(gate: Gate):
        leaves = [await gate.ask(f"10.0.{n}.1", b"%d" % n, domain) for n, domain in enumerate("aaabbb")]
        assert [leave.hold for leave in leaves] == ["", "domain", "domain", "", "campaign", "campaign"]

    play(NOWHERE, story, rates(per_domain=Rate(4, HOUR), per_campaign=Rate(8, 86_400)))


def test_redis_killed_and_back(own_redis_server, caplog):
    async def story(gate: Gate):
        assert await allowed(gate, 5) == 5
        own_redis_server.kill()
        assert await allowed(gate) == 2  # a quarter, whatever Redis had counted
        own_redis_server.start()
        assert await allowed(gate) == 0  # not asked yet
        gate.time.go(REST_S)
        assert await allowed(gate) == 0  # it settles
        assert len(said(caplog)) == 1
        gate.time.go(5)
        assert await allowed(gate) == 8  # windows anew, refilled with nothing, and nobody had to call for it
        assert len(said(caplog)) == 2

    with caplog.at_level(logging.INFO):
        play(ready(own_redis_server), story, EIGHT)
    away, back = said(caplog)
    assert "is away" in away
    assert "is back" in back


def test_a_new_redis_is_ready_by_itself(redis_server, caplog):
    async def story(gate: Gate):
        assert await allowed(gate) == 2
        gate.time.go(5)
        assert await allowed(gate) == 8

    with caplog.at_level(logging.INFO):
        play(redis_server.url, story, EIGHT)
    assert len(said(caplog)) == 2
    assert "settles" in said(caplog)[0]


def test_a_frozen_redis_costs_one_visitor_his_patience_and_the_others_nothing(own_redis_server, caplog):
    async def story(gate: Gate):
        assert (await gate.ask()).allowed
        os.kill(own_redis_server.pid, signal.SIGSTOP)
        tries = 0
        script = gate.door.pacer._script
        answer = script.answer

        async def counted(operation, argument):
            nonlocal tries
            tries += 1
            return await answer(operation, argument)

        script.answer = counted
        try:
            assert await allowed(gate) == 2
            assert tries == 1
            gate.time.go(REST_S)
            await asyncio.gather(*(gate.ask(f"172.16.{n}.1", b"%d" % n) for n in range(50)))
            assert tries == 2  # one of the fifty tried it again
        finally:
            os.kill(own_redis_server.pid, signal.SIGCONT)
        gate.time.go(REST_S)
        assert await allowed(gate, 6) > 2

    with caplog.at_level(logging.INFO):
        play(ready(own_redis_server), story, EIGHT, patience_s=0.5)
    assert "no answer within 0.5 s" in said(caplog)[0]
    assert PATIENCE_S == 0.25


def test_a_connection_is_fit_for_use_after_a_question_was_given_up(own_redis_server):
    """An answer that comes too late must never be taken for the answer to the next question."""

    async def story(gate: Gate):
        os.kill(own_redis_server.pid, signal.SIGSTOP)
        with pytest.raises(Away):
            await gate.door.through(lambda pacer: pacer._script.command("ECHO", "late"))
        os.kill(own_redis_server.pid, signal.SIGCONT)
        gate.time.go(REST_S)
        assert await gate.door.through(lambda pacer: pacer._script.command("ECHO", "new")) == "new"

    play(ready(own_redis_server), story, patience_s=0.5)


def test_a_redis_that_takes_no_writes_is_away(own_redis_server):
    async def story(gate: Gate):
        await gate.door.pacer._client.config_set("maxmemory", "1")
        assert await allowed(gate) == 2
        await gate.door.pacer._client.config_set("maxmemory", "0")
        gate.time.go(REST_S)
        assert await allowed(gate) == 8

    play(ready(own_redis_server), story, EIGHT)


def test_a_fault_of_ours_is_not_taken_for_redis_away(redis_server):
    async def story(gate: Gate):
        with pytest.raises(ValueError, match="no window of 7 s"):
            await gate.ask()

    play(ready(redis_server), story, rates(per_ip=Rate(5, 7)))


def test_a_request_that_is_cancelled_leaves_the_door_as_it_was(redis_server, caplog):
    async def story(gate: Gate):
        asked = asyncio.Event()

        async def never(_pacer):
            asked.set()
            await asyncio.Event().wait()

        task = asyncio.create_task(gate.door.through(never))
        await asked.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await allowed(gate) == 8

    play(ready(redis_server), story, EIGHT)
    assert said(caplog) == []


def test_after_one_question_that_failed_the_next_are_not_asked(redis_server):
    async def story(gate: Gate):
        async def dies(_pacer):
            raise PacingAway("no")

        with pytest.raises(Away):
            await gate.door.through(dies)
        assert await allowed(gate) == 2

    play(ready(redis_server), story, EIGHT)
