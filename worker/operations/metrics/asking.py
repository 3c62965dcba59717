"""What a scrape asks of broker and pacing: whether they answer, how fast, and how much of each relay's quota is used.

Each is asked once with a short patience, both at the same time: a part that is away makes a scrape a second longer and
no more. What could not be learned is absent.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from worker.domain.errors import LettershopError
from worker.domain.limits import Limit
from worker.operations.parts import ask_broker
from worker.pacing import NeedsRefill, Pacer, Settling

PATIENCE_S = 1.0


@dataclass(frozen=True, slots=True)
class Quota:
    """One limit of a relay: letters in any window, and how many count against it now (None: could not be asked)."""

    relay: str
    window_s: int
    most: int
    used: int | None


@dataclass(frozen=True, slots=True)
class Answers:
    """`parts`: how long each took to answer, in seconds; None where it did not."""

    parts: Mapping[str, float | None]
    quotas: Sequence[Quota] = ()


async def ask_parts(
    broker_url: str, pacer: Pacer, limits: Mapping[str, Sequence[Limit]], patience_s: float = PATIENCE_S
) -> Answers:
    """Ask both. `limits`: those of each relay, by its name. Closes the pacer. Never raises for a part that is away."""
    asked = [(relay, limit) for relay, of_relay in limits.items() for limit in of_relay]
    broker, (pacing, used) = await asyncio.gather(
        asyncio.to_thread(_time_broker, broker_url, patience_s),
        _ask_pacing(pacer, [limit for _, limit in asked], patience_s),
    )
    quotas = [
        Quota(relay, limit.rate.window_s, limit.rate.count, n) for (relay, limit), n in zip(asked, used, strict=True)
    ]
    return Answers({"broker": broker, "pacing": pacing}, quotas)


def _time_broker(url: str, patience_s: float) -> float | None:
    began = time.perf_counter()
    trouble = ask_broker(url, patience_s)
    return None if trouble else time.perf_counter() - began


async def _ask_pacing(
    pacer: Pacer, limits: Sequence[Limit], patience_s: float
) -> tuple[float | None, Sequence[int | None]]:
    """How long it took, and the use of each limit. One that settles, or is to be refilled, answers and knows no use."""
    unknown = [None] * len(limits)
    began = time.perf_counter()
    try:
        async with asyncio.timeout(patience_s):
            ready = await pacer.ready()
            took = time.perf_counter() - began
            return took, [n for n, _ in await pacer.used(limits)] if ready else unknown
    except (Settling, NeedsRefill):
        return time.perf_counter() - began, unknown
    except (LettershopError, TimeoutError):
        return None, unknown
    finally:
        await pacer.aclose()
