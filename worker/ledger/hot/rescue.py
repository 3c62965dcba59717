"""Clearing up after the dead: rounds whose process stopped renewing them.

What was claimed goes back to the queue as a suspect (it may be what killed the worker); what was `sending` goes to
`in_doubt`, because nobody can know whether the relay took it: at most one letter per round. A suspect is tried alone in
a round of its own; a letter whose two lone trials died is faulty.
"""

from dataclasses import dataclass
from typing import Any

from worker.domain.states import State
from worker.ledger.hot import sql
from worker.ledger.hot.database import DOUBT_REST_US, Database

LEASE_US = 30 * 1_000_000
"""A round that was not renewed for so long is dead."""

LONE_TRIALS = 2


@dataclass(frozen=True, slots=True)
class Rescued:
    """What one look found."""

    rounds: int = 0
    released: int = 0
    in_doubt: int = 0
    faulty: int = 0


def rescue(database: Database, now_us: int) -> Rescued:
    """Close dead rounds and move their letters. Harmless when run by many at once: each round is closed by one."""
    released = lost = faulty = 0
    dead = database.rows(sql.DEAD_ROUNDS, (now_us, now_us - LEASE_US))
    for round_id, lone in dead:
        for row in database.rows(sql.DEAD_CLAIMS, (round_id,)):
            to = take_back(database, row, round_id, now_us, lone=bool(lone))
            released += to is State.QUEUED
            lost += to is State.IN_DOUBT
            faulty += to is State.FAULTY
    return Rescued(len(dead), released, lost, faulty)


def take_back(database: Database, row: Any, round_id: int, now_us: int, *, lone: bool) -> State | None:
    """Move one letter (a row of `sql.DEAD_CLAIMS`) out of a round that is over; where it went, or None if it had gone."""
    letter, campaign_id, sendout_id, addressee, suspect, state, number = row
    if state == State.SENDING:
        moved = database.rows(sql.LOSE, (now_us, letter, round_id))
        to = State.IN_DOUBT
    elif lone and suspect >= LONE_TRIALS:
        moved = database.rows(sql.FAULTY, (now_us, letter, round_id))
        to = State.FAULTY
    else:
        moved = database.rows(sql.SUSPECT, (suspect + 1 if lone else max(1, suspect), letter, round_id))
        to = State.QUEUED
    if not moved:  # its round came back to life and was faster
        return None
    if to is State.IN_DOUBT:
        database.rows(sql.LOSE_ATTEMPT, (now_us, letter, number))
    database.counted_key((campaign_id, sendout_id, addressee), State(state), to)
    return to


def resend_once(database: Database, campaign: str, now_us: int) -> int:
    """Queue again, once, the letters in doubt of a campaign that chose `resend_once`; how many.

    The next attempt uses the recorded inputs, so that its bytes and Message-ID are the same.
    """
    moved = 0
    for letter, campaign_id, sendout_id, addressee, number in database.rows(
        sql.RESENDABLE, (campaign, now_us - DOUBT_REST_US)
    ):
        if database.rows(sql.RESEND, (now_us, number, letter, number)):
            database.counted_key((campaign_id, sendout_id, addressee), State.IN_DOUBT, State.QUEUED)
            moved += 1
    return moved
