"""Bringing the queue in line with the office register.

When an office's mailbox changes, its letters change lanes. When it asked not to be written to, those that wait are
suppressed: also such as were made by a process that had read the register before it did.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import partial

from sqlalchemy.engine import Connection

from worker.domain.office import Office
from worker.intake.ground import lane_of
from worker.ledger import audit, letters_write, suppression
from worker.ledger.book import Ledger
from worker.ledger.sql import now_us
from worker.ledger.transact import transact

_PAGE = 250  # letters moved in one transaction: some milliseconds


def sync_register(
    ledger: Ledger,
    offices: Mapping[str, Office],
    *,
    who: str = "lettershop",
    progress: Callable[[int], None] | None = None,
) -> int:
    """Move letters that are queued, held or in doubt to the lanes of their offices' mailboxes now. Returns how many.

    Run it at every start; a second run finds nothing to do. Letters that a round has claimed stay with it and are
    found by the next run if they come back. Letters of offices that are no longer configured stay where they are.
    Letters that wait for an office that takes none are suppressed first. `progress` is told how many have moved so far.
    """
    _suppress(ledger, offices, who)
    with ledger.write() as connection:
        wanted = {office.id: lane_of(connection, office) for office in offices.values()}
    with ledger.read() as connection:
        lanes = letters_write.office_lanes(connection)
    moved = 0
    for lane, _ in lanes:
        with ledger.read() as connection:
            astray = [a for a in letters_write.addressees_in(connection, lane) if wanted.get(a, lane) != lane]
        for addressee in astray:
            for page in _move(ledger, addressee, lane, wanted[addressee], who):
                moved += page
                if progress is not None:
                    progress(moved)
    return moved


def _suppress(ledger: Ledger, offices: Mapping[str, Office], who: str) -> None:
    with ledger.read() as connection:
        unsent = suppression.unsent(connection)
    for office in offices.values():
        if not office.accepts_letters and unsent[office.id] > 0:
            for _ in suppression.suppress(ledger, office.id, suppression.DECLINED, who=who):
                pass


def _move(ledger: Ledger, addressee: str, from_lane: int, to_lane: int, who: str) -> Iterator[int]:
    move = partial(_move_page, addressee=addressee, from_lane=from_lane, to_lane=to_lane, who=who)
    while page := transact(ledger, move):
        yield page


def _move_page(connection: Connection, addressee: str, from_lane: int, to_lane: int, who: str) -> int:
    moved = letters_write.move_lane(connection, addressee, from_lane, to_lane, _PAGE)
    if moved:
        details = {"from_lane": from_lane, "to_lane": to_lane, "letters": moved}
        audit.append(connection, now_us(connection), who, "move", f"office {addressee}", "its mailbox changed", details)
    return moved
