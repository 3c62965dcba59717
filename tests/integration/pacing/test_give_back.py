"""Giving grants back: once each, into the slot they came from, and never below nothing."""

import asyncio

from tests.integration.pacing.house import Time, count, dial, granted, limit, play, wants
from worker.pacing import Pacer

HOUR = 3600
LIMITS = (limit("relay:r", 5, HOUR), limit("mailbox:a", 5, HOUR), limit("mailbox:a", 5, 86400))


def test_what_is_given_back_can_be_granted_again(redis_server):
    async def story(pacer: Pacer, time: Time):
        grants = granted(await pacer.ask(wants(5, *LIMITS)))
        time.go(4)
        assert await pacer.give_back(grants[1:4]) == 3
        assert [used for used, _ in await pacer.used(LIMITS)] == [2, 2, 2]
        assert len(granted(await pacer.ask(wants(9, *LIMITS)))) == 3

    play(redis_server, story)


def test_giving_back_twice_lowers_the_count_once(redis_server):
    async def story(pacer: Pacer, time: Time):
        grants = granted(await pacer.ask(wants(5, *LIMITS)))
        assert await pacer.give_back([grants[0], grants[0]]) == 1
        assert await pacer.give_back(grants[:2]) == 1
        answers = await asyncio.gather(*(pacer.give_back(grants[:3]) for _ in range(8)))
        assert sorted(answers) == [0] * 7 + [1]
        assert await count(pacer, "relay:r") == 2

    play(redis_server, story)


def test_grants_of_different_calls_are_told_apart(redis_server):
    async def story(pacer: Pacer, time: Time):
        first = granted(await pacer.ask(wants(1, *LIMITS)))
        second = granted(await pacer.ask(wants(1, *LIMITS)))
        assert await pacer.give_back([*first, *second]) == 2
        assert await count(pacer, "relay:r") == 0

    play(redis_server, story)


def test_a_late_one_is_harmless(redis_server):
    async def story(pacer: Pacer, time: Time):
        early = granted(await pacer.ask(wants(2, *LIMITS)))
        time.go(59.9)
        assert await pacer.give_back(early[:1]) == 1
        time.go(0.1)
        assert await pacer.give_back(early) == 0
        assert await count(pacer, "mailbox:a") == 1
        time.go(2 * 86400)
        assert granted(await pacer.ask(wants(1, *LIMITS)))
        assert await pacer.give_back(early) == 0
        assert await count(pacer, "mailbox:a") == 1

    play(redis_server, story)


def test_a_slot_that_is_gone_does_not_become_negative(redis_server):
    async def story(pacer: Pacer, time: Time):
        grants = granted(await pacer.ask(wants(2, *LIMITS)))
        with dial(redis_server) as client:
            client.delete(*client.keys("lettershop:L:w:*"))
        assert await pacer.give_back(grants) == 2
        assert [used for used, _ in await pacer.used(LIMITS)] == [0, 0, 0]
        assert len(granted(await pacer.ask(wants(9, *LIMITS)))) == 5

    play(redis_server, story)


def test_a_grant_of_an_older_epoch_lowers_nothing(redis_server):
    async def story(pacer: Pacer, time: Time):
        old = granted(await pacer.ask(wants(3, *LIMITS)))
        await pacer.forget()
        assert not await pacer.ready()
        time.go(5)
        await pacer.refill([("relay:r", time.us, 3)])
        assert await pacer.give_back(old) == 0
        assert await count(pacer, "relay:r") == 3

    play(redis_server, story)


def test_the_marks_of_what_came_back_expire(redis_server):
    async def story(pacer: Pacer, time: Time):
        await pacer.give_back(granted(await pacer.ask(wants(3, *LIMITS))))

    play(redis_server, story)
    with dial(redis_server) as client:
        (marks,) = client.keys("lettershop:L:back:*")
        assert 0 < client.pttl(marks) <= 180_000
