"""The honeypot and the time trap: what is ours, what is forged, what is too old."""

import base64
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.web.gate.traps import OLDEST_S, Stamps, trapped

KEY = b"k" * 32
NOW = datetime(2026, 11, 20, 12, 0, 0, 123456, tzinfo=UTC)
STAMPS = Stamps(KEY)


def after(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def test_a_stamp_tells_its_age():
    stamp = STAMPS.issue("letters", NOW)
    assert STAMPS.read(stamp, "letters", after(4.5)) == pytest.approx(4.5, abs=0.002)
    assert STAMPS.read(stamp, "letters", NOW) == 0
    paris = after(60).astimezone(timezone(timedelta(hours=1)))
    assert STAMPS.read(stamp, "letters", paris) == pytest.approx(60, abs=0.002)


def test_a_stamp_is_ours_for_a_day_and_never_from_the_future():
    stamp = STAMPS.issue("letters", NOW)
    assert STAMPS.read(stamp, "letters", after(OLDEST_S)) == OLDEST_S
    assert STAMPS.read(stamp, "letters", after(OLDEST_S + 0.01)) is None
    assert STAMPS.read(stamp, "letters", after(-0.01)) is None


def test_a_stamp_holds_for_its_campaign_and_its_key_alone():
    stamp = STAMPS.issue("letters", NOW)
    assert STAMPS.read(stamp, "letter", NOW) is None
    assert STAMPS.read(stamp, "letters2", NOW) is None
    assert STAMPS.read(stamp, "", NOW) is None
    assert Stamps(b"K" * 32).read(stamp, "letters", NOW) is None
    assert Stamps(bytes(KEY)).read(stamp, "letters", NOW) == 0


def test_a_stamp_is_made_for_html_and_urls():
    assert STAMPS.issue("letters", NOW).replace(".", "").replace("-", "").replace("_", "").isalnum()


def forgeries():
    stamp = STAMPS.issue("letters", NOW)
    moment, _, seal = stamp.partition(".")
    yield from ("", ".", stamp[:-1], stamp + "=", stamp + "\n", " " + stamp, stamp.upper(), f"0{stamp}", f"+{stamp}")
    yield f"{int(moment, 16) + 1:x}.{seal}"  # younger than it is
    yield f"{int(moment, 16) - 3000:x}.{seal}"  # older, past the time trap
    yield f"-{stamp}"
    yield f"{moment}.{base64.urlsafe_b64encode(bytes(32)).decode().rstrip('=')}"
    yield f"{moment}.{seal.translate(str.maketrans('-_', '+/'))}="
    last = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    yield from (stamp[:-1] + last[last.index(stamp[-1]) ^ bit] for bit in (1, 2))  # bits that base64 decoding drops
    yield "f" * 10_000
    yield stamp.replace(".", "\u2024")
    yield f"\u0661.{seal}"
    yield f"{moment}.\ud800{seal[1:]}"


@pytest.mark.parametrize("forged", list(forgeries()))
def test_a_forged_stamp_is_nothing(forged):
    assert STAMPS.read(forged, "letters", after(10)) is None


@given(st.text())
def test_whatever_is_sent_as_a_stamp_is_read_without_harm(text):
    assert STAMPS.read(text, "letters", NOW) is None


@given(st.text(max_size=20), st.datetimes(datetime(2000, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001 - the strategy adds the zone
def test_every_stamp_reads_back(campaign, moment):
    stamp = STAMPS.issue(campaign, moment)
    assert 3 <= (STAMPS.read(stamp, campaign, moment + timedelta(seconds=3)) or 0) < 3.002
    assert STAMPS.read(stamp, campaign + "x", moment) is None


def test_a_key_that_could_be_guessed_is_refused():
    with pytest.raises(ValueError, match="at least 16 bytes"):
        Stamps(b"short")


def test_a_naive_moment_is_refused():
    with pytest.raises(ValueError, match="without a time zone"):
        STAMPS.issue("letters", NOW.replace(tzinfo=None))


@pytest.mark.parametrize(
    ("honeypot", "age", "says"),
    [
        ("", 3.0, ""),
        ("", 2.999, "hasty"),
        ("", 0.0, "hasty"),
        ("", None, "expired"),
        ("http://spam.example", 60.0, "filled"),
        (" ", None, "filled"),
    ],
)
def test_what_the_traps_say(honeypot, age, says):
    assert trapped(honeypot, age, 3) == says
