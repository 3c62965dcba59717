"""The letters of one send-out, moved in pages: taken back, set aside, queued again, spread anew.

A send-out may have a million letters. Each page is the caller's transaction, found by the index of what is due in a lane,
so that the ledger is never held for long and the cost of a page does not grow with the send-out.
"""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from worker.domain.states import WAITING, State
from worker.ledger import counts
from worker.ledger.letters_write import Sendout, move_found
from worker.ledger.schema import lanes, letters


def unfinished(connection: Connection, campaign_id: int, sendout_id: int) -> int:
    """How many of its letters are still to come to an end, those in doubt among them."""
    open_states = {*(state.value for state in WAITING), State.IN_DOUBT.value}
    cells = counts.read(connection, campaign_id)
    return sum(n for cell, n in cells.items() if cell.sendout_id == sendout_id and cell.state in open_states)


def by_office(connection: Connection, campaign_id: int, sendout_id: int) -> dict[str, int]:
    """How many of its letters are queued, by addressee."""
    cells = counts.read(connection, campaign_id)
    return {c.addressee: n for c, n in cells.items() if c.sendout_id == sendout_id and c.state == State.QUEUED}


def takeable(connection: Connection, sendout: Sendout) -> int:
    """How many of its letters could still be taken back."""
    cells = counts.read(connection, sendout.campaign_id)
    states = {State.QUEUED.value, State.CLAIMED.value, State.HELD.value}
    return sum(n for cell, n in cells.items() if cell.sendout_id == sendout.id and cell.state in states)


def all_lanes(connection: Connection) -> Sequence[int]:
    """The ids of all lanes."""
    return connection.execute(sa.select(lanes.c.id).order_by(lanes.c.id)).scalars().all()


def queued_ids(connection: Connection, sendout: Sendout, addressee: str) -> Sequence[int]:
    """The numbers of an addressee's queued letters, in the order in which they are due."""
    found: list[int] = []
    for lane in all_lanes(connection):
        mine = (*_queued(lane, sendout), letters.c.addressee == addressee)
        found += connection.execute(
            sa.select(letters.c.id).where(*mine).order_by(letters.c.due_at, letters.c.id)
        ).scalars()
    return found


def make_due(connection: Connection, due: Sequence[tuple[int, int]]) -> int:
    """Let queued letters be due anew: (number, microseconds). Returns how many of them still were queued."""
    number: sa.BindParameter[int] = sa.bindparam("number")
    when: sa.BindParameter[int] = sa.bindparam("due")
    queued = letters.c.state == State.QUEUED
    wanted = sa.select(letters.c.id).where(letters.c.id.in_([letter for letter, _ in due]), queued)
    still = set(connection.execute(wanted.order_by(letters.c.id).with_for_update()).scalars())
    rows = [{"number": letter, "due": at_us} for letter, at_us in due if letter in still]
    if rows:
        connection.execute(sa.update(letters).where(letters.c.id == number, queued).values(due_at=when), rows)
    return len(rows)


def queued_in(connection: Connection, sendout: Sendout, limit: int, *, lane_id: int) -> Sequence[Any]:
    """The next of its queued letters in a lane, locked."""
    return _locked(connection, *_queued(lane_id, sendout), limit=limit)


def claimed_in(connection: Connection, sendout: Sendout, limit: int) -> Sequence[Any]:
    """The next of its letters that rounds have taken and not begun, locked."""
    taken = (letters.c.claim.is_not(None), letters.c.state == State.CLAIMED, letters.c.sendout_id == sendout.id)
    return _locked(connection, *taken, limit=limit)


def _queued(lane_id: int, sendout: Sendout) -> tuple[sa.ColumnElement[bool], ...]:
    return (
        letters.c.lane_id == lane_id,
        letters.c.campaign_id == sendout.campaign_id,
        letters.c.rank == sendout.rank,
        letters.c.state == sa.literal_column("'queued'"),  # read by SQLite as the words of the partial index
        letters.c.sendout_id == sendout.id,
    )


def held_in(connection: Connection, sendout: Sendout, limit: int, *, reason: str = "") -> Sequence[Any]:
    """The next of its letters that are held, for this very reason where one is given, locked."""
    mine = (_HELD, _UNUSUAL, letters.c.sendout_id == sendout.id)
    return _locked(connection, *mine, *([letters.c.reason == reason] if reason else []), limit=limit, by_id=True)


def end_under_way(connection: Connection, sendout_id: int, at_us: int) -> None:
    """What is being sent now, or is in doubt, may come back to the queue: then it is too late for it."""
    later = sa.or_(letters.c.not_after.is_(None), letters.c.not_after > at_us)
    for under_way in (
        sa.and_(letters.c.claim.is_not(None), letters.c.state == State.SENDING),
        sa.and_(letters.c.state == sa.literal_column("'in_doubt'"), _UNUSUAL),
    ):
        mine = (letters.c.sendout_id == sendout_id, later, under_way)
        connection.execute(sa.update(letters).where(*mine).values(not_after=at_us))


# SQLite takes a partial index only where it reads the index's own words
_HELD = letters.c.state == sa.literal_column("'held'")
_UNUSUAL: sa.ColumnElement[bool] = sa.literal_column("letters.state NOT IN ('queued', 'sent', 'claimed', 'sending')")


def move(connection: Connection, found: Sequence[Any], to: State, **values: Any) -> int:
    """Move locked letters to another state, with their counts. Returns how many."""
    move_found(connection, found, to, values)
    return len(found)


def _locked(connection: Connection, *where: sa.ColumnElement[bool], limit: int, by_id: bool = False) -> Sequence[Any]:
    columns = (letters.c.id, letters.c.campaign_id, letters.c.sendout_id, letters.c.addressee, letters.c.state)
    order = (letters.c.id,) if by_id else (letters.c.due_at, letters.c.id)
    wanted = sa.select(*columns).where(*where).order_by(*order).limit(limit).with_for_update()
    return connection.execute(wanted).all()
