"""Throughput, shape, relays, processes, limits and acts in what `status` says. Both databases."""

import dataclasses
import random
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
import sqlalchemy as sa

from tests.fixtures.world import World
from worker.domain.errors import BadInput
from worker.domain.limits import Limit, Rate
from worker.ledger import gates, samples
from worker.ledger.samples import MINUTE_US
from worker.ledger.schema import bulk_acts, letters, processes
from worker.operations.barriers import SINK, WITH_REASON
from worker.operations.limits_view import Gauge, limits_of_office
from worker.operations.shape import AGES_MIN, shape
from worker.operations.status import Seen, status
from worker.operations.throughput import sample, throughput

MAYOR = "sampleton-mayor"


def limits(relay: str, kind: str, lane: str, _domain: str, _campaign: str) -> tuple[Limit, ...]:
    of_relay = (Limit(f"relay:{relay}", Rate(5, 1)), Limit(f"relay:{relay}", Rate(1000, 86_400)))
    return of_relay if kind == "signers" else (*of_relay, Limit(lane, Rate(30, 3600)), Limit(lane, Rate(240, 86_400)))


class Asked:
    """A pacer of which every limit has so many used; it counts how often it was asked."""

    def __init__(self, used: int) -> None:
        self.used, self.times = used, 0

    def __call__(self, asked: Sequence[Limit]) -> Mapping[Limit, int]:
        self.times += 1
        return dict.fromkeys(asked, self.used)


# -- throughput ----------------------------------------------------------------------------------------------------------
def test_one_sample_a_minute(world: World) -> None:
    world.submit(1)
    took = [sample(world.ledger) for _ in range(3)]
    with world.ledger.read() as connection:
        found = samples.since(connection, 0)
    assert took.count(True) == len(found)  # 1, or 2 where the minute ended meanwhile
    assert found[0].at_us % MINUTE_US == 0
    assert (found[0].due, found[0].states) == (2, {"queued": 2})
    assert found[0].oldest_due_us is not None
    with world.ledger.write() as connection:
        at = found[0].at_us
        assert samples.take(connection, at + 1, 0, None, {}) is False, "the minute is taken"
        assert samples.prune(connection, at, kept_us=0) == 0
        assert samples.prune(connection, at + 1, kept_us=0) == 1


def test_throughput_from_samples(world: World) -> None:
    now = 100 * MINUTE_US + 30_000_000
    with world.ledger.write() as connection:
        assert throughput(connection, now, 5) == {"now_per_min": None, "hour": None, "per_min": []}
        for minute, sent in ((30, 0), (98, 600), (99, 700), (100, 790)):
            samples.take(
                connection, minute * MINUTE_US, 0, None, {"sent": sent - 5 if sent else 0, "bounced": 5 if sent else 0}
            )
        found = throughput(connection, now, 820)
    assert found["now_per_min"] == 80.0  # 120 in the 90 s since the newest sample that is a minute old
    assert found["hour"] == 820 - 93, "600 came evenly between the samples of minutes 30 and 98"
    assert [bar["sent"] for bar in found["per_min"][-2:]] == [100, 90]
    assert len(found["per_min"]) == 60
    assert sum(bar["sent"] for bar in found["per_min"][:-2]) <= 600
    assert found["per_min"][-1]["at"] == "1970-01-01T01:40:00Z"


def test_the_letters_of_a_new_ledgers_first_minutes_count(world: World) -> None:
    with world.ledger.read() as connection:
        found = throughput(connection, world.ledger.now_us(), 7)
    assert (found["hour"], found["now_per_min"]) == (7, None)


def test_of_an_old_ledger_without_samples_nothing_is_made_up(world: World) -> None:
    with world.ledger.write() as connection:
        connection.execute(sa.text("UPDATE meta SET made_at = made_at - 40000000000000"))  # more than a year
        now = world.ledger.now_us()
        assert throughput(connection, now, 7_000_000) == {"now_per_min": None, "hour": None, "per_min": []}
        samples.take(connection, now, 0, None, {"sent": 7_000_000})
        found = throughput(connection, now + 60_000_000, 7_000_003)
    assert (found["hour"], found["now_per_min"], found["per_min"]) == (3, 3.0, [])


# -- the shape -----------------------------------------------------------------------------------------------------------
def test_the_shape_adds_up_and_is_right(world: World) -> None:
    world.submit(40)
    chance, now = random.Random(7), world.ledger.now_us()
    ages = [0.5, 4.9, 5.2, 9, 11, 39, 41, 600, 700, 1279, 1281, 9000, -60]
    expected: dict[str, list[int]] = {}
    with world.ledger.write() as connection:
        for letter, addressee in connection.execute(sa.select(letters.c.id, letters.c.addressee)).all():
            age = chance.choice(ages)
            due_at = now - int(age * MINUTE_US)
            connection.execute(sa.update(letters).where(letters.c.id == letter).values(due_at=due_at))
            if age >= 0:
                cells = expected.setdefault(addressee, [0] * (len(AGES_MIN) + 1))
                cells[sum(age >= edge for edge in AGES_MIN)] += 1
    found = shape(world.ledger, world.home)
    assert {row["id"]: row["ages"] for row in found["offices"]} == expected
    assert found["total"]["ages"] == [sum(column) for column in zip(*expected.values(), strict=True)]
    assert found["total"]["due"] == sum(found["total"]["ages"]) == status(world.home, world.ledger, Seen())["due"]


def test_the_shape_of_nothing(world: World) -> None:
    found = shape(world.ledger, world.home)
    assert (found["offices"], found["total"]) == ([], {"due": 0, "ages": [0] * 10})


# -- status --------------------------------------------------------------------------------------------------------------
def test_limits_are_asked_for_once_and_shown(world: World) -> None:
    world.submit(1)
    with world.relay():
        world.until_idle()
    asked = Asked(30)
    found = status(world.home, world.ledger, Seen(gauge=Gauge(limits, asked)))
    assert asked.times == 1
    offices = {office["id"]: office for office in found["offices"]}
    hour, day = offices[MAYOR]["limits"]
    assert (hour["scope"], hour["count"], hour["window_s"], hour["used"], hour["left"]) == ("mailbox", 30, 3600, 30, 0)
    assert (day["scope"], day["used"], day["left"]) == ("mailbox-day", 30, 210)
    never = offices["nato-secretary-general"]["limits"][0]
    assert never["used"] == 0, "no round ever opened its lane"
    (relay,) = found["relays"]
    assert (relay["name"], relay["ok"], relay["day"]["left"], relay["rate"]["left"]) == (SINK, True, 970, 0)


def test_without_pacing_numbers_are_unknown(world: World) -> None:
    def away(_limits: Sequence[Limit]) -> Mapping[Limit, int]:
        return {}

    found = status(world.home, world.ledger, Seen(gauge=Gauge(limits, away)))
    assert {limit["used"] for office in found["offices"] for limit in office["limits"]} == {None}
    assert found["relays"][0]["day"]["left"] is None
    assert status(world.home, world.ledger, Seen())["relays"][0]["day"] is None


def test_a_relay_in_trouble(world: World) -> None:
    now = world.ledger.now_us()
    with world.ledger.write() as connection:
        for _ in range(3):
            gates.strike(connection, now, "relay", SINK, opens_at_us=now + 10**8, reason="535 5.7.8 bad credentials")
    (relay,) = status(world.home, world.ledger, Seen())["relays"]
    assert (relay["ok"], relay["strikes"], relay["trouble"]) == (False, 3, "535 5.7.8 bad credentials")
    assert relay["waits"][0]["mend"] == f"lettershop resume relay {SINK} {WITH_REASON}"


def test_processes_are_alive_by_what_they_write(world: World) -> None:
    now = world.ledger.now_us()
    common = {"kind": "worker", "host": "one", "version": "1", "started_at": 1, "skew_us": 0, "disk_free": 1,
              "disk_size": 1, "config": "", "trouble": ""}  # fmt: skip
    rows = [{**common, "name": "test", "seen_at": now}, {**common, "name": "two", "seen_at": now - 31_000_000},
            {**common, "name": "old", "seen_at": now - 90_000_000_000}]  # fmt: skip
    world.submit(1)
    with world.relay():
        world.until_idle()
    with world.ledger.write() as connection:
        connection.execute(sa.insert(processes), rows)
    found = status(world.home, world.ledger, Seen())["workers"]
    assert [(each["name"], each["alive"]) for each in found] == [("test", True), ("two", False)]
    assert found[0]["last_attempt_at"] is not None
    assert found[1]["seen_age_s"] >= 31
    assert found[1]["last_attempt_at"] is None


def test_acts_under_way(world: World) -> None:
    row = {"verb": "cancel", "filter": "{}", "who": "tester", "reason": "a wrong list", "expected": 100, "up_to": 100,
           "after": 40, "moved": 39, "skipped": 1, "began_at": 1, "renewed_at": 1}  # fmt: skip
    with world.ledger.write() as connection:
        connection.execute(sa.insert(bulk_acts), [{**row, "ended_at": None}, {**row, "ended_at": 2}])
    acts = status(world.home, world.ledger, Seen())["acts"]
    assert [(act["verb"], act["moved"], act["skipped"], act["expected"]) for act in acts] == [("cancel", 39, 1, 100)]


# -- limits --------------------------------------------------------------------------------------------------------------
def test_where_limits_are_set(world: World, draft: Any) -> None:
    draft.write("config/lettershop.toml", 'mode = "rehearsal"\n[limits]\nmailbox = "20/h"\n')
    draft.edit("config/campaigns/town-library.toml", 'languages = ["en"]', 'per_office = "10/h"\nlanguages = ["en"]')
    home = dataclasses.replace(draft.load(), closed=world.home.closed)

    def own(relay: str, kind: str, lane: str, domain: str, campaign: str) -> tuple[Limit, ...]:
        of_campaign = (Limit(f"campaign:{campaign}:{lane}", Rate(10, 3600)),) if campaign else ()
        return (*limits(relay, kind, lane, domain, campaign), *of_campaign)

    environ = {"LETTERSHOP_LIMITS__MAILBOX_PER_DAY": "50"}
    found = limits_of_office(home, world.ledger, Gauge(own, Asked(3)), MAYOR, environ)
    assert [(each["scope"], each["set_by"]) for each in found["limits"][:3]] == [
        ("mailbox", "config/lettershop.toml:3"),
        ("mailbox-day", "LETTERSHOP_LIMITS__MAILBOX_PER_DAY"),
        ("campaign-office", "config/campaigns/town-library.toml:14"),
    ]
    assert (found["mailbox"], found["campaigns"], found["pacing"]) == (
        "mayor@sampleton.example",
        ["town-library"],
        True,
    )
    bare = limits_of_office(home, world.ledger, Gauge(limits, Asked(3)), MAYOR, {})
    assert bare["limits"][1]["set_by"] == "the default of [limits] mailbox_per_day"
    with pytest.raises(BadInput, match="did you mean sampleton-mayor"):
        limits_of_office(home, world.ledger, Gauge(limits, Asked(3)), "sampleton-mayer", {})
