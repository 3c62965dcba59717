"""The processes of the fleet: each says every few seconds that it is there; operators see them and drain them.

    presence = Presence(ledger, home.var, "worker")
    drain = presence.beat(config_hash, trouble)      # at every tick, the first one when it begins
    presence.leave()                                 # at an orderly end

A process that makes no progress in the ledger is not alive, whatever its supervisor says. One that drains ends its rounds,
begins no other and stays: a supervisor would start anew what ends.
"""

import os
import shutil
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from sqlalchemy.engine import Connection

from worker.domain.clock import Clock, SystemClock, to_us
from worker.domain.errors import BadInput, RefusedByState
from worker.ledger import audit, processes
from worker.ledger.book import Ledger
from worker.ledger.processes import Kind, Process, Row
from worker.ledger.transact import transact
from worker.operations.holds import checked_reason
from worker.operations.workers import workers

TICK_S = 5.0
SENDERS = ("worker", "express")
DRAINED = "drained: it begins no round until `lettershop workers undrain {name}`"

DiskOf = Callable[[Path], tuple[int, int]]


def disk_of(path: Path) -> tuple[int, int]:
    """Bytes free and in all on the disk where `path` is; (0, 0) where that cannot be told."""
    try:
        found = shutil.disk_usage(path)
    except OSError:
        return 0, 0
    return found.free, found.total


def process_name() -> str:
    """This process as rounds and lists call it."""
    return f"{socket.gethostname()}:{os.getpid()}"


def beat(ledger: Ledger, row: Row) -> bool:
    """Write a process's row; whether it was asked to drain. `row.seen_at` is the ledger's clock. Raises Failed."""
    return transact(ledger, lambda connection: processes.say(connection, row))


@dataclass(slots=True)
class Presence:
    """What one process says of itself. `place` is a folder on the disk that is watched; `clock` its host's clock."""

    ledger: Ledger
    place: Path
    kind: Kind
    name: str = field(default_factory=process_name)
    clock: Clock = field(default_factory=SystemClock)
    disk: DiskOf = disk_of
    _started_at: int = 0

    def arrive(self, config: str) -> None:
        """Say that this process begins, and works to the config of this hash. Raises Failed."""
        row = self._row(config, "")
        transact(self.ledger, lambda connection: processes.arrive(connection, row))
        self._started_at = row.started_at

    def beat(self, config: str, trouble: str = "") -> bool:
        """Say that it is there; whether it was asked to drain. The first time it arrives. Raises Failed."""
        if not self._started_at:
            self.arrive(config)
        return beat(self.ledger, self._row(config, trouble))

    def leave(self) -> None:
        """Say that it ends in order. Raises Failed."""
        transact(self.ledger, lambda connection: processes.leave(connection, self.name, self.ledger.now_us()))

    def _row(self, config: str, trouble: str) -> Row:
        now_us, skew_us = self._clocks()
        free, size = self.disk(self.place)
        host = self.name.rpartition(":")[0]
        started_at = self._started_at or now_us
        release = version("lettershop")
        return Row(
            self.name, self.kind, host, release, started_at, now_us, skew_us, free, size, config, one_line(trouble)
        )

    def _clocks(self) -> tuple[int, int]:
        """The ledger's clock, and by how much the host's is ahead of it; half the way there and back is left out."""
        before = to_us(self.clock.now())
        now_us = self.ledger.now_us()
        after = to_us(self.clock.now())
        return now_us, (before + after) // 2 - now_us


def one_line(text: str, most: int = 500) -> str:
    """The first line of what may be many, with their number."""
    lines = [line.strip() for line in text.splitlines() if line.strip()] or [""]
    more = f" (and {len(lines) - 1} more)" if len(lines) > 1 else ""
    return lines[0][: most - len(more)] + more


# -- operators -----------------------------------------------------------------------------------------------------------
def listing(ledger: Ledger) -> list[dict[str, Any]]:
    """Every process of the last day as JSON, those alive first; what `status` shows of them, and their hosts besides."""
    with ledger.read() as connection:
        rows = {row.name: row for row in processes.listing(connection)}
        return [each | _besides(rows[each["name"]]) for each in workers(connection, ledger.now_us())]


def drain(ledger: Ledger, name: str, who: str, reason: str) -> None:
    """Ask a worker to end its rounds and begin no other. Raises BadInput, and RefusedByState with why not."""
    checked_reason(reason)
    _ask(ledger, name, lambda connection, at_us: processes.ask_drain(connection, name, at_us), ("drain", who, reason))


def undrain(ledger: Ledger, name: str, who: str, reason: str) -> None:
    """Let a drained worker go on. Raises BadInput, and RefusedByState with why not."""
    checked_reason(reason)
    _ask(ledger, name, lambda connection, _: processes.end_drain(connection, name), ("undrain", who, reason))


def _ask(ledger: Ledger, name: str, move: Callable[[Connection, int], bool], audited: tuple[str, str, str]) -> None:
    verb, who, reason = audited

    def work(connection: Connection) -> None:
        at_us = ledger.now_us()
        found = _known(processes.listing(connection), name)
        if not move(connection, at_us):
            raise RefusedByState(_why_not(found, verb))
        audit.append(connection, at_us, who, verb, f"worker {name}", reason)

    transact(ledger, work)


def _known(rows: list[Process], name: str) -> Process:
    senders = [row for row in rows if row.kind in SENDERS]
    found = next((row for row in rows if row.name == name), None)
    if found is None:
        running = [row.name for row in senders if row.stopped_at is None]
        raise BadInput(f"there is no worker {name!r}; there are: {', '.join(running) or 'none'}")
    if found.kind not in SENDERS:
        raise RefusedByState(f"{name} is a {found.kind} process, which has no rounds to end; workers are drained")
    return found


def _why_not(found: Process, verb: str) -> str:
    if found.stopped_at is not None:
        return f"{found.name} has stopped"
    asked = "was asked to drain already" if verb == "drain" else "was not asked to drain"
    return f"{found.name} {asked}; `lettershop workers list` shows who drains"


def _besides(row: Process) -> dict[str, Any]:
    share = round(row.disk_free / row.disk_size, 3) if row.disk_size else None
    return {"config": row.config, "skew_s": round(row.skew_us / 1_000_000, 3), "disk_free_share": share}
