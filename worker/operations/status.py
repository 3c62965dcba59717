"""`status`: what is there, what is due, why it waits, and whether the parts answer. One reading of the ledger.

The numbers come from the counts (base + deltas), so that a reading costs the same with ten letters or ten million; only
what is due now is counted from the queue's own index. With the ledger away the answer still says so, and what it can.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from worker.domain.clock import from_us
from worker.domain.errors import LettershopError
from worker.domain.occurrence import Life
from worker.domain.office import Office
from worker.domain.states import State
from worker.ledger import counts, occurrences, witness
from worker.ledger.book import Ledger
from worker.ledger.occurrences import Occurrence
from worker.operations.barriers import Barriers, Reason, hold_sentence, iso, next_opening, read_barriers, why_office
from worker.settings import Home

SIGNER = "signer"
"""The addressee of a notice."""

_SECOND_US = 1_000_000
_ALIVE_US = 30 * _SECOND_US

# `state = 'queued'` stands as a literal: SQLite uses the partial index only where it reads the same words.
_DUE = sa.text("""
SELECT lane_id, count(*) AS n, min(due_at) AS first FROM letters
WHERE state = 'queued' AND due_at <= :now GROUP BY lane_id
""")
_DUE_IN = sa.text("""
SELECT addressee, count(*) AS n, min(due_at) AS first FROM letters
WHERE state = 'queued' AND due_at <= :now AND lane_id = :lane GROUP BY addressee
""")
_LAST_ACCEPT = sa.text("""
SELECT max(ended_at) FROM (
    SELECT ended_at FROM attempts WHERE started_at IS NOT NULL AND kind = 'accept' ORDER BY started_at DESC LIMIT 200
) latest
""")
_LANES = sa.text("SELECT id, key FROM lanes")
_ROUNDS = sa.text("SELECT count(*) FROM rounds WHERE closed_at IS NULL AND renewed_at > :alive")


@dataclass(frozen=True, slots=True)
class Seen:
    """What was found out about the other parts: a sentence of trouble, or ""."""

    broker: str = ""
    pacing: str = ""
    pacing_ready: bool = False


@dataclass(frozen=True, slots=True)
class _Due:
    """How many letters are due, and since when the first."""

    n: int
    first_us: int

    def age_s(self, at_us: int) -> float:
        return round(max(0, at_us - self.first_us) / _SECOND_US, 1)


def status(home: Home, ledger: Ledger | LettershopError, seen: Seen) -> dict[str, Any]:
    """The whole status as JSON values. Never raises for a part that is away: that part's `ok` is false.

    `ledger` is open, or the error that opening it raised. Keys: mode, home, at, letters (a number per state), notices
    (those to signers, which `letters` counts too), offices, due, oldest_due_age_s, in_doubt, last_accept_at, rounds
    (open now), holds, sendouts (yearly ones that are not over), broker, ledger, pacing.
    """
    trouble, reading = "", _unread()
    try:
        if isinstance(ledger, LettershopError):
            raise ledger
        trouble = _restored(home, ledger)
        reading = _read(home, ledger)
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


def _unread() -> dict[str, Any]:
    """What is said of a ledger that cannot be read."""
    nothing = dict.fromkeys(("at", "due", "oldest_due_age_s", "in_doubt", "last_accept_at", "rounds"))
    return {**nothing, "letters": {}, "notices": {}, "offices": [], "holds": [], "sendouts": []}


def _read(home: Home, ledger: Ledger) -> dict[str, Any]:
    with ledger.read() as connection:
        at_us = ledger.now_us()
        barriers = read_barriers(connection, at_us)
        cells = counts.read(connection)
        due = _due(connection, home, at_us)
        letters = Counter[str]()
        for cell, n in cells.items():
            letters[cell.state] += n
        return {
            "at": iso(from_us(at_us)),
            "letters": _states(letters),
            "notices": _states(_of(cells, SIGNER)),
            "offices": [
                *(_office(home, barriers, cells, office, due.get(office.id)) for office in _offices(home, cells)),
                *(_unknown(barriers, cells, each, due.get(each)) for each in _strangers(home, cells)),
            ],
            "due": sum(each.n for each in due.values()),
            "oldest_due_age_s": max((each.age_s(at_us) for each in due.values()), default=None),
            "in_doubt": letters[State.IN_DOUBT],
            "last_accept_at": _moment(connection.execute(_LAST_ACCEPT).scalar()),
            "rounds": connection.execute(_ROUNDS, {"alive": at_us - _ALIVE_US}).scalar_one(),
            "holds": [
                {
                    "scope": hold.scope,
                    "target": hold.target,
                    "reason": hold.reason,
                    "who": hold.who,
                    "since": iso(from_us(hold.since_us)),
                    "text": hold_sentence(hold),
                }
                for hold in barriers.holds
            ],
            "sendouts": [_sendout(home, each) for each in occurrences.open_ones(connection)],
        }


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


# -- what is due -------------------------------------------------------------------------------------------------------
def _due(connection: Connection, home: Home, at_us: int) -> dict[str, _Due]:
    """What is due, by addressee. A lane that one office owns is that office's; any other is counted letter by letter."""
    by_lane: dict[str, list[str]] = {}
    for office in home.offices.values():
        by_lane.setdefault(office.lane, []).append(office.id)
    keys = {row.id: row.key for row in connection.execute(_LANES)}
    due: dict[str, _Due] = {}
    for lane_id, n, first in connection.execute(_DUE, {"now": at_us}).all():
        owners = by_lane.get(keys[lane_id], [])
        rows = [(owners[0], n, first)] if len(owners) == 1 else _due_in(connection, lane_id, at_us)
        for addressee, some, since in rows:
            before = due.get(addressee, _Due(0, since))
            due[addressee] = _Due(before.n + some, min(before.first_us, since))
    return due


def _due_in(connection: Connection, lane_id: int, at_us: int) -> list[tuple[str, int, int]]:
    rows = connection.execute(_DUE_IN, {"now": at_us, "lane": lane_id})
    return [(row.addressee, row.n, row.first) for row in rows]


# -- offices -----------------------------------------------------------------------------------------------------------
def _offices(home: Home, cells: Iterable[counts.Cell]) -> list[Office]:
    """Those that a campaign writes to and those that have letters, in the register's order."""
    named = {office for campaign in home.campaigns.values() for office in campaign.offices}
    named |= {cell.addressee for cell in cells}
    return [office for office in home.offices.values() if office.id in named]


def _strangers(home: Home, cells: Iterable[counts.Cell]) -> list[str]:
    """Addressees of letters that are no longer in the register."""
    return sorted({cell.addressee for cell in cells} - set(home.offices) - {SIGNER})


def _office(
    home: Home, barriers: Barriers, cells: dict[counts.Cell, int], office: Office, due: _Due | None
) -> dict[str, Any]:
    slugs = [slug for slug, campaign in home.campaigns.items() if office.id in campaign.offices]
    waits = why_office(barriers, home, office, slugs)
    return {
        "id": office.id,
        "title": office.title,
        "organisation": office.organisation,
        "letters": _states(_of(cells, office.id)),
        **_due_body(due, barriers.at_us),
        "next_opening": iso(next_opening(home, office, barriers.now)),
        "waits": [reason.body() for reason in waits],
    }


def _unknown(barriers: Barriers, cells: dict[counts.Cell, int], addressee: str, due: _Due | None) -> dict[str, Any]:
    reason = Reason("register", "the office is no longer in config/offices.toml: put it back, or its letters stay")
    return {
        "id": addressee,
        "title": "",
        "organisation": "",
        "letters": _states(_of(cells, addressee)),
        **_due_body(due, barriers.at_us),
        "next_opening": None,
        "waits": [reason.body()],
    }


def _due_body(due: _Due | None, at_us: int) -> dict[str, Any]:
    return {"due": due.n if due else 0, "oldest_due_age_s": due.age_s(at_us) if due else None}


def _of(cells: dict[counts.Cell, int], addressee: str) -> Counter[str]:
    found = Counter[str]()
    for cell, n in cells.items():
        if cell.addressee == addressee:
            found[cell.state] += n
    return found


def _states(found: Counter[str]) -> dict[str, int]:
    """Every state by name, those without letters too: readers need no special case."""
    return {state.value: found[state] for state in State}


def _moment(at_us: int | None) -> str | None:
    return None if at_us is None else iso(from_us(at_us))
