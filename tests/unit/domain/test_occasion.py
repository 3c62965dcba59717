"""Occasions: the day and moment of each year, over all time zones, DST changes and leap years; and their windows."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.domain.occasion import Occasion, Window, parse_window

YEARS = range(2024, 2054)
MICROSECOND = timedelta(microseconds=1)


def occasion(month=11, day=23, start="09:00", zone="UTC", first_year=2024, **more):
    return Occasion(
        name="anniversary",
        month=month,
        day=day,
        start=time.fromisoformat(start),
        zone=ZoneInfo(zone),
        window=Window(working_days=5),
        first_year=first_year,
        not_after=timedelta(days=30),
        grace=timedelta(days=2),
        **more,
    )


def starts(kept):
    """What a reader who only asks for the next one is told, over thirty years."""
    found, moment = [], datetime(YEARS[0] - 2, 6, 1, tzinfo=UTC)
    for _ in YEARS:
        year = kept.next_year(moment)
        assert kept.next_year(kept.starts_at(year)) == year
        moment = kept.starts_at(year) + MICROSECOND
        found.append((year, moment - MICROSECOND))
    return found


def exists(wall, zone):
    return wall.replace(tzinfo=zone).astimezone(UTC).astimezone(zone).replace(tzinfo=None) == wall


@pytest.mark.parametrize(
    ("month", "day", "start", "skipped"),
    [
        (11, 23, "09:00", False),
        (1, 1, "00:00", False),  # in the year before, in half of all zones
        (12, 31, "23:30", False),
        (2, 29, "12:00", False),
        (3, 29, "02:30", True),  # a night of DST changes in many years and zones
        (10, 27, "01:30", False),
    ],
)
def test_thirty_years_in_all_zones(month, day, start, skipped):
    skips = 0
    for name in available_timezones():
        zone, kept = ZoneInfo(name), occasion(month, day, start, name)
        found = starts(kept)
        assert [year for year, _ in found] == list(YEARS)  # each period exactly once, in order
        for year, moment in found:
            local = moment.astimezone(zone).replace(tzinfo=None)
            leapless = (month, day) == (2, 29) and year % 4 != 0
            assert local.date() == date(year, month, 28 if leapless else day)
            wall = datetime.combine(local.date(), kept.start)
            if local != wall:
                skips += 1
                assert not exists(wall, zone), (name, year)
                assert abs(local - wall) <= timedelta(hours=2)  # Troll changes its clocks by two hours
    assert skips or not skipped


@pytest.mark.parametrize(
    ("leap", "days"),
    [
        ("02-28", ["02-29", "02-28", "02-28", "02-28", "02-29"]),
        ("03-01", ["02-29", "03-01", "03-01", "03-01", "02-29"]),
    ],
)
def test_leap_days_by_either_rule(leap, days):
    kept = occasion(2, 29, leap=leap)
    assert [f"{kept.day_in(year):%m-%d}" for year in range(2024, 2029)] == days
    assert kept.day_in(2100) == (date(2100, 2, 28) if leap == "02-28" else date(2100, 3, 1))
    assert kept.day_in(2400) == date(2400, 2, 29)


def test_the_leap_rule_matters_to_no_other_day():
    for month, day in ((2, 28), (3, 1)):
        assert occasion(month, day, leap="03-01").day_in(2025) == date(2025, month, day)
        assert occasion(month, day, leap="02-28").day_in(2025) == date(2025, month, day)


@pytest.mark.parametrize(
    ("month", "day", "start", "zone", "year", "moment"),
    [
        (3, 29, "02:30", "Europe/Paris", 2026, "2026-03-29T01:30"),  # skipped: 03:30 in the new time
        (10, 25, "02:30", "Europe/Paris", 2026, "2026-10-25T00:30"),  # repeated: the first passing
        (3, 28, "23:30", "America/Nuuk", 2026, "2026-03-29T00:30"),  # skipped up to midnight: stays on the 28th
        (4, 24, "00:00", "Africa/Cairo", 2026, "2026-04-23T22:00"),  # midnight itself is skipped
        (1, 1, "00:00", "Pacific/Kiritimati", 2027, "2026-12-31T10:00"),
        (12, 31, "23:59", "Pacific/Niue", 2026, "2027-01-01T10:59"),
        (12, 30, "09:00", "Pacific/Apia", 2011, "2011-12-30T19:00"),  # a day that was left out: 09:00 of the 31st
    ],
)
def test_clocks_that_change(month, day, start, zone, year, moment):
    assert occasion(month, day, start, zone).starts_at(year) == datetime.fromisoformat(moment).replace(tzinfo=UTC)


def test_the_start_itself_is_not_past():
    kept = occasion(zone="Europe/Dublin")
    start = kept.starts_at(2026)
    assert start == datetime(2026, 11, 23, 9, tzinfo=UTC)
    assert kept.next_year(start) == 2026
    assert kept.next_year(start + MICROSECOND) == 2027
    assert kept.next_year(start.astimezone(ZoneInfo("Asia/Tokyo"))) == 2026


def test_no_period_before_the_first():
    assert occasion(first_year=2030).next_year(datetime(2024, 1, 1, tzinfo=UTC)) == 2030


def test_a_moment_without_a_zone_is_refused():
    with pytest.raises(ValueError, match="without a time zone"):
        occasion().next_year(datetime(2026, 1, 1))  # noqa: DTZ001 -- the point of the test


def test_the_send_out_is_named_by_its_period():
    assert occasion().send_out(2027) == "anniversary-2027"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"month": 2, "day": 30}, "no year has a day 30 in a month 2"),
        ({"month": 13}, "no year has"),
        ({"leap": "02-27"}, 'write "02-28" or "03-01"'),
        ({"start": "09:00+01:00"}, "without an offset"),
        ({"first_year": 1969}, "first year 1969"),
    ],
)
def test_what_no_occasion_can_be(changes, message):
    with pytest.raises(ValueError, match=message):
        occasion(**changes)


# -- windows ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("text", "window", "printed"),
    [
        ("5 working days", Window(working_days=5), "5 working days"),
        (" 1 working day ", Window(working_days=1), "1 working day"),
        ("8 h", Window(length=timedelta(hours=8)), "8 h"),
        ("30min", Window(length=timedelta(minutes=30)), "30 min"),
        ("3 days", Window(length=timedelta(days=3)), "3 days"),
        ("1 day", Window(length=timedelta(days=1)), "1 day"),
        ("2 d", Window(length=timedelta(days=2)), "2 days"),
    ],
)
def test_windows_are_read_and_printed(text, window, printed):
    assert parse_window(text) == window
    assert str(window) == printed


@pytest.mark.parametrize("text", ["", "5", "five days", "5 workdays", "-1 working days", "3 weeks", "8 hours", "1e3 d"])
def test_other_forms_are_refused_with_the_form_wanted(text):
    with pytest.raises(ValueError, match='is not a window; write a window like "5 working days"'):
        parse_window(text)


@pytest.mark.parametrize("text", ["0 working days", "0 h"])
def test_an_empty_window_is_refused(text):
    with pytest.raises(ValueError, match="5 working days"):
        parse_window(text)


@pytest.mark.parametrize("text", ["261 working days", "367 days"])
def test_a_window_ends_before_the_next_one_begins(text):
    with pytest.raises(ValueError, match="at most 260 working days or 366 days"):
        parse_window(text)


def test_a_window_is_of_one_kind():
    for wrong in ({}, {"working_days": 1, "length": timedelta(1)}, {"working_days": -1}, {"length": timedelta(-1)}):
        with pytest.raises(ValueError, match="a number of working days or a length of time"):
            Window(**wrong)


windows = st.integers(1, 260).map(lambda n: Window(working_days=n)) | st.integers(1, 366 * 86_400_000).map(
    lambda ms: Window(length=timedelta(milliseconds=ms))
)


@given(windows)
def test_what_is_printed_is_read_as_the_same(window):
    assert parse_window(str(window)) == window
