"""Rates and durations as people write them."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.domain.duration import duration_text, parse_duration
from worker.domain.limits import UNITS_S, Limit, Rate, parse_rate


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("30/h", Rate(30, 3600)),
        ("5 / s", Rate(5, 1)),
        ("240/day", Rate(240, 86400)),
        ("240/d", Rate(240, 86400)),
        ("90/min", Rate(90, 60)),
        ("10000000/s", Rate(10_000_000, 1)),
    ],
)
def test_rates(text, rate):
    assert parse_rate(text) == rate


@pytest.mark.parametrize(
    "text", ["", "30", "/h", "30/", "0/h", "-1/h", "1.5/h", "30/week", "30/H", "10000001/s", "٣/h"]
)
def test_what_is_no_rate_is_told_the_form(text):
    with pytest.raises(ValueError, match='like "30/h"'):
        parse_rate(text)


@given(st.integers(1, 10_000_000), st.sampled_from(sorted(UNITS_S)))
def test_a_rate_prints_as_it_is_read(count, unit):
    rate = Rate(count, UNITS_S[unit])
    assert parse_rate(str(rate)) == rate


def test_an_odd_window_prints_in_seconds():
    assert str(Rate(3, 90)) == "3/90s"
    assert Limit("mailbox:office@nato.example", Rate(30, 3600)).rate.count == 30


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("5 d", timedelta(days=5)),
        ("15 min", timedelta(minutes=15)),
        ("15min", timedelta(minutes=15)),
        ("1.5 h", timedelta(minutes=90)),
        ("30 s", timedelta(seconds=30)),
        ("250 ms", timedelta(milliseconds=250)),
        (" 0 s ", timedelta(0)),
    ],
)
def test_durations(text, length):
    assert parse_duration(text) == length


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("5", "a number and a unit"),
        ("", "a number and a unit"),
        ("-5 d", "a number and a unit"),
        ("5 days", 'write "d"'),
        ("5 minutes", 'write "min"'),
        ("5 m", 'write "min"'),
        ("5 secs", 'write "s"'),
        ("5 weeks", "the units are ms, s, min, h and d$"),
        ("99999999 d", "more than ten years"),
        ("999999999999999 d", "more than ten years"),
    ],
)
def test_what_is_no_duration_is_told_why(text, said):
    with pytest.raises(ValueError, match=said):
        parse_duration(text)


@given(st.integers(0, 300_000_000_000).map(lambda ms: timedelta(milliseconds=ms)))
def test_a_duration_prints_as_it_is_read(length):
    assert parse_duration(duration_text(length)) == length
