"""The form's limits, counted in a real Redis."""

import asyncio

import pytest
import redis

from tests.integration.pacing.house import Time
from tests.integration.web.gate.house import CAMPAIGN, HOUR, Gate, client, gate_on, play, rates, ready
from worker.domain.limits import MOST, Limit, Rate
from worker.web.gate import Leave, form_pacer

FREE = Leave(allowed=True, hold="", retry_after_s=0.0, challenge=False)
ALWAYS = Rate(MOST, HOUR)


def dump(server) -> str:
    with redis.Redis.from_url(server.url, protocol=2, decode_responses=True) as connection:
        keys = list(connection.scan_iter(count=10_000))
        return "\n".join([*keys, *(str(connection.hgetall(key)) for key in keys if connection.type(key) == "hash")])


async def used(gate: Gate, key: str) -> int:
    """What is counted against the one key that begins so."""
    connection = gate.door.pacer._client
    names = {name.rpartition(":3600:")[2] for name in await connection.keys(f"*:3600:{key}*")}
    if not names:
        return 0
    (name,) = names
    ((n, _),) = await gate.door.pacer.used([Limit(name, ALWAYS)])
    return n


def test_a_visitor_has_his_limit_and_a_proof_of_work_from_its_half(redis_server):
    async def story(gate: Gate):
        leaves = [await gate.ask(address=b"%d" % n) for n in range(21)]
        assert leaves[:10] == [FREE] * 10
        assert {(leave.allowed, leave.hold, leave.challenge) for leave in leaves[10:20]} == {(True, "", True)}
        refused = leaves[20]
        assert not refused.allowed
        assert refused.challenge
        assert HOUR <= refused.retry_after_s <= HOUR + 70
        assert await gate.ask("192.0.2.2", b"eve") == FREE
        gate.time.go(refused.retry_after_s - 1)
        assert not (await gate.ask()).allowed
        gate.time.go(2)
        assert (await gate.ask()).allowed

    play(ready(redis_server), story, rates(per_ip=Rate(20, HOUR)))


def test_a_64_is_one_visitor_and_a_48_one_network(redis_server):
    async def story(gate: Gate):
        rotating = [await gate.ask(f"2001:db8:1:1::{n:x}", b"%d" % n) for n in range(1, 30)]
        assert sum(leave.allowed for leave in rotating) == 4
        other_64s = [await gate.ask(f"2001:db8:1:{n:x}::1", b"x%d" % n) for n in range(2, 30)]
        assert sum(leave.allowed for leave in other_64s) == 8 - 4
        assert (await gate.ask("2001:db8:2:1::1")).allowed

    play(ready(redis_server), story, rates(per_ip=Rate(4, HOUR), per_network=Rate(8, HOUR)))


def test_a_24_is_one_network(redis_server):
    async def story(gate: Gate):
        leaves = [await gate.ask(f"192.0.2.{n}", b"%d" % n) for n in range(1, 9)]
        assert [leave.challenge for leave in leaves] == [False] * 3 + [True] * 5
        assert [leave.allowed for leave in leaves] == [True] * 6 + [False] * 2
        assert await gate.ask("192.0.3.1") == FREE

    play(ready(redis_server), story, rates(per_network=Rate(6, HOUR)))


def test_ten_thousand_forms_at_one_victim_from_everywhere_are_five(redis_server):
    async def story(gate: Gate):
        allowed = 0
        for start in range(0, 10_000, 200):
            ips = (f"{10 + n // 65_536}.{n // 256 % 256}.{n % 256}.1" for n in range(start, start + 200))
            allowed += sum(leave.allowed for leave in await asyncio.gather(*(gate.ask(ip, b"victim") for ip in ips)))
        assert allowed == 5
        assert await used(gate, f"form-campaign:{CAMPAIGN}") == 5
        assert (await gate.ask("198.51.100.1", b"somebody else")).allowed

    play(ready(redis_server), story, rates(per_address=Rate(5, HOUR)))


def test_a_domains_limit_holds_and_takes_nothing_of_the_campaigns(redis_server):
    async def story(gate: Gate):
        leaves = [await gate.ask(address=b"%d" % n) for n in range(5)]
        assert [leave.hold for leave in leaves] == ["", "", "", "domain", "domain"]
        assert all(leave.allowed and not leave.challenge for leave in leaves)
        assert await used(gate, "form-domain:") == 3
        assert await used(gate, f"form-campaign:{CAMPAIGN}") == 3
        assert await used(gate, f"form-rate:{CAMPAIGN}") == 5  # what is held counts for the rate all the same
        assert await gate.ask(domain="other.example") == FREE
        assert await gate.ask(domain="") == FREE

    play(ready(redis_server), story, rates(per_domain=Rate(3, HOUR)))


def test_a_campaigns_limit_holds_that_campaigns_signatures(redis_server):
    async def story(gate: Gate):
        leaves = [await gate.ask(address=b"%d" % n, domain=f"d{n}.example") for n in range(4)]
        assert [leave.hold for leave in leaves] == ["", "", "campaign", "campaign"]
        assert (await gate.ask(campaign="other")).hold == ""

    play(ready(redis_server), story, rates(per_campaign=Rate(2, HOUR)))


def test_what_is_refused_uses_up_nothing(redis_server):
    async def story(gate: Gate):
        for _ in range(2):
            assert (await gate.ask()).allowed
        for _ in range(10):
            assert (await gate.ask()).allowed is False
        counted = [
            await used(gate, f"form-{kind}:") for kind in ("ip", "network", "address", "domain", "campaign", "rate")
        ]
        assert counted == [2] * 6

    play(
        ready(redis_server),
        story,
        rates(per_address=Rate(2, HOUR), per_domain=Rate(5, HOUR), per_campaign=Rate(5, HOUR)),
    )


def test_hard_and_soft_limits_used_up_together_refuse(redis_server):
    async def story(gate: Gate):
        assert await gate.ask() == FREE
        leave = await gate.ask()
        assert (leave.allowed, leave.hold) == (False, "")
        held = await gate.ask("198.51.100.1", b"eve")
        assert (held.allowed, held.hold) == (True, "domain")

    ones = rates(
        per_ip=Rate(1, HOUR), per_address=Rate(1, HOUR), per_domain=Rate(1, 86_400), per_campaign=Rate(1, HOUR)
    )
    play(ready(redis_server), story, ones)


def test_a_form_without_an_address_counts_for_its_client_alone(redis_server):
    async def story(gate: Gate):
        assert all([(await gate.ask(address=None)).allowed for _ in range(5)])
        assert await used(gate, "form-address:") == 0

    play(ready(redis_server), story, rates(per_address=Rate(1, HOUR)))


def test_above_its_rate_a_campaign_asks_everybody_for_a_proof_of_work(redis_server):
    async def story(gate: Gate):
        leaves = [await gate.ask(f"10.0.{n}.1", b"%d" % n) for n in range(8)]
        assert [leave.challenge for leave in leaves] == [False] * 5 + [True] * 3
        assert await gate.limits.challenged(client("198.51.100.1"), CAMPAIGN)
        assert not await gate.limits.challenged(client("198.51.100.1"), "other")
        assert not (await gate.ask("198.51.100.1", campaign="other")).challenge
        gate.time.go(70)
        assert not await gate.limits.challenged(client("198.51.100.1"), CAMPAIGN)
        assert not (await gate.ask("198.51.100.1")).challenge

    play(ready(redis_server), story, rates(challenge_above=Rate(5, 60)))


def test_a_rate_reached_through_other_processes_is_seen_within_a_second(redis_server):
    url = ready(redis_server)

    async def story(gate: Gate):
        other, pacer = gate_on(url, gate.time, rates(challenge_above=Rate(5, 60)))
        assert not (await gate.ask("198.51.100.1")).challenge
        for n in range(5):
            await other.ask(f"10.0.{n}.1", b"%d" % n)
        gate.time.go(1)
        assert (await gate.ask("198.51.100.2")).challenge
        await pacer.aclose()

    play(url, story, rates(challenge_above=Rate(5, 60)))


def test_looking_whether_to_show_the_challenge_counts_nothing(redis_server):
    async def story(gate: Gate):
        visitor = client("192.0.2.1")
        assert not any([await gate.limits.challenged(visitor, CAMPAIGN) for _ in range(50)])
        assert "form-" not in dump(redis_server)
        for n in range(3):
            assert (await gate.ask(address=b"%d" % n)) == FREE
        assert await gate.limits.challenged(visitor, CAMPAIGN)
        assert (await gate.ask(address=b"x")).challenge
        assert not await gate.limits.challenged(client("192.0.3.1"), CAMPAIGN)

    play(ready(redis_server), story, rates(per_ip=Rate(6, HOUR)))


def test_two_processes_share_every_limit(redis_server):
    url = ready(redis_server)

    async def story(gate: Gate):
        other, pacer = gate_on(url, gate.time, rates(per_address=Rate(5, HOUR)))
        asked = [side.ask(f"10.{n}.0.1", b"victim") for n in range(20) for side in (gate, other)]
        assert sum(leave.allowed for leave in await asyncio.gather(*asked)) == 5
        await pacer.aclose()

    play(url, story, rates(per_address=Rate(5, HOUR)))


def test_no_address_stands_in_redis(redis_server):
    async def story(gate: Gate):
        await gate.ask("198.51.100.77", b"ada@mail.example", "mail.example")
        await gate.ask("2001:db8:77:66::1", b"ada@mail.example", "mail.example")

    play(ready(redis_server), story)
    kept = dump(redis_server)
    assert f"form-campaign:{CAMPAIGN}" in kept
    assert not [told for told in ("198.51", "2001:", "db8:", "ada@", "mail.example", b"ada".hex()) if told in kept]


def test_the_letters_windows_are_not_the_forms(redis_server):
    """A form's pacer that is ready says nothing about the letters' pacer, and the other way round."""

    async def story(gate: Gate):
        assert await gate.ask() == FREE

    play(ready(redis_server), story)
    with redis.Redis.from_url(redis_server.url, protocol=2, decode_responses=True) as connection:
        assert connection.exists("lettershop:L:form:state")
        assert not connection.exists("lettershop:L:state")
        assert form_pacer(redis.asyncio.Redis(), "L", Time())._prefix == "lettershop:L:form:"


@pytest.mark.parametrize("question", ["strictest", "half", "soft", "both", "address"])
def test_how_often_redis_is_asked(redis_server, question):
    """Nearly every form costs one question; none more than three, after a first reading of the campaign's rate."""
    expected = {"strictest": 1, "half": 2, "soft": 2, "both": 3, "address": 1}[question]
    tight = {
        "strictest": {},
        "half": {"per_ip": Rate(2, HOUR)},
        "soft": {"per_domain": Rate(1, HOUR)},
        "both": {"per_ip": Rate(2, HOUR), "per_domain": Rate(1, HOUR)},
        "address": {"per_address": Rate(1, HOUR)},
    }[question]

    async def story(gate: Gate):
        assert await gate.ask() == FREE
        asked = []
        script = gate.door.pacer._script
        answer = script.answer

        async def counted(operation, argument):
            asked.append(operation)
            return await answer(operation, argument)

        script.answer = counted
        assert (await gate.ask()).allowed == (question != "address")
        assert asked == ["ask"] * expected

    play(ready(redis_server), story, rates(**tight))
