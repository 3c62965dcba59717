"""The days to come: how many letters each office gets on each, until all are gone. Pure but for the clock it is given.

Each day an office gets what its own limits let through in its open time; then those that share a mailbox, a mail domain or
the relays are cut to what these let through, in equal parts.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from worker.domain.clock import from_us, to_us
from worker.domain.drip import FURTHEST, Opening, calendar_of, capacity, openings
from worker.domain.errors import RefusedByState
from worker.domain.limits import Limit, Rate
from worker.domain.occasion import Window
from worker.domain.office import Office
from worker.operations.limits_view import Used
from worker.settings import Home

_DAY_US = 86_400_000_000
_CHUNK = timedelta(days=28)
_MINUTE_US = 60_000_000


@dataclass(slots=True)
class Flow:
    """One campaign's letters to one office. `rates` are those of its mailbox, domain and campaign."""

    office: Office
    campaign: str
    letters: int
    rates: tuple[Rate, ...]
    left: int = 0
    begins_us: int = 0  # when gates that are shut now open
    ends_us: int | None = None
    days: set[date] = field(default_factory=set)
    held_by: Counter[str] = field(default_factory=Counter)  # on how many days which limit decided


@dataclass(frozen=True, slots=True)
class Shared:
    """Limits by what they are on: of (campaign, lane, domain), and of all relays together (each its own rates)."""

    lane: Callable[[Flow], list[Rate]]
    domain: Callable[[Flow], list[Rate]]
    relays: Sequence[tuple[str, Sequence[Limit]]]
    used: Used


class Course:
    """The days to come, one after the other, until every letter is gone or five years are over."""

    def __init__(self, home: Home, at: datetime, flows: Sequence[Flow], shared: Shared) -> None:
        self._home, self._shared, self._flows = home, shared, flows
        self._at_us = to_us(at)
        self._midnight_us = self._at_us - self._at_us % _DAY_US
        self._observe = home.settings.limits.office_hours == "observe"
        self._open: dict[Hashable, list[Opening]] = {}
        self._until: dict[Hashable, int] = {}
        self._fits: dict[Hashable, int] = {}
        self._limits = {id(flow): (shared.lane(flow), shared.domain(flow)) for flow in flows}

    def run(self) -> None:
        still = [flow for flow in self._flows if flow.left > 0]
        for day in range(FURTHEST // timedelta(days=1)):
            if not still:
                return
            begin = self._midnight_us + day * _DAY_US
            spans = {id(flow): _after(self._spans(flow.office, begin), flow.begins_us) for flow in still}
            given = self._given(still, spans, first=day == 0)
            for flow, n in zip(still, given, strict=True):
                self._send(flow, n, spans[id(flow)])
            still = [flow for flow in still if flow.left > 0]

    def _send(self, flow: Flow, n: int, spans: Sequence[Opening]) -> None:
        if n <= 0:
            return
        flow.days |= {from_us(span.start_us).astimezone(flow.office.zone).date() for span in spans}
        if n == flow.left:
            flow.ends_us = self._moment(flow, n, spans)
        flow.left -= n

    def _moment(self, flow: Flow, n: int, spans: Sequence[Opening]) -> int:
        """To the minute, when `n` letters are through."""
        low, high = spans[0].start_us, spans[-1].end_us
        while high - low > _MINUTE_US:
            middle = (low + high) // 2
            cut = [Opening(s.start_us, min(s.end_us, middle)) for s in spans if s.start_us < middle]
            low, high = (low, middle) if capacity(cut, flow.rates) >= n else (middle, high)
        return high

    # -- what a day lets through ---------------------------------------------------------------------------------------
    def _given(self, still: Sequence[Flow], spans: Mapping[int, list[Opening]], *, first: bool) -> list[int]:
        given = []
        for flow in still:
            most = self._capacity(spans[id(flow)], flow.rates)
            given.append(min(flow.left, most))
            if flow.left > most:
                flow.held_by[self._tightest(flow, spans[id(flow)])] += 1
        for place in (0, 1):  # its mailbox's lane, its mail domain
            for members in _alike(still, place):
                caps = [self._capacity(spans[id(still[i])], self._limits[id(still[i])][place]) for i in members]
                _share(given, members, max(caps))
        everybody = range(len(still))
        longest = max(spans.values(), key=lambda each: sum(s.end_us - s.start_us for s in each), default=[])
        most = self._of_relays(longest, first=first)
        if sum(given) > most:
            wanted = list(given)
            _share(given, everybody, most)
            for i in everybody:
                if given[i] < wanted[i]:
                    still[i].held_by["relay"] += 1
        return given

    def _of_relays(self, spans: Sequence[Opening], *, first: bool) -> int:
        """What all relays take in a day in which letters may be sent in `spans`."""
        total = 0
        for _, limits in self._shared.relays:
            used = max((self._shared.used.get(each, 0) for each in limits if first), default=0)
            rates = [each.rate for each in limits]
            total += max(0, self._capacity(spans, rates) - used)
        return total

    def _tightest(self, flow: Flow, spans: Sequence[Opening]) -> str:
        return str(min(flow.rates, key=lambda rate: self._capacity(spans, [rate]), default=""))

    def _capacity(self, spans: Sequence[Opening], rates: Sequence[Rate]) -> int:
        if not spans:
            return 0
        start = spans[0].start_us
        key = (tuple((s.start_us - start, s.end_us - start) for s in spans), tuple(rates))
        if key not in self._fits:
            self._fits[key] = capacity(spans, rates)
        return self._fits[key]

    # -- open time -----------------------------------------------------------------------------------------------------
    def _spans(self, office: Office, begin: int) -> list[Opening]:
        """The office's open time between `begin` and a day later, from now on. Offices that keep the same hours share it."""
        keeps = (str(office.hours), office.zone.key, calendar_of(office))
        while self._until.get(keeps, 0) < begin + _DAY_US:
            self._look_ahead(office, keeps)
        return [
            Opening(max(o.start_us, begin), min(o.end_us, begin + _DAY_US))
            for o in self._open[keeps]
            if o.start_us < begin + _DAY_US and o.end_us > begin
        ]

    def _look_ahead(self, office: Office, keeps: Hashable) -> None:
        start = self._until.get(keeps, self._at_us)
        end = (
            to_us(from_us(self._midnight_us) + _CHUNK)
            if start == self._at_us
            else start + _CHUNK // timedelta.resolution
        )
        window = Window(length=from_us(end) - from_us(start))
        try:
            ahead = openings(office, from_us(start), window, self._home.closed, observe_hours=self._observe)
        except ValueError as exc:
            raise RefusedByState(str(exc)) from exc
        self._open[keeps] = [o for o in ahead if o.start_us < end]
        self._until[keeps] = end


def _after(spans: list[Opening], begins_us: int) -> list[Opening]:
    """What is left of the openings from a moment on."""
    if not spans or begins_us <= spans[0].start_us:
        return spans
    return [Opening(max(s.start_us, begins_us), s.end_us) for s in spans if s.end_us > begins_us]


def _alike(flows: Sequence[Flow], place: int) -> Iterator[list[int]]:
    """Those that share a mailbox, or a mail domain, where there are several."""
    groups: defaultdict[str, list[int]] = defaultdict(list)
    for i, flow in enumerate(flows):
        groups[flow.office.domain if place else flow.office.lane].append(i)
    yield from (members for members in groups.values() if len(members) > 1)


def _share(given: list[int], members: Sequence[int], most: int) -> None:
    """Cut what the members get to `most` in all, in equal parts; who wants less than its part leaves the rest to others."""
    if sum(given[i] for i in members) <= most:
        return
    by_want = sorted(members, key=lambda i: given[i])
    for place, i in enumerate(by_want):
        given[i] = min(given[i], most // (len(by_want) - place))
        most -= given[i]
