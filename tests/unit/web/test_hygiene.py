"""What is refused before anybody reads it."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request
from starlette.responses import PlainTextResponse

from tests.unit.web.asgi import ask
from worker.web import hygiene
from worker.web.hygiene import MOST_BODY, Hygiene, Site

HOST = ("Host", "letters.example")
OURS = "https://letters.example"
FRIEND = "https://campaign.example"


async def echo(scope, receive, send):
    body = await Request(scope, receive).body()
    await PlainTextResponse(f"{scope['method']} {len(body)}")(scope, receive, send)


def allowed(path, origin):
    return path == "/c/library" and origin == FRIEND


def shell(site=None, **more):
    return Hygiene(
        echo,
        site=site or Site(OURS),
        allowed=allowed,
        on_error=lambda scope, status: PlainTextResponse(f"{status} {scope['path']}", status),
        **more,
    )


def post(*headers, path="/c/library", site=None, host=HOST, **more):
    return ask(shell(site), "POST", path, headers=[host, *headers], **more).status


def test_what_is_in_order_passes():
    assert ask(shell(), headers=[HOST]).body == b"GET 0"
    chunks = [b"a" * 10, b"b" * 10]
    answer = ask(shell(), "POST", "/x", headers=[HOST, ("Content-Length", "20")], chunks=chunks)
    assert answer.body == b"POST 20"


# -- bodies ------------------------------------------------------------------------------------------------------------
def test_a_body_of_the_most_bytes_passes_and_one_more_does_not():
    length = ("Content-Length", str(MOST_BODY))
    assert ask(shell(), "POST", headers=[HOST, length], chunks=[b"x" * MOST_BODY]).body == f"POST {MOST_BODY}".encode()
    more = ("Content-Length", str(MOST_BODY + 1))
    answer = ask(shell(), "POST", headers=[HOST, more], chunks=[b"x" * (MOST_BODY + 1)])
    assert (answer.status, answer["connection"]) == (413, "close")
    assert answer.body == b"413 /"


def test_a_body_that_is_not_announced_has_the_same_end():
    chunked = ("Transfer-Encoding", "chunked")
    assert ask(shell(), "POST", headers=[HOST, chunked], chunks=[b"x" * 1000] * 65).status == 200
    assert ask(shell(), "POST", headers=[HOST, chunked], chunks=[b"x" * 1000] * 66).status == 413


def test_an_endless_body_is_not_read_to_its_end():
    chunks = [b"x" * 65536] * 100
    answer = ask(shell(), "POST", headers=[HOST, ("Transfer-Encoding", "chunked")], chunks=chunks, silent=True)
    assert answer.status == 413


@pytest.mark.parametrize("length", [str(2 * 1024**3), "9" * 5000])
def test_a_huge_body_is_not_waited_for(length):
    app = shell()
    app_size = hygiene.MOST_HEADER_BYTES
    assert len(length) < app_size
    assert ask(app, "POST", headers=[HOST, ("Content-Length", length)], silent=True).status == 413


def test_a_body_that_does_not_come_is_not_waited_for():
    headers = [HOST, ("Content-Length", "20")]
    answer = ask(shell(body_s=0.05), "POST", headers=headers, chunks=[b"x", b"y"], silent=True)
    assert (answer.status, answer["connection"]) == (408, "close")


def test_a_refused_write_that_expects_our_word_is_answered_at_once():
    headers = [HOST, ("Origin", "https://evil.example"), ("Content-Length", "9"), ("Expect", "100-continue")]
    assert ask(shell(), "POST", headers=headers, silent=True).status == 403


def test_a_client_that_has_gone_gets_no_answer():
    async def gone():
        return {"type": "http.disconnect"}

    async def app(scope, receive, send):
        await shell()(scope, gone, send)

    assert ask(app, "POST", headers=[HOST, ("Content-Length", "20")]).status is None


# -- heads -------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("method", "status"),
    [("HEAD", 200), ("OPTIONS", 200), ("PUT", 200), ("DELETE", 200), ("PATCH", 405), ("TRACE", 405), ("BREW", 501)],
)
def test_methods(method, status):
    answer = ask(shell(), method, headers=[HOST])
    assert answer.status == status
    assert answer["allow"] == ("DELETE, GET, HEAD, OPTIONS, POST, PUT" if status == 405 else None)


def test_addresses_and_headers_have_an_end():
    assert ask(shell(), path="/" + "x" * 4095, headers=[HOST]).status == 200
    assert ask(shell(), path="/" + "x" * 4096, headers=[HOST]).status == 414
    assert ask(shell(), path="/x", query=b"y" * 4095, headers=[HOST]).status == 414
    assert ask(shell(), path="/x", raw_path=b"/" + b"%41" * 2000, headers=[HOST]).status == 414
    assert ask(shell(), headers=[HOST, *[("A", "b")] * 64]).status == 431
    assert ask(shell(), headers=[HOST, ("A", "b" * 17000)]).status == 431


@pytest.mark.parametrize("host", ["letters.example", "LETTERS.example", "letters.example:443"])
def test_our_host(host):
    assert ask(shell(), headers=[("Host", host)]).status == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example", "letters.example.evil.example", "letters.example:80", "letters.example:", "letters.example:x",
        "letters.example@evil.example", "evil.example/letters.example", "", "127.0.0.1", "localhost", "[::1]", "::1",
        "letters.example:443:443", "letters.example, evil.example", "letters.example:\xb2",
    ],
)  # fmt: skip
def test_other_hosts(host):
    assert ask(shell(), headers=[("Host", host)]).status == 400


def test_one_host_is_wanted():
    assert ask(shell(), headers=[]).status == 400
    assert ask(shell(), headers=[HOST, HOST]).status == 400


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:8480", "localhost:8480", "[::1]:8480", "a.localhost"])
def test_this_machine_s_names_where_they_are_ours(host):
    assert ask(shell(Site("http://127.0.0.1:8480", loopback=True)), headers=[("Host", host)]).status == 200
    assert ask(shell(Site(OURS, loopback=True)), headers=[("Host", "192.0.2.1")]).status == 400


# -- whose page asks ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),  # an old phone, or curl
        ({"Origin": OURS}, 200),
        ({"Origin": "HTTPS://letters.example:443"}, 200),
        ({"Origin": OURS, "Sec-Fetch-Site": "same-origin"}, 200),
        ({"Origin": FRIEND, "Sec-Fetch-Site": "cross-site"}, 200),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "none"}, 200),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": ""}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "https://evil.example", "Sec-Fetch-Site": "same-origin"}, 403),
        ({"Origin": "http://letters.example"}, 403),
        ({"Origin": "https://letters.example:8443"}, 403),
        ({"Origin": "https://letters.example.evil.example"}, 403),
        ({"Origin": "https://sub.letters.example"}, 403),
        ({"Origin": ""}, 403),
        ({"Origin": "letters.example"}, 403),
        ({"Origin": "ftp://letters.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "null", "Sec-Fetch-Site": "cross-site"}, 403),
        ({"Origin": "null", "Sec-Fetch-Site": "same-origin"}, 200),
    ],
)
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_who_may_ask_for_a_write(headers, status, method):
    assert ask(shell(), method, "/c/library", headers=[HOST, *headers.items()]).status == status
    assert ask(shell(), "GET", "/c/library", headers=[HOST, *headers.items()]).status == 200


def test_a_friend_may_write_where_it_is_allowed_only():
    assert post(("Origin", FRIEND), path="/c/other") == 403
    assert post(("Origin", FRIEND), ("Origin", OURS)) == 400


def test_our_token_pages_tell_no_referrer_and_so_no_origin():
    null = ("Origin", "null")
    assert post(null, path="/me/abc") == 200
    assert post(null, ("Sec-Fetch-Site", "same-origin"), path="/me/abc") == 200
    assert post(null, ("Sec-Fetch-Site", "cross-site"), path="/me/abc") == 403


def test_a_sandboxed_frame_may_be_allowed():
    app = Hygiene(
        echo,
        site=Site(OURS),
        allowed=lambda _, origin: origin == "null",
        on_error=lambda _, status: PlainTextResponse("", status),
    )
    assert ask(app, "POST", "/x", headers=[HOST, ("Origin", "null")]).status == 200


def test_this_machine_s_origins_where_they_are_ours():
    here = Site("http://127.0.0.1:8480", loopback=True)
    local = ("Host", "localhost:8480")
    assert post(("Origin", "http://localhost:8480"), site=here, host=local) == 200
    assert post(("Origin", "http://localhost:9999"), site=here, host=local) == 403
    assert post(("Origin", "http://localhost:8480"), site=Site("http://127.0.0.1:8480"), host=local) == 400
    assert post(("Origin", "http://localhost"), site=Site(OURS)) == 403


@given(st.text(max_size=40), st.text(max_size=40))
def test_no_text_confuses_it(host, origin):
    site = Site(OURS, loopback=True)
    assert site.is_host(host) in {True, False}
    assert site.is_origin(f"https://{origin}", host) in {True, False}


def test_what_is_no_request_passes():
    called = []

    async def app(scope, _receive, _send):
        called.append(scope["type"])

    wrapped = Hygiene(app, site=Site(OURS), allowed=allowed, on_error=lambda *_: PlainTextResponse(""))
    asyncio.run(wrapped({"type": "lifespan"}, None, None))
    assert called == ["lifespan"]
