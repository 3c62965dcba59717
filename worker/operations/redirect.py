"""`redirect`: correct an office's mailbox in the register, and bring what waits to the new mailbox's lane at once.

    proposal = propose_redirect(home, Correction("sampleton-mayor", "new@town.example", "its website", day), now)
    done = redirect(ledger, home, proposal, order, sync)

`sync` is `worker.intake.sync_register`: letters change lanes in one way only, here and when a worker takes a changed
register. Letters that were sent stay as they are; those in a round's hands follow when they come back.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa

from worker.domain.errors import BadInput, RefusedByState
from worker.domain.office import Office
from worker.ledger import holds
from worker.ledger.book import Ledger
from worker.ledger.schema import lanes
from worker.operations import holds as orders
from worker.operations.acts import Order
from worker.operations.register import By, Proposal, known, propose, read_register, set_mailbox, take
from worker.settings import Home

Sync = Callable[[Mapping[str, Office], Callable[[int], None]], int]
"""(the register, told how many have moved so far) -> how many moved."""


@dataclass(frozen=True, slots=True)
class Correction:
    """Where letters to an office are to go, where that was found, and when."""

    office: str
    mailbox: str
    source: str
    as_of: date


@dataclass(frozen=True, slots=True)
class Redirected:
    """Letters that moved to the new lane, and holds of the old one that were lifted."""

    moved: int
    lifted: int


def propose_redirect(home: Home, wanted: Correction, now: datetime) -> Proposal:
    """The change, checked and with sample letters; nothing is written.

    Raises BadInput for an office that is not there or an address that cannot be one, RefusedByState where the register
    says so already.
    """
    register = read_register(home.root)
    before = known(register.entries, wanted.office)
    if str(before["mailbox"]) == wanted.mailbox:
        raise RefusedByState(f"letters to office {wanted.office} go to {wanted.mailbox} already; nothing was changed")
    entry = set_mailbox(before, wanted.mailbox, wanted.source, wanted.as_of)
    return propose(home, [entry], now, register)


def waiting(ledger: Ledger, home: Home, proposal: Proposal) -> dict[str, Any]:
    """What a redirect would do: office, from_lane, to_lane, letters (not sent yet), holds (reasons, on the old lane)."""
    office = proposal.changes[0].office
    old, new = home.offices[office].lane, proposal.offices[office].lane
    with ledger.read() as connection:
        standing = [hold.reason for hold in holds.standing(connection, ledger.now_us(), "lane") if hold.target == old]
    unsent = proposal.unsent(ledger)[office]
    return {"office": office, "from_lane": old, "to_lane": new, "letters": unsent, "holds": standing}


def redirect(
    ledger: Ledger,
    home: Home,
    proposal: Proposal,
    order: Order,
    sync: Sync,
    *,
    lift: bool = False,
    progress: Callable[[int], None] = lambda _: None,
) -> Redirected:
    """Write the register and move the letters. With `lift` the old lane's holds are lifted too: others may share it.

    Raises RefusedByState where the register was changed since it was read, Failed where the ledger is away: then nothing
    was changed. Should it be killed while letters move, the workers move the rest when they take the register.
    """
    old = home.offices[proposal.changes[0].office].lane
    take(proposal, ledger, By(order.who, "set-mailbox", order.reason))
    moved = sync(proposal.offices, progress)
    return Redirected(moved, _lift(ledger, home, old, order) if lift else 0)


def _lift(ledger: Ledger, home: Home, lane: str, order: Order) -> int:
    with ledger.read() as connection:
        there = connection.execute(sa.select(lanes.c.id).where(lanes.c.key == lane)).first()
    if there is None:
        return 0
    try:
        return orders.resume(ledger, home, orders.Order("lane", lane, order.who, order.reason)).lifted
    except (RefusedByState, BadInput):  # it is not held
        return 0
