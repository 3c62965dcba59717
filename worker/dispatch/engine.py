"""One process's event loop: all its SMTP, its rounds, and its own five-second tick.

The threads of Celery's pool hand a round to this loop and wait for it. Beat may be absent: the tick stages, rescues and
renews by the loop's own monotonic clock. At every tick the process also says in the ledger that it is there, looks
whether its config changed and whether an operator asked it to drain.
"""

import asyncio
import logging
import threading
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import CancelledError
from functools import partial
from typing import Any, TypeVar

import uvloop

from worker.dispatch import minutely
from worker.dispatch.anew import Old, follow
from worker.dispatch.tick import Chores
from worker.domain.errors import LettershopError, RefusedByState
from worker.intake import sync_register
from worker.intake.lapsing import tend
from worker.ledger import witness
from worker.ledger.book import Ledger
from worker.operations.fleet import DRAINED, Presence
from worker.operations.metrics import Counters
from worker.operations.reload import Reloading
from worker.pacing import PacingAway
from worker.rounds import House, Report, clear_up, run_round, stage
from worker.rounds.house import Kind
from worker.rounds.making import Pins
from worker.rounds.upkeep import RENEW_S
from worker.schedule import tick
from worker.settings import Home
from worker.wiring.home import open_intake, read_home
from worker.wiring.house import build_house, house_anew
from worker.wiring.schedule import open_board

_T = TypeVar("_T")
_S = TypeVar("_S")
log = logging.getLogger("lettershop.engine")
FOLD_EVERY = 12  # ticks
RING_TTL_S = 5.0
AWAY_S = 1.0


class Engine:
    """The running parts of a worker process.

    `wake(express)` rings for one more round; `listen(on)` says whether rounds are wanted from the broker at all.
    """

    def __init__(
        self,
        home: Home,
        ledger: Ledger,
        kinds: Sequence[Kind],
        wake: Callable[[bool], None],
        *,
        listen: Callable[[bool], None] = lambda _: None,
    ) -> None:
        self._home, self._ledger, self._kinds, self._wake, self._listen = home, ledger, tuple(kinds), wake, listen
        self._stopping = threading.Event()
        self._drained = False  # an operator asked for it
        self._loop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="engine", daemon=True)
        self._trouble = ""
        self._behind = False  # the ledger has forgotten rounds: nothing is sent
        self._ticker: asyncio.Task[None] | None = None
        self._chores = Chores(self._guarded)
        self._counters = Counters(ledger)
        self._config = Reloading(home, lambda: read_home(home.root))
        self._presence = Presence(ledger, home.var, "worker" if "office" in self._kinds else "express")
        self._old: list[Old] = []
        self._unfollowed = False  # letters have yet to follow a change of the config
        self._work_for(home)

    def start(self) -> None:
        """Open the parts and start the tick. Raises what opening raises."""
        self._thread.start()
        self._wait(self._open())

    def round(self, *, express: bool) -> None:
        """Run one round, if there is one, and ring again where the lane has more."""
        if self._draining() or self._behind:
            return
        kinds: Sequence[Kind] = ("signers",) if express else self._kinds
        house, pins = self._at_work
        report: Report = self._wait(self._guarded(run_round(house, pins, kinds), Report()))
        if report.trouble:
            self._say(report.trouble)
        if report.more and not self._draining():
            self._wake(express)

    def stage(self) -> None:
        """Ring for every lane slot that has due letters, once in five seconds each."""
        self._wait(self._guarded(self._stage(), None))

    def rescue(self) -> None:
        """Take back what the dead left."""
        self._wait(self._guarded(self._clear_up(), None))

    def fold(self) -> None:
        """Fold the counts' deltas."""
        minutely.fold(self._ledger, self._stopping.is_set)

    def plan(self) -> None:
        """Do what is due of the yearly send-outs, and ring where letters were made."""
        if not self._behind and tick(self._board):
            self._wake(False)  # noqa: FBT003 - announcements and letters alike

    def drain(self) -> None:
        """Start no new letter; rounds under way end at their next one. For good: the process ends."""
        self._stopping.set()

    def beat(self) -> None:
        """Say in the ledger that this process is there, and heed what operators ask of it. Blocks. Raises Failed."""
        asked = self._presence.beat(self._config.hash, self._config.trouble or self._idle())
        if asked != self._drained:
            self._drained = asked
            log.warning("%s", self._idle() or "goes on: it is drained no longer")
            self._listen(not asked)

    def follow_config(self) -> None:
        """Take a config that has changed, and see to what follows from it. Blocks. Raises Failed."""
        fresh = self._config.look()
        if fresh is not None:
            self._take(fresh)
        self._settle_old()

    def close(self) -> None:
        """Close connections and commit what is waiting. Call it when no round is under way."""
        self._stopping.set()
        self._wait(self._shut())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    # -- the config ---------------------------------------------------------------------------------------------------
    @property
    def house(self) -> House:
        """The parts that new rounds share."""
        return self._at_work[0]

    def _work_for(self, home: Home) -> None:
        """What works to a home besides rounds: producers' notices and the schedule."""
        self._home = home
        self._intake = open_intake(home, self._ledger, lambda: self._wake(True))  # noqa: FBT003 - notices are express work
        self._board = open_board(home, self._ledger, self._draining)

    def _take(self, fresh: Home) -> None:
        """Change to a new config. Where a part is away nothing changes, and the next tick tries again."""
        try:
            before = self.house
            house = house_anew(before, fresh)
            old = Old.of(before, house.plan)
            if old.uncounted:
                self._wait(house.pacer.forget())
        except (LettershopError, OSError) as exc:
            self._config.failed(str(exc))
            return
        self._at_work = house, Pins(house.committer)
        self._work_for(fresh)
        self._old.append(old)
        self._config.took(fresh)
        self._unfollowed = True

    def _settle_old(self) -> None:
        """Let letters follow a change at once, and again when nothing works to the old config any more."""
        over = [old for old in self._old if old.over(self.house)]
        if self._unfollowed or over:
            follow(self._ledger, self._home.offices)
            self._unfollowed = False
        for old in over:
            if old.uncounted:  # its rounds may have refilled the windows by their plan, and have gone on since
                self._wait(self.house.pacer.forget())
            self._wait(old.relays.sweep(0.0, everything=True))
            self._old.remove(old)

    def _idle(self) -> str:
        """Why this process does nothing, or ""."""
        if self._behind:
            return self._trouble
        return DRAINED.format(name=self._presence.name) if self._drained else ""

    def _draining(self) -> bool:
        return self._drained or self._stopping.is_set()

    # -- on the loop --------------------------------------------------------------------------------------------------
    async def _open(self) -> None:
        house = build_house(self._home, self._ledger, self._draining, self._counters)
        self._at_work = house, Pins(house.committer)
        while not await self._guarded(self._witness(), otherwise=False):  # noqa: ASYNC110 -- nobody signals that Redis is back
            await asyncio.sleep(AWAY_S)  # Redis is away: without its witness nobody knows whether to send
        if self._behind:
            raise RefusedByState(self._trouble)
        self._ticker = asyncio.create_task(self._tick())

    async def _tick(self) -> None:
        """Renew first: the leases must not wait for anything else. Each step by itself: one that fails stops no other."""
        turn = 0
        while True:
            turn += 1
            for step in [self._renew, self._clear_up, self._stage, self._sweep, self._witness]:
                try:
                    await self._guarded(step(), None)
                except Exception:  # a fault of ours: without a tick nothing would be renewed or rescued again
                    log.exception("a step of the tick failed")
            for name, work in self._due(turn).items():
                self._chores.begin(name, work)
            await asyncio.sleep(RENEW_S)

    def _due(self, turn: int) -> dict[str, Callable[[], object]]:
        """What is to be done at this tick besides, each in a thread of its own."""
        due: dict[str, Callable[[], object]] = {
            "heartbeat": self.beat,
            "config": self.follow_config,
            "tally": self._counters.flush,
        }
        if not self._behind:
            due |= {"schedule": self.plan}
        if turn % FOLD_EVERY == 0:
            due |= {"fold": self.fold, "sample": partial(minutely.sample, self._ledger)}
            if not self._behind:
                acts = partial(minutely.carry_on, self._ledger, self._stopping.is_set, self._came_back)
                due |= {"lapsing": partial(tend, self._intake), "act": acts}
        return due

    async def _renew(self) -> None:
        await self.house.leases.renew(self.house.committer, self.house.now_us())

    async def _clear_up(self) -> None:
        await clear_up(self.house)

    async def _sweep(self) -> None:
        await self.house.relays.sweep(self.house.clock.monotonic())

    def _came_back(self) -> None:
        """Letters that an act put back into the queue may belong in another lane by now."""
        sync_register(self._ledger, self._home.offices)
        self._wake(False)  # noqa: FBT003 - letters to offices and to signers alike

    async def _stage(self) -> None:
        if self._draining():
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
        await self._chores.end()
        for relays in (self.house.relays, *(old.relays for old in self._old)):
            await relays.sweep(0.0, everything=True)
        await self.house.pacer.aclose()
        await asyncio.to_thread(self.house.committer.close)
        for last in (self._counters.flush, self._presence.leave):
            await self._guarded(asyncio.to_thread(last), None)

    def _wait(self, work: Coroutine[Any, Any, Any]) -> Any:
        try:
            return asyncio.run_coroutine_threadsafe(work, self._loop).result()
        except CancelledError:
            return None
