"""What needs an operator now: the list that `status`, the dashboard and the watchdog's mails are made from.

    needs(ledger, home, parts)              opens one reading; never raises for a part that is away
    read_needs(connection, home, at_us)     what the ledger tells, in the caller's reading

No query here counts or scans letters or attempts: each asks an index for the first of something, or counts up to a
bound. So the list costs the same with ten letters or ten million.

Known limit: a letter whose retry life is over is noticed only among the oldest due letters of its addressee.
"""

from collections.abc import Iterator

from sqlalchemy.engine import Connection

from worker.domain.clock import from_us
from worker.domain.errors import Failed, LettershopError
from worker.ledger import alarms, witness
from worker.ledger.book import Ledger
from worker.operations.needs import backlog, letters, machines, people, relays, slow, stall
from worker.operations.needs.need import WORST_FIRST, Disk, Need, Parts, Quota, Severity, in_order, quotas_of
from worker.settings import Home

__all__ = [
    "THOROUGH",
    "WORST_FIRST",
    "Disk",
    "Need",
    "Parts",
    "Quota",
    "Severity",
    "away",
    "in_order",
    "look_over",
    "needs",
    "quotas_of",
    "read_needs",
]

THOROUGH = ("audit", "too-late", "alarms")
"""Kinds that only the watchdog finds out: others read them from what it noted."""


def needs(ledger: Ledger | LettershopError, home: Home, parts: Parts | None = None) -> list[Need]:
    """Everything that needs an operator, worst first. Never raises for a part that is away: that is a need itself.

    `ledger` is open, or the error that opening it raised. What only the watchdog finds is taken from its alarms.
    """
    found = look_over(ledger, home, parts)
    if isinstance(ledger, Ledger) and not any(need.kind == "ledger" for need in found):
        try:
            with ledger.read() as connection:
                found += noted(connection)
        except LettershopError as exc:
            found.append(away(exc))
    return in_order(found)


def look_over(ledger: Ledger | LettershopError, home: Home, parts: Parts | None = None) -> list[Need]:
    """`needs` without what only the watchdog finds: for the watchdog."""
    parts = parts or Parts()
    try:
        if isinstance(ledger, LettershopError):
            raise ledger
        found = [*_restored(home, ledger)]
        with ledger.read() as connection:
            found += read_needs(connection, home, ledger.now_us())
    except LettershopError as exc:
        found = [away(exc)]
    return in_order([*found, *machines.asked(home, parts)])


def read_needs(connection: Connection, home: Home, at_us: int) -> list[Need]:
    """What the ledger tells in the caller's reading, at its moment `at_us`; unordered."""
    return list(_read(connection, home, at_us))


def _read(connection: Connection, home: Home, at_us: int) -> Iterator[Need]:
    waiting = stall.first_due(connection)
    yield from stall.stalled(connection, home, at_us, waiting)
    yield from letters.confirmations(connection, home, at_us)
    yield from letters.stuck(connection, at_us)
    yield from letters.past_life(connection, home, at_us, waiting)
    yield from letters.unusual(connection, home, at_us)
    yield from relays.mailboxes(connection, home, at_us)
    yield from relays.relays(connection, home, at_us)
    yield from slow.slow(connection, home, at_us)
    yield from machines.machines(connection, home, at_us)
    yield from people.sendouts(connection, home)
    yield from people.open_reviews(connection)
    yield from people.open_acts(connection, at_us)


def noted(connection: Connection) -> list[Need]:
    """What the watchdog found by looking thoroughly, and has not cleared."""
    standing = [alarm for alarm in alarms.standing(connection) if alarm.kind in THOROUGH]
    return [
        Need(
            alarm.kind,
            alarm.target,
            alarm.text,
            from_us(alarm.since_us),
            "watch" if alarm.kind == "alarms" else "act",
            _MEND[alarm.kind],
        )
        for alarm in standing
    ]


_MEND = {"audit": machines.AUDIT_MEND, "too-late": backlog.MEND, "alarms": machines.ALARMS_MEND}


def away(trouble: LettershopError) -> Need:
    """The ledger cannot be read, or refuses this program."""
    mend = "lettershop status" if isinstance(trouble, Failed) else "lettershop check"
    text = f"The ledger cannot be used, and nothing is sent: {trouble}"
    return Need("ledger", "", text, None, "act", mend)


def _restored(home: Home, ledger: Ledger) -> Iterator[Need]:
    seen = witness.read(home.var / "witness.json", ledger.ledger_id)
    with ledger.read() as connection:
        own = witness.highest_round(connection)
    if own < seen:
        text = (
            f"The ledger was restored from a backup: it knows of {own:,} rounds, and {seen:,} were opened. Nothing is"
            " sent until somebody accepts that"
        )
        yield Need("restored", "", text, None, "act", 'lettershop ledger accept-restore --reason "why it was restored"')
