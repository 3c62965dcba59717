"""What the schedule is handed: a home's campaigns and offices, its leads, the calendar, and what looks a send-out over."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple

from worker.domain.campaign import Campaign
from worker.domain.clock import from_us
from worker.domain.drip import ClosedDays, Drip, Opening, openings
from worker.domain.limits import Rate
from worker.domain.occasion import Occasion, Window
from worker.domain.office import Office
from worker.ledger.book import Ledger
from worker.ledger.occurrences import Occurrence

MICROSECOND = timedelta(microseconds=1)


class Fault(NamedTuple):
    """Something that was found wrong, in a sentence that says what to do."""

    place: str
    message: str


@dataclass(frozen=True, slots=True)
class Leads:
    """How long before its start what is done for a send-out (see `[sendouts]` in the configuration reference)."""

    preflight: tuple[timedelta, ...]
    announce: timedelta
    announced_for: timedelta

    @property
    def announced_for_us(self) -> int:
        return self.announced_for // MICROSECOND


@dataclass(frozen=True, slots=True)
class Board:
    """`rates` are the limits of one campaign's letters to one office. `look_over` finds what only other rooms can see.

    `draining` says that no further chunk is to be begun.
    """

    ledger: Ledger
    campaigns: Mapping[str, Campaign]
    offices: Mapping[str, Office]
    leads: Leads
    closed: ClosedDays
    rates: Callable[[Campaign, Office], Sequence[Rate]]
    look_over: Callable[[Campaign], Sequence[Fault]]
    relay_per_day: int | None = None  # what all relays together take in a day
    observe_hours: bool = True
    draining: Callable[[], bool] = lambda: False

    def occasion(self, occurrence: Occurrence) -> Occasion | None:
        """The occasion as configured; None where its campaign, or the occasion itself, is configured no longer."""
        campaign = self.campaigns.get(occurrence.campaign)
        return campaign.occasions.get(occurrence.occasion) if campaign else None

    def addressees(self, occurrence: Occurrence) -> list[Office]:
        """The offices that it writes to: the campaign's, those that accept letters, with one of the occasion's tags."""
        campaign, occasion = self.campaigns[occurrence.campaign], self.occasion(occurrence)
        named = [self.offices[each] for each in dict.fromkeys(campaign.offices)]
        tags = occasion.tags if occasion else frozenset()
        return [office for office in named if office.accepts_letters and (not tags or office.tags & tags)]

    def openings(self, occurrence: Occurrence, office: Office, begin_us: int) -> list[Opening]:
        """The office's open time in the occurrence's window, from `begin_us` on. Raises ValueError where it has none."""
        return openings(
            office, from_us(begin_us), self.window(occurrence, begin_us), self.closed, observe_hours=self.observe_hours
        )

    def window(self, occurrence: Occurrence, begin_us: int) -> Window:
        """The occasion's window, or what an operator made of it."""
        if occurrence.ends_at is not None:
            return Window(length=max(occurrence.ends_at - begin_us, 1) * MICROSECOND)
        occasion = self.occasion(occurrence)
        assert occasion is not None, "the caller has looked"
        return occasion.window

    def drips(self, occurrence: Occurrence, begin_us: int, letters: int) -> dict[str, Drip]:
        """When each office's letters are due, by office."""
        return {
            office.id: Drip(self.openings(occurrence, office, begin_us), letters)
            for office in self.addressees(occurrence)
        }
