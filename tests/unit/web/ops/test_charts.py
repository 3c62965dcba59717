"""What is drawn on the dashboard: geometry from numbers, and the words that stand for it."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.web.ops import charts
from worker.web.ops.charts import HEATS, HIGH, WIDE, Point, curve, gauge, heat, nice_top, per_minute, stacked, thinned

MINUTE = 60_000_000


def points(*values, start=0, step=MINUTE):
    return [Point(start + i * step, value) for i, value in enumerate(values)]


def numbers(path):
    return [float(each) for each in re.findall(r"-?\d+(?:\.\d+)?", path)]


# -- curves --------------------------------------------------------------------------------------------------------------
def test_a_curve_goes_from_edge_to_edge_and_touches_its_top():
    drawn = curve(points(0, 10, 5), 0, 2 * MINUTE)
    assert drawn.lines == (f"M0 {HIGH}L500 0L{WIDE} 50",)
    assert drawn.areas == (f"M0 {HIGH}L500 0L{WIDE} 50L{WIDE} {HIGH}L0 {HIGH}Z",)
    assert (drawn.top, drawn.last, drawn.most, drawn.least, drawn.mean) == (10, 5, 10, 0, 5)


def test_no_line_is_drawn_over_a_gap():
    drawn = curve([*points(1, 2, 3), *points(4, 5, start=10 * MINUTE)], 0, 11 * MINUTE)
    assert len(drawn.lines) == len(drawn.areas) == 2


def test_a_minute_alone_is_seen():
    drawn = curve(points(3), 0, 10 * MINUTE)
    assert drawn.lines[0].startswith("M")
    assert "H" in drawn.lines[0]
    assert drawn.areas == ("",)


def test_nothing_recorded_is_no_curve():
    drawn = curve([], 0, MINUTE)
    assert not drawn.drawn
    assert (drawn.lines, drawn.last, drawn.rows) == ((), None, ())


def test_what_lies_outside_the_span_is_left_out():
    drawn = curve(points(1, 2, 3, 4), MINUTE, 2 * MINUTE)
    assert [row.value for row in drawn.rows] == [2, 3]


def test_the_axis_is_marked_at_even_distances_with_both_ends():
    marks = curve(points(1), 0, 4 * MINUTE, marks=5).marks
    assert [mark.minute for mark in marks] == [0, 1, 2, 3, 4]


def test_the_table_ends_with_the_last_value():
    drawn = curve(points(*range(100)), 0, 99 * MINUTE, rows=10)
    assert len(drawn.rows) == 10
    assert drawn.rows[-1].value == 99


@given(st.lists(st.floats(0, 1e12), min_size=1, max_size=400))
def test_every_curve_stays_in_its_box(values):
    drawn = curve(points(*values), 0, (len(values) - 1) * MINUTE)
    for line in drawn.lines:
        if "H" in line:
            continue
        found = numbers(line)
        assert all(-0.1 <= x <= WIDE + 0.1 for x in found[::2])
        assert all(-0.1 <= y <= HIGH + 0.1 for y in found[1::2])


def test_a_day_of_minutes_is_thinned_to_what_a_screen_shows():
    found = thinned(points(*[7.0] * 1440), 0, 1439 * MINUTE, most=144)
    assert len(found) <= 144
    assert {each.value for each in found} == {7.0}
    assert found[-1].at_us == 1439 * MINUTE


def test_throughput_is_what_was_added_in_a_minute():
    assert [p.value for p in per_minute(points(10, 40, 40, 30))] == [30, 0, 0]


def test_throughput_over_a_long_gap_is_not_known():
    assert per_minute([Point(0, 1), Point(60 * MINUTE, 9_000)]) == []


def test_throughput_of_two_minutes_is_their_mean():
    assert per_minute([Point(0, 0), Point(2 * MINUTE, 60)]) == [Point(2 * MINUTE, 30)]


@pytest.mark.parametrize(
    ("value", "top"), [(0, 4), (3, 4), (4.1, 5), (6, 10), (10, 10), (11, 20), (401, 500), (1_000_001, 2_000_000)]
)
def test_an_axis_ends_with_a_round_number(value, top):
    assert nice_top(value) == top


# -- bars ----------------------------------------------------------------------------------------------------------------
def test_the_parts_of_a_bar_follow_each_other():
    first, second = stacked({"sent": 3, "none": 0, "held": 1}, 4)
    assert (first.name, first.x, first.width) == ("sent", 0, 75)
    assert (second.name, second.x, second.width) == ("held", 75, 25)


def test_a_shorter_bar_stands_for_fewer():
    (only,) = stacked({"sent": 5}, 20)
    assert only.width == 25


def test_one_letter_among_a_million_is_seen():
    parts = {each.name: each for each in stacked({"sent": 1_000_000, "in_doubt": 1}, 1_000_001)}
    assert parts["in_doubt"].width >= 0.5
    assert parts["in_doubt"].x + parts["in_doubt"].width == pytest.approx(100, abs=0.01)


def test_no_letters_are_no_bar():
    assert stacked({"sent": 0}, 10) == ()
    assert stacked({}, 0) == ()


@given(st.dictionaries(st.sampled_from("abcdefg"), st.integers(0, 10**9), min_size=1), st.integers(0, 10**9))
def test_no_bar_is_longer_than_its_room(parts, more):
    found = stacked(parts, sum(parts.values()) + more)
    assert sum(each.width for each in found) <= 100.01
    assert [each.n for each in found] == [n for n in parts.values() if n]


# -- gauges --------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("used", "limit", "share", "level"),
    [
        (0, 30, 0, "calm"),
        (15, 30, 50, "calm"),
        (24, 30, 80, "close"),
        (30, 30, 100, "full"),
        (40, 30, 100, "full"),
        (0, 0, 100, "full"),
    ],
)
def test_a_gauge_says_how_full_it_is(used, limit, share, level):
    found = gauge(used, limit)
    assert (found.share, found.level, found.left) == (share, level, max(0, limit - used))


# -- heat ----------------------------------------------------------------------------------------------------------------
def test_heat_goes_by_order_of_magnitude():
    assert [heat(n, 1_000_000) for n in (0, 1, 1_000, 1_000_000)] == [0, 1, 4, HEATS]


@given(st.integers(0, 10**9), st.integers(0, 10**9), st.integers(1, 10**9))
def test_more_is_never_cooler(one, other, most):
    low, high = sorted((one, other))
    assert heat(low, most) <= heat(high, most)
    assert heat(low, most) == 0 if low == 0 else heat(low, most) >= 1


# -- words ---------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, ""),
        (0, "0 s"),
        (59.9, "59 s"),
        (60, "1 min"),
        (7199, "119 min"),
        (7500, "2 h 5 min"),
        (72_000, "20 h"),
        (172_800, "2 days"),
    ],
)
def test_spans_in_words(seconds, words):
    assert charts.span_words(seconds) == words
