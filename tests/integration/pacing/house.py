"""A pacer on a real server whose clock the test moves."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime

import redis

from tests.fixtures.redis import open_windows
from worker.domain.clock import from_us
from worker.domain.limits import Limit, Rate
from worker.embedded.server import RedisServer
from worker.pacing import Grant, Pacer, Wait, Want, connect

START_US = 1_800_000_000_000_000
LEDGER = "L"


class Time:
    """One simulated clock: the server's, the asker's, and the ledger's."""

    def __init__(self, us: int = START_US) -> None:
        self.us = us

    def __call__(self) -> int:
        return self.us

    def go(self, seconds: float) -> None:
        self.us += round(seconds * 1_000_000)

    def now(self) -> datetime:
        return from_us(self.us)

    def monotonic(self) -> float:
        return self.us / 1_000_000


def play(
    server: RedisServer, story: Callable[[Pacer, Time], Awaitable[None]], *, fresh: bool = False, ledger: str = LEDGER
) -> None:
    """Run `story` with a pacer on `server`: ready with empty windows, or `fresh` as on a server never used before."""

    async def run() -> None:
        time = Time()
        pacer = Pacer(connect(server.url), ledger, time, redis_clock=time)
        try:
            await story(pacer, time)
        finally:
            await pacer.aclose()

    if not fresh:
        open_windows(server, ledger)
    asyncio.run(run())


def limit(key: str, count: int, window_s: int) -> Limit:
    return Limit(key, Rate(count, window_s))


def wants(n: int, *limits: Limit) -> list[Want]:
    return [Want(letter, limits) for letter in range(n)]


def granted(answers: list[Grant | Wait]) -> list[Grant]:
    return [answer for answer in answers if isinstance(answer, Grant)]


def waits(answers: list[Grant | Wait]) -> list[Wait]:
    return [answer for answer in answers if isinstance(answer, Wait)]


async def count(pacer: Pacer, key: str, window_s: int = 3600) -> int:
    ((used, _),) = await pacer.used([limit(key, 1, window_s)])
    return used


def dial(server: RedisServer) -> redis.Redis:
    return redis.Redis.from_url(server.url, protocol=2, decode_responses=True)
