"""Office hours in the office's own time zone, over DST changes both ways."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.domain.hours import ALWAYS, DAYS, WORKING_WEEK, parse_hours

PARIS = ZoneInfo("Europe/Paris")
NEW_YORK = ZoneInfo("America/New_York")
ZONES = ["UTC", "Europe/Paris", "America/New_York", "Asia/Baku", "Asia/Tehran", "Australia/Lord_Howe", "Pacific/Apia"]


def at(text, zone=UTC):
    return datetime.fromisoformat(text).replace(tzinfo=zone).astimezone(UTC)


@pytest.mark.parametrize(
    ("moment", "opens"),
    [
        ("2026-11-23 08:59", "2026-11-23 09:00"),  # Monday, a minute early
        ("2026-11-23 09:00", "2026-11-23 09:00"),  # the opening itself counts
        ("2026-11-23 16:59", "2026-11-23 16:59"),
        ("2026-11-23 17:00", "2026-11-24 09:00"),  # the closing does not
        ("2026-11-27 17:00", "2026-11-30 09:00"),  # Friday evening waits for Monday
        ("2026-11-28 12:00", "2026-11-30 09:00"),
        ("2026-11-29 23:59", "2026-11-30 09:00"),
    ],
)
def test_the_working_week(moment, opens):
    assert WORKING_WEEK.next_open(at(moment, PARIS), PARIS) == at(opens, PARIS)


def test_always():
    moment = at("2026-11-29 03:00")
    assert ALWAYS.next_open(moment, PARIS) == moment
    assert ALWAYS.is_open(moment, PARIS)
    assert str(ALWAYS) == "always"


def test_two_spans_a_day_in_any_order():
    hours = parse_hours("Mo 14:00-16:00; Mo 09:00-11:00")
    assert hours.next_open(at("2026-11-23 11:30", PARIS), PARIS) == at("2026-11-23 14:00", PARIS)
    assert hours.next_open(at("2026-11-23 08:00", PARIS), PARIS) == at("2026-11-23 09:00", PARIS)


def test_the_only_day_just_missed_comes_a_week_later():
    hours = parse_hours("We 10:00-10:01")
    assert hours.next_open(at("2026-11-25 10:01", PARIS), PARIS) == at("2026-12-02 10:00", PARIS)


def test_the_day_is_the_offices_own():
    # Sunday evening in New York is Monday morning in UTC.
    moment = at("2026-11-23 02:00")
    assert not WORKING_WEEK.is_open(moment, NEW_YORK)
    assert WORKING_WEEK.next_open(moment, NEW_YORK) == at("2026-11-23 14:00")


def test_spring_forward_opens_an_hour_earlier_in_utc():
    assert WORKING_WEEK.next_open(at("2026-03-27 18:00"), PARIS) == at("2026-03-30 07:00")
    assert WORKING_WEEK.next_open(at("2026-03-20 18:00"), PARIS) == at("2026-03-23 08:00")


def test_an_opening_in_the_skipped_hour_is_not_missed():
    hours = parse_hours("Su 02:30-04:00")
    opened = hours.next_open(at("2026-03-29 00:00"), PARIS)
    assert opened == at("2026-03-29 01:30")  # 02:30 with the offset of before the change
    assert hours.is_open(opened, PARIS)


def test_spans_wholly_in_the_skipped_hour_still_open():
    hours = parse_hours("Su 02:10-02:50")
    assert hours.next_open(at("2026-03-29 00:00"), PARIS) == at("2026-03-29 01:10")


def test_a_repeated_hour_opens_at_its_first_passing():
    hours = parse_hours("Su 02:30-05:00")
    assert hours.next_open(at("2026-10-25 00:00"), PARIS) == at("2026-10-25 00:30")
    assert hours.is_open(at("2026-10-25 01:45"), PARIS)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "9-17",
        "Mo-Fr",
        "Mo-Fr 9:00-17:00",
        "Xx 09:00-17:00",
        "Mo-Xx 09:00-17:00",
        "Mo-Fr 09:00-25:00",
        "Mo 17:00-09:00",
        "Mo 09:00-09:00",
        "Fr-Mo 09:00-17:00",
        "Mo 09:00-17:00;",
        "mo-fr 09:00-17:00",
    ],
)
def test_other_forms_are_refused_with_the_form_wanted(text):
    with pytest.raises(ValueError, match="Mo-Fr 09:00-17:00"):
        parse_hours(text)


spans = st.builds(
    lambda first, more, opens, length: (
        f"{DAYS[first]}-{DAYS[min(6, first + more)]} "
        f"{opens // 60:02}:{opens % 60:02}-{(opens + length) // 60:02}:{(opens + length) % 60:02}"
    ),
    st.integers(0, 6),
    st.integers(0, 6),
    st.integers(0, 22 * 60),
    st.integers(1, 119),
)
weeks = st.lists(spans, min_size=1, max_size=3).map("; ".join)
FIRST, LAST = datetime(2020, 1, 1), datetime(2040, 1, 1)  # noqa: DTZ001 -- hypothesis adds the zone
moments = st.datetimes(FIRST, LAST, timezones=st.just(UTC))


@given(weeks, moments, st.sampled_from(ZONES).map(ZoneInfo))
def test_the_next_opening_is_open_and_within_nine_days(text, moment, zone):
    hours = parse_hours(text)
    opened = hours.next_open(moment, zone)
    assert moment <= opened <= moment + timedelta(days=9)
    assert hours.is_open(opened, zone)
    assert str(hours) == text


@given(weeks, moments, st.sampled_from(ZONES).map(ZoneInfo), st.floats(0, 1))
def test_nothing_between_now_and_the_next_opening_is_open(text, moment, zone, share):
    hours = parse_hours(text)
    opened = hours.next_open(moment, zone)
    between = moment + (opened - moment) * share
    if between < opened:
        assert not hours.is_open(between, zone)
        assert hours.next_open(between, zone) == opened
