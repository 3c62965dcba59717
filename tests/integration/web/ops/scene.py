"""Operators at the door: the app on a real ledger with a clock of ours, and Redis away, which must not keep anybody out."""

import asyncio
import re
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import httpx
import sqlalchemy as sa

from worker.domain.clock import SystemClock
from worker.ledger import audit
from worker.ledger.book import Ledger
from worker.operations import users
from worker.settings import Home
from worker.web.app import Only, make_app
from worker.web.shop import Shop, shop_of
from worker.wiring.home import open_intake

T = TypeVar("T")

BASE = "http://127.0.0.1:8480"
PASSWORD = "vier lose worte hier"
BY = users.By("tester", "for a test")


class Clock(SystemClock):
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.at = datetime(2026, 11, 24, 12, tzinfo=UTC)

    def now(self) -> datetime:
        return self.at

    def move(self, **by: float) -> None:
        self.at += timedelta(**by)


class Browser:
    """A browser with cookies of its own. Redirects are not followed."""

    def __init__(self, runner: asyncio.Runner, app: Any, host: str = "192.0.2.7", base: str = BASE) -> None:
        self._runner = runner
        transport = httpx.ASGITransport(app, raise_app_exceptions=False, client=(host, 4711))
        self.client = httpx.AsyncClient(transport=transport, base_url=base)

    def get(self, path: str, **more: Any) -> httpx.Response:
        return self._runner.run(self.client.get(path, **more))

    def post(self, path: str, data: Any = None, **more: Any) -> httpx.Response:
        return self._runner.run(self.client.post(path, data=data or {}, **more))

    def log_in(self, name: str = "maria", password: str = PASSWORD, **more: str) -> httpx.Response:
        return self.post("/ops/login", {"name": name, "password": password, **more})

    def many(self, name: str, password: str, n: int) -> list[int]:
        """So many tries at the same instant: their statuses."""

        async def all_of_them() -> list[httpx.Response]:
            form = {"name": name, "password": password}
            return list(await asyncio.gather(*(self.client.post("/ops/login", data=form) for _ in range(n))))

        return [each.status_code for each in self._runner.run(all_of_them())]

    def csrf(self, path: str = "/ops/account") -> str:
        return hidden(self.get(path).text, "csrf")


class Door:
    """The app and its ledger."""

    def __init__(self, shop: Shop, runner: asyncio.Runner, clock: Clock, only: Only | None) -> None:
        self.shop, self.ledger, self.clock, self._runner = shop, shop.ledger, clock, runner
        self.app = make_app(shop, only)
        self._browsers: list[Browser] = []

    def browser(self, host: str = "192.0.2.7", base: str = BASE) -> Browser:
        self._browsers.append(Browser(self._runner, self.app, host, base))
        return self._browsers[-1]

    def add(self, name: str = "maria", role: str = "admin") -> None:
        users.add(self.ledger, name, role, PASSWORD, BY)

    def inside(self, name: str = "maria", role: str = "admin") -> Browser:
        """Somebody new who is logged in."""
        self.add(name, role)
        browser = self.browser()
        assert browser.log_in(name).status_code == 303
        return browser

    def audit(self, verb: str) -> list[audit.Entry]:
        with self.ledger.read() as connection:
            return [each for each in audit.latest(connection, 1000) if each.verb == verb]

    def run(self, coming: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(coming)

    def rows(self, query: sa.Select[Any]) -> list[Any]:
        with self.ledger.read() as connection:
            return list(connection.execute(query))

    async def aclose(self) -> None:
        for browser in self._browsers:
            await browser.client.aclose()
        await self.shop.aclose()


def hidden(page: str, name: str) -> str:
    """The value of a page's hidden field."""
    found = re.search(rf'<input type="hidden" name="{name}" value="([^"]*)">', page)
    assert found, page
    return found[1]


@contextmanager
def a_door(home: Home, ledger: Ledger, clock: Clock, only: Only | None = None) -> Iterator[Door]:
    intake = open_intake(home, ledger, lambda: None)
    shop = shop_of(home, ledger, intake, clock, "unix:///nobody/listens.sock")
    with asyncio.Runner() as runner:
        door = Door(shop, runner, clock, only)
        yield door
        runner.run(door.aclose())
