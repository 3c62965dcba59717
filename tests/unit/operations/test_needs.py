"""Needs in words and order; when a summary is due; the alarm that no ledger keeps. Nothing here opens anything."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from worker.domain.clock import from_us
from worker.domain.errors import BadInput
from worker.operations.needs import WORST_FIRST, Need, Quota, in_order, quotas_of
from worker.operations.relay_words import cause_of
from worker.operations.watchdog import Plan, recipients
from worker.operations.watchdog.absence import Absence
from worker.operations.watchdog.telling import plain
from worker.operations.watchdog.words import Telling, body, subject
from worker.settings.operating import AlarmKeys


def need(kind="disk", target="", severity="act", since=None, **more) -> Need:
    return Need(kind, target, more.pop("text", f"{kind} {target}"), since, severity, "lettershop x", **more)


def test_the_worst_first() -> None:
    early, late = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)
    wanted = [
        need("ledger"),
        need("relay", "b", since=early),
        need("relay", "a", since=late),
        need("relay", "c"),
        need("review", severity="watch"),
        need("quota", severity="watch"),
    ]
    assert in_order(reversed(wanted)) == wanted


def test_every_kind_has_a_place() -> None:
    assert len(set(WORST_FIRST)) == len(WORST_FIRST)
    with pytest.raises(KeyError):
        in_order([need("never heard of")])


def test_its_json() -> None:
    since = datetime(2026, 1, 1, 12, 0, 0, 5, tzinfo=UTC)
    told = need("in-doubt", since=since, letters=3).body()
    assert told == {
        "kind": "in-doubt", "target": "", "text": "in-doubt ", "since": "2026-01-01T12:00:00Z", "severity": "act",
        "mend": "lettershop x", "letters": 3,
    }  # fmt: skip
    assert need().body()["since"] is None


@pytest.mark.parametrize(
    ("said", "cause"),
    [
        ("535 5.7.8 Authentication credentials invalid", "login"),
        ("454 4.7.0 Temporary authentication failure", "login"),
        ("the relay offers neither AUTH PLAIN nor AUTH LOGIN", "login"),
        ("no TLS: the relay's certificate is not trusted", "tls"),
        ("454 4.7.0 TLS not available", "tls"),
        ("no connection to the relay: Connection refused", "connection"),
        ("the relay's host name was not found: Name or service not known", "connection"),
        ("421 4.3.2 too busy", "connection"),
        ("no reply in time", "connection"),
        ("550 5.7.54 Unable to relay", ""),
    ],
)
def test_a_relays_words(said, cause) -> None:
    assert cause_of(said) == cause


# -- the summary's time --------------------------------------------------------------------------------------------------
def plan(at="07:00", zone="Europe/Berlin") -> Plan:
    made = Plan.of(AlarmKeys(summary=at, time_zone=zone))
    assert made is not None
    return made


def dues(made: Plan, begin: datetime, hours: int) -> list[tuple[datetime, date]]:
    """Each day whose summary is due, with the first minute at which it is."""
    first: dict[date, datetime] = {}
    for minute in range(hours * 60):
        at = begin + timedelta(minutes=minute)
        if (day := made.due(at)) is not None:
            first.setdefault(day, at)
    return [(at, day) for day, at in first.items()]


def test_once_a_day_over_a_spring_forward() -> None:
    # Europe/Berlin, 28 March 2027: 02:00 becomes 03:00
    begin = datetime(2027, 3, 26, 23, 0, tzinfo=UTC)
    assert [(f"{at:%d %H:%M}", day.day) for at, day in dues(plan(), begin, 72)] == [
        ("27 06:00", 27), ("28 05:00", 28), ("29 05:00", 29),
    ]  # fmt: skip
    skipped = dues(plan("02:30"), begin, 72)
    assert [(f"{at:%d %H:%M}", day.day) for at, day in skipped] == [
        ("27 01:30", 27), ("28 01:30", 28), ("29 00:30", 29),
    ]  # fmt: skip


def test_once_a_day_over_a_fall_back() -> None:
    # Europe/Berlin, 31 October 2027: 03:00 becomes 02:00, and 02:30 comes twice
    begin = datetime(2027, 10, 29, 22, 0, tzinfo=UTC)
    assert [(f"{at:%d %H:%M}", day.day) for at, day in dues(plan("02:30"), begin, 72)] == [
        ("30 00:30", 30), ("31 00:30", 31), ("01 01:30", 1),
    ]  # fmt: skip


def test_yesterday_has_23_or_25_hours() -> None:
    for day, hours in ((date(2027, 3, 29), 23), (date(2027, 11, 1), 25), (date(2027, 5, 5), 24)):
        begin, end = plan().span(day)
        assert end - begin == hours * 3_600_000_000
        assert from_us(end).astimezone(ZoneInfo("Europe/Berlin")).date() == day


def test_a_late_one_is_left_out() -> None:
    made = plan("23:30", "UTC")
    assert made.due(datetime(2027, 5, 6, 3, 0, tzinfo=UTC)) == date(2027, 5, 5), "it was yesterday's, and is late"
    assert made.due(datetime(2027, 5, 6, 6, 0, tzinfo=UTC)) is None


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"summary": "7 o'clock"}, "alarms.summary"),
        ({"summary": "07:00+02:00"}, "time_zone's to say"),
        ({"time_zone": "Mars/Olympus"}, "alarms.time_zone"),
        ({"time_zone": "../../etc/passwd"}, "alarms.time_zone"),
        ({"time_zone": ""}, "alarms.time_zone"),
    ],
)
def test_settings_that_cannot_be_followed(keys, words) -> None:
    with pytest.raises(BadInput, match=words):
        Plan.of(AlarmKeys(**keys))


def test_never() -> None:
    assert Plan.of(AlarmKeys(summary="")) is None


# -- the mail's words ----------------------------------------------------------------------------------------------------
def test_who_gets_it() -> None:
    to = ["a@operators.example", "b@operators.example"]
    assert recipients("live", to) == to
    assert recipients("rehearsal", to) == ["operator-1@rehearsal.invalid", "operator-2@rehearsal.invalid"]
    assert recipients("anything else", to) == recipients("rehearsal", to)


def test_a_mail_cannot_be_broken_by_a_reason() -> None:
    assert plain("line\r\nBcc: x\x1b[2J\u2028y") == "line  Bcc: x [2J y"


def test_a_mails_words() -> None:
    since = datetime(2027, 5, 5, 8, 0, tzinfo=UTC)
    first, second = need("relay", "main", text="Relay main is away", letters=1200), need("disk", "a")
    telling = Telling(new=[(first, since)], still=[(second, since)], watch=[need("review", severity="watch")])
    assert subject("live", telling) == "[lettershop live] needs you: Relay main is away (and 1 more)"
    text = body("/srv/lettershop", telling, since, "https://ops.example")
    assert "- Relay main is away\n  since   2027-05-05 08:00:00 UTC\n  letters 1,200\n  mend it lettershop x" in text
    assert "Still needs you" in text
    assert "Worth a look too" in text
    assert "https://ops.example/ops" in text


# -- the ledger is away --------------------------------------------------------------------------------------------------
class Clock:
    def __init__(self) -> None:
        self.passed = 0.0

    def now(self) -> datetime:
        return datetime(2027, 5, 5, tzinfo=UTC) + timedelta(seconds=self.passed)

    def monotonic(self) -> float:
        return self.passed


def test_absence_flickers_and_is_repeated() -> None:
    clock, absence = Clock(), Absence()

    def look(*, away: bool) -> tuple[bool, bool, bool]:
        clock.passed += 30
        step = absence.step(need("ledger") if away else None, clock, lambda told: timedelta(hours=told))
        if step.tell:
            absence.was_told(clock, over=not away)
        return step.begun, step.ended, step.tell

    nothing = (False, False, False)
    assert [look(away=away) for away in (True, False, True, False)] == [nothing] * 4, "a look now and then"
    assert look(away=True) == nothing
    assert look(away=True) == (True, False, True)
    assert look(away=True) == nothing
    assert look(away=False) == nothing, "back for one look only"
    assert look(away=True) == nothing
    clock.passed += 3600
    assert look(away=True) == (False, False, True), "told again"
    assert look(away=False) == nothing
    assert look(away=False) == (False, True, True)
    assert look(away=False) == nothing


def test_quotas_are_taken_from_the_status() -> None:
    day = {"used": 95, "count": 100}
    relays = [
        {"name": "main", "day": day},
        {"name": "free", "day": None},
        {"name": "unknown", "day": day | {"used": None}},
    ]
    assert quotas_of(relays) == (Quota("main", 95, 100),)
