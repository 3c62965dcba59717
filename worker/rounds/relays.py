"""The open SMTP connections of a process, kept for reuse between rounds.

A connection is given back only when nothing is under way on it; one that is older than it may be, or that the relay has
closed, is not handed out again.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from worker.delivery import Connection, Target, Timeouts

LONGEST_S = 300.0
"""A connection is reused for so long; relays like it no longer."""

IDLE_S = 10.0
"""An unused one is closed after so long."""


@dataclass(slots=True)
class _Idle:
    connection: Connection
    since: float


@dataclass(slots=True)
class Connections:
    """Opens connections to relays by name and keeps idle ones."""

    targets: Mapping[str, Target]
    timeouts: Timeouts = field(default_factory=Timeouts)
    _idle: dict[str, list[_Idle]] = field(default_factory=dict)

    async def take(self, relay: str) -> tuple[Connection, bool]:
        """A connection to `relay`, and whether it has been used before. Raises `Trouble` where none can be opened."""
        idle = self._idle.get(relay, [])
        while idle:
            connection = idle.pop().connection
            if connection.usable and connection.age < LONGEST_S:
                return connection, True
            connection.abandon()
        return await self.open(relay), False

    async def open(self, relay: str) -> Connection:
        """A new connection. Raises `Trouble`."""
        return await Connection.open(self.targets[relay], self.timeouts)

    def give(self, relay: str, connection: Connection, now: float) -> None:
        """Take back a connection on which nothing is under way. `now` is monotonic seconds."""
        if connection.usable and connection.age < LONGEST_S:
            self._idle.setdefault(relay, []).append(_Idle(connection, now))
        else:
            connection.abandon()

    async def sweep(self, now: float, *, everything: bool = False) -> None:
        """Say QUIT on connections that have been idle too long, or on all."""
        for relay, idle in list(self._idle.items()):
            stale = [entry for entry in idle if everything or now - entry.since > IDLE_S]
            self._idle[relay] = [entry for entry in idle if entry not in stale]
            for entry in stale:
                await entry.connection.quit()
