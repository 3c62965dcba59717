"""Looking an occurrence over before it begins: do its letters name the right people, arrive, and get through in time.

Errors hold the send-out until an operator has seen to them; warnings are for reading. What only other rooms can see (mail
servers, templates, relays) is found by the board's `look_over`.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from worker.domain.clock import from_us
from worker.domain.drip import capacity, end_for
from worker.domain.limits import Rate
from worker.domain.occasion import Occasion
from worker.domain.office import Office
from worker.ledger import audience
from worker.ledger.occurrences import Occurrence
from worker.schedule.audience import terms_of
from worker.schedule.board import Board, Fault


@dataclass(frozen=True, slots=True)
class OfficeForecast:
    """One office: letters, how many of them its limits let through in the window, and when the last one is due or could be.

    `ends` is None where nobody can tell: no opening, or more than five years.
    """

    office: str
    letters: int
    fit: int
    ends: str | None


@dataclass(frozen=True, slots=True)
class Preflight:
    """What was found, and what is to be expected. `supporters` are those written for by today's state of things."""

    day: str  # ISO
    supporters: int
    letters: int
    left_out: Mapping[str, int]
    offices: tuple[OfficeForecast, ...]
    quota_days: float | None  # days of the relays' daily quota that it takes; None where they have none
    errors: tuple[Fault, ...]
    warnings: tuple[Fault, ...]

    @property
    def passed(self) -> bool:
        """Whether the send-out may go on."""
        return not self.errors

    def body(self) -> dict[str, Any]:
        """The JSON form that is kept."""
        return {
            "day": self.day,
            "supporters": self.supporters,
            "letters": self.letters,
            "left_out": dict(self.left_out),
            "offices": [[each.office, each.letters, each.fit, each.ends] for each in self.offices],
            "quota_days": self.quota_days,
            "errors": [list(fault) for fault in self.errors],
            "warnings": [list(fault) for fault in self.warnings],
        }


def look_over(board: Board, seen: Occurrence, occasion: Occasion) -> Preflight:
    """Look at everything now, as if it began on its day."""
    begin_us = max(board.ledger.now_us(), seen.start_us)
    supporters, left_out = _audience(board, seen, occasion)
    offices = board.addressees(seen)
    forecasts, faults = _forecasts(board, seen, offices, begin_us, supporters)
    day = from_us(begin_us)
    errors, warnings = [*board.look_over(board.campaigns[seen.campaign]), *faults], list[Fault]()
    if not offices:
        errors.append(Fault(seen.campaign, "no office is left that it could write to: look at tags and the register"))
    for office in offices:
        warnings += _holder(office, day.astimezone(office.zone).date())
    letters = supporters * len(offices)
    quota = board.relay_per_day
    return Preflight(
        day=_iso(day),
        supporters=supporters,
        letters=letters,
        left_out=left_out,
        offices=tuple(forecasts),
        quota_days=round(letters / quota, 2) if quota else None,
        errors=tuple(errors),
        warnings=tuple(warnings),
    )


def _audience(board: Board, seen: Occurrence, occasion: Occasion) -> tuple[int, Counter[str]]:
    """Before anybody was told, all who are to be told; later, who was told in time as far as one can know now."""
    with board.ledger.read() as connection:
        told = seen.announced_at is not None
        told_by = board.ledger.now_us()
        numbers = Counter(
            audience.numbers(connection, terms_of(connection, seen, occasion, told_by=told_by), told=told)
        )
    return numbers.pop("", 0), Counter({why: n for why, n in numbers.items() if why != audience.NO_CONSENT})


def _forecasts(
    board: Board, seen: Occurrence, offices: list[Office], begin_us: int, letters: int
) -> tuple[list[OfficeForecast], list[Fault]]:
    """Offices that share a mailbox share its limits: they are reckoned together."""
    campaign = board.campaigns[seen.campaign]
    partners: defaultdict[str, list[Office]] = defaultdict(list)
    for office in offices:
        partners[office.lane].append(office)
    found: list[OfficeForecast] = []
    faults: list[Fault] = []
    for office in offices:
        together = letters * len(partners[office.lane])
        rates = board.rates(campaign, office)
        try:
            spans = board.openings(seen, office, begin_us)
        except ValueError as exc:
            found.append(OfficeForecast(office.id, letters, 0, None))
            faults.append(Fault(office.id, str(exc)))
            continue
        fit = min(together, capacity(spans, rates)) // len(partners[office.lane])
        if fit >= letters:
            found.append(OfficeForecast(office.id, letters, letters, _iso(from_us(spans[-1].end_us))))
            continue
        end = _end(board, office, begin_us, together, rates)
        found.append(OfficeForecast(office.id, letters, fit, _iso(end) if end else None))
        faults.append(Fault(office.id, _too_many(letters, fit, end.date() if end else None)))
    return found, faults


def _end(board: Board, office: Office, begin_us: int, letters: int, rates: Sequence[Rate]) -> datetime | None:
    try:
        return end_for(letters, office, from_us(begin_us), board.closed, rates, observe_hours=board.observe_hours)
    except ValueError:  # further on it has no opening for two months
        return None


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")


def _too_many(letters: int, fit: int, end: date | None) -> str:
    until = f"they could all be sent by {end}: move its end there" if end else "they would take more than five years"
    return f"of {letters} letters its limits let {fit} through in the window; {until}"


def _holder(office: Office, day: date) -> Iterator[Fault]:
    if office.holders and not office.holder_on(day):
        yield Fault(office.id, "its holder is not verified for that day: letters will use the title")
