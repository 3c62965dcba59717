"""The relays of the home's mode: whether letters go through each, what keeps them, and how much of it is left."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from worker.domain.clock import from_us
from worker.ledger.schema import gates
from worker.operations.barriers import Barriers, iso, relay_names, why_relay
from worker.operations.limits_view import Gauge, Used, limit_body, scope_of
from worker.settings import Home


def relays(
    connection: Connection, home: Home, barriers: Barriers, gauge: Gauge | None, used: Used
) -> list[dict[str, Any]]:
    """Each relay in order: name, ok, waits, `rate` and `day` (None where it has no such limit), strikes, trouble, since.

    `ok` says that letters go through it; a limit that is used up is a wait, and no trouble.
    """
    query = sa.select(gates).where(gates.c.kind == "relay")
    troubled = {row.key: row for row in connection.execute(query)}
    return [_relay(name, barriers, troubled.get(name), gauge, used) for name in relay_names(home)]


def _relay(name: str, barriers: Barriers, gate: Any, gauge: Gauge | None, used: Used) -> dict[str, Any]:
    waits = why_relay(barriers, name)
    limits = {scope_of(limit): limit_body(barriers, limit, used) for limit in (gauge.of_relay(name) if gauge else [])}
    in_trouble = gate is not None and gate.strikes > 0
    stopped = any((hold.scope, hold.target) == ("relay", name) for hold in barriers.holds)
    return {
        "name": name,
        "ok": not (in_trouble or stopped),
        "waits": [reason.body() for reason in waits],
        "rate": limits.get("relay"),
        "day": limits.get("relay-day"),
        "strikes": gate.strikes if in_trouble else 0,
        "trouble": gate.reason if in_trouble else "",
        "since": iso(from_us(gate.since)) if in_trouble else None,
    }
