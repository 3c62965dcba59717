"""Clock, errors, person and the values that are pinned."""

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.domain.campaign import canonical
from worker.domain.clock import SystemClock, aware, from_us, to_us
from worker.domain.errors import BadInput, Failed, LettershopError, RefusedByState
from worker.domain.making import Frame, OfficeBlock, frame, message_id, office_block, pin_body
from worker.domain.person import Person
from worker.domain.verdict import Kind, Reply, Scope, Stage, Verdict

BLOCK = OfficeBlock(
    "mayor", "Mayor", "Sampleton", "IE", "Alex Sample", "", "Dear Mayor", "mayor@sampleton.example", "en"
)
FRAME = Frame(
    campaign="library",
    name="Library",
    site="https://library.example",
    controller="Friends",
    contact="q@library.example",
    sender="l@library.example",
    sender_pattern="{signer} via {campaign}",
    reply_to="",
    subject_tag="[L]",
    list_id="l.library.example",
    default_language="en",
    addressees=("Mayor, Sampleton", "Chair, Sampleton"),
)


def stored(body):
    return json.loads(canonical(body))


def test_a_block_and_a_frame_come_back_from_their_pins():
    assert office_block(stored(pin_body(BLOCK))) == BLOCK
    assert frame(stored(pin_body(FRAME))) == FRAME
    assert len({FRAME, frame(stored(pin_body(FRAME)))}) == 1


def test_errors_carry_their_exit_status():
    assert [e.exit_status for e in (LettershopError, Failed, BadInput, RefusedByState)] == [1, 1, 2, 3]


def test_a_person_never_prints():
    person = Person("Sample Signer 01", "signer-01@town-library.example", "IE", comment="mine")
    assert repr(person) == "Person(...)"
    assert "Sample" not in f"{person} {[person]}"
    assert person.body()["name"] == "Sample Signer 01"


def test_the_system_clock_is_aware():
    clock = SystemClock()
    assert clock.now().tzinfo is UTC
    assert clock.monotonic() <= clock.monotonic()


def test_naive_moments_are_refused():
    with pytest.raises(ValueError, match="without a time zone"):
        aware(datetime(2026, 1, 1))  # noqa: DTZ001 -- the very point


def test_microseconds_are_counted_from_1970_in_utc():
    assert to_us(datetime(1970, 1, 1, 1, tzinfo=timezone(timedelta(hours=1)))) == 0
    assert from_us(-1) == datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)


@given(st.datetimes(timezones=st.timezones()))
def test_moments_come_back(moment):
    try:
        before = moment.astimezone(UTC)
    except OverflowError:
        return
    assert from_us(to_us(moment)) == before


def test_a_verdict_is_a_value():
    reply = Reply(250, "2.0.0", "queued")
    assert Verdict(Kind.ACCEPT, Scope.LETTER, Stage.DOT, reply, "accepted").reply.code == 250


def test_a_message_id_is_the_letters_own_and_gives_nothing_away():
    one = message_id(7, b"mac", "l@library.example")
    assert one == message_id(7, b"mac", "l@library.example")
    assert one.startswith("7.")
    assert one.endswith("@library.example")
    assert one != message_id(7, b"other", "l@library.example")
    assert b"mac".hex() not in one
