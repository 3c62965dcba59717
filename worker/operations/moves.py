"""Single letters: `hold`, `resume`, `resolve`. Guarded by the table of states, each with its audit row.

A verb on a claimed letter clears its claim: the worker's `start` then matches no row and nothing is sent. Many letters at
once are an act (`worker.operations.acts`).
"""

from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from worker.domain.clock import from_us
from worker.domain.errors import BadInput, RefusedByState
from worker.domain.making import CONFIRM, notice_kind
from worker.domain.states import Event, IllegalMove, State, move
from worker.ledger import audit, counts
from worker.ledger.book import Ledger
from worker.ledger.hot.database import DOUBT_REST_US
from worker.ledger.schema import attempts, letters, rounds, sendouts, signatures
from worker.operations.barriers import clock
from worker.operations.holds import checked_reason

Resolution = Literal["sent", "queued"]
_NOTICE = "signer"


def hold_letter(ledger: Ledger, letter: int, who: str, reason: str) -> None:
    """Set a queued or claimed letter aside until it is resumed. Raises RefusedByState, BadInput."""
    _single(ledger, letter, Event.HOLD, who, reason, {"reason": "held by an operator"})


def resume_letter(ledger: Ledger, letter: int, who: str, reason: str) -> None:
    """Queue a held letter again, due now. Raises RefusedByState, BadInput."""
    _single(ledger, letter, Event.RESUME, who, reason, {"reason": "resumed", "due_at": ledger.now_us()})


def resolve_letter(ledger: Ledger, letter: int, to: Resolution, who: str, reason: str) -> None:
    """Say of a letter in doubt that it was sent, or queue it again from its recorded inputs.

    Raises RefusedByState where it is not in doubt, where its signer withdrew, or (to "queued") where less than 15
    minutes have gone by since its round was last alive: until then the reply may still come.
    """
    checked_reason(reason)
    with ledger.write() as connection:
        _resolve(connection, ledger.now_us(), _locked(connection, letter), to, (who, reason))


# -- one letter --------------------------------------------------------------------------------------------------------
def _single(ledger: Ledger, letter: int, event: Event, who: str, reason: str, values: dict[str, Any]) -> None:
    checked_reason(reason)
    with ledger.write() as connection:
        row = _locked(connection, letter)
        _move(connection, row, event, None, {**values, "claim": None})
        audit.append(connection, ledger.now_us(), who, event.value, f"letter {letter}", reason)


def _resolve(connection: Connection, at_us: int, row: Any, to: Resolution, by: tuple[str, str]) -> None:
    target = State(to)
    values: dict[str, Any] = {"ended_at": at_us, "reason": "resolved: sent", "resend_of": None}
    if target is State.QUEUED:
        _refuse_ended(connection, row)
        rest_us = _round_alive_until(connection, row.id) + DOUBT_REST_US
        if State(row.state) is State.IN_DOUBT and at_us < rest_us:
            raise RefusedByState(
                f"letter {row.id}: its reply may still come; it can be queued again from {clock(from_us(rest_us))} on"
            )
        again = _resend_of(connection, row.id)
        values = {"ended_at": None, "reason": "resolved: again", "due_at": at_us, "resend_of": again}
    _move(connection, row, Event.RESOLVE, target, values)
    audit.append(connection, at_us, by[0], "resolve", f"letter {row.id}", by[1], {"to": to})


def _locked(connection: Connection, letter: int) -> Any:
    columns = [letters.c[n] for n in ("id", "state", "campaign_id", "sendout_id", "addressee", "signature_id")]
    row = connection.execute(sa.select(*columns).where(letters.c.id == letter).with_for_update()).first()
    if row is None:
        raise BadInput(f"there is no letter {letter}; `lettershop letters list` shows those there are")
    return row


def _move(connection: Connection, row: Any, event: Event, to: State | None, values: dict[str, Any]) -> None:
    """Compare and set, with its counts. Raises RefusedByState where the table does not allow the move."""
    before = State(row.state)
    try:
        after = move(before, event, to)
    except IllegalMove as exc:
        raise RefusedByState(f"letter {row.id}: {exc}") from exc
    mine = (letters.c.id == row.id) & (letters.c.state == before.value)
    done = connection.execute(sa.update(letters).where(mine).values(state=after.value, **values))
    if done.rowcount != 1:
        raise RefusedByState(f"letter {row.id} has just moved: look again")
    cell = (row.campaign_id, row.sendout_id, row.addressee)
    counts.add(connection, {(*cell, before.value): -1, (*cell, after.value): 1})


def _refuse_ended(connection: Connection, row: Any) -> None:
    """A letter stands for a confirmed signature, and so does a notice, but for one that asks to confirm."""
    state = connection.execute(sa.select(signatures.c.state).where(signatures.c.id == row.signature_id)).scalar_one()
    name = connection.execute(sa.select(sendouts.c.name).where(sendouts.c.id == row.sendout_id)).scalar_one()
    asks = row.addressee == _NOTICE and notice_kind(name) == CONFIRM
    wanted = "unconfirmed" if asks else "confirmed"
    if state != wanted:
        raise RefusedByState(f"letter {row.id}: its signature is {state}, so it is not written again")


def _round_alive_until(connection: Connection, letter: int) -> int:
    """When the round of the letter's last attempt was last renewed; 0 where there was none."""
    query = (
        sa.select(sa.func.max(rounds.c.renewed_at))
        .join(attempts, attempts.c.round_id == rounds.c.id)
        .where(attempts.c.letter_id == letter)
    )
    return int(connection.execute(query).scalar() or 0)


def _resend_of(connection: Connection, letter: int) -> int | None:
    """The attempt whose recorded inputs the next one uses, so that bytes and Message-ID stay the same."""
    query = sa.select(sa.func.max(attempts.c.number)).where(
        attempts.c.letter_id == letter, attempts.c.hash.is_not(None)
    )
    number: int | None = connection.execute(query).scalar()
    return number
