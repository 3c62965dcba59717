"""Unconfirmed signatures: reminded of once, then let lapse, so that nothing is kept of who never confirmed.

Run by the workers' tick, by any number of them at once: each step is a compare-and-set.
"""

from worker.intake import notices
from worker.intake.desk import Floor
from worker.intake.doors import Intake
from worker.ledger import lapses, standing
from worker.ledger.lapses import Due
from worker.ledger.standing import UNCONFIRMED, WITHDRAWN

_PAGE = 50
GRACE_US = notices.DAY_US
"""A link that has just run out may still be asked about; a day later its signature is gone."""


def tend(intake: Intake) -> int:
    """Remind of, or let lapse, up to 50 unconfirmed signatures whose time has come. Returns how many were seen to."""
    ledger = intake.desk.ledger
    with ledger.read() as connection:
        due = lapses.due(connection, ledger.now_us(), _PAGE)
    made = [_see_to(intake, each) for each in due if intake.desk.knows(each.campaign)]
    if any(made):
        intake.bell.ring()
    return len(due)


def _see_to(intake: Intake, due: Due) -> bool:
    """Whether a notice was made."""
    desk = intake.desk

    def work(floor: Floor) -> bool:
        found = standing.lock(floor.connection, due.signature_id)
        if found is None or found.state != UNCONFIRMED:
            lapses.forget(floor.connection, [due.signature_id])
            return False
        if due.reminded:
            _lapse(floor, found)
            return False
        last_us = floor.at_us + (desk.terms.confirm_within - desk.terms.remind_after) // notices.MICROSECOND
        mine = lapses.reminded(floor.connection, found.id, last_us + GRACE_US)
        return mine and notices.ask_again(desk, floor, found)

    return desk.transact(desk.campaign(due.campaign), work)


def _lapse(floor: Floor, found: standing.Standing) -> None:
    """End it, and erase a signer who has no other signature."""
    standing.end(floor.connection, [found.id], WITHDRAWN, "never confirmed", floor.at_us)
    if not standing.others(floor.connection, found):
        standing.erase(floor.connection, found.signer_id, floor.at_us)
