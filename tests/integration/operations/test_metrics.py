"""What a scrape is told of letters that were sent, deferred and refused. Both databases."""

import asyncio
from dataclasses import replace

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from tests.fixtures.redis import open_windows
from tests.fixtures.world import RELAY, World
from tests.smtp_server import Always, Say
from worker.domain.clock import SystemClock
from worker.domain.limits import Limit, Rate
from worker.domain.tallying import ATTEMPTS, LEASES_EXPIRED, STAGE
from worker.intake import PersonInput
from worker.ledger import gates, holds, tallies
from worker.ledger.schema import processes
from worker.operations.metrics import Answers, Counters, collect
from worker.operations.metrics.asking import Quota, ask_parts
from worker.operations.metrics.families import FAMILIES
from worker.pacing import Pacer, Want, connect
from worker.rounds import run_round
from worker.rounds.making import Pins
from worker.rounds.upkeep import clear_up, stage

NOBODY = Answers({"broker": None, "pacing": None})


class Found(Collector):
    def __init__(self, metrics):
        self.metrics = metrics

    def collect(self):
        return self.metrics


def scrape(world: World, answers: Answers = NOBODY) -> dict:
    """Every sample as Prometheus reads it: {(name, (label, value), ...): value}."""
    from prometheus_client import generate_latest

    registry = CollectorRegistry(auto_describe=False)
    registry.register(Found(collect(world.home, world.ledger, answers)))
    text = generate_latest(registry).decode()
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def of(found: dict, name: str, **labels: str) -> float | None:
    return found.get((name, *sorted(labels.items())))


def run(world: World, most: int = 50) -> Counters:
    """Rounds until one finds nothing, by a process that counts; what it counted is flushed."""
    counters = Counters(world.ledger)

    async def work() -> None:
        house = replace(world.house(), tally=counters)
        pins = Pins(house.committer)
        try:
            for _ in range(most):
                await stage(house, ("office", "signers"))
                if not (await run_round(house, pins, ("office", "signers"))).opened:
                    break
            await clear_up(house)
        finally:
            await world.close(house)

    asyncio.run(work())
    counters.flush()
    return counters


def test_every_metric_is_told_with_nothing_there(world: World) -> None:
    metrics = collect(world.home, world.ledger, NOBODY)
    assert [metric.name + "_total" * (metric.type == "counter") for metric in metrics] == list(FAMILIES)
    found = scrape(world)
    assert of(found, "lettershop_letters_in_doubt") == 0
    assert of(found, LEASES_EXPIRED) == 0
    assert of(found, "lettershop_oldest_confirmation_seconds") == 0
    assert of(found, "lettershop_part_up", part="ledger") == 1
    assert of(found, "lettershop_part_up", part="broker") == 0
    assert of(found, "lettershop_part_answer_seconds", part="broker") is None
    assert of(found, "lettershop_processes", kind="worker") == 0


def test_letters_that_were_sent(world: World) -> None:
    world.submit(3)
    before = scrape(world)
    assert of(before, "lettershop_letters", office="sampleton-mayor", state="queued") == 3
    assert of(before, "lettershop_letters_due", office="sampleton-mayor") == 3
    assert of(before, "lettershop_oldest_due_seconds", office="sampleton-mayor") >= 0
    with world.relay():
        run(world)
    after = scrape(world)
    assert of(after, "lettershop_letters", office="sampleton-mayor", state="sent") == 3
    assert of(after, "lettershop_letters", office="sampleton-mayor", state="queued") is None
    assert of(after, "lettershop_letters_due", office="sampleton-mayor") is None
    assert of(after, ATTEMPTS, office="sampleton-mayor", relay=RELAY, result="accept") == 3
    assert of(after, "lettershop_replies_total", code="250", enhanced="2.0.0") == 6
    for stage_, least in (("queue", 6), ("throttle", 6), ("transmit", 6), ("connect", 1)):
        assert of(after, f"{STAGE}_count", stage=stage_, lane="office") >= least, stage_
        assert of(after, f"{STAGE}_bucket", stage=stage_, lane="office", le="+Inf") == of(
            after, f"{STAGE}_count", stage=stage_, lane="office"
        )
    assert 0 < of(after, f"{STAGE}_sum", stage="transmit", lane="office") < 600
    now_s = world.ledger.now_us() / 1e6
    assert 0 <= now_s - of(after, "lettershop_last_stage_timestamp_seconds", lane="office") < 600


def test_the_queue_counts_from_the_moment_a_letter_was_due(world: World) -> None:
    world.submit(1)
    world.ahead_us = 3600 * 1_000_000
    with world.relay():
        run(world)
    found = scrape(world)
    assert of(found, f"{STAGE}_bucket", stage="queue", lane="office", le="1800") == 0
    assert of(found, f"{STAGE}_bucket", stage="queue", lane="office", le="7200") == 2


def test_refusals_and_a_hostile_relay(world: World) -> None:
    world.submit(1)
    reply = b"550 5.7.509 <script> one@mail.example"
    with world.relay({"RCPT": Always(Say(reply))}):
        run(world)
    found = scrape(world)
    assert of(found, "lettershop_replies_total", code="550", enhanced="other") == 2
    said = " ".join(str(key) for key in found)
    for secret in ("mail.example", "script", "sampleton.example", "Sample Signer", "@"):
        assert secret not in said, secret


def test_a_limit_that_keeps_a_round_waiting(world: World) -> None:
    world.submit(3)
    world.change(mailbox=Rate(1, 3600))
    with world.relay():
        run(world)
    found = scrape(world)
    assert of(found, "lettershop_throttle_denials_total", scope="mailbox") >= 2
    assert of(found, "lettershop_throttle_wait_seconds_total", scope="mailbox") > 3000
    assert of(found, "lettershop_lanes_shut", why="limit") == 2
    assert of(found, "lettershop_lanes_shut", why="trouble") == 0


def test_notices_have_an_office_of_their_own(world: World) -> None:
    world.intake.sign(world.campaign, PersonInput("Sample Signer 01", "one@mail.example", "GB"))
    before = scrape(world)
    assert of(before, "lettershop_letters", office="signer", state="queued") == 1
    assert of(before, "lettershop_oldest_confirmation_seconds") >= 0
    with world.relay():
        run(world)
    after = scrape(world)
    assert of(after, ATTEMPTS, office="signer", relay=RELAY, result="accept") == 1
    assert of(after, f"{STAGE}_count", stage="transmit", lane="signers") == 1


def test_rounds_that_died_and_letters_in_doubt(world: World) -> None:
    world.submit(1)
    with world.relay():
        asyncio.run(_die_in_a_round(world))
    world.ahead_us = 60 * 1_000_000
    with world.relay():
        run(world, most=0)
    found = scrape(world)
    assert of(found, LEASES_EXPIRED) == 1


async def _die_in_a_round(world: World) -> None:
    """Open a round and stop there, as a killed process does."""
    from worker.ledger.hot.lanes import open_round
    from worker.rounds.choose import choose

    house = world.house()
    now_us, plan, now = house.now_us(), house.plan, house.now()
    try:
        opened = await house.committer.call(
            lambda db: open_round(db, now_us, "dead", lambda seen: choose(seen, plan, now, ("office",)))
        )
        assert opened is not None
    finally:
        await world.close(house)


def test_relays_in_their_states(world: World) -> None:
    def state() -> set[str]:
        found = scrape(world)
        names = ("open", "probing", "shut", "held")
        return {name for name in names if of(found, "lettershop_relay_state", relay="rehearsal", state=name) == 1}

    assert state() == {"open"}
    at_us = world.ledger.now_us()
    with world.ledger.write() as connection:
        gates.strike(connection, at_us, "relay", "rehearsal", opens_at_us=at_us + 10**9, reason="535 5.7.8 no")
    assert state() == {"shut"}
    with world.ledger.write() as connection:
        gates.strike(connection, at_us, "relay", "rehearsal", opens_at_us=at_us, reason="535 5.7.8 no")
    assert state() == {"probing"}
    with world.ledger.write() as connection:
        holds.place(connection, at_us, "relay", "rehearsal", reason="a test", who="tester")
    assert state() == {"held"}


def test_letters_that_nothing_keeps(world: World) -> None:
    from worker.settings import load_home

    world.home = load_home(world.home.root, {"LETTERSHOP_LIMITS__OFFICE_HOURS": "ignore"})
    world.submit(2)
    assert of(scrape(world), "lettershop_letters_unhindered") == 4
    at_us = world.ledger.now_us()
    with world.ledger.write() as connection:
        holds.place(connection, at_us, "office", "sampleton-mayor", reason="a test", who="tester")
    found = scrape(world)
    assert of(found, "lettershop_letters_unhindered") == 2
    assert of(found, "lettershop_letters_due", office="sampleton-mayor") == 2


def test_processes_that_are_alive(world: World) -> None:
    now_us = world.ledger.now_us()
    common = {"host": "a", "version": "1", "started_at": 0, "skew_us": 0, "disk_free": 1, "disk_size": 1, "config": "x"}
    seen = [
        ("a:1", "worker", now_us, None),
        ("a:2", "worker", now_us - 10**9, None),
        ("a:3", "express", now_us, now_us),
    ]
    with world.ledger.write() as connection:
        for name, kind, at, stopped in seen:
            row = {**common, "name": name, "kind": kind, "seen_at": at, "stopped_at": stopped, "trouble": ""}
            connection.execute(processes.insert().values(row))
    found = scrape(world)
    assert of(found, "lettershop_processes", kind="worker") == 1
    assert of(found, "lettershop_processes", kind="express") == 0


def test_quotas_as_they_were_asked(world: World) -> None:
    answers = Answers(
        {"broker": 0.002, "pacing": 0.001}, [Quota("main", 60, 300, 250), Quota("main", 86400, 100, None)]
    )
    found = scrape(world, answers)
    assert of(found, "lettershop_relay_quota", relay="main", window="60") == 300
    assert of(found, "lettershop_relay_quota_used", relay="main", window="60") == 250
    assert of(found, "lettershop_relay_quota_remaining", relay="main", window="60") == 50
    assert of(found, "lettershop_relay_quota", relay="main", window="86400") == 100
    assert of(found, "lettershop_relay_quota_used", relay="main", window="86400") is None
    assert of(found, "lettershop_part_up", part="pacing") == 1
    assert of(found, "lettershop_part_answer_seconds", part="broker") == 0.002


def test_several_processes_add_up(world: World) -> None:
    processes_ = [Counters(world.ledger) for _ in range(3)]
    for n, counters in enumerate(processes_, 1):
        counters.add(ATTEMPTS, ("mayor", "main", "accept"), n)
        counters.took(STAGE, ("connect", "office"), [1_500_000])
        counters.latest("lettershop_last_stage_timestamp_seconds", n * 1_000_000, ("office",))
    for counters in reversed(processes_):
        counters.flush()
    found = scrape(world)
    assert of(found, ATTEMPTS, office="mayor", relay="main", result="accept") == 6
    assert of(found, f"{STAGE}_sum", stage="connect", lane="office") == pytest.approx(4.5)
    assert of(found, "lettershop_last_stage_timestamp_seconds", lane="office") == 3


def test_rows_of_another_version_are_left_out(world: World) -> None:
    with world.ledger.write() as connection:
        tallies.add(connection, {("lettershop_gone_total", "{}"): 1, (ATTEMPTS, '{"office":"mayor"}'): 1}, {})
    found = scrape(world)
    assert not [key for key in found if key[0] in {"lettershop_gone_total", ATTEMPTS}]


# -- what is asked of other parts
def test_how_much_of_a_quota_is_used(redis_server, world: World) -> None:
    limit = Limit("relay:main", Rate(10, 60))

    def pacer() -> Pacer:
        return Pacer(connect(redis_server.url), world.ledger.ledger_id, SystemClock())

    async def ask() -> Answers:
        asker = pacer()
        await asker.ask([Want(n, (limit,)) for n in range(3)])
        await asker.aclose()
        return await ask_parts(redis_server.broker_url, pacer(), {"main": [limit]})

    answers = asyncio.run(ask())
    assert answers.quotas == [Quota("main", 60, 10, 3)]
    assert answers.parts["pacing"] is not None
    assert answers.parts["broker"] is not None


def test_parts_that_are_away_or_settle(own_redis_server, world: World, tmp_path) -> None:
    limit = Limit("relay:main", Rate(10, 60))

    def ask(url: str) -> Answers:
        pacer = Pacer(connect(url), world.ledger.ledger_id, SystemClock())
        return asyncio.run(ask_parts(f"redis+socket://{tmp_path}/none", pacer, {"main": [limit]}))

    settling = ask(own_redis_server.url)
    assert settling.parts["pacing"] is not None
    assert settling.quotas == [Quota("main", 60, 10, None)]
    assert settling.parts["broker"] is None
    assert ask(f"unix://{tmp_path}/none").parts["pacing"] is None
    open_windows(own_redis_server, world.ledger.ledger_id)
    assert ask(own_redis_server.url).quotas == [Quota("main", 60, 10, 0)]
