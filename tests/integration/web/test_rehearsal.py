"""The rehearsal inbox over letters that a real Maildir holds."""

import asyncio
import re
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import httpx
import pytest
from fastapi import FastAPI

from worker.embedded.maildir import Maildir
from worker.web.headers import Headers
from worker.web.pages import Pages
from worker.web.routes import rehearsal

HTML = '<style>p { margin: 0 }</style>\r\n<p style="color: red">hello</p>\r\n<script>alert(1)</script>'
BASE = "http://127.0.0.1:8480"
HOSTILE = "<script>alert('x')</script>"


def letter(number, subject="Please keep it open", text="hello"):
    return (
        f"From: Sample Signer {number} <letters@library.example>\r\nTo: Mayor <mayor@town.example>\r\n"
        f"Subject: {subject}\r\nMessage-ID: <{number}@library.example>\r\nMIME-Version: 1.0\r\n"
        'Content-Type: multipart/alternative; boundary="b"\r\n\r\n'
        f"--b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n{text}\r\n"
        f"--b\r\nContent-Type: text/html; charset=utf-8\r\n\r\n{HTML}\r\n--b--\r\n"
    ).encode()


class Ticking:
    """A clock that is a second later each time."""

    def __init__(self):
        self.seconds = 0

    def now(self):
        self.seconds += 1
        return datetime(2027, 2, 26, 12, tzinfo=UTC) + timedelta(seconds=self.seconds)


class Desk:
    """The inbox and who looks at it."""

    def __init__(self, home):
        self.home = home
        self.maildir = Maildir(home.var / "sink")
        self.maildir.prepare()
        self.clock = Ticking()
        app = FastAPI(openapi_url=None)
        app.include_router(rehearsal.router(SimpleNamespace(home=home, pages=Pages())))
        self.app = Headers(app, public_url=BASE)

    def store(self, content, to="sampleton-mayor@rehearsal.invalid"):
        return self.maildir.store(content, "bounce@library.example", [to], self.clock)

    def get(self, path, status=200):
        answer = asyncio.run(self._get(path))
        assert answer.status_code == status, answer.text
        return answer

    async def _get(self, path):
        async with httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url=BASE) as client:
            return await client.get(path)

    def names(self, path):
        return re.findall(r'<a href="/rehearsal/([^"/?]+)', self.get(path).text)

    def older(self, path):
        """The address of the next page, None on the last one."""
        found = re.search(r'href="([^"]+)" rel="next"', self.get(path).text)
        return found and found[1].replace("&amp;", "&")


@pytest.fixture
def desk(draft):
    return Desk(draft.load())


def test_an_empty_inbox_says_what_to_do(desk):
    page = desk.get("/rehearsal")
    assert "No letter has arrived yet" in page.text
    assert (page.headers["cache-control"], page.headers["x-robots-tag"]) == ("no-store", "noindex, nofollow")


def test_letters_stand_there_as_they_arrived_the_newest_first(desk):
    names = [desk.store(letter(n, f"Letter {n}")) for n in range(3)]
    page = desk.get("/rehearsal").text
    assert desk.names("/rehearsal") == names[::-1]
    for shown in ("Letter 2", "Sample Signer 2", "Mayor &lt;mayor@town.example&gt;", "26 February 2027, 12:00 UTC"):
        assert shown in page
    assert "26 février 2027" in desk.get("/rehearsal?ui=fr").text


def test_pages_of_fifty(desk):
    names = [desk.store(letter(n)) for n in range(120)][::-1]
    assert desk.names("/rehearsal") == names[:50]
    assert desk.names(desk.older("/rehearsal")) == names[50:100]
    last = desk.names(f"/rehearsal?before={names[99]}")
    assert last == names[100:]
    assert desk.older(f"/rehearsal?before={names[99]}") is None
    assert "There are no more letters" in desk.get(f"/rehearsal?before={names[-1]}").text


def test_letters_to_one_recipient(desk, monkeypatch):
    monkeypatch.setattr(rehearsal, "LOOKED_AT", 10)
    for n in range(25):
        desk.store(letter(n), f"signer-{n % 5}@rehearsal.invalid")
    path = "/rehearsal?to=signer-3@rehearsal.invalid"
    found, seen = [], 0
    while path:
        seen += 1
        found += desk.names(path)
        path = desk.older(path)
    assert len(found) == 5
    assert seen == 3
    assert desk.names("/rehearsal?to=nobody@rehearsal.invalid") == []
    assert "None among the letters looked through so far" in desk.get("/rehearsal?to=nobody@rehearsal.invalid").text


def test_a_page_opens_no_more_letters_than_it_shows(desk, monkeypatch):
    for n in range(70):
        desk.store(letter(n))
    opened = []
    read = Maildir.read
    monkeypatch.setattr(Maildir, "read", lambda self, name: opened.append(name) or read(self, name))
    desk.get("/rehearsal")
    assert len(opened) == 50


def test_a_letter_that_goes_meanwhile_is_left_out(desk):
    names = [desk.store(letter(n)) for n in range(3)]
    (desk.home.var / "sink" / "envelopes" / f"{names[1]}.json").unlink()
    assert desk.names("/rehearsal") == [names[2], names[0]]
    desk.get(f"/rehearsal/{names[1]}", 404)


def test_one_letter(desk):
    link = "http://127.0.0.1:8480/confirm/abc_-"
    name = desk.store(letter(1, f"A {HOSTILE}", f"Please confirm:\r\n\r\n{link}\r\n\r\n{HOSTILE} javascript:alert(1)"))
    page = desk.get(f"/rehearsal/{name}").text
    assert f'<a href="{link}" rel="noreferrer noopener">{link}</a>' in page
    assert HOSTILE not in page
    assert 'href="javascript:' not in page
    assert "A &lt;script&gt;" in page
    assert re.search(rf'<iframe sandbox src="/rehearsal/{re.escape(name)}/html"', page)
    assert "&lt;1@library.example&gt;" in page
    assert "style=" not in page
    assert "<script" not in page


def test_its_html_may_do_nothing(desk):
    name = desk.store(letter(1))
    answer = desk.get(f"/rehearsal/{name}/html")
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("sandbox; default-src 'none'; img-src data:; style-src 'unsafe-hashes' 'sha256-")
    assert policy.count("sha256-") == 2
    assert "unsafe-inline" not in policy
    assert "script-src" not in policy
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.text == HTML.replace("\r\n", "\n")


def test_a_letter_without_html(desk):
    name = desk.store(b"From: a@b.example\r\nSubject: \r\n\r\nplain\r\n")
    page = desk.get(f"/rehearsal/{name}").text
    assert "<iframe" not in page
    assert "(no subject)" in page
    desk.get(f"/rehearsal/{name}/html", 404)


def test_it_can_be_had_byte_for_byte(desk):
    content = letter(1) + b"\x00\xff<script>"
    answer = desk.get(f"/rehearsal/{desk.store(content)}/raw")
    assert answer.content == content
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["content-disposition"] == "inline"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "name",
    [
        "x",
        "..",
        "%2e%2e",
        "..%2fenvelopes",
        "..%5c..",
        "%00",
        "1.M000000R00.sink",
        "1.M000000R00.sink%0a",
        "new",
        "x" * 900,
    ],
)
@pytest.mark.parametrize("part", ["", "/html", "/raw"])
def test_what_is_no_letter_is_not_found(desk, name, part):
    desk.store(letter(1))
    desk.get(f"/rehearsal/{name}{part}", 404)


def test_hostile_bytes_have_their_page(desk):
    for content in (b"", b"\xff\x00", b'Subject: =?utf-8?b?////?=\r\nFrom: "\\\r\n\r\n\x00', b"\r\n\r\n<script>"):
        page = desk.get(f"/rehearsal/{desk.store(content)}").text
        assert "<script" not in page
    assert len(desk.names("/rehearsal")) == 4


def test_nothing_is_shown_of_letters_that_went_elsewhere(draft):
    desk = Desk(draft.load(LETTERSHOP_REHEARSAL__HOST="127.0.0.1", LETTERSHOP_REHEARSAL__PORT="1025"))
    desk.store(letter(1))
    desk.get("/rehearsal", 404)
    desk.get(f"/rehearsal/{desk.maildir.names(1)[0]}", 404)


def test_nothing_is_shown_in_live_mode(draft):
    home = draft.load()
    live = home.settings.model_copy(update={"mode": "live"})
    desk = Desk(SimpleNamespace(var=home.var, settings=live))
    name = desk.store(letter(1))
    for path in ("/rehearsal", f"/rehearsal/{name}", f"/rehearsal/{name}/html", f"/rehearsal/{name}/raw"):
        desk.get(path, 404)
