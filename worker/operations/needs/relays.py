"""Relays and mailboxes in trouble: what the breaker says, in words; lanes that a refusal or a fuse holds."""

import re
from collections.abc import Iterator

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from worker.domain.clock import from_us
from worker.ledger import holds
from worker.ledger.holds import Hold
from worker.ledger.schema import gates
from worker.operations.barriers import REFUSED, relay_names
from worker.operations.needs.need import Need, Severity, count
from worker.operations.needs.stall import lane_named, offices_of
from worker.settings import Home

THE_HOUSE = "lettershop"
"""Who holds a lane or a relay by a fuse or a refusal."""

MOST = 10_000
_STRIKES = 2
"""A relay that hung up once is no news."""

_CAUSES = (  # the first that fits what the relay said
    (re.compile(r"password is not sent", re.IGNORECASE), "login"),
    (re.compile(r"TLS|certificate", re.IGNORECASE), "tls"),
    (re.compile(r"^(53[0458]|454 4\.7\.0|503)\b|log ?in|AUTH", re.IGNORECASE), "login"),
    (
        re.compile(r"no connection|host name|no reply|closed the connection|timed? ?out|^421", re.IGNORECASE),
        "connection",
    ),
)
_WORDS = {
    "login": "refuses our login: correct its username or password",
    "tls": "cannot be spoken to securely (TLS): look at its certificate and its `security`",
    "connection": "cannot be reached: look whether it runs, and at its host and port",
    "": "does not take letters",
}
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
            yield _mailbox(connection, home, hold)


def _mailbox(connection: Connection, home: Home, hold: Hold) -> Need:
    mine = offices_of(home, hold.target)
    n = sum(connection.execute(_WAITING, {"addressee": office, "most": MOST}).scalar_one() for office in mine)
    if not mine:
        n = connection.execute(_IN_LANE, {"lane": hold.target, "most": MOST}).scalar_one()
    text = f"{count(n, 'letter', MOST)} to {lane_named(home, hold.target)} held: {hold.reason}"
    mend = f'lettershop resume lane {hold.target} --reason "why it may go on"'
    if mine and REFUSED in hold.reason:
        text += ". Its address is wrong, or no longer there: find the right one"
        mend = f'lettershop redirect {mine[0]} NEW-ADDRESS --resume --reason "where it was found"'
    elif mine:
        mend = f'lettershop resume office {mine[0]} --reason "why it may go on"'
    return Need("mailbox", mine[0] if mine else hold.target, text, from_us(hold.since_us), "act", mend, n)


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
                text = f"Relay {name} {_WORDS[cause]} ({row.reason})"
                severity: Severity = "act" if alone or cause == "login" else "watch"
                yield Need("relay", name, text, from_us(row.since), severity, mend)


def cause_of(reason: str) -> str:
    """What kind of trouble a relay's words tell of: login, tls, connection, or ""."""
    return next((cause for pattern, cause in _CAUSES if pattern.search(reason)), "")
