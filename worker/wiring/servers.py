"""Broker and pacing: where their Redis is, and the ways into it."""

import asyncio

from worker.domain.clock import SystemClock
from worker.embedded.server import RedisServer
from worker.ledger.book import Ledger
from worker.pacing import Pacer, connect
from worker.settings import Home


def private_server(home: Home) -> RedisServer:
    """The home's own Redis-compatible server, started or not."""
    return RedisServer(home.var / "redis")


def broker_url(home: Home) -> str:
    """Where Celery's wake-ups go, as kombu writes it."""
    url = home.settings.broker.url
    return private_server(home).broker_url if url == "embedded" else url


def pacing_url(home: Home) -> str:
    """The Redis that counts for every limit."""
    url = home.settings.pacing.url
    return private_server(home).url if url == "embedded" else url


def open_pacer(home: Home, ledger: Ledger) -> Pacer:
    """The pacer of this home's ledger. Belongs to the event loop that first uses it."""
    return Pacer(connect(pacing_url(home)), ledger.ledger_id, SystemClock())


def forget_windows(home: Home, ledger: Ledger) -> None:
    """Let the pacer count from the ledger anew: for seconds nobody is granted anything. Raises Failed where it is away."""

    async def forget() -> None:
        pacer = open_pacer(home, ledger)
        try:
            await pacer.forget()
        finally:
            await pacer.aclose()

    asyncio.run(forget())
