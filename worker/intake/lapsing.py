"""Unconfirmed signatures: reminded of once, then let lapse, so that nothing is kept of who never confirmed.

Run by the workers' tick, by any number of them at once: each step is a compare-and-set. A signature that ended before
anybody confirmed it (withdrawn, rejected, asked for quiet) is let lapse likewise. Of a campaign that is configured no
longer nobody can be reminded, but its signatures lapse as all others do.
"""

from sqlalchemy.engine import Connection

from worker.intake import notices
from worker.intake.desk import Desk, Floor, Terms
from worker.intake.doors import Intake
from worker.ledger import lapses, standing
from worker.ledger.lapses import Due
from worker.ledger.sql import now_us
from worker.ledger.standing import CONFIRMED, ERASED, WITHDRAWN, Standing
from worker.ledger.transact import transact

_PAGE = 50
GRACE_US = notices.DAY_US
"""A link that has just run out may still be asked about; a day later its signature is gone."""


def tend(intake: Intake) -> int:
    """Remind of, or let lapse, up to 50 unconfirmed signatures whose time has come. Returns how many were seen to."""
    ledger = intake.desk.ledger
    with ledger.read() as connection:
        due = lapses.due(connection, ledger.now_us(), _PAGE)
    made = [_see_to(intake.desk, each) for each in due]
    if any(made):
        intake.bell.ring()
    return len(due)


def _see_to(desk: Desk, due: Due) -> bool:
    """Whether a notice was made."""
    if desk.knows(due.campaign):
        return desk.transact(desk.campaign(due.campaign), lambda floor: _remind(desk, floor, due))
    transact(desk.ledger, lambda connection: _look_at(connection, desk.terms, due, now_us(connection)))
    return False


def _remind(desk: Desk, floor: Floor, due: Due) -> bool:
    found = _look_at(floor.connection, desk.terms, due, floor.at_us)
    return found is not None and notices.ask_again(desk, floor, found)


def _look_at(connection: Connection, terms: Terms, due: Due, at_us: int) -> Standing | None:
    """Let it lapse where its time is over; else the signature, if it falls to this very call to remind of it."""
    found = standing.lock(connection, due.signature_id)
    if found is None or found.state in (CONFIRMED, ERASED):
        lapses.forget(connection, [due.signature_id])
        return None
    if not lapses.is_due(connection, found.id, at_us):
        return None
    if due.reminded or found.state == WITHDRAWN:
        _lapse(connection, found, at_us)
        return None
    last_us = at_us + (terms.confirm_within - terms.remind_after) // notices.MICROSECOND
    return found if lapses.reminded(connection, found.id, last_us + GRACE_US) else None


def _lapse(connection: Connection, found: Standing, at_us: int) -> None:
    """End it, and erase a signer who never confirmed anything and asks for nothing more."""
    standing.end(connection, [found.id], WITHDRAWN, "never confirmed", at_us)
    lapses.forget(connection, [found.id])
    if not standing.others(connection, found):
        standing.erase(connection, found.signer_id, at_us)
