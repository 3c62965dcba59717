"""Relays and mailboxes in trouble: what the breaker says, in words; lanes that a refusal or a fuse holds."""

from collections.abc import Iterator, Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from worker.domain.clock import from_us
from worker.ledger import holds
from worker.ledger.holds import Hold
from worker.ledger.schema import gates, lanes
from worker.operations.barriers import REFUSED, relay_names
from worker.operations.needs.need import Need, Severity, count
from worker.operations.needs.stall import lane_named, offices_of
from worker.operations.relay_words import cause_of, trouble_of
from worker.settings import Home

THE_HOUSE = "lettershop"
"""Who holds a lane or a relay by a fuse or a refusal."""

MOST = 10_000
_STRIKES = 2
"""A relay that hung up once is no news."""

_WAITING = sa.text("""
SELECT count(*) FROM (SELECT 1 FROM letters WHERE state = 'queued' AND addressee = :addressee LIMIT :most) found
""")
_IN_LANE = sa.text("""
SELECT count(*) FROM (SELECT 1 FROM letters JOIN lanes ON lanes.id = letters.lane_id
                      WHERE letters.state = 'queued' AND lanes.key = :lane LIMIT :most) found
""")


def mailboxes(connection: Connection, home: Home, at_us: int) -> Iterator[Need]:
    """Lanes that the house itself holds: a refused mailbox, refusals in a row, trouble for days."""
    for hold in holds.standing(connection, at_us, "lane"):
        if hold.who == THE_HOUSE:
            mine = offices_of(home, hold.target)
            yield from [_mailbox(connection, home, hold, mine)] if mine else _ownerless(connection, hold)


def _ownerless(connection: Connection, hold: Hold) -> Iterator[Need]:
    """A lane that is no office's any more, if letters are left in it. Its key is an address, and is not said."""
    n = connection.execute(_IN_LANE, {"lane": hold.target, "most": MOST}).scalar_one()
    if n:
        number = connection.execute(sa.select(lanes.c.id).where(lanes.c.key == hold.target)).scalar_one()
        text = f"{count(n, 'letter', MOST)} in lane {number} held, whose mailbox is no office's any more: put it back"
        yield Need("mailbox", f"lane {number}", text, from_us(hold.since_us), "watch", "lettershop offices list", n)


def _mailbox(connection: Connection, home: Home, hold: Hold, mine: Sequence[str]) -> Need:
    n = sum(connection.execute(_WAITING, {"addressee": office, "most": MOST}).scalar_one() for office in mine)
    text = f"{count(n, 'letter', MOST)} to {lane_named(home, hold.target)} held: {hold.reason}"
    mend = f'lettershop resume office {mine[0]} --reason "why it may go on"'
    if REFUSED in hold.reason:
        text += ". Its address is wrong, or no longer there: find the right one"
        mend = f'lettershop redirect {mine[0]} NEW-ADDRESS --resume --reason "where it was found"'
    return Need("mailbox", mine[0], text, from_us(hold.since_us), "act", mend, n)


def relays(connection: Connection, home: Home, at_us: int) -> Iterator[Need]:
    """Relays whose breaker is open, or that the house holds."""
    names = relay_names(home)
    held = {hold.target: hold for hold in holds.standing(connection, at_us, "relay") if hold.who == THE_HOUSE}
    query = sa.select(gates).where(gates.c.kind == "relay", gates.c.strikes >= 1)
    broken = {row.key: row for row in connection.execute(query)}
    alone = len(broken.keys() | held.keys()) >= len(names)  # with another one letters still move
    for name in names:
        mend = f'lettershop resume relay {name} --reason "what was mended"'
        if name in held:
            hold = held[name]
            text = f"Relay {name} is held: {hold.reason}"
            yield Need("relay", name, text, from_us(hold.since_us), "act", mend)
        elif name in broken:
            row = broken[name]
            cause = cause_of(row.reason)
            if row.strikes >= _STRIKES or cause == "login":
                said = trouble_of(name, row.reason)
                text = said[0].upper() + said[1:]
                severity: Severity = "act" if alone or cause == "login" else "watch"
                yield Need("relay", name, text, from_us(row.since), severity, mend)
