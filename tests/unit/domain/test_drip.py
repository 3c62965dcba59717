"""The drip: when offices take letters, how letters are spread over that time, and how many the limits let through."""

import itertools
import random
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from worker.domain.clock import from_us, to_us
from worker.domain.drip import (
    UNLIMITED,
    Drip,
    Opening,
    calendar_of,
    capacity,
    end_for,
    is_open,
    never_closed,
    next_opening,
    openings,
)
from worker.domain.hours import parse_hours
from worker.domain.limits import Rate, parse_rate
from worker.domain.occasion import parse_window
from worker.domain.office import Office

S = 1_000_000
HOUR = 3600 * S
PARIS = ZoneInfo("Europe/Paris")
ZONES = ["UTC", "Europe/Paris", "America/New_York", "Asia/Tehran", "Australia/Lord_Howe", "America/Nuuk", "Asia/Beirut"]
LIMITS = [parse_rate("30/h"), parse_rate("240/day")]


def office(hours="Mo-Fr 09:00-17:00", zone=PARIS, **more):
    values = {
        "id": "mayor",
        "title": "Mayor",
        "organisation": "Sampleton",
        "country": "FR",
        "zone": zone,
        "language": "en",
        "mailbox": "mayor@sampleton.example",
    }
    return Office(**(values | more), hours=parse_hours(hours))


def at(text, zone=PARIS):
    return datetime.fromisoformat(text).replace(tzinfo=zone).astimezone(UTC)


def closing(*days, country="FR"):
    """A calendar whose only holidays are these days of that country."""
    shut = {(country, date.fromisoformat(day)) for day in days}
    return lambda where, day: "Sample Day" if (where, day) in shut else ""


def said(spans, zone=PARIS):
    """Openings as somebody there would write them down."""
    return [
        f"{from_us(o.start_us).astimezone(zone):%a %d %H:%M} - {from_us(o.end_us).astimezone(zone):%a %d %H:%M}"
        for o in spans
    ]


def spans_of(start, window, closed=never_closed, hours="Mo-Fr 09:00-17:00", **more):
    return said(openings(office(hours), at(start), parse_window(window), closed, **more))


# -- openings --------------------------------------------------------------------------------------------------------
def test_working_days_leave_out_the_weekend():
    assert spans_of("2026-11-27 08:00", "3 working days") == [
        "Fri 27 09:00 - Fri 27 17:00", "Mon 30 09:00 - Mon 30 17:00", "Tue 01 09:00 - Tue 01 17:00"
    ]  # fmt: skip


def test_the_rest_of_the_first_day_counts_as_a_day():
    assert spans_of("2026-11-23 16:00", "2 working days") == [
        "Mon 23 16:00 - Mon 23 17:00",
        "Tue 24 09:00 - Tue 24 17:00",
    ]
    assert spans_of("2026-11-23 17:00", "1 working day") == ["Tue 24 09:00 - Tue 24 17:00"]


def test_holidays_are_left_out_and_not_counted():
    shut = closing("2026-11-24")
    assert spans_of("2026-11-23 08:00", "2 working days", shut) == [
        "Mon 23 09:00 - Mon 23 17:00",
        "Wed 25 09:00 - Wed 25 17:00",
    ]
    assert spans_of("2026-11-23 16:30", "40 h", shut) == ["Mon 23 16:30 - Mon 23 17:00"]


def test_the_calendar_is_the_offices_own():
    assert calendar_of(office()) == "FR"
    assert calendar_of(office(country="")) == ""
    abroad, shut = office(country="", holidays="BE"), closing("2026-11-23", country="BE")
    assert said(openings(abroad, at("2026-11-23 08:00"), parse_window("8 h"), shut)) == ["Tue 24 09:00 - Tue 24 17:00"]


def test_a_length_is_cut_at_both_ends():
    assert spans_of("2026-11-23 10:00", "24 h") == ["Mon 23 10:00 - Mon 23 17:00", "Tue 24 09:00 - Tue 24 10:00"]


def test_a_length_is_not_of_the_wall_clock():
    start = datetime(2026, 10, 24, 20, tzinfo=PARIS)  # a day of 25 hours follows
    [span] = openings(office("always"), start, parse_window("24 h"), never_closed)
    assert span.end_us - span.start_us == 24 * HOUR


def test_a_holiday_that_covers_the_window_moves_it_to_the_next_opening():
    shut = closing("2026-11-23", "2026-11-24")
    assert spans_of("2026-11-23 09:00", "8 h", shut) == ["Wed 25 09:00 - Wed 25 17:00"]
    assert spans_of("2026-11-28 09:00", "8 h") == ["Mon 30 09:00 - Mon 30 17:00"]
    assert spans_of("2026-11-23 00:00", "1 working day", shut) == ["Wed 25 09:00 - Wed 25 17:00"]


def test_only_the_first_opening_after_a_covered_window():
    hours = "Mo 09:00-11:00; Mo 14:00-16:00"
    assert spans_of("2026-11-28 09:00", "8 h", hours=hours) == ["Mon 30 09:00 - Mon 30 11:00"]


def test_overlapping_hours_count_once():
    hours = "Mo 09:00-13:00; Mo 12:00-17:00; Mo 17:00-18:00"
    assert spans_of("2026-11-23 08:00", "1 working day", hours=hours) == ["Mon 23 09:00 - Mon 23 18:00"]


def test_always_is_any_time_but_on_working_days():
    shut = closing("2026-11-30")
    assert spans_of("2026-11-26 18:00", "3 working days", shut, "always") == [
        "Thu 26 18:00 - Sat 28 00:00",
        "Tue 01 00:00 - Wed 02 00:00",
    ]
    assert spans_of("2026-11-28 09:00", "3 days", shut, "always") == ["Sat 28 09:00 - Tue 01 09:00"]


def test_hours_that_are_not_observed_leave_nothing_out():
    how = {"observe_hours": False}
    shut = closing("2026-11-28")
    assert spans_of("2026-11-28 20:00", "2 working days", shut, **how) == ["Sat 28 20:00 - Mon 30 20:00"]
    assert spans_of("2026-11-28 20:00", "30 min", shut, **how) == ["Sat 28 20:00 - Sat 28 20:30"]


@pytest.mark.parametrize(
    ("day", "hours"),
    [("2026-03-29", 23), ("2026-10-25", 25), ("2026-11-22", 24)],  # all Sundays
)
def test_days_on_which_clocks_change(day, hours):
    at_any_time = openings(office("Su 00:00-23:59"), at(day), parse_window("1 working day"), never_closed)
    [span] = at_any_time
    assert span.end_us - span.start_us == hours * HOUR - 60 * S


def test_hours_in_the_skipped_hour():
    assert said(openings(office("Su 02:10-02:50"), at("2026-03-29"), parse_window("1 working day"), never_closed)) == [
        "Sun 29 03:10 - Sun 29 03:50"
    ]
    # In Nuuk the skipped hour ends at midnight: what its clock would show is on the next day already.
    nuuk = ZoneInfo("America/Nuuk")
    there = office("Sa 23:00-23:59", nuuk)
    opened = openings(there, at("2026-03-28 12:00", nuuk), parse_window("1 working day"), never_closed)
    assert said(opened, nuuk) == ["Sat 04 23:00 - Sat 04 23:59"]


def test_an_office_that_never_opens_is_said_to():
    with pytest.raises(ValueError, match=r"office mayor has no opening in the 60 days before 2027-01-2\d; look at its"):
        openings(office(), at("2026-11-23 08:00"), parse_window("1 working day"), lambda _where, _day: "Sample Day")


def test_what_was_found_does_not_need_a_later_opening():
    shut = lambda _where, day: "" if day == date(2026, 11, 23) else "Sample Day"  # noqa: E731 -- a calendar
    start = at("2026-11-23 16:00")
    assert said(openings(office(), start, parse_window("24 h"), shut)) == ["Mon 23 16:00 - Mon 23 17:00"]


spans_text = st.builds(
    lambda day, opens, length: (
        f"{day} {opens // 60:02}:{opens % 60:02}-{(opens + length) // 60:02}:{(opens + length) % 60:02}"
    ),
    st.sampled_from(["Mo", "Tu-Th", "Mo-Su", "Sa", "Su"]),
    st.integers(0, 23 * 60 - 1),
    st.integers(1, 60),
)
hours_text = st.lists(spans_text, min_size=1, max_size=3).map("; ".join)
moments = st.datetimes(datetime(2024, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 -- adds the zone
by_weekday = st.sets(st.integers(1, 5)).map(lambda odd: lambda _where, day: "Odd Day" if day.day % 6 in odd else "")


@given(hours_text | st.just("always"), moments, st.sampled_from(ZONES).map(ZoneInfo), by_weekday, st.data())
def test_openings_are_when_the_office_is_open_and_at_no_other_time(hours, start, zone, closed, data):
    there = office(hours, zone)
    try:
        found = openings(there, start, parse_window("9 days"), closed)
    except ValueError:
        return  # the office opens on no day that is left
    first, last = found[0], found[-1]
    assert first.start_us == to_us(next_opening(there, start, closed))
    assert all(a.end_us < b.start_us for a, b in itertools.pairwise(found))
    if first.start_us >= to_us(start + timedelta(days=9)):
        return  # the first opening after the window
    assert to_us(start) <= first.start_us
    assert last.end_us <= to_us(start + timedelta(days=9))
    for us in [*(o.start_us for o in found), *(o.end_us - 1 for o in found), data.draw(st.integers(0, 9 * 86400)) * S]:
        moment = from_us(us) if us > 10**15 else start + timedelta(microseconds=us)
        inside = any(o.start_us <= to_us(moment) < o.end_us for o in found)
        in_window = moment < start + timedelta(days=9)
        assert not in_window or is_open(there, moment, closed) == inside


@given(hours_text, moments, st.sampled_from(ZONES).map(ZoneInfo), st.integers(1, 12))
def test_a_window_of_working_days_has_so_many(hours, start, zone, days):
    found = openings(office(hours, zone), start, parse_window(f"{days} working days"), never_closed)
    assert len({from_us(o.start_us).astimezone(zone).date() for o in found}) == days
    assert found[0].start_us >= to_us(start)


def test_whether_an_office_is_open():
    shut = closing("2026-11-24")
    assert is_open(office(), at("2026-11-23 09:00"), shut)
    assert not is_open(office(), at("2026-11-24 09:00"), shut)
    assert not is_open(office(), at("2026-11-23 17:00"), shut)
    assert is_open(office("always"), at("2026-11-24 09:00"), shut)
    assert next_opening(office(), at("2026-11-23 17:00"), shut) == at("2026-11-25 09:00")
    assert next_opening(office("always"), at("2026-11-24 03:00"), shut) == at("2026-11-24 03:00")


def test_the_holiday_is_of_the_offices_own_day():
    auckland = office("Mo-Su 00:00-23:59", ZoneInfo("Pacific/Auckland"), country="NZ")
    shut = closing("2026-11-24", country="NZ")
    assert not is_open(auckland, datetime(2026, 11, 23, 12, tzinfo=UTC), shut)  # 01:00 on the 24th there
    assert is_open(auckland, datetime(2026, 11, 24, 12, tzinfo=UTC), shut)


# -- the drip ----------------------------------------------------------------------------------------------------------
def test_four_letters_over_two_days():
    drip = Drip([Opening(0, 8 * HOUR), Opening(24 * HOUR, 32 * HOUR)], 4)
    assert drip.times(0, 4) == [2 * HOUR, 6 * HOUR, 26 * HOUR, 30 * HOUR]
    assert drip.at(3) == 30 * HOUR
    assert drip.at(0) == 2 * HOUR


def test_an_empty_audience():
    assert Drip([], 0).times(0, 0) == []
    with pytest.raises(IndexError):
        Drip([Opening(0, S)], 0).at(0)


def test_letters_that_have_no_place_or_number():
    with pytest.raises(ValueError, match="1 letters cannot be spread over 0 openings"):
        Drip([], 1)
    with pytest.raises(ValueError, match="-1 letters"):
        Drip([Opening(0, S)], -1)
    for i in (-1, 2):
        with pytest.raises(IndexError):
            Drip([Opening(0, S)], 2).at(i)


def test_an_opening_has_a_length():
    with pytest.raises(ValueError, match="is empty"):
        Opening(5, 5)


gaps = st.lists(st.tuples(st.integers(1, 10**11), st.integers(1, 10**11)), min_size=1, max_size=8)


def laid_out(lengths):
    found, now = [], 0
    for gap, length in lengths:
        found.append(Opening(now + gap, now + gap + length))
        now += gap + length
    return found


def open_time_before(moment, spans):
    return sum(max(0, min(moment, o.end_us) - o.start_us) for o in spans)


@given(gaps.map(laid_out), st.integers(1, 300))
def test_letters_are_due_in_openings_and_evenly(spans, n):
    times = Drip(spans, n).times(0, n)
    total = sum(o.end_us - o.start_us for o in spans)
    share = Fraction(total, n)
    assert times == sorted(times)
    assert all(any(o.start_us <= t < o.end_us for o in spans) for t in times)
    for i, t in enumerate(times):
        assert 0 <= i * share + share / 2 - open_time_before(t, spans) < 1  # the middle of its share, rounded down
    assert open_time_before(times[0], spans) <= share / 2
    assert total - open_time_before(times[-1], spans) <= share / 2 + 1


@given(gaps.map(laid_out), st.integers(1, 300))
def test_each_opening_has_its_share_of_letters(spans, n):
    times = Drip(spans, n).times(0, n)
    total = sum(o.end_us - o.start_us for o in spans)
    for o in spans:
        inside = sum(o.start_us <= t < o.end_us for t in times)
        assert abs(inside - Fraction(n * (o.end_us - o.start_us), total)) < 1 + Fraction(n, total)


@given(gaps.map(laid_out), st.integers(1, 100), st.integers(0, 2**32))
def test_any_order_of_asking_gives_the_same(spans, n, seed):
    order = list(range(n))
    random.Random(seed).shuffle(order)
    drip, other = Drip(spans, n), Drip(reversed(spans), n)
    assert {i: drip.at(i) for i in order} == dict(enumerate(other.times(0, n)))


# -- the limits --------------------------------------------------------------------------------------------------------
def test_a_working_week_under_the_usual_limits():
    week = openings(office(), at("2026-11-23 08:00"), parse_window("5 working days"), never_closed)
    assert capacity(week, LIMITS) == 5 * 240
    assert capacity(week, [parse_rate("30/h")]) == 5 * 8 * 30
    assert capacity(week, [parse_rate("240/day")]) == 5 * 240
    assert capacity(week, [*LIMITS, parse_rate("20/h")]) == 5 * 8 * 20


def test_a_limit_holds_across_openings():
    morning, noon = Opening(0, HOUR // 2), Opening(HOUR * 3 // 4, HOUR * 5 // 4)
    assert capacity([morning, noon], [parse_rate("30/h")]) == 60  # 30 at 0:00, 30 at 1:00
    assert capacity([morning, Opening(HOUR * 3 // 4, HOUR)], [parse_rate("30/h")]) == 30  # 1:00 is too late


def test_no_limit_and_no_time():
    assert capacity([Opening(0, 1)], []) == UNLIMITED
    assert capacity([], LIMITS) == 0
    assert capacity([], []) == 0
    assert capacity([Opening(0, HOUR)], [Rate(0, 60), *LIMITS]) == 0


def test_an_endless_count_stops_on_the_low_side(monkeypatch):
    monkeypatch.setattr("worker.domain.drip.MOST_STEPS", 10)
    assert capacity([Opening(0, HOUR)], [parse_rate("7/s")]) == 70


small = st.lists(st.tuples(st.integers(1, 3), st.integers(1, 4)), min_size=1, max_size=3)
rates_s = st.lists(st.builds(Rate, st.integers(1, 3), st.integers(1, 6)), min_size=1, max_size=3)


def most_by_trying(seconds, rates):
    """The most letters on these whole seconds, by trying every number on each. Moving letters down to whole seconds
    keeps every window's limit, so nothing is lost by looking at no others."""

    def best(rest, placed):
        if not rest:
            return sum(placed.values())
        now, most = rest[0], 0
        for letters in range(min(rate.count for rate in rates) + 1):
            tried = {**placed, now: letters}
            if any(sum(k for t, k in tried.items() if now - r.window_s < t) > r.count for r in rates):
                break
            most = max(most, best(rest[1:], tried))
        return most

    return best(seconds, {})


@settings(max_examples=60, deadline=None)
@given(small.map(laid_out), rates_s)
def test_capacity_is_what_trying_everything_finds(spans, rates):
    seconds = [t for o in spans for t in range(o.start_us, o.end_us)][:9]
    kept = [Opening(t * S, (t + 1) * S) for t in seconds]
    assert capacity(kept, rates) == most_by_trying(seconds, rates)


# -- the end that can be met -------------------------------------------------------------------------------------------
def test_a_hundred_thousand_letters_take_417_days_of_work():
    shut = closing("2026-12-25")
    end = end_for(100_000, office(), at("2026-11-23 08:00"), shut, LIMITS)
    assert end is not None
    days = openings(office(), at("2026-11-23 08:00"), parse_window("260 working days"), shut)
    rest = openings(office(), from_us(days[-1].end_us), parse_window(f"{417 - 260} working days"), shut)
    assert end == from_us(rest[-1].end_us)


@pytest.mark.parametrize(
    ("n", "end"),
    [
        (0, "2026-11-23 16:00"),
        (1, "2026-11-23 17:00"),
        (30, "2026-11-23 17:00"),
        (31, "2026-11-25 17:00"),
        (30 + 240, "2026-11-25 17:00"),
        (30 + 240 + 1, "2026-11-26 17:00"),
    ],
)
def test_the_earliest_end(n, end):
    assert end_for(n, office(), at("2026-11-23 16:00"), closing("2026-11-24"), LIMITS) == at(end)


def test_hours_that_are_not_observed_end_on_any_day():
    assert end_for(241, office(), at("2026-11-28 20:00"), never_closed, LIMITS, observe_hours=False) == at(
        "2026-11-30 20:00"
    )


def test_no_end_within_five_years():
    start = at("2026-11-23 08:00")
    assert end_for(2000, office(), start, never_closed, [parse_rate("1/day")]) is None
    assert end_for(1300, office(), start, never_closed, [parse_rate("1/day")]) == at("2031-11-14 17:00")


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 3000), hours_text, moments, st.sampled_from(ZONES).map(ZoneInfo))
def test_the_end_is_enough_and_nothing_earlier_is(n, hours, start, zone):
    there = office(hours, zone)
    rates = [parse_rate("60/h"), parse_rate("100/day")]
    end = end_for(n, there, start, never_closed, rates)
    assert end is not None
    days = (openings(there, start, parse_window(f"{k} working days"), never_closed) for k in itertools.count(1))
    spans = next(found for found in days if to_us(end) <= found[-1].end_us)
    until = [o for o in spans if o.end_us <= to_us(end)]
    assert until[-1].end_us == to_us(end)
    assert capacity(until[:-1], rates) < n <= capacity(until, rates)
