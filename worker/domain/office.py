"""An office (an institution's mailbox and title) and its dated holders."""

from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from worker.domain.hours import WORKING_WEEK, Hours

VERIFIED_FOR = timedelta(days=365)
"""A holder whose entry was last verified longer ago than this is not named: the title is used."""

Policy = Literal["title", "hold"]
"""What happens where no holder may be named: the letter goes to the title, or waits until the register is kept up."""


@dataclass(frozen=True, slots=True)
class Holder:
    """The person in an office for a time. `form` is "H.E. Mr.", `salutation` what follows "Dear"-less: a whole line."""

    name: str
    form: str = ""
    salutation: str = ""
    since: date | None = None
    until: date | None = None
    verified: date | None = None

    def in_office(self, day: date) -> bool:
        return (self.since is None or self.since <= day) and (self.until is None or day <= self.until)

    def fresh(self, day: date) -> bool:
        """Whether the entry was verified within the last twelve months of `day`."""
        return self.verified is not None and day - self.verified <= VERIFIED_FOR


@dataclass(frozen=True, slots=True)
class Office:
    """An addressee. `mailbox` is the institution's address; `source` and `as_of` say where and when it was found."""

    id: str
    title: str
    organisation: str
    country: str  # ISO 3166 alpha-2, or "" for an international organisation
    zone: ZoneInfo
    language: str  # BCP 47, lower case
    mailbox: str
    source: str = ""
    as_of: date | None = None
    hours: Hours = WORKING_WEEK
    salutation: str = ""  # used where no holder is named; "" takes the default of the language
    holders: tuple[Holder, ...] = ()
    tags: frozenset[str] = field(default_factory=frozenset)
    accepts_letters: bool = True
    refusal: str = ""  # when accepts_letters is false: date, reason, evidence in one line
    holidays: str = ""  # ISO 3166 alpha-2: whose public holidays it keeps; "" = those of its `country`
    vacancy: Policy = "title"  # what happens while nobody is in office
    stale: Policy = "title"  # what happens while the holder in office was verified more than a year ago

    @property
    def domain(self) -> str:
        """The mailbox's domain, lower case: what the domain limit counts."""
        return self.mailbox.rpartition("@")[2].lower()

    @property
    def lane(self) -> str:
        """The key of the lane that its mailbox makes: offices that share a mailbox share the lane and its limits."""
        return f"mailbox:{self.mailbox.lower()}"

    def present(self, day: date) -> Holder | None:
        """Whose entry covers `day`, however long ago it was verified; the one verified last. None: the office is vacant."""
        there = [h for h in self.holders if h.in_office(day)]
        return max(there, key=lambda h: h.verified or date.min, default=None)

    def holder_on(self, day: date) -> Holder | None:
        """The holder to name in a letter written on `day`: in office then and verified within a year of it."""
        there = self.present(day)
        return there if there and there.fresh(day) else None

    def standstill(self, day: date) -> str:
        """Why its letters wait on `day` by its own policy: "its office is vacant"; "" where they do not."""
        there = self.present(day)
        if there is None:
            return "its office is vacant" if self.vacancy == "hold" else ""
        if self.stale == "title" or there.fresh(day):
            return ""
        return (
            f"its holder was last verified on {there.verified}" if there.verified else "its holder was never verified"
        )
