"""The promise itself, against brute force: no window of a limit's length sees more content than the limit says.

Hypothesis makes up fleets: asks, content written at any moment of a grant's life, grants given back, time passing, and
Redis's clock set back, a little or far. True time never jumps; what Redis takes for the time may.
"""

from dataclasses import dataclass, field
from itertools import count as numbers

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.integration.pacing.house import Time, limit, play
from worker.domain.limits import Limit
from worker.pacing import GRANT_LIFE_S, Grant, Pacer, Settling, Wait, Want

LIMITS = (
    limit("relay:r", 6, 1),
    limit("relay:r", 20, 60),
    limit("mailbox:a", 5, 60),
    limit("mailbox:a", 9, 3600),
    limit("mailbox:b", 3, 3600),
    limit("mailbox:b", 7, 86400),
)
LEDGERS = numbers()
SLACK_S = 1e-3


@dataclass
class Fleet:
    """What truly happened: content moments by key, and grants (moment, key) that still count."""

    content: dict[str, list[float]] = field(default_factory=dict)
    counted: list[tuple[float, Grant]] = field(default_factory=list)
    true_s: float = 0.0

    def go(self, seconds: float, time: Time) -> None:
        self.true_s += seconds
        time.go(seconds)

    def write(self, grant: Grant, at_s: float) -> None:
        for key in {each.key for each in grant.limits}:
            self.content.setdefault(key, []).append(at_s)

    def in_force(self, key: str, since_s: float) -> int:
        return sum(key in {each.key for each in grant.limits} for at, grant in self.counted if at > since_s)


def most_in_any_window(moments: list[float], window_s: float) -> int:
    ordered = sorted(moments)
    return max((sum(start <= at < start + window_s for at in ordered) for start in ordered), default=0)


KINDS = st.lists(st.sampled_from(["relay:r", "mailbox:a", "mailbox:b"]), min_size=1, max_size=3, unique=True).map(
    lambda keys: tuple(each for each in LIMITS if each.key in keys)
)
PAUSE = st.one_of(st.just(0.0), st.floats(0, 2), st.floats(0, 90), st.floats(0, 5000), st.floats(0, 100_000))
ASK = st.tuples(
    st.just("ask"),
    st.lists(KINDS, min_size=1, max_size=12),
    st.lists(st.one_of(st.none(), st.floats(0, GRANT_LIFE_S - 0.001)), min_size=12, max_size=12),
)
SET_BACK = st.tuples(st.just("set back"), st.one_of(st.floats(0, 50), st.floats(0, 5000)))
STEP = st.one_of(ASK, ASK, st.tuples(st.just("pause"), PAUSE), SET_BACK)


async def ask(pacer: Pacer, fleet: Fleet, kinds: list[tuple[Limit, ...]], fates: list[float | None]) -> list[Wait]:
    """Ask; then write each grant's content after its fate's seconds, or give it back where there is none."""
    answers = await pacer.ask([Want(i, kind) for i, kind in enumerate(kinds)])
    back = []
    for answer, fate in zip(answers, fates, strict=False):
        if isinstance(answer, Grant) and fate is None:
            back.append(answer)
        elif isinstance(answer, Grant):
            fleet.write(answer, fleet.true_s + fate)
            fleet.counted.append((fleet.true_s, answer))
    assert await pacer.give_back(back) == len(back)
    return [answer for answer in answers if isinstance(answer, Wait)]


async def refilled(pacer: Pacer, fleet: Fleet, time: Time) -> None:
    """As a worker does where the clock was set back too far to wait for: settle, then read the ledger."""
    fleet.go(5, time)
    history = [(key, int(at * 1e6), 1) for key, moments in fleet.content.items() for at in moments]
    assert await pacer.refill(history, int(fleet.true_s * 1e6))


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEP, min_size=1, max_size=25))
def test_no_window_of_any_limit_sees_more_than_it_may(redis_server, steps):
    async def story(pacer: Pacer, time: Time):
        fleet = Fleet()
        for name, *values in steps:
            if name == "pause":
                fleet.go(values[0], time)
            elif name == "set back":
                time.go(-values[0])
            else:
                try:
                    await ask(pacer, fleet, *values)
                except Settling:
                    await refilled(pacer, fleet, time)
                    await ask(pacer, fleet, *values)
        for each in LIMITS:
            assert most_in_any_window(fleet.content.get(each.key, []), each.rate.window_s) <= each.rate.count

    play(redis_server, story, ledger=f"any-{next(LEDGERS)}")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    each=st.sampled_from(LIMITS),
    gaps=st.lists(st.floats(0, 1.2), min_size=1, max_size=40),
    fate=st.floats(0, GRANT_LIFE_S - 0.001),
)
def test_the_error_is_at_most_a_slot_and_five_seconds(redis_server, each, gaps, fate):
    """Granted whenever brute force over window + 1 slot + 5 s says so; denied whenever window + 5 s is full."""
    window = each.rate.window_s
    slot = window / 60

    async def story(pacer: Pacer, time: Time):
        fleet = Fleet()
        for gap in gaps:
            step = gap * (window + 5) / each.rate.count
            fleet.go(step, time)
            surely_full = fleet.in_force(each.key, fleet.true_s - window - GRANT_LIFE_S + SLACK_S) >= each.rate.count
            surely_room = (
                fleet.in_force(each.key, fleet.true_s - window - GRANT_LIFE_S - slot - SLACK_S) < each.rate.count
            )
            denied = bool(await ask(pacer, fleet, [(each,)], [fate]))
            assert not (surely_full and not denied)
            assert not (surely_room and denied)
        assert most_in_any_window(fleet.content[each.key], window) <= each.rate.count

    play(redis_server, story, ledger=f"error-{next(LEDGERS)}")


def test_a_burst_across_the_edge_of_a_window_is_refused(redis_server):
    """What a token bucket or a fixed window would grant: a full count at the end of one hour, another right after."""

    async def story(pacer: Pacer, time: Time):
        fleet, hour = Fleet(), limit("mailbox:a", 30, 3600)
        fleet.go(3599, time)
        assert len(await ask(pacer, fleet, [(hour,)] * 40, [0.0] * 40)) == 10
        fleet.go(2, time)
        assert len(await ask(pacer, fleet, [(hour,)] * 40, [0.0] * 40)) == 40
        assert most_in_any_window(fleet.content["mailbox:a"], 3600) == 30

    play(redis_server, story)


def test_grants_saved_up_and_written_at_once_stay_within_the_limit(redis_server):
    """Five seconds of a limit a second, all written in the last instant of their lives."""

    async def story(pacer: Pacer, time: Time):
        fleet, second = Fleet(), limit("relay:r", 10, 1)
        for tenth in range(50):
            await ask(pacer, fleet, [(second,)] * 3, [4.999 - tenth / 10] * 3)
            fleet.go(0.1, time)
        assert most_in_any_window(fleet.content["relay:r"], 1) == 10

    play(redis_server, story)
