"""The app of a shop in this process, on a real ledger and a real Redis, asked as a browser asks."""

import asyncio
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import sqlalchemy as sa

from tests.fixtures.homes import Draft
from tests.fixtures.redis import open_windows
from worker.domain.clock import SystemClock
from worker.embedded.server import RedisServer
from worker.intake import Intake
from worker.ledger import tokens
from worker.ledger.book import Ledger
from worker.ledger.schema import letters, sendouts, signatures
from worker.ledger.tokens import Kind
from worker.settings import Home
from worker.web.app import make_app
from worker.web.shop import Shop, shop_of

BASE = "http://127.0.0.1:8480"
CAMPAIGN = "town-library"
OFFICES = ("sampleton-mayor", "sampleton-library-committee")


@dataclass
class Site:
    """`get` and `post` answer as the server would; redirects are not followed."""

    shop: Shop
    runner: asyncio.Runner
    client: httpx.AsyncClient
    rings: list[str] = field(default_factory=list)

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.runner.run(self.client.get(path, **options))

    def post(self, path: str, data: Any = None, **options: Any) -> httpx.Response:
        return self.runner.run(self.client.post(path, data=data if data is not None else {}, **options))

    def gather(self, path: str, forms: list[dict[str, Any]]) -> list[httpx.Response]:
        """Post all of them at once."""

        async def all_of_them() -> list[httpx.Response]:
            return list(await asyncio.gather(*(self.client.post(path, data=form) for form in forms)))

        return self.runner.run(all_of_them())

    def form(self, campaign: str = CAMPAIGN, **changed: Any) -> dict[str, Any]:
        """A form as a browser sends it, filled in by a sample signer."""
        page = self.get(f"/c/{campaign}").text
        hidden = {name: re.search(rf'name="{name}" value="([^"]*)"', page)[1] for name in ("stamp", "version")}  # type: ignore[index]
        filled = {
            "name": "Sample Signer 01",
            "email": "one@mail.example",
            "country": "IE",
            "city": "Sampleton",
            "comment": "",
            "language": "en",
            "website": "",
            "consent": ["send"],
            "office": list(OFFICES),
        }
        return {**hidden, **filled, **changed}

    def token(self, signature: int, kind: Kind = "confirm") -> str:
        """The link's token, as only its notice carries it."""
        with self.shop.ledger.read() as connection:
            found = tokens.reveal(connection, self.shop.ledger.keys, signature, kind)
        assert found is not None
        return found

    def signed(self, **changed: Any) -> int:
        """Send the form; the number of the signature."""
        assert self.post(f"/c/{CAMPAIGN}", self.form(**changed)).status_code == 303
        return int(self.rows(sa.select(sa.func.max(signatures.c.id)))[0][0])

    def confirmed(self, **changed: Any) -> tuple[int, str]:
        """Sign and confirm; the number of the signature and the path of its own page."""
        number = self.signed(**changed)
        answer = self.confirm(f"/confirm/{self.token(number)}")
        assert answer.status_code == 303
        return number, answer.headers["location"]

    def confirm(self, link: str) -> httpx.Response:
        """Follow the link and press its button."""
        seen = re.search(r'name="seen" value="([^"]*)"', self.get(link).text)
        return self.post(link, {"seen": seen[1] if seen else ""})

    def rows(self, query: sa.Select[Any]) -> list[Any]:
        with self.shop.ledger.read() as connection:
            return list(connection.execute(query))

    def letters_of(self, signature: int) -> dict[tuple[str, str], str]:
        """(send-out, addressee) -> state."""
        query = (
            sa.select(sendouts.c.name, letters.c.addressee, letters.c.state)
            .join(sendouts, sendouts.c.id == letters.c.sendout_id)
            .where(letters.c.signature_id == signature)
        )
        return {(name, addressee): state for name, addressee, state in self.rows(query)}


def home_for(draft: Draft, **environ: str) -> Home:
    """The sample home. Nobody waits for a form to be old enough."""
    return draft.load(**{"LETTERSHOP_FORM__LEAST_SECONDS": "0", **environ})


@contextmanager
def open_site(home: Home, ledger: Ledger, redis: RedisServer) -> Iterator[Site]:
    """A site that lives as long as the block, and ends as the server ends it, after what goes on behind answers."""
    rings: list[str] = []
    open_windows(redis, f"{ledger.ledger_id}:form")
    intake = Intake(ledger, ledger.keys, home.campaigns, home.offices, SystemClock(), lambda: rings.append("ding"))
    shop = shop_of(home, ledger, intake, SystemClock(), redis.url)
    with asyncio.Runner() as runner:
        app = make_app(shop)
        life = app.router.lifespan_context(app)
        runner.run(life.__aenter__())
        client = httpx.AsyncClient(transport=httpx.ASGITransport(app, raise_app_exceptions=False), base_url=BASE)
        try:
            yield Site(shop, runner, client, rings)
        finally:
            runner.run(client.aclose())
            runner.run(life.__aexit__(None, None, None))
