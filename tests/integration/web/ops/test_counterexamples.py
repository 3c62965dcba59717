"""What once went wrong at the operators' door, on both databases where that matters."""

import asyncio
import base64
import contextlib
import json
import re
import threading
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from tests.integration.web.ops.scene import BASE, PASSWORD, Browser, Door, hidden
from worker.domain.errors import BadInput, Failed
from worker.ledger import api_keys
from worker.ledger.book import Ledger
from worker.ledger.schema import login_failures
from worker.ledger.schema import users as table
from worker.operations import audit, passwords, users
from worker.operations.letters import Filter
from worker.settings.operating import OpsKeys
from worker.web.ops import live, login
from worker.web.ops.audit_page import Proving
from worker.web.ops.live import Live, Streams, stream
from worker.web.ops.pulse import Frame, Parts, Pulse

UNPRINTABLE = ("\0", "maria\0", "a\0b", "\u202e", "\x7f")
BY = users.By("tester", "for a test")


def key(door: Door, scope: str = "ops:act") -> dict[str, str]:
    with door.ledger.write() as connection:
        made = api_keys.make(connection, f"k-{scope[4:]}", [scope], "", door.ledger.now_us())
    return {"Authorization": f"Bearer {made}"}


@contextlib.contextmanager
def away(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The ledger cannot be read."""

    @contextlib.contextmanager
    def gone(_: Ledger) -> Iterator[None]:
        raise Failed("the ledger is away")
        yield

    with monkeypatch.context() as patch:
        patch.setattr(Ledger, "read", gone)
        yield


def send(door: Door, browser: Browser, method: str, path: str, **more: Any) -> httpx.Response:
    return door.run(browser.client.request(method, path, **more))


# -- what no name can hold
@pytest.mark.parametrize("name", UNPRINTABLE)
def test_a_name_that_no_database_holds_is_a_wrong_name(door: Door, name: str) -> None:
    door.add()
    assert door.browser().log_in(name).status_code == 403
    with door.ledger.read() as connection:
        assert users.users.find(connection, name) is None


@pytest.mark.parametrize("value", UNPRINTABLE)
def test_filters_refuse_what_no_database_holds(door: Door, value: str) -> None:
    door.add()
    headers, browser = key(door), door.browser()
    for path in ("/ops/letters", "/ops/api/letters"):
        for name in ("state", "office", "campaign", "older", "code", "signature"):
            assert browser.get(path, params={name: value}, headers=headers).status_code == 400
    with pytest.raises(BadInput, match="office"):
        Filter(office=value)


def test_a_users_name_in_an_address(door: Door) -> None:
    admin = door.inside()
    form = {"reason": "w", "role": "viewer", "password": PASSWORD, "password-again": PASSWORD, "csrf": admin.csrf()}
    for deed in ("disable", "enable", "role", "password"):
        assert admin.post(f"/ops/users/a%00/{deed}", form).status_code == 400
    assert admin.get("/ops/offices/a%00b").status_code == 404


def test_names_of_the_house_are_taken(door: Door) -> None:
    for name in ("lettershop", "web", "watchdog", "schedule", "accept-restore", "root"):
        with pytest.raises(BadInput, match="the house itself"):
            users.add(door.ledger, name, "viewer", PASSWORD, BY)
    assert door.rows(sa.select(table)) == []


# -- live
def parts(frame: Frame) -> Parts:
    return {"tiles": str(frame.number)}


def test_a_ledger_that_goes_away_does_not_end_a_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "CHECKED_S", 0.0)
    asked = 0

    async def good() -> bool:
        nonlocal asked
        asked += 1
        if asked == 1:
            raise Failed("the ledger is away")
        return asked < 3

    async def heard() -> list[str]:
        async with asyncio.timeout(20):
            return [each async for each in stream(Pulse(dict, 0.01), parts, good)]

    names = [found[1] for each in asyncio.run(heard()) if (found := re.search(r"event: (\w+)", each))]
    assert names == ["stale", "parts", "over"]


def test_while_the_ledger_is_away_one_is_told_to_come_again(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    browser = door.inside()
    with away(monkeypatch):
        asked = browser.get("/ops/live", headers={"Accept": "text/event-stream"})
    assert (asked.status_code, asked.headers["retry-after"]) == (503, "60")


SCOPE = {
    "type": "http", "method": "GET", "path": "/ops/live", "raw_path": b"/ops/live", "query_string": b"",
    "client": ("192.0.2.7", 4711), "server": ("127.0.0.1", 8480), "scheme": "http", "http_version": "1.1", "root_path": "",
    "asgi": {"version": "3.0"},
}  # fmt: skip


async def statuses(app: Any, headers: dict[str, str], n: int) -> Counter[int]:
    """Ask for so many streams at the same instant; what each answer begins with. All are ended then."""
    begun: list[int] = []
    all_of_them = asyncio.Event()

    async def receive() -> dict[str, str]:
        await asyncio.Event().wait()
        return {"type": "http.disconnect"}

    async def told(message: Any) -> None:
        if message["type"] == "http.response.start":
            begun.append(message["status"])
            if len(begun) == n:
                all_of_them.set()

    coded = [(name.lower().encode(), value.encode()) for name, value in (headers | {"host": BASE[7:]}).items()]
    tasks = [asyncio.create_task(app({**SCOPE, "headers": coded}, receive, told)) for _ in range(n)]
    async with asyncio.timeout(60):
        await all_of_them.wait()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return Counter(begun)


def test_streams_of_the_same_instant_are_counted(door: Door) -> None:
    door.add()
    headers = key(door, "ops:read")
    for _ in range(2):  # and all are given back
        assert door.run(statuses(door.app, headers, 20)) == {200: live.MOST, 429: 20 - live.MOST}


def test_a_stream_whose_start_fails_is_given_back() -> None:
    streams = Streams(most=1)

    async def events() -> AsyncIterator[str]:
        yield "never"

    async def refused(_: Any) -> None:
        raise OSError("the client has gone")

    async def receive() -> dict[str, str]:
        await asyncio.Event().wait()
        return {}

    with pytest.raises(BaseException):  # noqa: B017, PT011 - whatever Starlette makes of it
        asyncio.run(Live(streams, "ana", events())({**SCOPE, "headers": []}, receive, refused))
    assert streams.free("ana")


def test_a_head_begins_no_stream(door: Door) -> None:
    browser = door.inside()

    async def asked() -> httpx.Response:
        async with asyncio.timeout(20):
            return await browser.client.head("/ops/live")

    answer = door.run(asked())
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-type"].startswith("text/event-stream")


def test_a_stream_of_no_act(door: Door) -> None:
    door.add()
    asked = door.browser().get("/ops/live?act=999", headers=key(door, "ops:read"))
    assert (asked.status_code, asked.headers["content-type"]) == (404, "application/problem+json")


# -- forms that are kept
SEARCH = {"address": "secret.person@mail.example", "reason": "they wrote to us"}


def read(kept: str) -> str:
    body = kept.split(".", maxsplit=1)[0]
    return base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)).decode()


def test_a_kept_form_is_shown_to_the_same_user_alone(door: Door) -> None:
    browser = door.inside("otto", "operator")
    door.add("vera", "viewer")
    door.clock.move(hours=13)
    kept = hidden(browser.post("/ops/search", SEARCH).text, "kept")
    other = door.browser().log_in("vera", kept=kept)
    assert (other.status_code, other.headers["location"]) == (303, "/ops")
    assert SEARCH["address"] in browser.log_in("otto", kept=kept).text


def test_nobodys_form_keeps_no_address(door: Door) -> None:
    door.add("vera", "viewer")
    kept = hidden(door.browser().post("/ops/search", SEARCH).text, "kept")
    assert SEARCH["address"] not in read(kept)
    again = door.browser().log_in("vera", kept=kept).text
    assert SEARCH["address"] not in again
    assert SEARCH["reason"] in again
    assert re.search(r'name="address" type="text"', again)


# -- a flood of logins
def test_a_flood_of_logins_is_held_back_before_the_ledger(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    door.add()
    go = threading.Event()
    monkeypatch.setattr(passwords, "fits", lambda _, __: not go.wait(60))
    browsers = [door.browser(f"10.0.{n}.1") for n in range(60)]
    forms = [{"name": f"n{n}", "password": "x"} for n in range(60)]

    async def flood() -> list[int]:
        coming = [
            asyncio.create_task(each.client.post("/ops/login", data=form))
            for each, form in zip(browsers, forms, strict=True)
        ]
        refused = 0
        try:
            async with asyncio.timeout(50):  # they need not wait for those before them, whose hashes go on
                while refused < 60 - login.MOST_WAITING:
                    refused = len((await asyncio.wait(coming, timeout=0.02))[0])
        finally:
            go.set()
        return [each.status_code for each in await asyncio.gather(*coming)]

    assert Counter(door.run(flood())) == {403: login.MOST_WAITING, 503: 60 - login.MOST_WAITING}
    counted = door.rows(sa.select(sa.func.count()).select_from(login_failures))[0][0]
    assert counted == 2 * login.MOST_WAITING, "nothing is written for the others"
    assert door.browser().log_in("vera").status_code == 403, "and there is room again"


def test_a_try_within_the_wait_writes_nothing(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    door.add()
    browser = door.browser()
    for _ in range(5):
        browser.log_in(password="wrong wrong wrong")
    monkeypatch.setattr("worker.operations.sessions.transact", None)
    assert browser.log_in().status_code == 429


# -- nothing is there before there is a user
def test_without_a_user_every_path_and_method_is_404(door: Door) -> None:
    browser = door.browser()
    broken = {"content": b"{bad", "headers": {"content-type": "application/json"}}
    for method in ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"):
        for path in ("/ops", "/ops/", "/ops/login", "/ops/logout", "/ops/letters/x", "/ops/api/acts", "/ops/none"):
            assert send(door, browser, method, path).status_code == 404, (method, path)
    assert send(door, browser, "POST", "/ops/api/acts", **broken).status_code == 404
    door.add()
    assert send(door, browser, "PUT", "/ops/login").status_code == 405


def test_json_that_cannot_be_read(door: Door) -> None:
    door.add()
    headers, browser = key(door), door.browser()
    bodies = (
        b"{bad",
        b"",
        b"[]",
        b'{"verb": 1}',
        b'{"verb": "hold", "x": 1}',
        b'{"verb":"hold","letters":[1%b]}' % (b"0" * 5000),
    )
    for body in bodies:
        asked = send(door, browser, "POST", "/ops/api/acts", content=body, headers={"content-type": "application/json"})
        assert (asked.status_code, asked.headers["content-type"]) == (401, "application/problem+json")
        asked = send(door, browser, "POST", "/ops/api/acts", content=body, headers=headers)
        assert (asked.status_code, asked.headers["content-type"]) == (400, "application/problem+json")
        assert json.loads(asked.text)["status"] == 400


# -- the proof of the audit
def test_one_proof_at_a_time_is_shared(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    door.add()
    headers, browser = key(door, "ops:read"), door.browser()
    begun, go, real = [], threading.Event(), audit.proof
    asked, all_asked, now = [], asyncio.Event(), Proving.now

    async def counted(proving: Proving) -> audit.Proof:
        asked.append(1)
        if len(asked) == 50:
            all_asked.set()
        return await now(proving)

    def slow(ledger: Ledger, noted: str = "") -> audit.Proof:
        begun.append(1)
        go.wait(30)
        return real(ledger, noted)

    monkeypatch.setattr(audit, "proof", slow)
    monkeypatch.setattr(Proving, "now", counted)

    async def all_of_them() -> list[int]:
        coming = [asyncio.create_task(browser.client.post("/ops/audit/verify", headers=headers)) for _ in range(50)]
        other = await browser.client.get("/ops/audit", headers=headers)
        assert not any(each.done() for each in coming), "a page is not kept waiting"
        await asyncio.wait_for(all_asked.wait(), 30)
        go.set()
        return [other.status_code, *(each.status_code for each in await asyncio.gather(*coming))]

    assert set(door.run(all_of_them())) == {200}
    assert len(begun) == 1
    assert browser.post("/ops/audit/verify", headers=headers).status_code == 200
    assert len(begun) == 2, "the next one looks anew"


# -- where they are, and what a proxy sends
def test_an_address_without_host_and_port_is_refused() -> None:
    with pytest.raises(ValueError, match="give host and port"):
        OpsKeys(url="https://ops.example")
    assert OpsKeys(url="https://ops.example", host="127.0.0.1", port=8481).port == 8481


def test_a_proxys_own_authorization_is_not_a_key(door: Door) -> None:
    browser, basic = door.inside(), {"Authorization": "Basic dXNlcjpwYXNz"}
    assert browser.get("/ops/account", headers=basic).status_code == 200
    asked = browser.post("/ops/users/add", {"name": "eve"}, headers=basic)
    assert asked.status_code == 403, "the form's field is still asked for"
    stranger = door.browser().get("/ops/account", headers=basic | {"Accept": "text/html"})
    assert (stranger.status_code, stranger.headers["location"]) == (303, "/ops/login?next=%2Fops%2Faccount")
    both = [("Authorization", basic["Authorization"]), ("Authorization", key(door)["Authorization"])]
    assert browser.get("/ops/account", headers=both).status_code == 401
