"""An occasion: a day of the year on which a campaign writes again, and the window over which its letters are spread.

All times are the wall clock of the occasion's zone. A time that a DST change repeats is read as its first passing, one
that it skips as Python's `fold=0` does (02:30 becomes 03:30), unless that falls on another day: then the clock of after
the change is read. The day an occasion is kept never moves. The one exception is a day that a zone left out altogether
(Apia, 30 December 2011): its start is that of the day after.
"""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from worker.domain.campaign import TextVersion
from worker.domain.clock import aware
from worker.domain.duration import duration_text, parse_duration

Leap = Literal["02-28", "03-01"]

LONGEST = timedelta(days=366)
"""No window is longer: the next send-out would begin inside it."""

MOST_WORKING_DAYS = 260
FIRST_YEAR, LAST_YEAR = 1970, 9000

_WORKING_DAYS = re.compile(r"([0-9]{1,4}) working days?")
_DAYS = re.compile(r" ?days?$")
_WINDOW_FORM = 'write a window like "5 working days", "3 days", "8 h" or "30 min"'


@dataclass(frozen=True, slots=True)
class Window:
    """How long the letters of a send-out are spread: `working_days` of each office, or a plain `length`, never both.

    Prints as it is written in the config. Raises ValueError where neither or both are given, or more than a year.
    """

    working_days: int = 0
    length: timedelta = timedelta(0)

    def __post_init__(self) -> None:
        negative = self.working_days < 0 or self.length < timedelta(0)
        if negative or bool(self.working_days) == bool(self.length):
            raise ValueError(f"a window is a number of working days or a length of time; {_WINDOW_FORM}")
        if self.working_days > MOST_WORKING_DAYS or self.length > LONGEST:
            raise ValueError(f"a window is at most {MOST_WORKING_DAYS} working days or {LONGEST.days} days")

    def __str__(self) -> str:
        if self.working_days:
            return f"{self.working_days} working day{'s' * (self.working_days != 1)}"
        if not self.length % timedelta(days=1):
            return f"{self.length.days} day{'s' * (self.length.days != 1)}"
        return duration_text(self.length)


def parse_window(text: str) -> Window:
    """Read "5 working days", "1 working day", "3 days", "8 h", "30 min". Raises ValueError with the form wanted."""
    found = _WORKING_DAYS.fullmatch(text.strip())
    if found:
        return Window(working_days=int(found[1]))
    try:
        length = parse_duration(_DAYS.sub(" d", text.strip()))
    except ValueError as exc:
        raise ValueError(f"{text!r} is not a window; {_WINDOW_FORM}") from exc
    return Window(length=length)


@dataclass(frozen=True, slots=True, kw_only=True)
class Occasion:
    """What a campaign's config says of one yearly send-out. Raises ValueError for a day that no year has.

    `name` is a slug; a year's send-out is called `<name>-<year>`, and the year is its period. `leap` says which day is
    kept in a year without 29 February and matters to no other day. `not_after` is how long after the start its letters
    expire, `grace` how late it may still begin by itself.
    """

    name: str
    month: int
    day: int
    leap: Leap = "02-28"
    start: time
    zone: ZoneInfo
    window: Window
    first_year: int
    text: TextVersion | None = None  # None: each letter has the text that was signed
    consent: str = "yearly"
    countries: frozenset[str] = frozenset()  # the signers'; empty: all
    languages: frozenset[str] = frozenset()  # the letters'; empty: all
    tags: frozenset[str] = frozenset()  # the offices'; empty: all
    not_after: timedelta
    grace: timedelta
    approval: bool = True

    def __post_init__(self) -> None:
        _day(2000, self.month, self.day)  # a leap year: 29 February is a day
        if self.leap not in ("02-28", "03-01"):
            raise ValueError(f'{self.leap!r}: in years without 29 February write "02-28" or "03-01"')
        if self.start.tzinfo is not None:
            raise ValueError(f"{self.start}: the start is a time of the occasion's zone; write it without an offset")
        if not FIRST_YEAR <= self.first_year <= LAST_YEAR:
            raise ValueError(f"the first year {self.first_year} is not between {FIRST_YEAR} and {LAST_YEAR}")
        if min(self.not_after, self.grace) < timedelta(0):
            raise ValueError("not_after and grace are lengths of time after the start; neither is negative")

    def day_in(self, year: int) -> date:
        """The day it is kept in `year`, in its zone."""
        if (self.month, self.day) == (2, 29) and not _is_leap(year):
            return date(year, 2, 28) if self.leap == "02-28" else date(year, 3, 1)
        return date(year, self.month, self.day)

    def starts_at(self, year: int) -> datetime:
        """When its letters begin to be sent in `year`: aware, UTC."""
        day = self.day_in(year)
        wall = datetime.combine(day, self.start, self.zone).replace(fold=0)
        before, after = wall.astimezone(UTC), wall.replace(fold=1).astimezone(UTC)
        stays = [moment for moment in (before, after) if moment.astimezone(self.zone).date() == day]
        return stays[0] if stays else before

    def next_year(self, moment: datetime) -> int:
        """The first period, from `first_year` on, whose start is not before `moment` (aware)."""
        year = max(self.first_year, aware(moment).year - 1)  # a start on 1 January may be in the year before in UTC
        while self.starts_at(year) < moment:
            year += 1
        return year

    def send_out(self, year: int) -> str:
        """The name of the send-out of `year`, like "anniversary-2027"."""
        return f"{self.name}-{year}"


def _is_leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def _day(year: int, month: int, day: int) -> date:
    try:
        return date(year, month, day)
    except ValueError as exc:
        raise ValueError(f"no year has a day {day} in a month {month}") from exc
