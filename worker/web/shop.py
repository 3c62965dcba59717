"""What the pages and the API work with: a home's parts, opened once for a web process.

with open_shop(home, wake) as shop:
    serve(make_app(shop), ...)
"""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import ParamSpec, TypeVar

from anyio import CapacityLimiter, to_thread

from worker.domain.campaign import Campaign
from worker.domain.clock import Clock, SystemClock
from worker.domain.errors import BadInput
from worker.domain.limits import Rate
from worker.intake import Intake
from worker.intake.own_page import OwnPages
from worker.ledger.book import Ledger
from worker.pacing import Pacer, connect
from worker.settings import Home
from worker.web.gate import Challenges, Door, FormLimits, Networks, Stamps, form_pacer
from worker.web.letter import Letters
from worker.web.pages import Pages
from worker.web.progress import ProgressBoard
from worker.wiring.home import open_intake, open_ledger
from worker.wiring.servers import pacing_url

P = ParamSpec("P")
T = TypeVar("T")

WRITERS = 24
"""Threads that may write to the ledger at once; most of them share a transaction (see `intake.together`)."""


@dataclass(frozen=True, slots=True)
class Shop:
    """All that one web process shares between its requests. Its limits belong to the event loop that first asks them."""

    home: Home
    ledger: Ledger
    intake: Intake
    own_pages: OwnPages
    clock: Clock
    pages: Pages
    letters: Letters
    progress: ProgressBoard
    networks: Networks
    stamps: Stamps
    pacer: Pacer
    limits: FormLimits
    challenges: Challenges
    writers: CapacityLimiter

    def campaign(self, slug: str) -> Campaign | None:
        """The campaign, None where there is none of this name."""
        return self.home.campaigns.get(slug)

    async def writing(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `call`, which writes, in a thread of its own kind: writers that wait for the ledger leave readers theirs."""
        return await to_thread.run_sync(partial(call, *args, **kwargs), limiter=self.writers)

    async def aclose(self) -> None:
        """Close what belongs to the event loop."""
        await self.pacer.aclose()


@contextlib.contextmanager
def open_shop(home: Home, wake: Callable[[], None] | None = None, *, clock: Clock | None = None) -> Iterator[Shop]:
    """Open the home's ledger and what stands on it. `wake` rings for the workers after a commit that made letters.

    Raises Failed, RefusedByState, BadInput as opening a ledger does, and BadInput for unusable `web.trusted_proxies`.
    """
    with open_ledger(home) as ledger:
        yield shop_on(home, ledger, wake, clock=clock)


def shop_on(home: Home, ledger: Ledger, wake: Callable[[], None] | None = None, *, clock: Clock | None = None) -> Shop:
    """A home's shop on its ledger, which is open. Dials nothing. Raises BadInput for unusable `web.trusted_proxies`."""
    return shop_of(home, ledger, open_intake(home, ledger, wake, ring_s=0), clock or SystemClock())


def networks_of(home: Home) -> Networks:
    """The proxies in front. Raises BadInput."""
    try:
        return Networks.read(home.settings.web.trusted_proxies)
    except ValueError as exc:
        raise BadInput(f"config/lettershop.toml: web.trusted_proxies: {exc}") from exc


def shop_of(home: Home, ledger: Ledger, intake: Intake, clock: Clock, redis_url: str = "") -> Shop:
    """A shop on an open ledger. Dials nothing. `redis_url`: where limits are counted, "" for the home's pacing Redis."""
    key = ledger.keys.form_key
    rates = home.settings.form
    windows = sorted({rate.window_s for rate in vars(rates).values() if isinstance(rate, Rate)})
    pacer = form_pacer(connect(redis_url or pacing_url(home)), ledger.ledger_id, clock, windows)
    door = Door(pacer, clock)
    return Shop(
        home=home,
        ledger=ledger,
        intake=intake,
        own_pages=OwnPages(intake),
        clock=clock,
        pages=Pages(home.settings.base_url),
        letters=Letters(home),
        progress=ProgressBoard(ledger, clock),
        networks=networks_of(home),
        stamps=Stamps(key),
        pacer=pacer,
        limits=FormLimits(door, rates, key, clock),
        challenges=Challenges(key, door, clock),
        writers=CapacityLimiter(WRITERS),
    )
