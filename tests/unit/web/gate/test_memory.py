"""What one process counts by itself: any window, bounded."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from tests.integration.pacing.house import Time, limit
from worker.web.gate.memory import MOST, SLOTS, Seen, Windows

HOUR = 3600


def take(windows, *limits):
    return asyncio.run(windows.take(limits))


def used(windows, *limits):
    return asyncio.run(windows.used(limits))


def test_a_limit_is_given_up_to_its_count_and_again_when_the_window_is_over():
    time = Time()
    windows = Windows(time)
    three = limit("a", 3, HOUR)
    assert [take(windows, three) is None for _ in range(4)] == [True, True, True, False]
    wait = take(windows, three)
    assert wait.key == "a"
    assert HOUR <= wait.seconds <= HOUR + HOUR / SLOTS
    time.go(wait.seconds - 0.01)
    assert take(windows, three) is not None
    time.go(0.02)
    assert used(windows, three) == [0]
    assert take(windows, three) is None


def test_all_limits_have_room_or_nothing_is_taken():
    windows = Windows(Time())
    one, five = limit("a", 1, HOUR), limit("b", 5, HOUR)
    assert take(windows, one, five) is None
    assert take(windows, five, one).key == "a"
    assert used(windows, one, five, limit("a", 9, 60), limit("c", 1, 60)) == [1, 1, 0, 0]
    assert take(windows) is None


def test_the_limit_with_the_longest_wait_is_named():
    windows = Windows(Time())
    minute, hour = limit("a", 1, 60), limit("b", 1, HOUR)
    take(windows, minute, hour)
    assert take(windows, minute, hour).key == take(windows, hour, minute).key == "b"


@given(st.lists(st.floats(0, 40), max_size=60), st.integers(1, 5))
def test_no_window_ever_sees_more_than_the_limit(pauses, count):
    time = Time()
    windows = Windows(time)
    taken = []
    for pause in pauses:
        time.go(pause)
        if take(windows, limit("a", count, 60)) is None:
            taken.append(time.monotonic())
    assert all(later - first >= 60 for first, later in zip(taken, taken[count:], strict=False))


@given(st.lists(st.floats(0, 40), max_size=40), st.integers(1, 5))
def test_a_refusal_says_when_to_come_back(pauses, count):
    time = Time()
    windows = Windows(time)
    for pause in pauses:
        time.go(pause)
        if wait := take(windows, limit("a", count, 60)):
            assert 0 < wait.seconds <= 60 + 60 / SLOTS
            time.go(wait.seconds + 1e-3)
            assert take(windows, limit("a", count, 60)) is None


def test_memory_is_bounded_and_what_is_asked_about_stays():
    windows = Windows(Time(), most=100)
    victim = limit("victim", 1, HOUR)
    take(windows, victim)
    for n in range(1_000):
        take(windows, limit(f"other-{n}", 5, HOUR))
        assert take(windows, victim) is not None  # also a refusal keeps the key
    assert len(windows) == 100
    for n in range(100):
        take(windows, limit(f"more-{n}", 5, HOUR))
    assert used(windows, victim) == [0]
    for n in range(1_000):
        used(windows, limit(f"looked-at-{n}", 5, HOUR))
    assert len(windows) == 100
    assert MOST == 50_000


def test_a_thing_is_first_once_in_its_time():
    time = Time()
    seen = Seen(time, 60)
    assert [seen.first("a"), seen.first("a"), seen.first("b")] == [True, False, True]
    time.go(59)
    assert not seen.first("a")
    time.go(1)
    assert seen.first("a")


def test_what_was_seen_is_bounded():
    seen = Seen(Time(), 60, most=10)
    assert all(seen.first(f"n{n}") for n in range(100))
    assert len(seen) == 10
    assert [seen.first("n99"), seen.first("n0")] == [False, True]
