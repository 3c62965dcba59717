"""Pages that are served while their config changes: who is being served stays, who comes next gets the new ones."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.responses import PlainTextResponse

from tests.fixtures.homes import Draft
from worker.domain.errors import Failed
from worker.ledger import processes
from worker.ledger.book import Ledger
from worker.ledger.processes import Process
from worker.operations.fleet import Presence
from worker.operations.reload import Reloading
from worker.settings import Home
from worker.web.reload import Changing

pytestmark = pytest.mark.parametrize("ledger_url", ["sqlite"], indirect=True)  # SQL is tested where it is written

SETTINGS = "config/lettershop.toml"
BASE = "http://127.0.0.1:8480"


@dataclass
class Maker:
    """Makes apps that tell the limit they were made with. `said` is what happened to them."""

    said: list[str] = field(default_factory=list)
    go: asyncio.Event = field(default_factory=asyncio.Event)
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    away: str = ""

    def make(self, home: Home) -> FastAPI:
        if self.away:
            raise Failed(self.away)
        name = str(home.settings.limits.mailbox_per_day)

        @contextlib.asynccontextmanager
        async def lifespan(_: FastAPI) -> AsyncIterator[None]:
            async with asyncio.timeout(60):  # belongs to the task that entered it
                self.said.append(f"{name} opened")
                yield
                self.said.append(f"{name} closed")

        app = FastAPI(lifespan=lifespan, openapi_url=None)

        @app.get("/quick")
        async def quick() -> PlainTextResponse:
            return PlainTextResponse(name)

        @app.get("/slow")
        async def slow() -> PlainTextResponse:
            self.begun.set()
            await self.go.wait()
            return PlainTextResponse(name)

        return app


@contextlib.asynccontextmanager
async def lived(app: Changing) -> AsyncIterator[httpx.AsyncClient]:
    """Speak ASGI's lifespan as a server does."""
    asked: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    told: asyncio.Queue[Any] = asyncio.Queue()
    life = asyncio.create_task(app({"type": "lifespan"}, asked.get, told.put))
    await asked.put({"type": "lifespan.startup"})
    assert await told.get() == {"type": "lifespan.startup.complete"}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=BASE) as client:
        yield client
    await asked.put({"type": "lifespan.shutdown"})
    assert await told.get() == {"type": "lifespan.shutdown.complete"}
    await life


def per_day(draft: Draft, number: str) -> None:
    path = draft.root / SETTINGS
    lines = [line for line in path.read_text().splitlines() if not line.startswith("mailbox_per_day")]
    draft.write(SETTINGS, "\n".join(lines).replace("[limits]", f"[limits]\nmailbox_per_day = {number}", 1) + "\n")


def changing(draft: Draft, ledger: Ledger, maker: Maker) -> Changing:
    """One that looks only when it is told to: the first look of its own is the only one for an hour."""
    presence = Presence(ledger, draft.root, "web", "here:1")
    return Changing(maker.make, presence, Reloading(draft.load(), draft.load), tick_s=3600)


def row(ledger: Ledger) -> Process:
    with ledger.read() as connection:
        return next(each for each in processes.listing(connection) if each.name == "here:1")


async def looks(app: Changing, times: int = 3) -> None:
    for _ in range(times):
        await app.tick()


def test_requests_under_way_end_on_the_old_app(draft: Draft, ledger: Ledger) -> None:
    async def go() -> None:
        maker = Maker()
        app = changing(draft, ledger, maker)
        async with lived(app) as client:
            assert (await client.get("/quick")).text == "240"
            slow = asyncio.create_task(client.get("/slow"))
            await maker.begun.wait()
            per_day(draft, "100")
            await looks(app)
            assert (await client.get("/quick")).text == "100"
            assert maker.said == ["240 opened", "100 opened"]
            maker.go.set()
            assert (await slow).text == "240"
            per_day(draft, "50")
            await looks(app)
            assert (await client.get("/quick")).text == "50"
        assert sorted(maker.said) == sorted(f"{n} {what}" for n in (240, 100, 50) for what in ("opened", "closed"))

    asyncio.run(go())


def test_a_bad_edit_keeps_the_pages_and_is_said(draft: Draft, ledger: Ledger) -> None:
    async def go() -> None:
        maker = Maker()
        app = changing(draft, ledger, maker)
        async with lived(app) as client:
            per_day(draft, "many")
            await looks(app)
            assert (await client.get("/quick")).text == "240"
            found = row(ledger)
            assert (found.kind, found.stopped_at) == ("web", None)
            assert "config/lettershop.toml:51: this is not TOML" in found.trouble
            per_day(draft, "100")
            await looks(app)
            assert (await client.get("/quick")).text == "100"
            assert row(ledger).trouble == ""
        assert row(ledger).stopped_at is not None

    asyncio.run(go())


def test_an_app_that_cannot_be_made_is_tried_again(draft: Draft, ledger: Ledger) -> None:
    async def go() -> None:
        maker = Maker()
        app = changing(draft, ledger, maker)
        async with lived(app) as client:
            maker.away = "a part is away"
            per_day(draft, "100")
            await looks(app)
            assert (await client.get("/quick")).text == "240"
            assert row(ledger).trouble.startswith("a part is away")
            maker.away = ""
            await looks(app)
            assert (await client.get("/quick")).text == "100"

    asyncio.run(go())


def test_the_end_waits_for_no_stream_for_ever(draft: Draft, ledger: Ledger) -> None:
    """The server has given requests their time: an old app with one still under way is closed with the process."""

    async def go() -> None:
        maker = Maker()
        app = changing(draft, ledger, maker)
        async with lived(app) as client:
            stream = asyncio.create_task(client.get("/slow"))
            await maker.begun.wait()
            per_day(draft, "100")
            await looks(app)
        assert maker.said == ["240 opened", "100 opened", "240 closed", "100 closed"]
        stream.cancel()

    asyncio.run(go())


def test_a_ledger_that_is_away_stops_no_page(
    draft: Draft, ledger: Ledger, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def away() -> int:
        raise Failed("the ledger is away")

    async def go() -> None:
        maker = Maker()
        monkeypatch.setattr(ledger, "now_us", away)
        app = changing(draft, ledger, maker)
        async with lived(app) as client:
            await looks(app)
            assert (await client.get("/quick")).text == "240"

    asyncio.run(go())
    assert "the ledger is away" in caplog.text
