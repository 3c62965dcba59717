"""A shop on the sample home, its app, and a client that speaks to it without a socket. For the tests of the API."""

import asyncio
import json
from contextlib import contextmanager
from typing import Any

import httpx
import sqlalchemy as sa

from tests.fixtures.homes import Draft
from worker.domain.clock import SystemClock
from worker.ledger import api_keys, tokens
from worker.ledger.book import Ledger
from worker.ledger.schema import letters, signatures
from worker.web.app import make_app
from worker.web.shop import Shop, shop_of
from worker.wiring.home import open_intake

BASE = "http://127.0.0.1:8480"
SITE = "https://own.town-library.example"
CAMPAIGN = "/api/v1/campaigns/town-library"
SIGN = f"{CAMPAIGN}/signatures"
PROBLEM = "application/problem+json"
WIDE = {
    "LETTERSHOP_FORM__PER_IP": "100000/h",
    "LETTERSHOP_FORM__PER_NETWORK": "100000/h",
    "LETTERSHOP_FORM__PER_ADDRESS": "100000/h",
    "LETTERSHOP_FORM__PER_DOMAIN": "100000/h",
    "LETTERSHOP_FORM__PER_CAMPAIGN": "100000/h",
    "LETTERSHOP_FORM__CHALLENGE_ABOVE": "100000/min",
}


class Api:
    """The app of a shop, asked over ASGI on one event loop."""

    def __init__(self, shop: Shop, runner: asyncio.Runner, host: str = "192.0.2.7") -> None:
        self.shop, self.ledger, self._runner = shop, shop.ledger, runner
        transport = httpx.ASGITransport(make_app(shop), raise_app_exceptions=False, client=(host, 4711))
        self._client = httpx.AsyncClient(transport=transport, base_url=BASE)

    def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        return self._runner.run(self._client.request(method, path, **more))

    def get(self, path: str, **more: Any) -> httpx.Response:
        return self.ask("GET", path, **more)

    def post(self, path: str, body: Any = None, **more: Any) -> httpx.Response:
        """`body` goes as JSON in ASCII, so that lone surrogates can be sent: "\\ud800"."""
        if body is not None:
            more["content"] = json.dumps(body)
            more["headers"] = {"Content-Type": "application/json", **more.get("headers", {})}
        return self.ask("POST", path, **more)

    def close(self) -> None:
        self._runner.run(self._client.aclose())
        self._runner.run(self.shop.aclose())

    # -- what a test needs of the house
    def version(self) -> str:
        return str(self.get(CAMPAIGN).json()["version"])

    def person(self, n: int = 1, **changes: Any) -> dict[str, Any]:
        values = {"name": f"Sample Signer {n:02}", "email": f"signer{n}@mail.example", "country": "IE"}
        return {**values, "consents": ["send"], "version": self.version(), **changes}

    def confirmed(self, n: int = 1, **changes: Any) -> dict[str, Any]:
        given = self.person(n, confirmed=True, evidence="a list of the partner's", **changes)
        return {name: value for name, value in given.items() if name != "version"}

    def key(self, *scopes: str, name: str = "partner", campaign: str = "") -> dict[str, str]:
        """The header that carries a fresh key."""
        with self.ledger.write() as connection:
            key = api_keys.make(connection, name, scopes, campaign, self.ledger.now_us())
        return {"Authorization": f"Bearer {key}"}

    def rows(self, query: sa.Select[Any]) -> list[Any]:
        with self.ledger.read() as connection:
            return list(connection.execute(query).mappings())

    def recorded(self) -> list[Any]:
        """Every signature, oldest first."""
        return self.rows(sa.select(signatures).order_by(signatures.c.id))

    def letters(self) -> int:
        """Letters of all kinds, mail to signers included."""
        return len(self.rows(sa.select(letters.c.id)))

    def token(self, number: int) -> str:
        """The token of the link by which signature `number` is confirmed."""
        with self.ledger.read() as connection:
            token = tokens.reveal(connection, self.ledger.keys, number)
        assert token is not None
        return token

    def confirm(self, number: int) -> None:
        self.shop.intake.confirm(self.token(number))

    def never(self, number: int) -> None:
        self.shop.own_pages.never(self.token(number))


@contextmanager
def an_api(draft: Draft, ledger: Ledger, **environ: str):
    """The API of the sample home, whose campaign has a site of its own, on `ledger`; wide limits unless named."""
    text = (draft.root / "config/campaigns/town-library.toml").read_text()
    if SITE not in text:
        draft.edit("config/campaigns/town-library.toml", "languages = ", f'sites = ["{SITE}"]\nlanguages = ')
    home = draft.load(**{**WIDE, **environ})
    with asyncio.Runner() as runner:
        api = Api(shop_of(home, ledger, open_intake(home, ledger), SystemClock()), runner)
        try:
            yield api
        finally:
            api.close()
