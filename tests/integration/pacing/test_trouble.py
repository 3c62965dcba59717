"""Redis killed, restarted, emptied, frozen, full; its clock set back; the refill, whole and half."""

import os
import signal

import pytest

from tests.fixtures.redis import open_windows, written_down
from tests.integration.pacing.house import START_US, Time, count, dial, granted, limit, play, waits, wants
from worker.embedded.server import RedisServer
from worker.pacing import NeedsRefill, Pacer, PacingAway, Settling, connect

HOUR = 3600
ONE = limit("mailbox:a", 10, HOUR)
SECOND = 1_000_000


def lose_logs(server: RedisServer) -> None:
    """Redis 7 and Valkey keep theirs in a directory of its own, Redis 6 in one file."""
    logs = [path for path in server.directory.rglob("*.aof*") if path.is_file()]
    assert logs
    for path in logs:
        path.unlink()


async def settle(pacer: Pacer, time: Time) -> None:
    with pytest.raises(Settling) as caught:
        await pacer.ask(wants(1, ONE))
    assert caught.value.seconds == 5
    time.go(caught.value.seconds)
    with pytest.raises(NeedsRefill):
        await pacer.ask(wants(1, ONE))


# -- a new server -------------------------------------------------------------------------------------------------------
def test_a_new_server_settles_for_five_seconds_and_then_wants_its_windows(redis_server):
    async def story(pacer: Pacer, time: Time):
        with pytest.raises(Settling):
            await pacer.refill([])
        time.go(4.9)
        with pytest.raises(Settling) as caught:
            await pacer.used([ONE])
        assert caught.value.seconds == pytest.approx(0.1)
        time.go(0.1)
        with pytest.raises(NeedsRefill):
            await pacer.used([ONE])
        assert not await pacer.ready()
        assert await pacer.refill([]) is True
        assert await pacer.refill([("mailbox:a", time.us, 9)]) is False
        assert len(granted(await pacer.ask(wants(11, ONE)))) == 10

    play(redis_server, story, fresh=True)


@pytest.mark.parametrize("keeps_its_log", [True, False])
def test_a_killed_server_grants_nothing_until_refilled(own_redis_server, keeps_its_log):
    async def story(pacer: Pacer, time: Time):
        grants = granted(await pacer.ask(wants(4, ONE)))
        own_redis_server.kill()
        for _ in range(2):
            with pytest.raises(PacingAway, match="nothing is sent"):
                await pacer.ask(wants(1, ONE))
        if not keeps_its_log:
            lose_logs(own_redis_server)
        own_redis_server.start()
        await settle(pacer, time)
        # the ledger knows of three starts; the fourth grant was never used
        await pacer.refill([("mailbox:a", time.us - 20 * SECOND, 3)], time.us)
        assert await pacer.give_back(grants) == 0
        assert await count(pacer, "mailbox:a") == 3
        assert len(granted(await pacer.ask(wants(9, ONE)))) == 7

    play(own_redis_server, story)


def test_an_emptied_server_is_a_new_one(redis_server):
    async def story(pacer: Pacer, time: Time):
        await pacer.ask(wants(4, ONE))
        with dial(redis_server) as client:
            client.flushall()
        await settle(pacer, time)

    play(redis_server, story)


def test_the_script_is_sent_again_where_the_server_has_lost_it(redis_server):
    async def story(pacer: Pacer, time: Time):
        await pacer.ask(wants(1, ONE))
        with dial(redis_server) as client:
            client.script_flush()
        assert granted(await pacer.ask(wants(1, ONE)))
        assert await count(pacer, "mailbox:a") == 2

    play(redis_server, story)


# -- trouble while asking -------------------------------------------------------------------------------------------------
def test_a_reply_that_is_lost_only_wastes_its_grants(own_redis_server):
    async def story(pacer: Pacer, time: Time):
        await pacer.ask(wants(1, ONE))
        os.kill(own_redis_server.pid, signal.SIGSTOP)
        try:
            with pytest.raises(PacingAway, match=r"[Tt]imeout"):
                await impatient.ask(wants(4, ONE))
        finally:
            os.kill(own_redis_server.pid, signal.SIGCONT)
        assert await count(pacer, "mailbox:a") == 5
        assert len(granted(await pacer.ask(wants(9, ONE)))) == 5
        await impatient.aclose()

    client = connect(own_redis_server.url)
    client.connection_pool.connection_kwargs["socket_timeout"] = 0.2
    time = Time()
    impatient = Pacer(client, "L", time, redis_clock=time)

    async def warmed(pacer: Pacer, time: Time):
        await impatient.ready()  # dialled before the server freezes
        await story(pacer, time)

    play(own_redis_server, warmed)


def test_a_full_memory_stops_sending_instead_of_forgetting(own_redis_server):
    async def story(pacer: Pacer, time: Time):
        await pacer.ask(wants(3, ONE))
        with dial(own_redis_server) as client:
            client.config_set("maxmemory", "1")
            with pytest.raises(PacingAway, match="maxmemory"):
                await pacer.ask(wants(1, ONE))
            client.config_set("maxmemory", "0")
        assert await count(pacer, "mailbox:a") == 3

    play(own_redis_server, story)


def test_bytes_or_text_from_the_client_are_the_same(redis_server):
    async def story(pacer: Pacer, time: Time):
        raw = connect(redis_server.url)
        raw.connection_pool.connection_kwargs["decode_responses"] = False
        other = Pacer(raw, "L", time, redis_clock=time)
        grants = granted(await other.ask(wants(3, ONE)))
        assert await pacer.give_back(grants) == 3
        await other.note_round("L", 4)
        assert await other.highest_round("L") == 4
        await other.aclose()

    play(redis_server, story)


# -- clocks ---------------------------------------------------------------------------------------------------------------
def test_a_clock_set_back_a_little_stands_still(redis_server):
    async def story(pacer: Pacer, time: Time):
        minute = limit("relay:r", 2, 60)
        assert len(granted(await pacer.ask(wants(2, minute)))) == 2
        time.go(-30)
        (wait,) = waits(await pacer.ask(wants(1, minute)))
        assert 60 + 5 + 30 <= wait.seconds <= 60 + 5 + 1 + 30
        time.go(wait.seconds - 0.001)
        assert waits(await pacer.ask(wants(1, minute)))
        time.go(0.001)
        assert granted(await pacer.ask(wants(1, minute)))

    play(redis_server, story)


def test_a_clock_set_back_far_has_the_windows_refilled_by_age(redis_server):
    async def story(pacer: Pacer, time: Time):
        await pacer.ask(wants(10, ONE))
        ledger_now = time.us
        time.go(-86400)
        await settle(pacer, time)
        await pacer.refill([("mailbox:a", ledger_now - 600 * SECOND, 10)], ledger_now)
        (wait,) = waits(await pacer.ask(wants(1, ONE)))
        assert HOUR - 600 <= wait.seconds <= HOUR - 600 + 5 + 60 + 11

    play(redis_server, story)


# -- the refill -----------------------------------------------------------------------------------------------------------
def test_history_fills_every_window_by_age(redis_server):
    async def story(pacer: Pacer, time: Time):
        with pytest.raises(Settling):
            await pacer.ready() or await pacer.ask(wants(1, ONE))
        time.go(5)
        ledger_now = 1_000 * SECOND  # a ledger whose clock tells another time altogether
        ages = [(2, 30), (3, 600), (4, 4000), (5, 80_000), (6, 90_000)]
        history = [("mailbox:a", ledger_now - age * SECOND, n) for n, age in ages]
        history.append(("mailbox:b", ledger_now + 50 * SECOND, 1))  # from a clock set back: counted as of now
        await pacer.refill(iter(history), ledger_now)
        limits = [limit("mailbox:a", 1, window) for window in (60, HOUR, 86400)]
        assert [used for used, _ in await pacer.used(limits)] == [2, 5, 14]
        assert await count(pacer, "mailbox:b", 60) == 1

    play(redis_server, story, fresh=True)


def test_a_long_history_comes_page_by_page(redis_server):
    async def story(pacer: Pacer, time: Time):
        with pytest.raises(Settling):
            await pacer.ask(wants(1, ONE))
        time.go(5)
        await pacer.refill(((f"mailbox:{n % 3}", time.us - n * 100_000, 1) for n in range(9_000)), time.us)
        assert [await count(pacer, f"mailbox:{n}") for n in range(3)] == [3000] * 3

    play(redis_server, story, fresh=True)


def test_without_a_moment_the_pacers_own_clock_is_taken(redis_server):
    async def story(pacer: Pacer, time: Time):
        with pytest.raises(Settling):
            await pacer.ask(wants(1, ONE))
        time.go(5)
        await pacer.refill([("mailbox:a", time.us - 3500 * SECOND, 1), ("mailbox:a", time.us - 3700 * SECOND, 1)])
        assert await count(pacer, "mailbox:a") == 1

    play(redis_server, story, fresh=True)


class Died(Exception):
    pass


def dies_after(rows):
    yield from rows
    raise Died


def test_a_refill_that_died_half_way_counts_for_nothing_and_is_repeated(redis_server):
    async def story(pacer: Pacer, time: Time):
        with pytest.raises(Settling):
            await pacer.ask(wants(1, ONE))
        time.go(5)
        history = [("mailbox:a", time.us - n * 1000, 1) for n in range(2500)]
        with pytest.raises(Died):
            await pacer.refill(dies_after(history), time.us)
        for refused in (pacer.ask(wants(1, ONE)), pacer.refill(history, time.us)):
            with pytest.raises(Settling) as caught:
                await refused
            assert caught.value.seconds == 1
        time.go(15)
        with pytest.raises(NeedsRefill):
            await pacer.ask(wants(1, ONE))
        assert await pacer.refill(history, time.us) is True
        assert await count(pacer, "mailbox:a") == 2500

    play(redis_server, story, fresh=True)


def test_a_slow_refill_that_was_overtaken_ends_without_harm(redis_server):
    async def story(pacer: Pacer, time: Time):
        with pytest.raises(Settling):
            await pacer.ask(wants(1, ONE))
        time.go(5)
        status, _ = await pacer._script.answer("begin", {"token": "slow"})
        assert status == "ok"
        page = {"token": "slow", "page": 1, "keys": ["mailbox:a"], "rows": [[1, time.us, 7]]}
        await pacer._go_on("fill", page)
        time.go(16)
        assert await pacer.refill([("mailbox:a", time.us, 2)], time.us) is True
        for operation, argument in (("fill", page), ("finish", {"token": "slow"})):
            with pytest.raises(Settling):
                await pacer._go_on(operation, argument)
        assert await count(pacer, "mailbox:a") == 2

    play(redis_server, story, fresh=True)


def test_every_step_of_a_refill_whose_answer_was_lost_can_be_repeated(redis_server):
    async def story(pacer: Pacer, time: Time):
        with pytest.raises(Settling):
            await pacer.ask(wants(1, ONE))
        time.go(5)
        page = {"token": "mine", "page": 1, "keys": ["mailbox:a"], "rows": [[1, time.us, 7]]}
        for operation, argument in (("begin", {"token": "mine"}), ("fill", page), ("finish", {"token": "mine"})):
            for _ in range(2):
                await pacer._go_on(operation, argument)
        assert await count(pacer, "mailbox:a") == 7

    play(redis_server, story, fresh=True)


def test_a_server_restarted_during_the_refill_wants_it_again(own_redis_server):
    async def story(pacer: Pacer, time: Time):
        with pytest.raises(Settling):
            await pacer.ask(wants(1, ONE))
        time.go(5)

        def history():
            yield from [("mailbox:a", time.us, 1)] * 2000
            own_redis_server.kill()
            own_redis_server.start()
            yield ("mailbox:a", time.us, 1)

        with pytest.raises((Settling, PacingAway)):
            await pacer.refill(history(), time.us)
        with pytest.raises(Settling):
            await pacer.ask(wants(1, ONE))
        time.go(5)
        with pytest.raises(NeedsRefill):
            await pacer.ask(wants(1, ONE))

    play(own_redis_server, story, fresh=True)


# -- witness and rings ----------------------------------------------------------------------------------------------------
def test_the_witness_only_rises_and_outlives_the_server(own_redis_server):
    async def story(pacer: Pacer, time: Time):
        assert await pacer.highest_round("L") is None
        for number in (3, 9, 7, 2**53):
            await pacer.note_round("L", number)
        await pacer.note_round("other", 1)
        written_down(own_redis_server)
        own_redis_server.kill()
        own_redis_server.start()
        assert await pacer.highest_round("L") == 2**53
        assert await pacer.highest_round("other") == 1

    play(own_redis_server, story)


def test_a_bell_rings_once_for_its_time(redis_server):
    async def story(pacer: Pacer, time: Time):
        assert [await pacer.ring_once("lane:1", 60) for _ in range(3)] == [True, False, False]
        assert await pacer.ring_once("lane:2", 60)

    play(redis_server, story)
    with dial(redis_server) as client:
        assert 0 < client.pttl("lettershop:L:ring:lane:2") <= 60_000


def test_the_servers_own_clock_counts_where_no_other_is_given(redis_server):
    async def story(_: Pacer, time: Time):
        pacer = Pacer(connect(redis_server.url), "real", time)
        assert len(granted(answers := await pacer.ask(wants(12, ONE)))) == 10
        assert granted(answers)[0].at_us != START_US
        assert HOUR < waits(answers)[0].seconds <= HOUR + 5 + 60
        await pacer.aclose()

    open_windows(redis_server, "real")
    play(redis_server, story)
