"""A gate on a real server whose clock the test moves."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

from tests.fixtures.redis import open_windows
from tests.integration.pacing.house import Time
from worker.domain.limits import Rate
from worker.embedded.server import RedisServer
from worker.pacing import Pacer, connect
from worker.settings.tree import FormLimitKeys
from worker.web.gate import Challenges, ClientAddress, Door, FormLimits, Networks, Rates, Visit, client_of

KEY = b"k" * 32
HOUR = 3600
LEDGER = "L"
CAMPAIGN = "letters"
PATIENT_S = 20.0
"""So that a slow machine does not turn a test about counting into one about patience."""


DEFAULT = FormLimitKeys()
LOOSE = DEFAULT.model_copy(
    update={
        "per_ip": Rate(100_000, HOUR),
        "per_network": Rate(100_000, HOUR),
        "per_address": Rate(100_000, HOUR),
        "per_domain": Rate(100_000, HOUR),
        "per_campaign": Rate(100_000, HOUR),
        "challenge_above": Rate(100_000, 60),
    }
)


def rates(**changed: Rate) -> Rates:
    """Limits that nobody meets but those that are `changed`."""
    return LOOSE.model_copy(update=changed)


@dataclass
class Gate:
    time: Time
    door: Door
    limits: FormLimits
    challenges: Challenges

    def now(self) -> datetime:
        return self.time.now()

    async def ask(self, ip="192.0.2.1", address=b"ada", domain="mail.example", campaign=CAMPAIGN):
        return await self.limits.ask(Visit(client(ip), address, domain, campaign))


def client(ip: str) -> ClientAddress:
    return client_of(ip, [], Networks())


def gate_on(url: str, time: Time, rates: Rates, *, patience_s: float = PATIENT_S) -> tuple[Gate, Pacer]:
    pacer = Pacer(connect(url), f"{LEDGER}:form", time, redis_clock=time)
    door = Door(pacer, time, patience_s=patience_s)
    return Gate(time, door, FormLimits(door, rates, KEY, time), Challenges(KEY, door, time)), pacer


def play(
    url: str,
    story: Callable[[Gate], Awaitable[None]],
    rates: Rates = DEFAULT,
    *,
    patience_s: float = PATIENT_S,
) -> None:
    """Run `story` with a gate whose Redis is at `url`."""

    async def run() -> None:
        gate, pacer = gate_on(url, Time(), rates, patience_s=patience_s)
        try:
            await story(gate)
        finally:
            await pacer.aclose()

    asyncio.run(run())


def ready(server: RedisServer) -> str:
    """The URL of a server whose windows for forms are open and empty."""
    open_windows(server, f"{LEDGER}:form")
    return server.url
