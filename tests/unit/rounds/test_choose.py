"""Which lane a round takes."""

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest

from tests.fixtures.homes import CHECKOUT
from worker.domain.clock import to_us
from worker.domain.drip import never_closed
from worker.domain.hours import ALWAYS
from worker.domain.limits import parse_rate
from worker.ledger.hot.lanes import Front, Gate, Survey
from worker.rounds.choose import choose
from worker.rounds.house import Plan, RelayPlan
from worker.rounds.pace import gate_of, limits_of
from worker.settings import load_home

MONDAY = datetime(2027, 1, 4, 10, 0, tzinfo=UTC)
SUNDAY = datetime(2027, 1, 3, 10, 0, tzinfo=UTC)
HOME = load_home(CHECKOUT, {})
OFFICES = [HOME.offices[each] for each in HOME.campaigns["town-library"].offices]
FIRST, SECOND = (office.lane for office in OFFICES)
SIGNERS = "signers:confirm"


def plan(**changes: Any) -> Plan:
    relays = (RelayPlan("main"), RelayPlan("spare"))
    made = Plan("rehearsal", HOME.campaigns, HOME.offices, relays, parse_rate("30/h"), 240)
    return replace(made, **changes)


def front(lane: int, key: str, kind: str = "office", served: int = 0, due: datetime = SUNDAY, rank: int = 2) -> Front:
    return Front(lane, key, kind, "council.example", served, 1, "town-library", rank, to_us(due))


def survey(*fronts: Front, **changes: Any) -> Survey:
    return replace(Survey(fronts, {}, frozenset(), ()), **changes)


def lanes(seen: Survey, now: datetime = MONDAY, **how: Any) -> list[tuple[str, int, str]]:
    made = how.pop("plan", plan())
    chosen = choose(seen, made, now, how.pop("kinds", ("office", "signers")), **how)
    return [(choice.lane_key, choice.slot, choice.relay) for choice in chosen]


def test_the_lane_served_longest_ago_goes_first() -> None:
    assert lanes(survey(front(1, FIRST, served=9), front(2, SECOND, served=5))) == [
        (SECOND, 0, "main"),
        (FIRST, 0, "main"),
    ]


def test_notices_go_ahead_of_letters() -> None:
    seen = survey(front(1, FIRST), front(3, SIGNERS, "signers", served=9))
    assert [key for key, _, _ in lanes(seen)] == [SIGNERS, FIRST]
    assert [key for key, _, _ in lanes(seen, kinds=("signers",))] == [SIGNERS]


def test_what_is_not_due_waits() -> None:
    assert lanes(survey(front(1, FIRST, due=datetime(2027, 1, 4, 10, 1, tzinfo=UTC)))) == []


def test_closed_offices_wait() -> None:
    assert lanes(survey(front(1, FIRST)), now=SUNDAY) == []
    assert lanes(survey(front(1, FIRST)), now=SUNDAY, plan=plan(observe_hours=False)) == [(FIRST, 0, "main")]


def test_offices_that_keep_hours_wait_on_their_public_holidays() -> None:
    country = HOME.offices[OFFICES[0].id].country
    asked: list[tuple[str, date]] = []

    def closed(where: str, day: date) -> str:
        asked.append((where, day))
        return "Sample Day"

    assert country
    assert lanes(survey(front(1, FIRST)), plan=plan(closed=closed)) == []
    assert asked == [(country, MONDAY.date())]
    assert lanes(survey(front(1, FIRST)), plan=plan(closed=closed, observe_hours=False)) == [(FIRST, 0, "main")]
    always = {OFFICES[0].id: replace(OFFICES[0], hours=ALWAYS)}
    assert lanes(survey(front(1, FIRST)), plan=plan(closed=closed, offices=always)) == [(FIRST, 0, "main")]
    assert lanes(survey(front(1, FIRST)), plan=plan(closed=never_closed)) == [(FIRST, 0, "main")]


def test_an_office_that_left_the_register_waits() -> None:
    assert lanes(survey(front(1, "mailbox:gone@nowhere.example"))) == []


@pytest.mark.parametrize(
    "hold", [("everything", ""), ("campaign", "town-library"), ("lane", FIRST), ("office", OFFICES[0].id)]
)
def test_holds(hold: tuple[str, str]) -> None:
    assert lanes(survey(front(1, FIRST), holds=frozenset({hold}))) == []


@pytest.mark.parametrize(
    "key",
    [
        ("lane", FIRST),
        ("lane-pace", FIRST),
        ("domain", "council.example"),
        ("domain-pace", "council.example"),
        ("campaign-lane", f"town-library:{FIRST}"),
    ],
)
def test_gates(key: tuple[str, str]) -> None:
    later = Gate(to_us(MONDAY) + 1, "r", 0, 1)
    assert lanes(survey(front(1, FIRST), gates={key: later})) == []
    assert lanes(survey(front(1, FIRST), gates={key: replace(later, opens_at=to_us(MONDAY))})) != []


def test_a_relay_that_is_shut_or_held_is_stood_in_for() -> None:
    shut = {("relay", "main"): Gate(to_us(MONDAY) + 1, "r", 0, 1)}
    assert lanes(survey(front(1, FIRST), gates=shut)) == [(FIRST, 0, "spare")]
    assert lanes(survey(front(1, FIRST), holds=frozenset({("relay", "main")}))) == [(FIRST, 0, "spare")]


def test_letters_that_used_up_their_share_leave_the_rest_to_notices() -> None:
    gates = {("relay-pace", "main:office"): Gate(to_us(MONDAY) + 1, "r", 0, 0)}
    only = plan(relays=(RelayPlan("main"),))
    seen = survey(front(1, FIRST), front(3, SIGNERS, "signers"), gates=gates)
    assert lanes(seen, plan=only) == [(SIGNERS, 0, "main")]


def test_a_relay_in_trouble_is_probed_by_one_round() -> None:
    gates = {("relay", "main"): Gate(0, "r", 0, 2)}
    only = plan(relays=(RelayPlan("main"),))
    assert len(lanes(survey(front(1, FIRST), front(2, SECOND), gates=gates), plan=only)) == 1
    assert lanes(survey(front(1, FIRST), gates=gates, open_rounds=((2, 0, "main"),)), plan=only) == []


def test_slots_and_connections_bound_the_rounds() -> None:
    wide = plan(mailbox_connections=3)
    seen = survey(front(1, FIRST), front(2, SECOND), open_rounds=((1, 1, "main"),))
    assert lanes(seen, plan=wide, all_slots=True) == [
        (FIRST, 0, "main"), (FIRST, 2, "main"), (SECOND, 0, "main"), (SECOND, 1, "main"), (SECOND, 2, "main")
    ]  # fmt: skip
    narrow = plan(mailbox_connections=3, relays=(RelayPlan("main", connections=3),))
    assert len(lanes(seen, plan=narrow, all_slots=True)) == 2


def test_a_tenth_of_each_relay_is_kept_for_notices() -> None:
    relay = RelayPlan("main", parse_rate("20/s"), 1000)
    made = plan(relays=(relay,))
    letters = limits_of(made, relay, "office", FIRST, "council.example", "town-library")
    notices = limits_of(made, relay, "signers", SIGNERS, "", "town-library")
    assert [str(limit.rate) for limit in notices] == ["20/s", "1000/day"]
    assert [str(limit.rate) for limit in letters] == ["18/s", "900/day", "30/h", "240/day"]
    assert [limit.key for limit in letters] == ["relay:main", "relay:main", FIRST, FIRST]


def test_every_limit_has_a_gate() -> None:
    relay = RelayPlan("main", parse_rate("20/s"), 1000)
    campaign = replace(HOME.campaigns["town-library"], per_office="5/h")
    made = plan(relays=(relay,), domain=parse_rate("60/h"), campaigns={"town-library": campaign})
    limits = limits_of(made, relay, "office", FIRST, "council.example", "town-library")
    gates = {gate_of(limit.key, front(1, FIRST), "main") for limit in limits}
    assert gates == {
        ("relay-pace", "main:office"),
        ("domain-pace", "council.example"),
        ("lane-pace", FIRST),
        ("campaign-lane", f"town-library:{FIRST}"),
    }
