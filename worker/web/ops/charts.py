"""The geometry of the dashboard's drawings, and the words that stand for them. Pure: numbers in, numbers and texts out.

Templates draw what is said here with SVG's own attributes: the pages' policy allows no `style`. A plot is a box of
`WIDE` by `HIGH` that is stretched over whatever room there is; its labels stand beside it as text, so that a phone
shows them as large as a desk does. Whoever cannot see a drawing reads its `summary`, and its rows as a table.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from worker.domain.clock import from_us

WIDE, HIGH = 1000, 100
MOST_POINTS = 180
HEATS = 7
"""Shades of the heat map, besides that of nothing."""

_SECOND_US = 1_000_000
_MINUTE_US = 60 * _SECOND_US
_NARROWEST = 0.6  # hundredths of the whole: one letter among a million is still to be seen
_NICE = (1, 2, 4, 5, 10)
_LEAST_TOP = 4  # with less, the line in the middle would stand for half a letter


# -- curves --------------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Point:
    """A value at a moment."""

    at_us: int
    value: float


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table that stands for a curve."""

    at: datetime
    value: float


@dataclass(frozen=True, slots=True)
class Curve:
    """A curve over a span: `lines` and `areas` are SVG paths, one for each stretch without a gap."""

    lines: tuple[str, ...]
    areas: tuple[str, ...]
    top: int
    marks: tuple[datetime, ...]
    rows: tuple[Row, ...]
    last: float | None
    most: float
    least: float
    mean: float

    @property
    def drawn(self) -> bool:
        """Whether there is anything to be seen."""
        return bool(self.rows)


def curve(points: Sequence[Point], start_us: int, end_us: int, *, marks: int = 5, rows: int = 24) -> Curve:
    """The curve through `points`, which are in order of time. No line is drawn over a gap: nobody knows what was there."""
    inside = thinned([each for each in points if start_us <= each.at_us <= end_us], start_us, end_us)
    values = [each.value for each in inside]
    top = nice_top(max(values, default=0))
    stretches = [_scaled(stretch, start_us, end_us, top) for stretch in _stretches(inside)]
    return Curve(
        lines=tuple(_line(each) for each in stretches),
        areas=tuple(_area(each) for each in stretches),
        top=top,
        marks=tuple(from_us(start_us + (end_us - start_us) * i // (marks - 1)) for i in range(marks)),
        rows=tuple(Row(from_us(each.at_us), each.value) for each in _every(inside, rows)),
        last=values[-1] if values else None,
        most=max(values, default=0),
        least=min(values, default=0),
        mean=sum(values) / len(values) if values else 0,
    )


def per_minute(totals: Sequence[Point]) -> list[Point]:
    """How much was added per minute between each total and the one before; a total that shrank added nothing."""
    return [
        Point(after.at_us, max(0.0, after.value - before.value) / ((after.at_us - before.at_us) / _MINUTE_US))
        for before, after in pairwise(totals)
        if before.at_us < after.at_us <= before.at_us + 10 * _MINUTE_US
    ]


def thinned(points: Sequence[Point], start_us: int, end_us: int, most: int = MOST_POINTS) -> list[Point]:
    """At most `most` points: the mean of those that fall in the same part of the span, at the time of the last."""
    if len(points) <= most:
        return list(points)
    parts: dict[int, list[Point]] = {}
    for each in points:
        parts.setdefault((each.at_us - start_us) * (most - 1) // max(1, end_us - start_us), []).append(each)
    return [Point(part[-1].at_us, sum(p.value for p in part) / len(part)) for part in parts.values()]


def nice_top(value: float) -> int:
    """The first round number not below `value`: what an axis ends with."""
    size = 1
    while True:
        for nice in _NICE:
            if nice * size >= max(value, _LEAST_TOP):
                return nice * size
        size *= 10


def _stretches(points: Sequence[Point]) -> Iterable[list[Point]]:
    """Parted where more than two and a half usual steps lie between two points."""
    if not points:
        return []
    steps = sorted(after.at_us - before.at_us for before, after in pairwise(points))
    usual = steps[len(steps) // 2] if steps else 0
    found: list[list[Point]] = [[points[0]]]
    for before, after in pairwise(points):
        if (after.at_us - before.at_us) * 2 > usual * 5:
            found.append([])
        found[-1].append(after)
    return found


def _scaled(points: Sequence[Point], start_us: int, end_us: int, top: int) -> list[tuple[float, float]]:
    span = max(1, end_us - start_us)
    return [(WIDE * (each.at_us - start_us) / span, HIGH - HIGH * each.value / top) for each in points]


def _line(points: Sequence[tuple[float, float]]) -> str:
    if len(points) == 1:  # a point alone is drawn as a dash
        (x, y) = points[0]
        return f"M{_n(x - 2)} {_n(y)}H{_n(x + 2)}"
    return "M" + "L".join(f"{_n(x)} {_n(y)}" for x, y in points)


def _area(points: Sequence[tuple[float, float]]) -> str:
    if len(points) == 1:
        return ""
    return f"{_line(points)}L{_n(points[-1][0])} {HIGH}L{_n(points[0][0])} {HIGH}Z"


def _every(points: Sequence[Point], most: int) -> Sequence[Point]:
    """Evenly chosen, the last among them."""
    step = -(-len(points) // most) or 1
    return list(reversed(points))[::step][::-1]


def _n(value: float) -> str:
    return f"{value:.1f}".rstrip("0").rstrip(".")


# -- bars and gauges -----------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Segment:
    """A part of a bar. `x` and `width` are hundredths of the bar's whole room."""

    name: str
    n: float
    x: float
    width: float


def stacked(parts: Mapping[str, float], whole: float) -> tuple[Segment, ...]:
    """The parts one after the other, none too narrow to be seen; `whole` is what fills the room."""
    there = {name: n for name, n in parts.items() if n > 0}
    if not there or whole <= 0:
        return ()
    widths = {name: max(_NARROWEST, 100 * n / whole) for name, n in there.items()}
    room = min(100.0, 100 * sum(there.values()) / whole)
    shrink = max(room, _NARROWEST * len(there)) / sum(widths.values())
    found: list[Segment] = []
    x = 0.0
    for name, width in widths.items():
        found.append(Segment(name, there[name], round(x, 3), round(width * shrink, 3)))
        x += width * shrink
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Gauge:
    """How much of a limit is used. `share` is in hundredths, at most 100; `level` is calm, close or full."""

    used: int
    limit: int
    share: float
    level: str

    @property
    def left(self) -> int:
        return max(0, self.limit - self.used)


def gauge(used: int, limit: int) -> Gauge:
    """The gauge of a limit; one of nothing is always full."""
    share = 100.0 if limit <= 0 else min(100.0, 100 * used / limit)
    level = "full" if used >= limit else "close" if share >= 80 else "calm"  # noqa: PLR2004 -- four fifths
    return Gauge(used, limit, round(share, 1), level)


# -- the heat map --------------------------------------------------------------------------------------------------------
def heat(n: int, most: int) -> int:
    """The shade of `n` letters where the darkest stands for `most`: 0 for none, else 1 to `HEATS`, by order of magnitude."""
    if n <= 0 or most <= 0:
        return 0
    if n >= most:
        return HEATS
    steps = (n.bit_length() - 1) / max(1, most.bit_length() - 1)
    return max(1, min(HEATS, 1 + int(steps * (HEATS - 1) + 0.5)))


# -- words ---------------------------------------------------------------------------------------------------------------
def span_words(seconds: float | None) -> str:
    """A span as one says it: "40 s", "12 min", "3 h 5 min", "4 days"; "" for none."""
    if seconds is None:
        return ""
    whole = int(seconds)
    if whole < 60:  # noqa: PLR2004 -- a minute
        return f"{whole} s"
    minutes = whole // 60
    if minutes < 120:  # noqa: PLR2004 -- two hours
        return f"{minutes} min"
    hours, rest = divmod(minutes, 60)
    if hours < 48:  # noqa: PLR2004 -- two days
        return f"{hours} h {rest} min" if rest and hours < 10 else f"{hours} h"  # noqa: PLR2004 -- then minutes say little
    return f"{timedelta(hours=hours).days} days"
