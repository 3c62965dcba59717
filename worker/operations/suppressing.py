"""`suppress`, `unsuppress`: an office asked not to be written to, and may be written to again.

To suppress an office is to retire it: the register says so with reason and evidence, its hold stops running workers at
once, and what waits for it becomes `suppressed`. Unsuppressing lifts that. The letters stay where they are unless they are
asked for; then exactly those that this suppression took are queued again.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime

import sqlalchemy as sa

from worker.domain.errors import BadInput
from worker.ledger import suppression
from worker.ledger.book import Ledger
from worker.ledger.schema import audit
from worker.operations.acts import Order, Wanted, preview
from worker.operations.acts.running import begin_found
from worker.operations.register import By, Proposal, known, propose, read_register, retire, take, unretire
from worker.settings import Home


@dataclass(frozen=True, slots=True)
class Refusal:
    """That an office asked not to be written to: why, where that can be looked up, and since when."""

    office: str
    reason: str
    evidence: str
    asked_on: date


def propose_suppress(home: Home, told: Refusal, now: datetime) -> Proposal:
    """The change of the register; nothing is written. Raises BadInput, and RefusedByState where it is suppressed already."""
    if not told.evidence.strip():
        raise BadInput("evidence is needed: where can be looked up that the office asked for it?")
    register = read_register(home.root)
    entry = retire(known(register.entries, told.office), told.reason, told.evidence, told.asked_on)
    return propose(home, [entry], now, register)


def suppress(ledger: Ledger, proposal: Proposal, order: Order, progress: Callable[[int], None] | None = None) -> int:
    """Write the register, hold the office and suppress what waits for it. Returns how many letters that were.

    Raises RefusedByState where the register was changed since it was read, Failed where the ledger is away: then nothing
    was changed. Should it be killed while letters are suppressed, the workers go on.
    """
    return take(proposal, ledger, By(order.who, "retire", order.reason), progress).suppressed


def propose_unsuppress(home: Home, office: str, now: datetime) -> Proposal:
    """The change of the register; nothing is written. Raises BadInput, RefusedByState where it takes letters already."""
    register = read_register(home.root)
    return propose(home, [unretire(known(register.entries, office))], now, register)


def taken_from(ledger: Ledger, office: str) -> Wanted:
    """The letters that the office's present suppression took, to be queued again. Ask before it is unsuppressed."""
    last = sa.select(sa.func.max(audit.c.at)).where(audit.c.target == f"office {office}", audit.c.verb == "unretire")
    with ledger.read() as connection:
        since = connection.execute(last).scalar()
    return Wanted(
        "requeue",
        states=("suppressed",),
        office=office,
        mark_starts=suppression.DECLINED,
        ended_from_us=int(since or 0),
    )


def preview_taken(ledger: Ledger, home: Home, wanted: Wanted) -> int:
    """How many letters `unsuppress` would queue again, if all goes well with their signatures."""
    found = preview(ledger, home, wanted)
    return found.count + found.not_allowed.get(suppression.DECLINED, 0)


def unsuppress(
    ledger: Ledger, home: Home, proposal: Proposal, order: Order, requeue: Wanted | None = None
) -> int | None:
    """Write the register and lift the hold; with `requeue` (from `taken_from`) begin the act that queues its letters.

    Returns the act, for `acts.carry_on`, or None where no letter comes back. Raises as `suppress` does.
    """
    take(proposal, ledger, By(order.who, "unretire", order.reason))
    if requeue is None:
        return None
    found = preview(ledger, home, requeue)
    return begin_found(ledger, found, order) if found.count else None
