"""The finish dates: limits, hours, holidays, what is shared, what is queued. On SQLite and PostgreSQL."""

import dataclasses
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from tests.fixtures.world import World
from worker.domain.errors import BadInput
from worker.domain.limits import Limit, Rate
from worker.ledger import holds
from worker.operations.forecast import forecast
from worker.operations.limits_view import Gauge

MAYOR, COMMITTEE = "sampleton-mayor", "sampleton-library-committee"
MONDAY = datetime(2027, 3, 1, 9, 0, tzinfo=UTC)  # winter: Dublin keeps UTC


def gauge(
    *, quota: int | None = None, used: int = 0, rates: Sequence[Rate] = (Rate(30, 3600), Rate(240, 86_400))
) -> Gauge:
    def limits(relay: str, _kind: str, lane: str, _domain: str, _campaign: str) -> tuple[Limit, ...]:
        of_relay = (Limit(f"relay:{relay}", Rate(quota, 86_400)),) if quota else ()
        return (*of_relay, *(Limit(lane, rate) for rate in rates)) if lane else of_relay

    def ask(asked: Sequence[Limit]) -> Mapping[Limit, int]:
        return dict.fromkeys(asked, used)

    return Gauge(limits, ask)


def quiet(world: World, **changes: Any) -> Any:
    return dataclasses.replace(world.home, closed=lambda _country, _day: "", **changes)


def by_office(found: Mapping[str, Any]) -> dict[str, Any]:
    return {row["id"]: row for row in found["offices"]}


def test_before_a_launch(world: World) -> None:
    found = forecast(quiet(world), world.ledger, gauge(), MONDAY, "town-library", 10_000)
    assert found["sentence"].startswith("10,000 signers at 30/h in office hours: 42 working days; ends 27 April 2027")
    assert (found["letters"], found["working_days"]) == (20_000, 42)
    assert found["ends"].startswith("2027-04-27")  # 41 whole days of 240, and the rest of 160 on the last


def test_a_holiday_and_a_weekend_move_the_end(world: World) -> None:
    plain = forecast(quiet(world), world.ledger, gauge(), MONDAY, "town-library", 480)
    closed = dataclasses.replace(world.home, closed=lambda _c, day: "Sample Day" if day.day == 2 else "")
    later = forecast(closed, world.ledger, gauge(), MONDAY, "town-library", 480)
    friday = forecast(quiet(world), world.ledger, gauge(), MONDAY + timedelta(days=4), "town-library", 480)
    assert [each["ends"][:10] for each in (plain, later, friday)] == ["2027-03-02", "2027-03-03", "2027-03-08"]
    assert [each["working_days"] for each in (plain, later, friday)] == [2, 2, 2]


def test_to_the_minute_within_a_day(world: World) -> None:
    found = forecast(quiet(world), world.ledger, gauge(), MONDAY, "town-library", 61)
    end = datetime.fromisoformat(found["ends"])
    assert MONDAY + timedelta(hours=2) <= end <= MONDAY + timedelta(hours=2, minutes=1)  # the third burst


def test_offices_that_share_a_mailbox_share_its_limits(world: World) -> None:
    mayor = world.home.offices[MAYOR]
    committee = dataclasses.replace(world.home.offices[COMMITTEE], mailbox=mayor.mailbox)
    home = quiet(world, offices={**world.home.offices, COMMITTEE: committee})
    alone = forecast(quiet(world), world.ledger, gauge(), MONDAY, "town-library", 240)
    shared = forecast(home, world.ledger, gauge(), MONDAY, "town-library", 240)
    assert (alone["working_days"], shared["working_days"]) == (1, 2)


def test_the_relays_day_is_shared_by_all(world: World) -> None:
    found = forecast(quiet(world), world.ledger, gauge(quota=100), MONDAY, "town-library", 200)
    assert found["working_days"] == 4  # 400 letters, 100 a day
    assert by_office(found)[MAYOR]["limit"] == "relay"
    assert "at the relays' limit" in found["sentence"]
    used = forecast(quiet(world), world.ledger, gauge(quota=100, used=100), MONDAY, "town-library", 200)
    assert used["ends"] > found["ends"], "what is used of today is not there any more"


def test_what_is_queued_and_not_yet_due(world: World) -> None:
    world.submit(3)
    now = datetime.fromtimestamp(world.ledger.now_us() / 1e6, UTC)
    last = int((now + timedelta(days=30)).timestamp()) * 1_000_000
    with world.ledger.write() as connection:
        connection.execute(
            sa.text("UPDATE letters SET due_at = :last WHERE addressee = :a AND id = 1"), {"last": last, "a": MAYOR}
        )
        holds.place(connection, world.ledger.now_us(), "office", COMMITTEE, reason="wait", who="tester")
    found = forecast(quiet(world), world.ledger, gauge(), now)
    rows = by_office(found)
    assert found["letters"] == 6
    assert rows[MAYOR]["limit"] == "drip"
    assert found["offices"][0]["id"] == MAYOR, "the slowest first"
    assert datetime.fromisoformat(rows[MAYOR]["ends"]) == now.replace(microsecond=0) + timedelta(days=30)
    assert "is held since" in rows[COMMITTEE]["stopped"]
    assert rows[MAYOR]["stopped"] == ""


def test_nothing_to_send_and_never(world: World) -> None:
    assert forecast(quiet(world), world.ledger, gauge(), MONDAY)["sentence"].startswith("nothing is queued")
    never = forecast(quiet(world), world.ledger, gauge(rates=[Rate(1, 86_400)]), MONDAY, "town-library", 10_000)
    assert (never["ends"], never["offices"][0]["ends"]) == (None, None)
    assert "not done within five years" in never["sentence"]


def test_bad_input(world: World) -> None:
    with pytest.raises(BadInput, match="no campaign 'none'; there are: justice-for-khojaly, town-library"):
        forecast(world.home, world.ledger, gauge(), MONDAY, "none")
    with pytest.raises(BadInput, match="say of which campaign"):
        forecast(world.home, world.ledger, gauge(), MONDAY, signatures=10)
    with pytest.raises(BadInput, match="from 1 to 10,000,000"):
        forecast(world.home, world.ledger, gauge(), MONDAY, "town-library", 10**8)
