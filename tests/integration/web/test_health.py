"""`/healthz` and `/readyz`: asked by address in live mode, without a word to strangers. Both databases."""

import asyncio
import threading

import pytest
import sqlalchemy as sa

from tests.integration.web.site import home_for, open_site
from worker.ledger import witness
from worker.web.routes.health import Readiness, parts_of


@pytest.fixture
def site(draft, ledger, redis_server):
    with open_site(home_for(draft), ledger, redis_server) as opened:
        yield opened


WELL = {"ready": True, "parts": {"ledger": {"ok": True}, "version": {"ok": True}, "witness": {"ok": True}}}


def test_by_address_and_by_name(site) -> None:
    for host in ("10.1.2.3:8480", "letters.example", "kubernetes"):
        alive = site.get("/healthz", headers={"Host": host})
        assert (alive.status_code, alive.text) == (200, "ok\n")
        ready = site.get("/readyz", headers={"Host": host})
        assert (ready.status_code, ready.json()) == (200, WELL)
        assert ready.headers["cache-control"] == "no-store"
    assert site.get("/", headers={"Host": "10.1.2.3"}).status_code == 400, "the pages themselves still want their name"


def test_head_and_other_methods(site) -> None:
    head = site.runner.run(site.client.head("/readyz"))
    assert (head.status_code, head.content) == (200, b"")
    assert site.post("/readyz").status_code in {403, 404, 405}


def test_a_restored_ledger_is_not_ready(site) -> None:
    shop = site.shop
    witness.note(shop.home.var / "witness.json", shop.ledger.ledger_id, 9)
    answer = site.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["parts"]["witness"] == {"ok": False}
    assert answer.json()["parts"]["ledger"] == {"ok": True}
    assert site.get("/healthz").status_code == 200
    assert "rounds" not in answer.text, "why is for operators"


@pytest.mark.parametrize("version", ["0001", "9999"])
def test_another_version_is_not_ready(site, version) -> None:
    with site.shop.ledger.write() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = :v"), {"v": version})
    answer = site.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["parts"] == {"ledger": {"ok": True}, "version": {"ok": False}, "witness": {"ok": False}}


def test_a_ledger_that_is_no_ledger(site) -> None:
    with site.shop.ledger.write() as connection:
        connection.execute(sa.text("DROP TABLE alembic_version"))
    assert site.get("/readyz").status_code == 503


@pytest.mark.parametrize("ledger_url", ["postgresql"], indirect=True)
def test_a_server_that_is_away(site, postgres) -> None:
    postgres.stop()
    try:
        assert parts_of(site.shop.home, site.shop.ledger) == {"ledger": False, "version": False, "witness": False}
        assert site.get("/healthz").status_code == 200
    finally:
        postgres.start()
    assert all(parts_of(site.shop.home, site.shop.ledger).values())


def test_many_who_ask_cost_one_look() -> None:
    looks: list[int] = []

    def look():
        looks.append(1)
        return {"ledger": True}

    async def ask():
        ready = Readiness(look)
        return await asyncio.gather(*(ready() for _ in range(50)))

    assert asyncio.run(ask()) == [{"ledger": True}] * 50
    assert len(looks) == 1


def test_a_look_that_hangs_is_not_ready() -> None:
    release = threading.Event()

    async def ask():
        ready = Readiness(lambda: {"ledger": release.wait()}, patience_s=0.05)
        first = await ready()
        release.set()
        return first, await ready()

    first, then = asyncio.run(ask())
    assert not any(first.values())
    assert then == {"ledger": True}
