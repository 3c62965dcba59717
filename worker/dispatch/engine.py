"""One process's event loop: all its SMTP, its rounds, and its own five-second tick.

The threads of Celery's pool hand a round to this loop and wait for it. Beat may be absent: the tick stages, rescues and
renews by the loop's own monotonic clock.
"""

import asyncio
import logging
import threading
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import CancelledError
from typing import Any, TypeVar

import uvloop

from worker.domain.errors import LettershopError, RefusedByState
from worker.intake.lapsing import tend
from worker.ledger import counts, witness
from worker.ledger.book import Ledger
from worker.pacing import PacingAway
from worker.rounds import House, Report, clear_up, run_round, stage
from worker.rounds.house import Kind
from worker.rounds.making import Pins
from worker.rounds.upkeep import RENEW_S
from worker.schedule import tick
from worker.settings import Home
from worker.wiring import build_house, open_board, open_intake

_T = TypeVar("_T")
_S = TypeVar("_S")
log = logging.getLogger("lettershop.engine")
FOLD_EVERY = 12  # ticks
RING_TTL_S = 5.0
AWAY_S = 1.0


class Engine:
    """The running parts of a worker process. `wake(express)` rings for one more round."""

    def __init__(self, home: Home, ledger: Ledger, kinds: Sequence[Kind], wake: Callable[[bool], None]) -> None:
        self._home, self._ledger, self._kinds, self._wake = home, ledger, tuple(kinds), wake
        self._intake = open_intake(home, ledger, lambda: wake(True))  # noqa: FBT003 - mail to signers is express work
        self._draining = threading.Event()
        self._loop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="engine", daemon=True)
        self._trouble = ""
        self._behind = False  # the ledger has forgotten rounds: nothing is sent
        self._ticker: asyncio.Task[None] | None = None
        self._scheduling: asyncio.Task[None] | None = None
        self._board = open_board(home, ledger, self._draining.is_set)

    def start(self) -> None:
        """Open the parts and start the tick. Raises what opening raises."""
        self._thread.start()
        self._wait(self._open())

    def round(self, *, express: bool) -> None:
        """Run one round, if there is one, and ring again where the lane has more."""
        if self._draining.is_set() or self._behind:
            return
        kinds: Sequence[Kind] = ("signers",) if express else self._kinds
        report: Report = self._wait(self._guarded(run_round(self.house, self.pins, kinds), Report()))
        if report.trouble:
            self._say(report.trouble)
        if report.more and not self._draining.is_set():
            self._wake(express)

    def stage(self) -> None:
        """Ring for every lane slot that has due letters, once in five seconds each."""
        self._wait(self._guarded(self._stage(), None))

    def rescue(self) -> None:
        """Take back what the dead left."""
        self._wait(self._guarded(self._clear_up(), None))

    def fold(self) -> None:
        """Fold the counts' deltas, all there are: a busy minute leaves ten thousand, and every reading adds them up."""
        while True:
            with self._ledger.write() as connection:
                folded = counts.fold(connection)
            if folded < counts.FOLD_ROWS or self._draining.is_set():
                break
        self._ledger.tidy()

    def plan(self) -> None:
        """Do what is due of the yearly send-outs, and ring where letters were made."""
        if not self._behind and tick(self._board):
            self._wake(False)  # noqa: FBT003 - announcements and letters alike

    def drain(self) -> None:
        """Start no new letter; rounds under way end at their next one."""
        self._draining.set()

    def close(self) -> None:
        """Close connections and commit what is waiting. Call it when no round is under way."""
        self._draining.set()
        self._wait(self._shut())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    # -- on the loop --------------------------------------------------------------------------------------------------
    async def _open(self) -> None:
        self.house: House = build_house(self._home, self._ledger, self._draining.is_set)
        self.pins = Pins(self.house.committer)
        while not await self._guarded(self._witness(), otherwise=False):  # noqa: ASYNC110 -- nobody signals that Redis is back
            await asyncio.sleep(AWAY_S)  # Redis is away: without its witness nobody knows whether to send
        if self._behind:
            raise RefusedByState(self._trouble)
        self._ticker = asyncio.create_task(self._tick())

    async def _tick(self) -> None:
        """Renew first: the leases must not wait for anything else. Each step by itself: one that fails stops no other."""
        turn = 0
        while True:
            steps = [self._renew, self._clear_up, self._stage, self._sweep, self._witness, self._schedule]
            turn += 1
            for step in [*steps, self._fold, self._tend] if turn % FOLD_EVERY == 0 else steps:
                try:
                    await self._guarded(step(), None)
                except Exception:  # a fault of ours: without a tick nothing would be renewed or rescued again
                    log.exception("a step of the tick failed")
            await asyncio.sleep(RENEW_S)

    async def _renew(self) -> None:
        await self.house.leases.renew(self.house.committer, self.house.now_us())

    async def _clear_up(self) -> None:
        await clear_up(self.house)

    async def _sweep(self) -> None:
        await self.house.relays.sweep(self.house.clock.monotonic())

    async def _fold(self) -> None:
        await asyncio.to_thread(self.fold)

    async def _schedule(self) -> None:
        """Look at the yearly send-outs, in a thread: making a million letters must not hold up the leases."""
        if self._behind or (self._scheduling is not None and not self._scheduling.done()):
            return
        self._scheduling = asyncio.create_task(self._planned())

    async def _planned(self) -> None:
        try:
            await self._guarded(asyncio.to_thread(self.plan), None)
        except Exception:  # a fault of ours: the next tick tries again
            log.exception("the schedule failed")

    async def _tend(self) -> None:
        """See to unconfirmed signatures whose time has come."""
        if not self._behind:
            await asyncio.to_thread(tend, self._intake)

    async def _stage(self) -> None:
        if self._draining.is_set():
            return
        for kind in self._kinds:
            for slot in await stage(self.house, (kind,)):
                if await self.house.pacer.ring_once(slot, RING_TTL_S):
                    await asyncio.to_thread(self._wake, kind == "signers")

    async def _witness(self) -> bool:
        """Compare the ledger with what Redis and `var/` remember of it; True when they could be asked."""
        file, ledger = self._home.var / "witness.json", self._ledger
        seen = await self.house.pacer.highest_round(ledger.ledger_id) or 0
        seen = max(seen, await asyncio.to_thread(witness.read, file, ledger.ledger_id))
        try:
            await asyncio.to_thread(witness.refuse_behind, ledger, seen)
        except RefusedByState as exc:
            self._behind = True
            self._say(str(exc))
            return True
        await asyncio.to_thread(witness.note, file, ledger.ledger_id, seen)
        self._behind = False
        return True

    async def _guarded(self, work: Coroutine[Any, Any, _T], otherwise: _S) -> _T | _S:
        """A part that is away is said once, not at every tick; the work is tried again by the next one."""
        try:
            result = await work
        except (LettershopError, PacingAway, OSError) as exc:
            self._say(str(exc))
            return otherwise
        return result

    def _say(self, trouble: str) -> None:
        if trouble != self._trouble:
            log.warning("%s", trouble)
            self._trouble = trouble

    async def _shut(self) -> None:
        if self._ticker is not None:
            self._ticker.cancel()
            await asyncio.wait([self._ticker])
        if self._scheduling is not None:
            await asyncio.wait([self._scheduling])
        await self.house.relays.sweep(0.0, everything=True)
        await self.house.pacer.aclose()
        await asyncio.to_thread(self.house.committer.close)

    def _wait(self, work: Coroutine[Any, Any, Any]) -> Any:
        try:
            return asyncio.run_coroutine_threadsafe(work, self._loop).result()
        except CancelledError:
            return None
