"""Every answer of the limits, for any row of forms, held against a count by hand: in Redis and in one process's memory."""

import asyncio
from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fixtures.redis import open_windows
from tests.integration.pacing.house import Time
from tests.integration.web.gate.house import CAMPAIGN, HOUR, KEY, LEDGER, client, rates
from worker.domain.limits import Rate
from worker.pacing import Pacer, connect
from worker.web.gate import Door, FormLimits, Visit
from worker.web.gate.limits import ALONE

COUNTS = {"per_ip": 3, "per_network": 4, "per_address": 2, "per_domain": 4, "per_campaign": 6, "challenge_above": 5}
FORMS = st.lists(
    st.builds(
        Visit,
        st.sampled_from(
            ["192.0.2.1", "192.0.2.2", "198.51.100.1", "2001:db8::1", "2001:db8::2", "2001:db8:0:1::1"]
        ).map(client),
        st.sampled_from([None, b"ada", b"eve", b"kim"]),
        st.sampled_from(["", "a.example", "b.example"]),
        st.just(CAMPAIGN),
    ),
    max_size=25,
)


class Hand:
    """What the limits promise, said once more, for one hour that does not pass."""

    def __init__(self) -> None:
        self.n = Counter()

    def full(self, limit, thing, part=1):
        return thing not in (None, "") and self.n[limit, thing] >= max(1, COUNTS[limit] // part)

    def ask(self, visit):
        client_of = [("per_ip", visit.client.one), ("per_network", visit.client.network)]
        hard = [*client_of, ("per_address", visit.address_key)]
        soft = [("per_domain", visit.domain), ("per_campaign", visit.campaign)]
        challenge = self.full("challenge_above", visit.campaign) or any(self.full(*name, part=2) for name in client_of)
        if any(self.full(*name) for name in hard):
            return False, False, None
        held = any(self.full(*name) for name in soft)
        self.n.update([*hard, ("challenge_above", visit.campaign), *([] if held else soft)])
        return True, held, challenge


async def compare(limits: FormLimits, visits: list[Visit]) -> None:
    hand = Hand()
    for visit in visits:
        leave = await limits.ask(visit)
        allowed, held, challenge = hand.ask(visit)
        assert (leave.allowed, bool(leave.hold)) == (allowed, held)
        assert (leave.retry_after_s > 0) == (not allowed)
        assert challenge is None or leave.challenge == challenge


def windows(part: int):
    return {name: Rate(count * part, HOUR) for name, count in COUNTS.items()}


@given(FORMS)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_in_redis(redis_server, visits):
    async def run():
        time = Time()
        pacer = Pacer(connect(redis_server.url), f"{LEDGER}:form", time, redis_clock=time)
        await pacer._client.flushall()
        open_windows(redis_server, f"{LEDGER}:form")
        await compare(FormLimits(Door(pacer, time, patience_s=20), rates(**windows(1)), KEY, time), visits)
        await pacer.aclose()

    asyncio.run(run())


@given(FORMS)
@settings(max_examples=40, deadline=None)
def test_in_memory_a_quarter(visits):
    async def run():
        time = Time()
        pacer = Pacer(connect("unix:///nowhere/at/all"), "L", time)
        limits = FormLimits(Door(pacer, time), rates(**windows(ALONE)), KEY, time)
        await compare(limits, visits)
        await pacer.aclose()

    asyncio.run(run())


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_quarter_of_little_is_one(count):
    async def run():
        time = Time()
        pacer = Pacer(connect("unix:///nowhere/at/all"), "L", time)
        limits = FormLimits(Door(pacer, time), rates(per_address=Rate(count, HOUR)), KEY, time)
        visit = Visit(client("192.0.2.1"), b"ada", "a.example", CAMPAIGN)
        assert [(await limits.ask(visit)).allowed for _ in range(3)] == [True, False, False]
        await pacer.aclose()

    asyncio.run(run())
