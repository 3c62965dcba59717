"""The drip: n letters to one office, spread evenly over the time in which it takes letters.

    spans = openings(office, start, window, closed)     the office's open time, public holidays left out
    drip = Drip(spans, n)                                drip.at(i): when letter i is due
    capacity(spans, rates) >= n                          whether the limits let them all through in time
    end_for(n, office, start, closed, rates)             if not: the earliest end by which they do

An office that keeps hours takes no letter on a public holiday of its country. One whose hours are "always" takes letters
at any time; only a window counted in working days leaves its Saturdays, Sundays and holidays out. Moments are whole
microseconds since 1970 in UTC, as the ledger stores them.
"""

import itertools
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import NamedTuple

from worker.domain.clock import aware, from_us, to_us
from worker.domain.limits import Rate
from worker.domain.occasion import Window
from worker.domain.office import Office

ClosedDays = Callable[[str, date], str]
"""(country as ISO 3166 alpha-2 or "", local day) -> the public holiday of that day, "" where it is none."""

LOOK_AHEAD_DAYS = 60
"""An office without an opening for so long is a mistake in the register."""

FURTHEST = timedelta(days=5 * 366)
"""`end_for` looks no further ahead."""

UNLIMITED = 2**63 - 1
MOST_STEPS = 1_000_000
_SECOND_US, _DAY_US = 1_000_000, 86_400_000_000
_MIDNIGHT = time(0)
_SATURDAY = 5


def never_closed(_country: str, _day: date) -> str:
    """A calendar without public holidays."""
    return ""


def calendar_of(office: Office) -> str:
    """The country whose public holidays the office keeps; "" for none."""
    return office.holidays or office.country


@dataclass(frozen=True, slots=True)
class Opening:
    """A span in which letters may be sent, `end_us` no longer. Raises ValueError where it is empty."""

    start_us: int
    end_us: int

    def __post_init__(self) -> None:
        if self.start_us >= self.end_us:
            raise ValueError(f"an opening from {self.start_us} to {self.end_us} is empty")


# -- when an office takes letters --------------------------------------------------------------------------------------
def is_open(office: Office, moment: datetime, closed: ClosedDays) -> bool:
    """Whether the office may be written to at `moment`, by its hours and public holidays."""
    if not office.hours.spans:
        return True
    zone = office.zone
    return office.hours.is_open(moment, zone) and not closed(calendar_of(office), moment.astimezone(zone).date())


def next_opening(office: Office, moment: datetime, closed: ClosedDays) -> datetime:
    """`moment` itself where the office is open then, else when it opens next (UTC). Raises ValueError as `openings`."""
    found = next(day.openings[0] for day in _days(office, moment, closed) if day.openings)
    return from_us(found.start_us)


def openings(
    office: Office, start: datetime, window: Window, closed: ClosedDays, *, observe_hours: bool = True
) -> list[Opening]:
    """The office's open time from `start` on, cut to the window: in order, apart from each other, at least one.

    A window of working days is the first so many days that have any opening at or after `start`, were it an hour. Where
    no opening falls into a window of a plain length (a holiday covers it), it is the first one after. Without
    `observe_hours` it is the window itself, a working day counted as 24 h. Raises ValueError where the office has no
    opening for 60 days.
    """
    days = _days(office, start, closed, observe_hours=observe_hours, working=bool(window.working_days))
    if window.working_days:
        opened = (day.openings for day in days if day.openings)
        return _joined(itertools.chain.from_iterable(itertools.islice(opened, window.working_days)))
    end_us = to_us(aware(start) + window.length)
    found: list[Opening] = []
    for day in days:
        found += [Opening(o.start_us, min(o.end_us, end_us)) for o in day.openings if o.start_us < end_us]
        if day.end_us >= end_us and (found or day.openings):
            return _joined(found or day.openings[:1])
    raise AssertionError("days never end")


class _Day(NamedTuple):
    """One day and what is left of its openings after the start."""

    end_us: int
    openings: list[Opening]


def _days(
    office: Office, start: datetime, closed: ClosedDays, *, observe_hours: bool = True, working: bool = False
) -> Iterator[_Day]:
    """The days from `start` on, without end. Raises ValueError after 60 in a row without an opening."""
    start_us, idle = to_us(start), 0
    for day in _plain_days(start_us) if not observe_hours else _local_days(office, start, closed, working=working):
        ahead = [Opening(max(o.start_us, start_us), o.end_us) for o in day.openings if o.end_us > start_us]
        yield _Day(day.end_us, ahead)
        idle = 0 if ahead else idle + 1
        if idle > LOOK_AHEAD_DAYS:
            raise ValueError(
                f"office {office.id} has no opening in the {LOOK_AHEAD_DAYS} days before {from_us(day.end_us):%Y-%m-%d};"
                f" look at its hours ({office.hours}) and its public holidays ({calendar_of(office) or 'none'})"
            )


def _plain_days(start_us: int) -> Iterator[_Day]:
    for begin in itertools.count(start_us, _DAY_US):
        yield _Day(begin + _DAY_US, [Opening(begin, begin + _DAY_US)])


def _local_days(office: Office, start: datetime, closed: ClosedDays, *, working: bool) -> Iterator[_Day]:
    """The office's own days. One on which clocks change is shorter or longer; openings stay within their day."""
    day = start.astimezone(office.zone).date()
    begin = _at(office, day, _MIDNIGHT)
    while True:
        end = _at(office, day + timedelta(days=1), _MIDNIGHT)
        yield _Day(end, _openings_on(office, day, begin, end, closed, working=working))
        day, begin = day + timedelta(days=1), end


def _openings_on(
    office: Office, day: date, begin: int, end: int, closed: ClosedDays, *, working: bool
) -> list[Opening]:
    """What the office's hours open on one local day, which lasts from `begin` to `end`."""
    spans, weekday = office.hours.spans, day.weekday()
    if (spans or working) and closed(calendar_of(office), day):
        return []
    if spans:
        hours = [(_at(office, day, s.opens), _at(office, day, s.closes)) for s in spans if s.weekday == weekday]
    else:
        hours = [(begin, end)] if weekday < _SATURDAY or not working else []
    cut = [(max(opens, begin), min(closes, end)) for opens, closes in hours]
    return _joined(Opening(opens, closes) for opens, closes in cut if opens < closes)


def _at(office: Office, day: date, wall: time) -> int:
    return to_us(datetime.combine(day, wall, office.zone))


def _joined(spans: Iterable[Opening]) -> list[Opening]:
    """The same time in order, spans that overlap or touch made one."""
    found: list[Opening] = []
    for span in sorted(spans, key=lambda o: o.start_us):
        if found and span.start_us <= found[-1].end_us:
            found[-1] = Opening(found[-1].start_us, max(found[-1].end_us, span.end_us))
        else:
            found.append(span)
    return found


# -- when each letter is due ---------------------------------------------------------------------------------------------
class Drip:
    """When each of `n` letters is due: in the middle of its equal share of the open time.

    Letter 0 is not due at the very start, nor the last at the very end. Asked in rising order it costs about a
    microsecond a letter, and any order is right. Raises ValueError where there are letters and no opening.
    """

    __slots__ = ("_before", "_last", "_starts", "n")

    def __init__(self, openings: Iterable[Opening], n: int) -> None:
        spans = _joined(openings)
        if n < 0 or (n and not spans):
            raise ValueError(f"{n} letters cannot be spread over {len(spans)} openings")
        self.n = n
        self._starts = [span.start_us for span in spans]
        lengths = (span.end_us - span.start_us for span in spans)
        self._before = [0, *itertools.accumulate(lengths)]  # the open time before each opening, and all of it
        self._last = 0  # the opening of the letter asked for last

    def at(self, i: int) -> int:
        """When letter `i` (from 0) is due, in microseconds. Raises IndexError outside 0..n-1."""
        if not 0 <= i < self.n:
            raise IndexError(f"letter {i} of {self.n}")
        before, last = self._before, self._last
        into = (2 * i + 1) * before[-1] // (2 * self.n)
        if not before[last] <= into < before[last + 1]:
            last = self._last = bisect_right(before, into) - 1
        return self._starts[last] + into - before[last]

    def times(self, first: int, count: int) -> list[int]:
        """The due times of `count` letters from `first` on, never falling. Raises IndexError as `at`."""
        return [self.at(i) for i in range(first, first + count)]


# -- how many the limits let through -------------------------------------------------------------------------------------
class _Meter:
    """One rate's memory: what was placed within its window."""

    __slots__ = ("count", "placed", "used", "window_us")

    def __init__(self, rate: Rate) -> None:
        self.count, self.window_us, self.used = rate.count, rate.window_s * _SECOND_US, 0
        self.placed: deque[tuple[int, int]] = deque()  # (moment, letters)

    def room(self, now: int) -> int:
        while self.placed and self.placed[0][0] + self.window_us <= now:
            self.used -= self.placed.popleft()[1]
        return self.count - self.used

    def place(self, now: int, letters: int) -> None:
        self.placed.append((now, letters))
        self.used += letters

    def frees_at(self) -> int:
        """When it has room again, where it is full."""
        return self.placed[0][0] + self.window_us if self.used >= self.count else 0


def _batches(spans: Iterable[Opening], rates: Sequence[Rate]) -> Iterator[tuple[Opening, int]]:
    """Letters placed as early as every rate allows, which no other order betters: (opening, letters at one moment)."""
    if any(rate.count < 1 for rate in rates):
        return
    meters = [_Meter(rate) for rate in rates]
    now = 0
    for span in spans:
        now = max(now, span.start_us)
        while now < span.end_us:
            letters = min((meter.room(now) for meter in meters), default=UNLIMITED)
            for meter in meters:
                meter.place(now, letters)
            yield span, letters
            now = max((meter.frees_at() for meter in meters), default=span.end_us)


def capacity(openings: Iterable[Opening], rates: Sequence[Rate]) -> int:
    """The most letters that fit into `openings` where each rate holds in any window of its length, however placed.

    Exact, for limits that nothing else uses; `UNLIMITED` without rates. Only where it takes more than a million moments
    of sending (one letter a second for eleven days on end) is the answer on the low side. The pacer counts a little
    longer than the window and reaches about 98 % of it (`docs/pacing.md`).
    """
    placed = itertools.islice(_batches(_joined(openings), rates), MOST_STEPS)
    return min(UNLIMITED, sum(letters for _, letters in placed))


def end_for(
    n: int,
    office: Office,
    start: datetime,
    closed: ClosedDays,
    rates: Sequence[Rate],
    *,
    observe_hours: bool = True,
) -> datetime | None:
    """The end of the first opening by which `n` letters to the office fit under `rates` (UTC); None beyond five years.

    `start` itself where there are none to send. Raises ValueError where the office has no opening for 60 days.
    """
    if n <= 0:
        return aware(start)
    last = to_us(aware(start) + FURTHEST)
    days = _days(office, start, closed, observe_hours=observe_hours)
    within = itertools.takewhile(lambda day: day.end_us <= last, days)
    spans = itertools.chain.from_iterable(day.openings for day in within)
    for span, letters in _batches(spans, rates):
        n -= letters
        if n <= 0:
            return from_us(span.end_us)
    return None
