"""Take a ledger back into service that was restored from a backup.

What the backup calls waiting may have gone out since. Every such letter is put in doubt: shown to operators, and sent
again only when one of them says so. See `docs/decisions/ledger-restore.md` for what this covers and what nobody can.
"""

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from worker.domain.errors import RefusedByState
from worker.domain.occurrence import Life
from worker.domain.states import Event, State, move
from worker.ledger import audit, bulk_acts, counts, holds, sql
from worker.ledger.book import Ledger
from worker.ledger.schema import attempts, letters, meta, occurrences, rounds, sendouts
from worker.ledger.witness import highest_round

ROUND_LIFE_US = 30_000_000
"""A round not renewed for so long is dead."""

REASON = "restored"
_NO_LOOPS = 2
"""Doubts above one: a campaign's `resend_once` leaves these letters to an operator, as they are no single crash's."""
_LOOK = "the ledger was restored: look what had gone out"
AHEAD_US = 300 * 86_400 * 1_000_000
"""A send-out so near may have been announced since the backup."""

PATHS: dict[State, tuple[Event, ...]] = {
    State.QUEUED: (Event.CLAIM, Event.START, Event.LOSE),
    State.CLAIMED: (Event.START, Event.LOSE),
    State.SENDING: (Event.LOSE,),
    State.HELD: (Event.RESUME, Event.CLAIM, Event.START, Event.LOSE),
}
"""What may have happened to a letter since the backup, move by legal move. `bound` ones were not sent by themselves."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """What was done: the new epoch, how many letters are in doubt now, how many open rounds were closed."""

    epoch: int
    in_doubt: int
    rounds_closed: int


def accept_restore(ledger: Ledger, witness: int, who: str, reason: str, *, anyway: bool = False) -> Accepted:
    """Put in doubt whatever may have gone out since the backup, raise the epoch and the numbering of rounds.

    `witness` is the highest round any witness has seen. One transaction, with its audit row. Raises RefusedByState
    where the ledger is not behind its witness (unless `anyway`: the witnesses may be lost too), or while workers run.
    """
    with ledger.write() as connection:
        at_us = ledger.now_us()
        _lock(connection)
        own = highest_round(connection)
        if own >= witness and not anyway:
            raise RefusedByState(
                f"this ledger is not behind: it knows of {own} rounds, its witnesses of {witness}."
                " If it was restored from a backup all the same, say so with --anyway"
            )
        refuse_running(connection, at_us)
        acts = bulk_acts.end_open(connection, at_us, who, reason)
        _doubt_more(connection)
        doubted = _doubt_all(connection, at_us)
        closed = _close_rounds(connection, at_us)
        held = _hold_occurrences(connection, at_us)
        highest = max(own, witness)
        sql.raise_sequence(connection, "rounds", highest)
        epoch = _raise_epoch(connection, highest)
        details = {
            "epoch": epoch,
            "in_doubt": doubted,
            "knew": own,
            "witness": witness,
            "rounds_closed": closed,
            "send_outs": held,
            "acts_ended": acts,
        }
        audit.append(connection, at_us, who, "accept-restore", "ledger", reason, details)
        return Accepted(epoch, sum(doubted.values()), closed)


def _lock(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":  # nobody adds or moves letters between counting and moving them
        connection.execute(sa.text("LOCK TABLE letters, rounds IN SHARE ROW EXCLUSIVE MODE"))


def refuse_running(connection: Connection, at_us: int) -> None:
    """Raises RefusedByState where a round is alive at `at_us`."""
    live = (rounds.c.closed_at.is_(None)) & (rounds.c.renewed_at > at_us - ROUND_LIFE_US)
    if connection.execute(sa.select(rounds.c.id).where(live).limit(1)).first():
        raise RefusedByState("workers are running on this ledger: stop them, wait half a minute, and try again")


def _doubt_more(connection: Connection) -> None:
    """What was in doubt already may have been sent again since, by a campaign's `resend_once`: it must not be once more."""
    first = (letters.c.state == State.IN_DOUBT.value, letters.c.doubts < _NO_LOOPS)
    connection.execute(sa.update(letters).where(*first).values(doubts=_NO_LOOPS))


def _doubt_all(connection: Connection, at_us: int) -> dict[str, int]:
    for state, events in PATHS.items():
        _walk(state, events)
    there = letters.c.state.in_([state.value for state in PATHS])
    cell = (letters.c.campaign_id, letters.c.sendout_id, letters.c.addressee)
    groups = connection.execute(
        sa.select(*cell, letters.c.state, sa.func.count()).where(there).group_by(*cell, letters.c.state)
    ).all()
    _lose_attempts(connection, at_us)
    connection.execute(
        sa.update(letters)
        .where(there)
        .values(
            state=State.IN_DOUBT.value,
            claim=None,
            suspect=0,
            doubts=sa.case((letters.c.doubts < 1, _NO_LOOPS), else_=letters.c.doubts + 1),
            ended_at=at_us,
            reason=REASON,
        )
    )
    _count(connection, [tuple(group) for group in groups])
    by_state: dict[str, int] = {}
    for *_, state, n in groups:
        by_state[state] = by_state.get(state, 0) + n
    return by_state


def _walk(state: State, events: tuple[Event, ...]) -> None:
    """Go through the state table: raises IllegalMove if it no longer allows the way into doubt."""
    for event in events:
        state = move(state, event)
    assert state is State.IN_DOUBT


def _count(connection: Connection, groups: list[tuple[int, int, str, str, int]]) -> None:
    deltas: dict[tuple[int, int, str, str], int] = {}
    for campaign_id, sendout_id, addressee, state, n in groups:
        deltas[campaign_id, sendout_id, addressee, state] = -n
        arrived = (campaign_id, sendout_id, addressee, State.IN_DOUBT.value)
        deltas[arrived] = deltas.get(arrived, 0) + n
    counts.add(connection, deltas)


def _lose_attempts(connection: Connection, at_us: int) -> None:
    sending = sa.select(letters.c.id).where(letters.c.state == State.SENDING.value)
    connection.execute(
        sa.update(attempts)
        .where(attempts.c.letter_id.in_(sending), attempts.c.ended_at.is_(None))
        .values(
            ended_at=at_us,
            kind="lose",
            scope="connection",
            stage="dot",
            code=0,
            enhanced="",
            text="the ledger was restored from a backup made while this attempt ran",
            rule=REASON,
            steps="{}",
        )
    )


def _close_rounds(connection: Connection, at_us: int) -> int:
    closed = sa.update(rounds).where(rounds.c.closed_at.is_(None)).values(closed_at=at_us, ended="died")
    return len(connection.execute(closed.returning(rounds.c.id)).all())


def _hold_occurrences(connection: Connection, at_us: int) -> list[int]:
    """Yearly send-outs that may have begun, or been announced, since the backup: an operator says what became of them."""
    open_ones = (Life.PLANNED, Life.ANNOUNCED, Life.APPROVED, Life.EXPANDING, Life.SENDING)
    near = occurrences.c.starts_at <= at_us + AHEAD_US
    held = (
        sa.update(occurrences)
        .where(occurrences.c.state.in_(open_ones), near)
        .values(was=occurrences.c.state, state=Life.HELD, reason=_LOOK)
    )
    columns = [occurrences.c[name] for name in ("id", "campaign_id", "occasion", "period")]
    found = connection.execute(held.returning(*columns)).all()
    for each in found:
        _bar(connection, at_us, each.campaign_id, f"{each.occasion}-{each.period}")
    return sorted(each.id for each in found)


def _bar(connection: Connection, at_us: int, campaign_id: int, name: str) -> None:
    """Nothing of this send-out and its announcements may be begun until somebody has looked."""
    named = sa.or_(sendouts.c.name == name, sendouts.c.name.startswith(f"announce-{name}-", autoescape=True))
    mine = sa.select(sendouts.c.id).where(sendouts.c.campaign_id == campaign_id, named)
    for number in connection.execute(mine).scalars().all():
        holds.place(connection, at_us, "sendout", str(number), reason=_LOOK, who="accept-restore")


def _raise_epoch(connection: Connection, highest: int) -> int:
    raised = sa.update(meta).values(epoch=meta.c.epoch + 1, rounds_from=highest).returning(meta.c.epoch)
    epoch: int = connection.execute(raised).scalar_one()
    return epoch
