"""Changing a limit for a while: what is allowed, what is refused, what stands in the audit. Both databases."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from worker.domain.errors import BadInput, RefusedByState
from worker.domain.limits import Rate, parse_rate
from worker.ledger import audit, gates
from worker.ledger.book import Ledger
from worker.ledger.limit_changes import Change
from worker.operations.limit_changes import (
    Target,
    Wish,
    body,
    checked_rate,
    find_target,
    lift_limit,
    listing,
    set_limit,
)
from worker.settings import Home, load_home

CHECKOUT = Path(__file__).resolve().parents[3]
HOUR = timedelta(hours=1)


@dataclass
class Desk:
    ledger: Ledger
    home: Home
    forgot: int = 0

    def forget(self) -> None:
        self.forgot += 1

    def set(self, scope: str, name: str, rate: str, length: timedelta = HOUR, **more: Any) -> Change:
        wish = Wish(scope, name, rate, length, "anna", more.pop("reason", "a busy day"), **more)
        return set_limit(self.ledger, self.home, wish, self.forget)

    @property
    def office(self) -> str:
        return self.home.campaigns["town-library"].offices[0]

    @property
    def lane(self) -> str:
        return self.home.offices[self.office].lane


@pytest.fixture
def desk(ledger: Ledger) -> Desk:
    return Desk(ledger, load_home(CHECKOUT, {}))


def test_a_change_is_listed_audited_and_lifted(desk: Desk) -> None:
    done = desk.set("mailbox", desk.office, "60/h")
    assert (done.scope, done.target, done.rate) == ("mailbox", desk.lane, Rate(60, 3600))
    assert done.until_us - done.since_us == 3_600_000_000
    assert listing(desk.ledger) == [done]
    assert body(done)["rate"] == "60/h"
    lift_limit(desk.ledger, desk.home, "mailbox", desk.office, "bert", "over")
    assert listing(desk.ledger) == []
    with desk.ledger.read() as connection:
        last, first = audit.latest(connection)
    assert (first.verb, first.target, first.who, first.reason) == (
        "limit set",
        f"mailbox {desk.lane}",
        "anna",
        "a busy day",
    )
    assert (first.details["rate"], first.details["was"]) == ("60/h", "30/h")
    assert (last.verb, last.target, last.who, last.reason) == ("limit lift", f"mailbox {desk.lane}", "bert", "over")
    assert desk.forgot == 0  # a mailbox always has a limit, so that it has been counted


def test_a_second_change_is_refused_unless_it_replaces(desk: Desk) -> None:
    desk.set("mailbox", desk.office, "60/h")
    with pytest.raises(RefusedByState, match=r"changed already, to 60/h until .* by anna: a busy day"):
        desk.set("mailbox", desk.lane, "90/h")
    desk.set("mailbox", desk.lane, "90/h", replace=True)
    assert [str(change.rate) for change in listing(desk.ledger)] == ["90/h"]


def test_a_change_ends_by_itself(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    done = desk.set("mailbox", desk.office, "60/h")
    monkeypatch.setattr(desk.ledger, "_now_us", lambda: done.until_us - 1)
    assert len(listing(desk.ledger)) == 1
    monkeypatch.setattr(desk.ledger, "_now_us", lambda: done.until_us)
    assert listing(desk.ledger) == []
    with pytest.raises(RefusedByState, match="as configured"):
        lift_limit(desk.ledger, desk.home, "mailbox", desk.office, "anna", "over")
    desk.set("mailbox", desk.office, "50/h")  # nothing stands in its way


@pytest.mark.parametrize(
    ("scope", "rate", "bound"),
    [
        ("mailbox", "301/h", "300/h"),
        ("mailbox", "6/min", "300/h"),
        ("mailbox", "1/s", "300/h"),
        ("mailbox", "301/day", "300/h"),
        ("mailbox-day", "2401/day", "2400/day"),
    ],
)
def test_no_office_is_flooded(desk: Desk, scope: str, rate: str, bound: str) -> None:
    with pytest.raises(BadInput, match=f"flood.* which is {bound}"):
        desk.set(scope, desk.office, rate)
    assert listing(desk.ledger) == []


@pytest.mark.parametrize(
    ("scope", "rate"), [("mailbox", "300/h"), ("mailbox", "5/min"), ("mailbox", "300/day"), ("mailbox-day", "2400/day")]
)
def test_up_to_ten_times_is_allowed(desk: Desk, scope: str, rate: str) -> None:
    assert str(desk.set(scope, desk.office, rate).rate) == rate


@pytest.mark.parametrize(
    ("scope", "name", "rate", "length", "match"),
    [
        ("mailbox", "nobody", "1/h", HOUR, "there is no office 'nobody'"),
        ("domain", "nobody.example", "1/h", HOUR, "no office has a mailbox"),
        ("relay", "nobody", "1/h", HOUR, "there are: rehearsal"),
        ("campaign-office", "nobody:x", "1/h", HOUR, "CAMPAIGN:OFFICE"),
        ("campaign-office", "town-library", "1/h", HOUR, "there is no office ''"),
        ("everything", "", "1/h", HOUR, "there is no limit 'everything'"),
        ("mailbox", "", "1/h", HOUR, "there is no office ''"),
        ("relay", "rehearsal", "1/week", HOUR, "is not a rate"),
        ("relay", "rehearsal", "0/h", HOUR, "is not a rate"),
        ("relay-day", "rehearsal", "100/h", HOUR, "100/day"),
        ("relay", "rehearsal", "1/h", timedelta(0), "1 s to 31 d"),
        ("relay", "rehearsal", "1/h", timedelta(days=32), "1 s to 31 d"),
    ],
)
def test_bad_input_says_what_to_do(desk: Desk, scope: str, name: str, rate: str, length: timedelta, match: str) -> None:
    with pytest.raises(BadInput, match=match):
        desk.set(scope, name, rate, length)
    with pytest.raises(BadInput, match="reason"):
        desk.set("mailbox", desk.office, "60/h", reason="")
    assert listing(desk.ledger) == []
    assert desk.forgot == 0


@pytest.mark.parametrize(
    ("scope", "configure"),
    [
        ("domain", lambda home: _limits(home, domain=parse_rate("100/h"))),
        ("campaign-office", lambda home: _campaign(home, per_office="10/h")),
    ],
)
def test_windows_are_forgotten_only_where_nothing_was_counted(
    desk: Desk, scope: str, configure: Callable[[Home], Home]
) -> None:
    name = desk.home.offices[desk.office].domain if scope == "domain" else f"town-library:{desk.office}"
    desk.set(scope, name, "5/h")
    assert desk.forgot == 2  # before, so that nothing is granted meanwhile, and after
    desk.set(scope, name, "6/h", replace=True)
    assert desk.forgot == 2
    lift_limit(desk.ledger, desk.home, scope, name, "anna", "over")
    desk.home = configure(desk.home)
    desk.set(scope, name, "7/h")
    assert desk.forgot == 2


def test_a_relay_is_counted_where_either_of_its_limits_is_configured(desk: Desk) -> None:
    desk.set("relay", "rehearsal", "10/s")
    assert desk.forgot == 2
    desk.set("relay-day", "rehearsal", "1000/day")
    assert desk.forgot == 2


def test_a_relay_opens_for_letters_and_for_notices(desk: Desk) -> None:
    at_us = desk.ledger.now_us()
    with desk.ledger.write() as connection:
        for key in ("rehearsal:office", "rehearsal:signers", "other:office"):
            gates.strike(connection, at_us, "relay-pace", key, opens_at_us=at_us * 2, reason="used up")
    desk.set("relay", "rehearsal", "10/s")
    with desk.ledger.read() as connection:
        shut = [gate.key for gate in gates.shut(connection, desk.ledger.now_us())]
    assert shut == ["other:office"]


def test_a_change_of_what_is_configured_no_longer_can_be_lifted(desk: Desk) -> None:
    done = desk.set("mailbox", desk.office, "60/h")
    gone = replace(desk.home, offices={})
    lift_limit(desk.ledger, gone, done.scope, done.target, "anna", "the office has left")
    assert listing(desk.ledger) == []


def test_an_office_is_found_by_id_mailbox_and_lane(desk: Desk) -> None:
    mailbox = desk.home.offices[desk.office].mailbox
    targets = {find_target(desk.home, "mailbox", name).target for name in (desk.office, mailbox.upper(), desk.lane)}
    assert targets == {desk.lane}


def test_a_limit_may_be_lowered_to_anything(desk: Desk) -> None:
    target = Target("mailbox", desk.lane, Rate(30, 3600))
    assert checked_rate(target, "1/day") == Rate(1, 86_400)


def _limits(home: Home, **limits: Any) -> Home:
    settings = home.settings
    return replace(home, settings=settings.model_copy(update={"limits": settings.limits.model_copy(update=limits)}))


def _campaign(home: Home, **changes: Any) -> Home:
    campaign = replace(home.campaigns["town-library"], **changes)
    return replace(home, campaigns={**home.campaigns, campaign.slug: campaign})
