"""`status`: what is there, what is due, why it waits, and whether the parts answer. One reading of the ledger.

The numbers come from the counts (base + deltas), and what is due from the smaller side of the queue's index
(`worker.ledger.due`), so that a reading costs the same with ten letters or ten million, and is exact. With the ledger
away the answer still says so, and what it can.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from worker.domain.clock import from_us
from worker.domain.drip import calendar_of
from worker.domain.errors import LettershopError
from worker.domain.occurrence import Life
from worker.domain.office import Office
from worker.domain.states import State
from worker.ledger import occurrences, samples, witness
from worker.ledger.book import Ledger
from worker.ledger.due import Due
from worker.ledger.occurrences import Occurrence
from worker.ledger.schema import bulk_acts, lanes
from worker.operations import workers
from worker.operations.barriers import (
    Barriers,
    Reason,
    hold_sentence,
    iso,
    next_opening,
    read_barriers,
    relay_names,
    why_office,
)
from worker.operations.due import SIGNER, Letters, age_s, due_now, read_letters, states
from worker.operations.limits_view import DAY_S, Gauge, Used, limit_body
from worker.operations.relays import relays
from worker.operations.slow import Slow, slow_reason, slow_rounds
from worker.operations.throughput import throughput
from worker.settings import Home

if TYPE_CHECKING:
    from worker.domain.limits import Limit

_LAST_ACCEPT = sa.text("""
SELECT max(ended_at) FROM (
    SELECT ended_at FROM attempts WHERE started_at IS NOT NULL AND kind = 'accept' ORDER BY started_at DESC LIMIT 200
) latest
""")
_ROUNDS = sa.text("SELECT count(*) FROM rounds WHERE closed_at IS NULL AND renewed_at > :alive")


@dataclass(frozen=True, slots=True)
class Seen:
    """What was found out about the other parts: a sentence of trouble, or "". `gauge`: None where nobody can be asked."""

    broker: str = ""
    pacing: str = ""
    pacing_ready: bool = False
    gauge: Gauge | None = None


def status(home: Home, ledger: Ledger | LettershopError, seen: Seen) -> dict[str, Any]:
    """The whole status as JSON values. Never raises for a part that is away: that part's `ok` is false.

    `ledger` is open, or the error that opening it raised. docs/status.md has the keys.
    """
    trouble, reading = "", _unread()
    try:
        if isinstance(ledger, LettershopError):
            raise ledger
        trouble = _restored(home, ledger)
        reading = _read(home, ledger, seen.gauge)
    except LettershopError as exc:
        trouble = trouble or str(exc)
    return {
        "mode": home.settings.mode,
        "home": str(home.root),
        **reading,
        "broker": _part(seen.broker),
        "ledger": _part(trouble),
        "pacing": {**_part(seen.pacing), "ready": seen.pacing_ready},
    }


def _part(trouble: str) -> dict[str, Any]:
    return {"ok": not trouble, "error": trouble}


def _restored(home: Home, ledger: Ledger) -> str:
    """Why nothing may be sent from this ledger, as far as this machine's witness knows."""
    try:
        witness.refuse_behind(ledger, witness.read(home.var / "witness.json", ledger.ledger_id))
    except LettershopError as exc:
        return str(exc)
    return ""


_NOTHING = ("at", "due", "oldest_due_age_s", "in_doubt", "refused", "held", "last_accept_at", "rounds")
_NONE = ("offices", "holds", "sendouts", "relays", "workers", "acts")


def _unread() -> dict[str, Any]:
    """What is said of a ledger that cannot be read."""
    speed: dict[str, Any] = {"now_per_min": None, "hour": None, "per_min": []}
    lists: dict[str, list[Any]] = {name: [] for name in _NONE}
    return {**dict.fromkeys(_NOTHING), "letters": {}, "notices": {}, "throughput": speed, **lists}


@dataclass(frozen=True, slots=True)
class _Reading:
    """What one snapshot of the ledger says."""

    home: Home
    barriers: Barriers
    letters: Letters
    due: Mapping[str, Due]
    gauge: Gauge | None
    used: Used
    campaigns: Mapping[str, Sequence[str]]  # the slugs of those that write to each office
    slow: Mapping[str, Slow]  # lanes whose mail server takes long to answer
    openings: dict[tuple[str, str, str], str | None] = field(default_factory=dict)


def _read(home: Home, ledger: Ledger, gauge: Gauge | None) -> dict[str, Any]:
    used = _used(home, ledger, gauge)
    with ledger.read() as connection:
        at_us = ledger.now_us()
        letters = read_letters(connection)
        due = due_now(connection, at_us, letters)
        barriers = read_barriers(connection, at_us)
        slow = {each.lane: each for each in slow_rounds(connection, at_us)}
        seen = _Reading(home, barriers, letters, due, gauge, used, _campaigns_of(home), slow)
        return {
            "at": iso(from_us(at_us)),
            "letters": states(letters.all),
            "notices": states(letters.of(SIGNER)),
            "offices": _all_offices(seen),
            "due": sum(each.n for each in due.values()),
            "oldest_due_age_s": max((age_s(each, at_us) for each in due.values()), default=None),
            "in_doubt": letters.all[State.IN_DOUBT],
            "refused": letters.all[State.REFUSED],
            "held": letters.all[State.HELD],
            "throughput": throughput(connection, at_us, samples.accepted(letters.all)),
            "last_accept_at": _moment(connection.execute(_LAST_ACCEPT).scalar()),
            "rounds": connection.execute(_ROUNDS, {"alive": at_us - workers.ALIVE_US}).scalar_one(),
            "workers": workers.workers(connection, at_us),
            "relays": relays(connection, home, barriers, gauge, used),
            "holds": _holds(barriers),
            "sendouts": [_sendout(home, each) for each in occurrences.open_ones(connection)],
            "acts": _acts(connection),
        }


def _holds(barriers: Barriers) -> list[dict[str, Any]]:
    return [
        {
            "scope": hold.scope,
            "target": hold.target,
            "reason": hold.reason,
            "who": hold.who,
            "since": iso(from_us(hold.since_us)),
            "until": iso(from_us(hold.until_us)) if hold.until_us else None,
            "text": hold_sentence(hold),
        }
        for hold in barriers.holds
    ]


def _acts(connection: Connection) -> list[dict[str, Any]]:
    """Verbs over many letters that are under way."""
    names = ("id", "verb", "who", "reason", "moved", "skipped", "expected")
    query = sa.select(*(bulk_acts.c[name] for name in names)).where(bulk_acts.c.ended_at.is_(None))
    return [dict(row) for row in connection.execute(query.order_by(bulk_acts.c.id)).mappings()]


# -- limits ------------------------------------------------------------------------------------------------------------
def _used(home: Home, ledger: Ledger, gauge: Gauge | None) -> Used:
    """How much is used of every limit that can be: one question for the whole fleet, asked outside the snapshot.

    A lane that no round has opened for a day has written nothing in any window, and need not be asked for.
    """
    if gauge is None:
        return {}
    with ledger.read() as connection:
        since = ledger.now_us() - (DAY_S + 60) * 1_000_000
        served = set(connection.execute(sa.select(lanes.c.key).where(lanes.c.served_at > since)).scalars())
    campaigns = _campaigns_of(home)
    asked: dict[Limit, None] = {}
    idle: dict[Limit, int] = {}
    for office in home.offices.values():
        if office.id in campaigns:
            limits = gauge.of_office(home, office, campaigns[office.id])
            if office.lane in served:
                asked |= dict.fromkeys(limits)
            else:
                idle |= dict.fromkeys((each for each in limits if not each.key.startswith("domain:")), 0)
    asked |= dict.fromkeys(limit for relay in relay_names(home) for limit in gauge.of_relay(relay))
    used = gauge.ask(list(asked))
    return {**idle, **used} if used or not asked else {}


def _campaigns_of(home: Home) -> dict[str, list[str]]:
    found: defaultdict[str, list[str]] = defaultdict(list)
    for slug, campaign in home.campaigns.items():
        for office in campaign.offices:
            found[office].append(slug)
    return dict(found)


def _sendout(home: Home, seen: Occurrence) -> dict[str, Any]:
    """A yearly send-out that is not over; `needs` says what an operator must do, "" where nothing."""
    campaign = home.campaigns.get(seen.campaign)
    occasion = campaign.occasions.get(seen.occasion) if campaign else None
    needs = {
        Life.HELD: f"is held ({seen.reason}): resume or cancel it",
        Life.MISSED: "was missed: run or cancel it",
        Life.ANNOUNCED: "waits for approval" if occasion is not None and occasion.approval else "",
    }
    return {
        "id": seen.id,
        "campaign": seen.campaign,
        "name": seen.name,
        "state": seen.state.value,
        "starts": iso(from_us(seen.start_us)),
        "needs": needs.get(seen.state, ""),
    }


# -- offices -----------------------------------------------------------------------------------------------------------
def _all_offices(seen: _Reading) -> list[dict[str, Any]]:
    """Those that a campaign writes to and those that have letters, in the register's order; then the unknown ones."""
    offices, lettered = seen.home.offices, seen.letters.by_addressee
    known = [office for office in offices.values() if office.id in seen.campaigns or office.id in lettered]
    strangers = sorted(set(lettered) - set(offices) - {SIGNER})
    return [*(_office(seen, office) for office in known), *(_stranger(seen, each) for each in strangers)]


def _office(seen: _Reading, office: Office) -> dict[str, Any]:
    slugs = seen.campaigns.get(office.id, ())
    limits = seen.gauge.of_office(seen.home, office, slugs) if seen.gauge else []
    waits = why_office(seen.barriers, seen.home, office, slugs)
    slow = [slow_reason(seen.slow[office.lane], seen.barriers.at_us, office.id)] if office.lane in seen.slow else []
    return {
        "id": office.id,
        "title": office.title,
        "organisation": office.organisation,
        **_numbers(seen, office.id),
        "next_opening": _opening(seen, office, waits),
        "waits": [reason.body() for reason in [*waits, *slow]],
        "limits": [limit_body(seen.barriers, limit, seen.used) for limit in limits],
    }


def _stranger(seen: _Reading, addressee: str) -> dict[str, Any]:
    text = "the office is no longer in config/offices.toml: put it back, or its letters stay"
    if not seen.home.offices:  # it could not be read
        text = "config/offices.toml cannot be read: mend it"
    reason = Reason("register", text)
    return {
        "id": addressee,
        "title": "",
        "organisation": "",
        **_numbers(seen, addressee),
        "next_opening": None,
        "waits": [reason.body()],
        "limits": [],
    }


def _numbers(seen: _Reading, addressee: str) -> dict[str, Any]:
    letters, due = seen.letters.of(addressee), seen.due.get(addressee)
    return {
        "letters": states(letters),
        "due": due.n if due else 0,
        "oldest_due_age_s": age_s(due, seen.barriers.at_us) if due else None,
        "in_doubt": letters[State.IN_DOUBT],
        "refused": letters[State.REFUSED],
        "held": letters[State.HELD],
    }


def _opening(seen: _Reading, office: Office, waits: Sequence[Reason]) -> str | None:
    """When it may be written to next; None where only somebody can end what keeps its letters."""
    if any(reason.until is None for reason in waits):
        return None
    if ends := [reason.until for reason in waits if reason.until is not None and reason.kind != "hours"]:
        return iso(next_opening(seen.home, office, max(ends)))
    # found once for all offices that keep the same hours
    keeps = (str(office.hours), office.zone.key, calendar_of(office))
    if keeps not in seen.openings:
        seen.openings[keeps] = iso(next_opening(seen.home, office, seen.barriers.now))
    return seen.openings[keeps]


def _moment(at_us: int | None) -> str | None:
    return None if at_us is None else iso(from_us(at_us))
