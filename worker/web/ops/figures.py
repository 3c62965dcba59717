"""What the overview draws, made from one reading: bars, heat, tiles, gauges, where each need leads. Pure: values in and out.

A letter's thirteen states are drawn as seven groups, as many as eyes tell apart; the tables beside name each state.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from worker.domain.states import State
from worker.web.ops.charts import Gauge, Point, Segment, gauge, heat, per_minute, stacked

GROUPS: dict[str, tuple[State, ...]] = {
    "sent": (State.SENT,),
    "moving": (State.CLAIMED, State.SENDING),
    "waiting": (State.QUEUED, State.BOUND),
    "held": (State.HELD,),
    "in_doubt": (State.IN_DOUBT,),
    "failed": (State.REFUSED, State.BOUNCED, State.EXPIRED, State.FAULTY),
    "ended": (State.CANCELLED, State.SUPPRESSED),
}
"""In the order in which they are drawn."""

WORDS = {
    "moving": "in hand",
    "waiting": "waiting",
    "failed": "not delivered",
    "ended": "taken back",
    "in_doubt": "in doubt",
    "accept": "accepted",
    "defer": "deferred",
    "refuse": "refused",
    "set_aside": "set aside",
    "lose": "lost: no reply came",
}
SHOWN_OFFICES = 12
"""Offices on the overview: the longest backlogs. All of them are in the list."""

_DAY_S = 86_400
_FAILED = ("refused", "bounced", "expired", "faulty")


def word(name: str) -> str:
    """A state, a group or a verdict as one says it."""
    return WORDS.get(name, name.replace("_", " "))


def grouped(letters: Mapping[str, int]) -> dict[str, int]:
    """Letters by group, every group named."""
    return {name: sum(letters.get(state, 0) for state in states) for name, states in GROUPS.items()}


def letters_path(**filters: str | int | None) -> str:
    """The list of letters that fit."""
    wanted = {name: value for name, value in filters.items() if value not in {"", None}}
    return f"/ops/letters?{urlencode(wanted)}" if wanted else "/ops/letters"


# -- tiles ---------------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Tile:
    """A number with its name, what is said below it, and the list that it counts."""

    name: str
    n: int | None
    href: str
    below: str = ""
    worst: bool = False


def tiles(status: Mapping[str, Any], oldest: str) -> list[Tile]:
    """The numbers on top. `oldest` says for how long the first letter has been due, "" where none is."""
    letters, speed = status["letters"], status["throughput"]
    failed, doubt = sum(letters.get(state, 0) for state in _FAILED), letters.get("in_doubt")
    now = "" if speed["now_per_min"] is None else f"{speed['now_per_min']:g} a minute now"
    return [
        Tile("due now", status["due"], letters_path(due="now"), f"oldest {oldest}" if oldest else ""),
        Tile("waiting in all", letters.get("queued"), letters_path(state="queued"), "due now or later"),
        Tile("sent in the last hour", speed["hour"], "#curves", now),
        Tile("sent in all", letters.get("sent"), letters_path(state="sent")),
        Tile("in doubt", doubt, letters_path(state="in_doubt"), "content out, no reply", bool(doubt)),
        Tile("held", letters.get("held"), letters_path(state="held"), "for somebody to look at"),
        Tile("not delivered", failed, letters_path(state=",".join(_FAILED)), _spelled(letters, _FAILED)),
    ]


def _spelled(letters: Mapping[str, int], states: Iterable[str]) -> str:
    return ", ".join(f"{letters[state]:,} {word(state)}" for state in states if letters.get(state))


# -- offices -------------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class OfficeBar:
    """An office's letters as a bar, with why they wait."""

    id: str
    title: str
    organisation: str
    total: int
    due: int
    oldest_s: float | None
    segments: tuple[Segment, ...]
    words: str
    why: str
    more: int
    until: str | None
    opens: str | None


def in_common(offices: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """What keeps every office with letters due: said once, above them all. Nothing where there is only one office."""
    due = [each for each in offices if each["due"]]
    if len(due) < 2:  # noqa: PLR2004 -- one has nothing in common with itself
        return []
    texts = set.intersection(*({wait["text"] for wait in each["waits"]} for each in due))
    return [wait for wait in due[0]["waits"] if wait["text"] in texts]


def office_bars(offices: Sequence[Mapping[str, Any]], most: int = SHOWN_OFFICES) -> list[OfficeBar]:
    """Those with the most letters due first, then those with the most waiting; each bar in proportion to the longest.

    What all wait for (see `in_common`) is left out of each one's reasons.
    """
    lettered = [each for each in offices if any(each["letters"].values())]
    shared = {wait["text"] for wait in in_common(offices)}
    ranked = sorted(lettered, key=lambda each: (-each["due"], -each["letters"].get("queued", 0), each["id"]))[:most]
    whole = max((sum(each["letters"].values()) for each in ranked), default=0)
    return [_bar(each, whole, shared) for each in ranked]


def office_bar(office: Mapping[str, Any], whole: int | None = None) -> OfficeBar:
    """One office's letters, in proportion to `whole`; None fills the bar's room."""
    return _bar(office, sum(office["letters"].values()) if whole is None else whole)


def _bar(office: Mapping[str, Any], whole: int, shared: Collection[str] = ()) -> OfficeBar:
    parts = grouped(office["letters"])
    waits = [wait for wait in office["waits"] if wait["text"] not in shared]
    first = waits[0] if waits else {}
    return OfficeBar(
        id=office["id"],
        title=office["title"],
        organisation=office["organisation"],
        total=sum(parts.values()),
        due=office["due"],
        oldest_s=office["oldest_due_age_s"],
        segments=stacked(parts, whole),
        words=", ".join(f"{n:,} {word(name)}" for name, n in parts.items() if n),
        why=first.get("text", ""),
        more=max(0, len(waits) - 1),
        until=first.get("until"),
        opens=office.get("next_opening"),
    )


# -- the shape -----------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Cell:
    """Letters of one office and age; `span` as the list of letters knows the age."""

    n: int
    heat: int
    span: str


def spans(ages_min: Sequence[int]) -> list[str]:
    """The ages of the shape's columns, as the list of letters knows them."""
    return [f"{least}-{most}" for least, most in zip((0, *ages_min), (*ages_min, ""), strict=True)]


def heat_rows(
    rows: Iterable[tuple[str, Sequence[int]]], ages_min: Sequence[int], most: int = SHOWN_OFFICES
) -> list[tuple[str, list[Cell]]]:
    """Office by office, those with the most letters first; shades in proportion to the fullest cell."""
    ranked = sorted(rows, key=lambda row: (-sum(row[1]), row[0]))[:most]
    top = max((n for _, ns in ranked for n in ns), default=0)
    ages = spans(ages_min)
    return [(name, [Cell(n, heat(n, top), age) for n, age in zip(ns, ages, strict=True)]) for name, ns in ranked]


# -- limits --------------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class LimitGauge:
    """A limit's name and rate, how much is used (None where nobody can tell), and when it opens."""

    scope: str
    rate: str
    gauge: Gauge | None
    opens: str | None


_SCOPES = {
    "mailbox": "mailbox",
    "mailbox-day": "mailbox, a day",
    "domain": "mail domain",
    "campaign-office": "campaign to this office",
    "relay": "relay",
    "relay-day": "relay, a day",
}
_WINDOWS = {1: "a second", 60: "a minute", 3600: "an hour", _DAY_S: "in 24 hours"}


def limit_gauge(limit: Mapping[str, Any]) -> LimitGauge:
    """From a limit's JSON form (see `operations.limits_view.limit_body`)."""
    used = limit["used"]
    window = _WINDOWS.get(limit["window_s"], f"in {limit['window_s']} s")
    return LimitGauge(
        _SCOPES.get(limit["scope"], limit["scope"]),
        f"{limit['count']:,} {window}",
        None if used is None else gauge(used, limit["count"]),
        limit["opens_at"],
    )


# -- curves --------------------------------------------------------------------------------------------------------------
def backlog_points(samples: Sequence[Any]) -> list[Point]:
    """Letters due, minute by minute (`samples`: `worker.ledger.samples.Sample`)."""
    return [Point(each.at_us, each.due) for each in samples]


def sent_points(samples: Sequence[Any]) -> list[Point]:
    """Letters sent a minute."""
    return per_minute([Point(each.at_us, each.accepted) for each in samples])
