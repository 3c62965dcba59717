"""Office hours: when an office may be written to, in its own time zone.

A wall-clock time that a DST change skips or repeats is read as Python's `fold=0` does; an opening is never missed
for it.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

DAYS = ("Mo", "Tu", "We", "Th", "Fr", "Sa", "Su")
_SPAN = re.compile(r"^(?P<first>[A-Z][a-z])(?:-(?P<last>[A-Z][a-z]))? (?P<open>\d\d:\d\d)-(?P<close>\d\d:\d\d)$")
_FORM = 'write hours like "Mo-Fr 09:00-17:00", several parted by ";", or "always"'


@dataclass(frozen=True, slots=True)
class Span:
    """Opening and closing on one weekday (0 is Monday)."""

    weekday: int
    opens: time
    closes: time


@dataclass(frozen=True, slots=True)
class Hours:
    """A week of spans; none means `always`. Prints as written."""

    text: str
    spans: tuple[Span, ...]

    def __str__(self) -> str:
        return self.text

    def next_open(self, moment: datetime, zone: ZoneInfo) -> datetime:
        """`moment` itself where the office is open then, else when it opens next (UTC)."""
        if not self.spans:
            return moment
        day = moment.astimezone(zone).date()
        for ahead in range(9):
            date = day + timedelta(days=ahead)
            for span in (s for s in self.spans if s.weekday == date.weekday()):
                opens = datetime.combine(date, span.opens, zone).astimezone(UTC)
                closes = datetime.combine(date, span.closes, zone).astimezone(UTC)
                if moment < closes:
                    return max(opens, moment)
        raise AssertionError("a week of hours has an opening")

    def is_open(self, moment: datetime, zone: ZoneInfo) -> bool:
        """Whether the office may be written to at `moment`."""
        return self.next_open(moment, zone) == moment


def parse_hours(text: str) -> Hours:
    """Read "Mo-Fr 09:00-17:00; Sa 10:00-12:00" or "always". Raises ValueError with the form that is wanted."""
    if text.strip() == "always":
        return Hours("always", ())
    spans: list[Span] = []
    for part in text.split(";"):
        spans += _spans(part.strip(), text)
    return Hours(text.strip(), tuple(sorted(spans, key=lambda s: (s.weekday, s.opens))))


def _spans(part: str, text: str) -> list[Span]:
    found = _SPAN.match(part)
    if not found or found["first"] not in DAYS or (found["last"] or "Mo") not in DAYS:
        raise ValueError(f"{text!r} are not office hours; {_FORM}")
    try:
        opens, closes = time.fromisoformat(found["open"]), time.fromisoformat(found["close"])
    except ValueError as exc:
        raise ValueError(f"{text!r} are not office hours; {_FORM}") from exc
    first = DAYS.index(found["first"])
    last = DAYS.index(found["last"]) if found["last"] else first
    if closes <= opens or last < first:
        raise ValueError(f"{text!r}: an opening must come before its closing; {_FORM}")
    return [Span(day, opens, closes) for day in range(first, last + 1)]


ALWAYS = parse_hours("always")
WORKING_WEEK = parse_hours("Mo-Fr 09:00-17:00")
