"""Letters, one by one: a list that filters and pages, and one letter's whole story.

Nothing here opens a signer's data. What a relay said was masked when it was read.
"""

import json
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from worker.domain.clock import from_us
from worker.domain.errors import BadInput
from worker.domain.states import WAITING, State
from worker.ledger import audit
from worker.ledger.book import Ledger
from worker.ledger.schema import attempts, campaigns, lanes, letters, rounds, sendouts
from worker.operations.barriers import Reason, clock, iso, read_barriers, why_lane, why_office
from worker.settings import Home

PAGE = 50
LONGEST_PAGE = 1_000
_MILLISECOND_US = 1_000


@dataclass(frozen=True, slots=True)
class Filter:
    """Which letters; "" means any. `after` is the id that the page begins behind."""

    state: str = ""
    office: str = ""
    campaign: str = ""
    signature: int | None = None
    after: int = 0


def list_letters(ledger: Ledger, wanted: Filter, limit: int = PAGE) -> list[dict[str, Any]]:
    """Up to `limit` letters in the order they were made. Raises BadInput for a state that does not exist."""
    if wanted.state and wanted.state not in {state.value for state in State}:
        raise BadInput(f"{wanted.state!r} is no state of a letter; there are: {', '.join(sorted(State))}")
    query = _letters().where(letters.c.id > wanted.after).order_by(letters.c.id).limit(min(limit, LONGEST_PAGE))
    if wanted.state:  # as a literal: SQLite uses a partial index only where it reads the same words
        query = query.where(letters.c.state == sa.literal_column(f"'{wanted.state}'"))
    if wanted.office:
        query = query.where(letters.c.addressee == wanted.office)
    if wanted.campaign:
        query = query.where(campaigns.c.slug == wanted.campaign)
    if wanted.signature is not None:
        query = query.where(letters.c.signature_id == wanted.signature)
    with ledger.read() as connection:
        return [_body(row) for row in connection.execute(query).mappings()]


def show_letter(ledger: Ledger, home: Home, letter: int) -> dict[str, Any]:
    """A letter's story: where it stands, why it waits, each attempt with its reply and steps, what operators did.

    Raises BadInput where there is no such letter.
    """
    with ledger.read() as connection:
        row = connection.execute(_letters().where(letters.c.id == letter)).mappings().first()
        if row is None:
            raise BadInput(f"there is no letter {letter}; `lettershop letters list` shows those there are")
        at_us = ledger.now_us()
        return {
            **_body(row),
            "waits": [reason.body() for reason in _why(connection, home, row, at_us)],
            "attempts_made": [_attempt(each) for each in _attempts(connection, letter)],
            "audit": [
                {"at": iso(from_us(each.at_us)), "who": each.who, "verb": each.verb, "reason": each.reason}
                for each in reversed(audit.latest(connection, 100, f"letter {letter}"))
            ],
        }


def _letters() -> sa.Select[Any]:
    """Every column that is shown, joined with the names that its ids stand for."""
    columns = (
        "id", "signature_id", "addressee", "state", "reason", "attempts", "doubts", "suspect", "made_at", "due_at",
        "ended_at", "not_after", "claim",
    )  # fmt: skip
    return (
        sa.select(
            *(letters.c[name] for name in columns),
            campaigns.c.slug.label("campaign"),
            sendouts.c.name.label("sendout"),
            lanes.c.key.label("lane"),
            lanes.c.domain.label("domain"),
        )
        .join(campaigns, campaigns.c.id == letters.c.campaign_id)
        .join(sendouts, sendouts.c.id == letters.c.sendout_id)
        .join(lanes, lanes.c.id == letters.c.lane_id)
    )


def _body(row: RowMapping) -> dict[str, Any]:
    return {
        "id": row["id"],
        "state": row["state"],
        "campaign": row["campaign"],
        "sendout": row["sendout"],
        "office": row["addressee"],
        "signature": row["signature_id"],
        "lane": row["lane"],
        "reason": row["reason"],
        "attempts": row["attempts"],
        "doubts": row["doubts"],
        "made_at": iso(from_us(row["made_at"])),
        "due_at": iso(from_us(row["due_at"])) if row["state"] in WAITING else None,
        "ended_at": iso(from_us(row["ended_at"])) if row["ended_at"] else None,
    }


def _attempts(connection: Connection, letter: int) -> list[RowMapping]:
    query = (
        sa.select(attempts, rounds.c.worker)
        .join(rounds, rounds.c.id == attempts.c.round_id, isouter=True)
        .where(attempts.c.letter_id == letter)
        .order_by(attempts.c.number)
    )
    return list(connection.execute(query).mappings())


def _attempt(row: RowMapping) -> dict[str, Any]:
    steps: dict[str, int] = json.loads(row["steps"] or "{}")
    return {
        "number": row["number"],
        "relay": row["relay"],
        "round": row["round_id"],
        "worker": row["worker"],
        "started_at": iso(from_us(row["started_at"])) if row["started_at"] else None,
        "ended_at": iso(from_us(row["ended_at"])) if row["ended_at"] else None,
        "verdict": row["kind"],
        "scope": row["scope"],
        "stage": row["stage"],
        "code": row["code"],
        "enhanced": row["enhanced"],
        "text": row["text"],
        "rule": row["rule"],
        "steps_ms": {step: round(us / _MILLISECOND_US, 1) for step, us in steps.items()},
        "hash": row["hash"].hex() if row["hash"] else None,
    }


# -- why it waits ------------------------------------------------------------------------------------------------------
def _why(connection: Connection, home: Home, row: RowMapping, at_us: int) -> list[Reason]:
    state = State(row["state"])
    if state not in WAITING:
        return []
    if state in (State.CLAIMED, State.SENDING):
        return [Reason("round", f"round {row['claim']} has it in hand")]
    if state is State.HELD:
        return [Reason("held", f"held for an operator ({row['reason'] or 'no reason given'}): resume or cancel it")]
    found: list[Reason] = []
    if row["due_at"] > at_us:
        due = from_us(row["due_at"])
        found.append(Reason("retry", f"its next try is due {clock(due)} ({row['reason'] or 'deferred'})", due))
    if row["suspect"]:
        found.append(Reason("suspect", "a round died while it was in hand: it is tried alone"))
    return [*found, *_barriers(connection, home, row, at_us)]


def _barriers(connection: Connection, home: Home, row: RowMapping, at_us: int) -> list[Reason]:
    barriers = read_barriers(connection, at_us)
    office = home.offices.get(row["addressee"])
    if office is not None and office.lane == row["lane"]:
        return why_office(barriers, home, office, [row["campaign"]])
    found = why_lane(barriers, home, row["lane"], row["domain"], [row["campaign"]])
    if office is not None:
        found.append(Reason("register", "its office has another mailbox now: it moves there when the workers start"))
    elif row["addressee"] != "signer":
        found.append(Reason("register", "its office is not in config/offices.toml"))
    if row["campaign"] not in home.campaigns:
        found.append(Reason("register", f"campaign {row['campaign']} is not in config/campaigns/"))
    return found
