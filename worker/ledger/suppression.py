"""Letters of an office that asked not to be written to: suppressed while they wait, and kept from being started.

What is queued, claimed or held becomes `suppressed`; a claim is cleared, so that the worker's `start` matches no row. A
letter being sent ends as its reply says. `stop` places an office's hold in the same breath: workers read the register
when they start, and none of them may send one of its letters until then.
"""

from collections import Counter
from collections.abc import Collection, Iterator

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from worker.domain.states import Event, State, sources
from worker.ledger import audit, counts, holds
from worker.ledger.book import Ledger
from worker.ledger.schema import holds as hold_rows
from worker.ledger.schema import letters

PAGE = 500  # letters of one transaction: some milliseconds

_OPEN = sources(Event.SUPPRESS)
DECLINED = "its office asked not to be written to"
"""Why a letter is suppressed, in its `reason`; what the office said follows behind a colon, where it is known."""

WAS_HELD = "it was held, and "
"""How the reason begins of a letter that was held when it was suppressed."""

_HELD_FOR = "asked not to be written to: "


def unsent(connection: Connection) -> Counter[str]:
    """How many letters of each addressee are queued, claimed or held: what a change in the register still reaches."""
    found: Counter[str] = Counter()
    for cell, n in counts.read(connection).items():
        if cell.state in _OPEN:
            found[cell.addressee] += n
    return found


def suppress(ledger: Ledger, addressee: str, reason: str, *, who: str, page: int = PAGE) -> Iterator[int]:
    """Suppress the office's letters that wait, page by page, each with its audit row; yields how many a page had.

    Runs through the letters once, by rising id. A second run does what an interrupted one left.
    """
    after = 0
    while ids := _page(ledger, addressee, after, page):
        after = ids[-1]
        with ledger.write() as connection:
            at_us = ledger.now_us()
            done = _suppress(connection, ids, reason, at_us)
            if done:
                audit.append(connection, at_us, who, "suppress", f"office {addressee}", reason, {"letters": done})
        yield done


def _page(ledger: Ledger, addressee: str, after: int, page: int) -> list[int]:
    """Read apart from the write, so that no other writer waits while the office's letters are looked for."""
    wanted = (
        sa.select(letters.c.id)
        .where(letters.c.addressee == addressee, letters.c.state.in_(_OPEN), letters.c.id > after)
        .order_by(letters.c.id)
        .limit(page)
    )
    with ledger.read() as connection:
        return list(connection.execute(wanted).scalars())


def _suppress(connection: Connection, ids: Collection[int], reason: str, at_us: int) -> int:
    columns = [letters.c[n] for n in ("id", "campaign_id", "sendout_id", "addressee", "state")]
    mine = letters.c.id.in_(ids) & letters.c.state.in_(_OPEN)
    found = connection.execute(sa.select(*columns).where(mine).order_by(letters.c.id).with_for_update()).all()
    if not found:
        return 0
    to = State.SUPPRESSED.value
    # what somebody had held is not among what an unsuppressing queues again: it goes by how the reason begins
    said = sa.case((letters.c.state == State.HELD.value, f"{WAS_HELD}{reason}"), else_=reason)
    values = {"state": to, "claim": None, "ended_at": at_us, "reason": said}
    connection.execute(sa.update(letters).where(letters.c.id.in_([row.id for row in found])).values(values))
    moves: Counter[tuple[int, int, str, str]] = Counter()
    for row in found:
        moves[row.campaign_id, row.sendout_id, row.addressee, row.state] -= 1
        moves[row.campaign_id, row.sendout_id, row.addressee, to] += 1
    counts.add(connection, moves)
    return len(found)


def stop(connection: Connection, at_us: int, office: str, *, reason: str, who: str) -> None:
    """Hold the office from now on, for every worker that runs."""
    holds.place(connection, at_us, "office", office, reason=f"{_HELD_FOR}{reason}", who=who)


def declining(connection: Connection, at_us: int) -> set[str]:
    """The offices that are held because they asked not to be written to."""
    standing = holds.standing(connection, at_us, "office")
    return {hold.target for hold in standing if hold.reason.startswith(_HELD_FOR)}


def let(connection: Connection, at_us: int, office: str) -> int:
    """Lift what `stop` placed on the office, and no other hold. Returns how many holds that were."""
    table = hold_rows
    placed = (
        (table.c.scope == "office")
        & (table.c.target == office)
        & table.c.lifted_at.is_(None)
        & table.c.reason.startswith(_HELD_FOR, autoescape=True)
    )
    lifted = sa.update(table).where(placed).values(lifted_at=at_us).returning(table.c.id)
    return len(connection.execute(lifted).all())
