"""What the watchdog asks besides the ledger: broker, pacing, what is used of the relays' days, the disk under `var/`."""

import asyncio
import shutil
import socket
from collections.abc import Callable, Mapping
from pathlib import Path

from worker.domain.errors import LettershopError
from worker.domain.limits import Limit
from worker.operations.needs import Disk, Parts, Quota
from worker.operations.parts import PATIENCE_S, ask_broker
from worker.pacing import NeedsRefill, Pacer, Settling


def ask_parts(broker_url: str, pacer: Callable[[], Pacer] | None, days: Mapping[str, Limit], var: Path) -> Parts:
    """Ask them all, each with a short patience. `pacer` is None where the ledger's name is not known.

    `days`: the day's limit of each relay that has one. Raises nothing of its own.
    """
    pacing, quotas = asyncio.run(_pacing(pacer(), days)) if pacer is not None else ("", ())
    return Parts(ask_broker(broker_url), pacing, quotas=quotas, disk=disk_of(var))


async def _pacing(pacer: Pacer, days: Mapping[str, Limit]) -> tuple[str, tuple[Quota, ...]]:
    try:
        async with asyncio.timeout(PATIENCE_S):
            await pacer.ready()
            used = await pacer.used([*days.values()])
    except (Settling, NeedsRefill):  # it is there, and does not know yet
        return "", ()
    except LettershopError as exc:
        return str(exc), ()
    except TimeoutError:
        return f"Redis (pacing) did not answer within {PATIENCE_S:g} s", ()
    finally:
        await pacer.aclose()
    return "", tuple(
        Quota(relay, n, limit.rate.count) for (relay, limit), (n, _) in zip(days.items(), used, strict=True)
    )


def disk_of(path: Path) -> Disk | None:
    """The disk that `path` is on; None where it is not there."""
    try:
        usage = shutil.disk_usage(path)
    except OSError:
        return None
    return Disk(socket.gethostname(), usage.free, usage.total)
