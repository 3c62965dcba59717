"""Asking: what is granted, what waits for how long, and what is taken."""

import math

import pytest

from tests.integration.pacing.house import Time, count, dial, granted, limit, play, waits, wants
from worker.pacing import GRANT_LIFE_S, Grant, Pacer, Wait, Want

HOUR = 3600
DAY = 86400


def test_a_limit_is_granted_up_to_its_count_in_order(redis_server):
    async def story(pacer: Pacer, time: Time):
        answers = await pacer.ask(wants(5, limit("mailbox:a", 3, HOUR)))
        assert [type(answer) for answer in answers] == [Grant, Grant, Grant, Wait, Wait]
        assert [answer.letter for answer in answers] == [0, 1, 2, 3, 4]
        assert all(grant.until == time.monotonic() + GRANT_LIFE_S for grant in granted(answers))
        assert await count(pacer, "mailbox:a") == 3

    play(redis_server, story)


def test_a_denied_want_takes_nothing_and_names_the_key_with_the_longest_wait(redis_server):
    async def story(pacer: Pacer, time: Time):
        minute, day = limit("relay:r", 1, 60), limit("mailbox:a", 1, DAY)
        assert granted(await pacer.ask(wants(1, minute, day)))
        time.go(10)
        (answer,) = await pacer.ask([Want(7, (minute, day, limit("domain:d", 5, HOUR)))])
        assert isinstance(answer, Wait)
        assert (answer.letter, answer.key) == (7, "mailbox:a")
        assert await count(pacer, "domain:d") == 0
        (answer,) = await pacer.ask([Want(8, (minute, limit("domain:d", 5, HOUR)))])
        assert isinstance(answer, Wait)
        assert answer.key == "relay:r"

    play(redis_server, story)


def test_a_later_want_that_has_room_is_granted_beside_a_denied_one(redis_server):
    async def story(pacer: Pacer, time: Time):
        full, free = limit("mailbox:full", 0, HOUR), limit("mailbox:free", 9, HOUR)
        answers = await pacer.ask([Want(1, (full,)), Want(2, (free,)), Want(3, (full, free)), Want(4, ())])
        assert [type(answer) for answer in answers] == [Wait, Grant, Wait, Grant]
        assert await count(pacer, "mailbox:free") == 1

    play(redis_server, story)


def test_two_windows_on_one_key_count_the_letter_once_in_each(redis_server):
    async def story(pacer: Pacer, time: Time):
        hour, day = limit("mailbox:a", 30, HOUR), limit("mailbox:a", 240, DAY)
        assert len(granted(await pacer.ask(wants(50, hour, day)))) == 30
        assert await pacer.used([hour, day, hour]) == [(30, hour), (30, day), (30, hour)]

    play(redis_server, story)


def test_wants_of_different_windows_on_one_key_see_each_other_in_one_call(redis_server):
    async def story(pacer: Pacer, time: Time):
        hour, day = limit("relay:r", 2, HOUR), limit("relay:r", 3, DAY)
        answers = await pacer.ask([*wants(2, day), *wants(1, hour), *wants(2, day)])
        assert [type(answer) for answer in answers] == [Grant, Grant, Wait, Grant, Wait]

    play(redis_server, story)


def test_a_share_is_kept_back_by_asking_with_a_smaller_count(redis_server):
    async def story(pacer: Pacer, time: Time):
        ordinary, notice = limit("relay:r", 9, HOUR), limit("relay:r", 10, HOUR)
        answers = await pacer.ask([*wants(10, ordinary), *wants(2, notice), *wants(1, ordinary)])
        assert [type(answer) for answer in answers] == [Grant] * 9 + [Wait, Grant, Wait, Wait]

    play(redis_server, story)


def test_notices_that_came_first_leave_less_for_the_others(redis_server):
    async def story(pacer: Pacer, time: Time):
        ordinary, notice = limit("relay:r", 9, HOUR), limit("relay:r", 10, HOUR)
        assert len(granted(await pacer.ask([*wants(4, notice), *wants(9, ordinary)]))) == 9

    play(redis_server, story)


@pytest.mark.parametrize("window", [1, 60, HOUR, DAY])
def test_after_exactly_the_wait_there_is_room_and_not_before(redis_server, window):
    async def story(pacer: Pacer, time: Time):
        one = limit("mailbox:a", 2, window)
        for _ in range(2):
            assert granted(await pacer.ask(wants(1, one)))
            time.go(window / 7)
        (wait,) = waits(await pacer.ask(wants(1, one)))
        slot = math.ceil(window * 1e6 / 60) / 1e6
        left = window - 2 * (window / 7) + 5
        assert left - 1e-5 <= wait.seconds <= left + slot + 1e-5
        time.go(wait.seconds - 0.000_002)
        assert waits(await pacer.ask(wants(1, one)))
        time.go(0.000_002)
        assert granted(await pacer.ask(wants(1, one)))

    play(redis_server, story)


def test_the_wait_is_until_enough_letters_have_left_for_this_want(redis_server):
    async def story(pacer: Pacer, time: Time):
        wide, narrow = limit("relay:r", 3, HOUR), limit("relay:r", 1, HOUR)
        for _ in range(3):
            assert granted(await pacer.ask(wants(1, wide)))
            time.go(600)
        first, last = await pacer.ask([*wants(1, wide), *wants(1, narrow)])
        assert first.seconds == pytest.approx(3600 - 1800 + 5 + 60, abs=60)
        assert last.seconds == pytest.approx(first.seconds + 1200, abs=1)

    play(redis_server, story)


def test_a_limit_of_nothing_waits_a_whole_window(redis_server):
    async def story(pacer: Pacer, time: Time):
        (wait,) = await pacer.ask(wants(1, limit("mailbox:a", 0, HOUR)))
        assert wait.seconds == pytest.approx(3600 + 60 + 5)

    play(redis_server, story)


def test_a_changed_rate_or_window_finds_its_counts(redis_server):
    async def story(pacer: Pacer, time: Time):
        assert len(granted(await pacer.ask(wants(20, limit("mailbox:a", 20, HOUR))))) == 20
        time.go(30)
        for changed in (limit("mailbox:a", 20, DAY), limit("mailbox:a", 5, HOUR), limit("mailbox:a", 20, 60)):
            assert waits(await pacer.ask(wants(1, changed)))
        assert len(granted(await pacer.ask(wants(9, limit("mailbox:a", 25, DAY))))) == 5

    play(redis_server, story)


def test_ledgers_on_one_server_do_not_see_each_other(redis_server):
    async def story(pacer: Pacer, time: Time):
        assert len(granted(await pacer.ask(wants(3, limit("mailbox:a", 2, HOUR))))) == 2

    play(redis_server, story, ledger="one")
    play(redis_server, story, ledger="two")


def test_any_name_can_be_a_key(redis_server):
    async def story(pacer: Pacer, time: Time):
        for key in ('mailbox:"ü"@straße.example', "mailbox:a:3600", "mailbox:%s {x} \\ \n'"):
            assert len(granted(await pacer.ask(wants(3, limit(key, 2, HOUR))))) == 2
            assert await count(pacer, key) == 2

    play(redis_server, story)


def test_memory_stays_bounded_and_everything_expires(redis_server):
    async def story(pacer: Pacer, time: Time):
        for _ in range(1500):
            await pacer.ask(wants(1, limit("relay:r", 10_000, HOUR)))
            time.go(0.02)

    play(redis_server, story)
    with dial(redis_server) as client:
        names = set(client.keys())
        assert all(name.startswith("lettershop:L:") for name in names)
        windows = [name for name in names if ":w:" in name]
        assert len(windows) == 4
        for name in windows:
            window = int(name.split(":")[4])
            assert client.hlen(name) <= 60 * (window + 5) / window + 40
            assert 0 < client.pttl(name) <= 1000 * (window + 5 + 2 * window / 60 + 61)


def test_status_takes_nothing_and_ready_says_so(redis_server):
    async def story(pacer: Pacer, time: Time):
        one = limit("mailbox:a", 2, HOUR)
        await pacer.ask(wants(1, one))
        for _ in range(3):
            assert await pacer.used([one]) == [(1, one)]
        assert await pacer.ready()

    play(redis_server, story)
