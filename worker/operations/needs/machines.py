"""Machines and processes: clocks, disks, who is no longer heard of; broker, pacing, quotas; the audit's chain."""

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from worker.domain.clock import from_us
from worker.ledger import audit
from worker.ledger.book import Ledger
from worker.ledger.schema import processes
from worker.operations.needs.need import Disk, Need, Parts, count
from worker.settings import Home

SILENT_US = 60_000_000
"""A process that was not heard of for so long, and did not say that it stops, is gone."""

FORGOTTEN_US = 86_400_000_000
"""After so long nobody asks for it any more."""

QUOTA_NEAR = 0.9
AUDIT_MEND = "lettershop audit verify"
ALARMS_MEND = "lettershop check"
_GIB = 1 << 30


def machines(connection: Connection, home: Home, at_us: int) -> Iterator[Need]:
    """What the processes say of themselves."""
    query = sa.select(processes).where(processes.c.seen_at > at_us - FORGOTTEN_US)
    rows = list(connection.execute(query.order_by(processes.c.name)).all())
    there = [row for row in rows if row.stopped_at is None and row.seen_at > at_us - SILENT_US]
    yield from _clocks(home, there)
    yield from _disks(home, there)
    for row in there:
        if row.trouble and row.drain_asked_at is None:  # a drain is somebody's will
            text = f"The {row.kind} on {row.host} says: {row.trouble}"
            yield Need("config", row.name, text, None, "act", "lettershop check")
    for row in rows:
        if row.stopped_at is None and row.seen_at <= at_us - SILENT_US and not _replaced(row, rows):
            text = f"The {row.kind} {row.name} has not been heard of, and did not say that it stops"
            verb = {"express": "worker --express", "web": "web", "watchdog": "watchdog"}.get(row.kind, "worker")
            yield Need("process", row.name, text, from_us(row.seen_at), "watch", f"lettershop {verb}")


def _replaced(gone: Any, rows: list[Any]) -> bool:
    """Whether one of its kind has started since: a supervisor's next one, say."""
    return any(row.kind == gone.kind and row.started_at >= gone.seen_at - SILENT_US for row in rows if row is not gone)


def _clocks(home: Home, rows: list[Any]) -> Iterator[Need]:
    allowed_us = home.settings.alarms.clock_skew.total_seconds() * 1_000_000
    for host in sorted({row.host for row in rows}):
        skew = max((row.skew_us for row in rows if row.host == host), key=abs)
        if abs(skew) > allowed_us:
            way = "ahead" if skew > 0 else "behind"
            text = f"The clock of {host} is {abs(skew) / 1_000_000:.0f} s {way} of the ledger's: set it by NTP"
            yield Need("clock", host, text, None, "act", "timedatectl set-ntp true")


def _disks(home: Home, rows: list[Any]) -> Iterator[Need]:
    for host in sorted({row.host for row in rows}):
        last = max((row for row in rows if row.host == host), key=lambda row: row.seen_at)
        yield from disk_need(home, Disk(host, last.disk_free, last.disk_size))


def disk_need(home: Home, disk: Disk) -> Iterator[Need]:
    """The need of one machine's disk, if it is nearly full."""
    if disk.size and disk.free < home.settings.alarms.disk_free * disk.size:
        share = 100 * disk.free / disk.size
        text = f"The disk of {disk.host} is nearly full: {disk.free / _GIB:.1f} GiB ({share:.0f} %) are left"
        yield Need("disk", disk.host, text, None, "act", "df -h")


def asked(home: Home, parts: Parts) -> Iterator[Need]:
    """What whoever asks found out about the other parts."""
    verb = "lettershop up" if home.settings.broker.url == "embedded" else "lettershop status"
    if parts.broker:
        text = f"The broker is away, and workers look by themselves every few seconds: {parts.broker}"
        yield Need("broker", "", text, None, "act", verb)
    if parts.pacing:
        yield Need("pacing", "", f"Pacing is away, and nothing is sent: {parts.pacing}", None, "act", verb)
    if parts.config:
        text = f"The config cannot be used as it is, and what it says is shown in part: {parts.config}"
        yield Need("config", "", text, None, "act", "lettershop check")
    for quota in parts.quotas:
        if quota.used >= QUOTA_NEAR * quota.most:
            text = f"Relay {quota.relay} has taken {quota.used:,} of its {quota.most:,} letters in 24 hours"
            yield Need("quota", quota.relay, text, None, "watch", "lettershop status")
    if parts.disk is not None:
        yield from disk_need(home, parts.disk)


def audit_chain(ledger: Ledger) -> Iterator[Need]:
    """Whether the audit's chain holds. Reads the whole audit, page by page."""
    with ledger.read() as connection:
        problems = audit.verify(connection)
    if problems:
        more = f" ({count(len(problems), 'place')} in all)" if len(problems) > 1 else ""
        text = f"The audit was tampered with, or is damaged: {problems[0]}{more}"
        yield Need("audit", "", text, None, "act", AUDIT_MEND)
