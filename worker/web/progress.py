"""How many have signed and how many letters were accepted, as the pages tell it: a few seconds old at most.

Counting a million signatures takes a database some tens of milliseconds, so it is done once for all who look within
`FRESH_S`, by one of them, in a thread.
"""

import asyncio

from starlette.concurrency import run_in_threadpool

from worker.domain.clock import Clock
from worker.domain.errors import Failed
from worker.domain.states import State
from worker.ledger import counts, standing
from worker.ledger.book import Ledger
from worker.ledger.letters_write import SIGNER
from worker.web.views import Progress

FRESH_S = 5.0


class ProgressBoard:
    """Belongs to one event loop."""

    def __init__(self, ledger: Ledger, clock: Clock) -> None:
        self._ledger, self._clock = ledger, clock
        self._known: dict[str, tuple[float, Progress]] = {}
        self._counting = asyncio.Lock()

    async def of(self, slug: str) -> Progress:
        """The campaign's figures. Where the ledger is away, the last ones known, or none."""
        known = self._known.get(slug)
        if known is not None and (self._fresh(known) or self._counting.locked()):
            return known[1]
        async with self._counting:
            known = self._known.get(slug)
            if known is None or not self._fresh(known):
                known = self._known[slug] = (self._clock.monotonic(), await self._count(slug, known))
        return known[1]

    def _fresh(self, known: tuple[float, Progress]) -> bool:
        return self._clock.monotonic() - known[0] < FRESH_S

    async def _count(self, slug: str, before: tuple[float, Progress] | None) -> Progress:
        try:
            return await run_in_threadpool(count, self._ledger, slug)
        except Failed:
            return before[1] if before else Progress(0, 0)


def count(ledger: Ledger, slug: str) -> Progress:
    """Count them now. Raises Failed."""
    with ledger.read() as connection:
        campaign_id = standing.campaign_id(connection, slug)
        if campaign_id is None:  # nobody has signed yet
            return Progress(0, 0)
        cells = counts.read(connection, campaign_id).items()
        sent = sum(n for cell, n in cells if cell.state == State.SENT and cell.addressee != SIGNER)
        return Progress(standing.confirmed(connection, campaign_id), sent)
