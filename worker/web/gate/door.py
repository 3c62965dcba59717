"""The form's way to Redis, which never makes a visitor wait.

    door = Door(form_pacer(client, ledger_id, clock), clock)
    await door.through(lambda pacer: pacer.used([...]))       # the answer within a quarter of a second, or `Away`

Promises
- A question takes at most `PATIENCE_S`, its repetitions and the wait for a connection included. Redis away, frozen, full
  or settling is `Away`, and the caller answers out of its own memory.
- After that Redis is left alone for `REST_S`; then one question tries it, while the others go on without. So a Redis that
  hangs costs one visitor in three seconds a quarter of a second.
- The windows of a new Redis start empty: they are about the last hour of a form, and nobody can tell what was in them.
- It says once that Redis is away and once that it is back.

The pacer has windows of its own, under `lettershop:<ledger id>:form:`, so that what the form counts and what the letters
count never wait for each other's refill.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

from worker.domain.clock import Clock
from worker.pacing import NeedsRefill, Pacer, PacingAway, Settling
from worker.pacing.values import WINDOWS_S

if TYPE_CHECKING:
    from redis.asyncio.client import Redis as RedisClient

PATIENCE_S = 0.25
REST_S = 3.0
PLACES = 16
"""Questions under way at once in this process: each holds a connection, and redis-py's pool ends at 100."""

log = logging.getLogger(__name__)
T = TypeVar("T")


class Away(Exception):
    """Redis is not to be asked now."""


def form_pacer(client: "RedisClient", ledger_id: str, clock: Clock, windows: Sequence[int] = WINDOWS_S) -> Pacer:
    """A pacer of its own for the forms of the ledger `ledger_id`. `windows`: those of its rates, in seconds."""
    return Pacer(client, f"{ledger_id}:form", clock, windows=windows)


class Door:
    """Belongs to one event loop, as its pacer does. `patience_s`: seconds that a question may take."""

    def __init__(self, pacer: Pacer, clock: Clock, *, patience_s: float = PATIENCE_S) -> None:
        self.pacer = pacer
        self._clock = clock
        self.patience_s = patience_s
        self._places = asyncio.Semaphore(PLACES)
        self._away = False
        self._again = 0.0  # monotonic: when Redis is tried next, while it is away

    async def through(self, question: Callable[[Pacer], Awaitable[T]]) -> T:
        """The answer to `question`, which may be asked twice. Raises Away."""
        if not self._may_try():
            raise Away
        try:
            async with asyncio.timeout(self.patience_s), self._places:
                answer = await self._answer(question)
        except TimeoutError as exc:
            self._shut(f"no answer within {self.patience_s:g} s", REST_S)
            raise Away from exc
        except Settling as exc:
            self._shut("it is new and settles", min(exc.seconds, REST_S))
            raise Away from exc
        except (PacingAway, NeedsRefill) as exc:
            self._shut(type(exc.__cause__ or exc).__name__, REST_S)
            raise Away from exc
        self._open()
        return answer

    async def _answer(self, question: Callable[[Pacer], Awaitable[T]]) -> T:
        try:
            return await question(self.pacer)
        except NeedsRefill:
            await self.pacer.refill([])
            return await question(self.pacer)

    def _may_try(self) -> bool:
        if not self._away:
            return True
        now = self._clock.monotonic()
        if now < self._again:
            return False
        self._again = now + REST_S  # this one tries; whoever comes meanwhile does not wait with it
        return True

    def _shut(self, why: str, rest_s: float) -> None:
        if not self._away:
            log.warning("the form's limits: Redis is away (%s); each process counts alone, and stricter", why)
        self._away = True
        self._again = self._clock.monotonic() + rest_s

    def _open(self) -> None:
        if self._away:
            log.warning("the form's limits: Redis is back and counts for all processes again")
        self._away = False
