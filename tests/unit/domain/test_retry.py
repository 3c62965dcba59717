"""The retry schedule, as a list to read and as properties."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from worker.domain.duration import duration_text
from worker.domain.retry import Retry

SCHEDULE = """
1: 5 min after 5 min
2: 5 min after 10 min
3: 10 min after 20 min
4: 20 min after 40 min
5: 40 min after 80 min
6: 67 min after 147 min
7: 67 min after 214 min
8: 67 min after 281 min
"""
NO_JITTER = 0.5  # the middle of [0, 1)


def attempts(retry):
    """(number, wait, age) of every attempt until the letter is too old."""
    age, number = timedelta(0), 0
    while not retry.expired(age):
        wait = retry.delay(age, NO_JITTER)
        age, number = age + wait, number + 1
        yield number, wait, age


def minutes(length):
    return f"{length // timedelta(minutes=1)} min"


def test_the_schedule_as_printed():
    printed = [f"{n}: {minutes(wait)} after {minutes(age)}" for n, wait, age in attempts(Retry())]
    assert printed[:8] == SCHEDULE.strip().splitlines()
    assert len(printed) == 112
    assert printed[-1] == "112: 67 min after 7249 min"


def test_it_is_too_old_at_exactly_its_age():
    assert Retry().expired(timedelta(days=5))
    assert not Retry().expired(timedelta(days=5) - timedelta(microseconds=1))


ages = st.timedeltas(timedelta(0), timedelta(days=30))
randoms = st.floats(0, 1, exclude_max=True)


@given(ages, randoms)
def test_a_wait_stays_within_its_bounds_and_jitter(age, random):
    retry = Retry()
    wait = retry.delay(age, random)
    assert retry.minimum * 0.9 <= wait <= retry.maximum * 1.1
    assert abs(wait - min(max(age, retry.minimum), retry.maximum)) <= retry.maximum * 0.1


@given(ages, ages, randoms)
def test_an_older_letter_never_waits_less(one, other, random):
    retry = Retry()
    assert retry.delay(min(one, other), random) <= retry.delay(max(one, other), random)


@given(ages)
def test_without_jitter_the_random_number_is_nothing(age):
    retry = Retry(jitter=0)
    assert retry.delay(age, 0.0) == retry.delay(age, 0.999)


def test_durations_print_as_written():
    assert duration_text(Retry().expire_after) == "5 d"
