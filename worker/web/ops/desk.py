"""What the operators' pages share within one process: the reading, the streams, the acts under way."""

import asyncio
import logging
import threading
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from anyio import CapacityLimiter, to_thread
from jinja2 import Environment

from worker.domain.errors import LettershopError
from worker.intake import sync_register
from worker.ledger.book import Ledger
from worker.operations import acts
from worker.schedule import Board
from worker.settings import Home
from worker.web.ops import overview
from worker.web.ops.deeds import Deed, Place, deeds
from worker.web.ops.live import Streams
from worker.web.ops.pulse import Frame, Parts, Pulse
from worker.web.ops.reading import Readings
from worker.web.ops.register_deeds import register_deeds
from worker.web.shop import Shop
from worker.wiring.schedule import open_board
from worker.wiring.servers import forget_windows

T = TypeVar("T")

ACTS_AT_ONCE = 2

log = logging.getLogger("lettershop.web")


class Desk:
    """Made once for an app, and closed with it. `environment` draws the parts of pages."""

    def __init__(self, shop: Shop, environment: Environment) -> None:
        self.shop = shop
        self.environment = environment
        self.readings = Readings(shop.home, shop.ledger)
        self.pulse = Pulse(self.readings)
        self.streams = Streams()
        forget = partial(forget_windows, shop.home, shop.ledger)
        self.deeds: dict[str, Deed] = {**deeds(forget), **register_deeds()}
        self._acting: set[asyncio.Future[Any]] = set()
        self._threads = CapacityLimiter(ACTS_AT_ONCE)
        self._stopping = threading.Event()

    @property
    def home(self) -> Home:
        return self.shop.home

    @property
    def ledger(self) -> Ledger:
        return self.shop.ledger

    @property
    def place(self) -> Place:
        """What deeds work on."""
        return Place(self.home, self.ledger)

    def board(self) -> Board:
        """What send-outs work on."""
        return open_board(self.home, self.ledger, self._stopping.is_set)

    @staticmethod
    async def read(call: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """Run what asks the ledger in a thread."""
        return await to_thread.run_sync(partial(call, *args, **kwargs))

    def overview(self, frame: Frame, *, may_act: bool, span: str) -> Parts:
        """The overview's parts of this frame; made once for all who see the same."""
        key = f"{span}:{may_act}"
        return frame.made(key, lambda reading: overview.parts(self.environment, reading, may_act=may_act, span=span))

    # -- acts over letters --------------------------------------------------------------------------------------------
    def carry_on(self, act: int, *, follow: bool = True) -> None:
        """Do the act behind the answer. If this process ends first, another one carries it on.

        `follow`: its letters follow the register afterwards; not where the register was changed a moment ago, of which
        this process has the old one yet.
        """
        self.look_after(asyncio.create_task(self._carry_on(act, follow=follow)))

    def look_after(self, task: asyncio.Future[Any]) -> None:
        """Keep what goes on behind an answer until it is done; what goes wrong then is for the log."""
        self._acting.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Future[Any]) -> None:
        self._acting.discard(task)
        if not task.cancelled() and (trouble := task.exception()) is not None:
            log.error("what went on behind an answer failed", exc_info=trouble)

    async def _carry_on(self, act: int, *, follow: bool) -> None:
        work = partial(acts.carry_on, self.ledger, act, stopping=self._stopping.is_set)
        try:
            await to_thread.run_sync(work, limiter=self._threads)
            if follow:  # what came back to the queue may belong to an office whose mailbox is another one by now
                await to_thread.run_sync(sync_register, self.ledger, self.home.offices, limiter=self._threads)
        except LettershopError as exc:  # it stands in the ledger as abandoned, and somebody takes it up
            log.warning("act %d: %s", act, exc)

    async def aclose(self) -> None:
        """Let acts end at their next page."""
        self._stopping.set()
        if self._acting:
            await asyncio.wait(self._acting)
