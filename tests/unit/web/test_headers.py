"""The headers of every answer."""

import pytest
from starlette.responses import PlainTextResponse

from tests.unit.web.asgi import ask
from worker.web.headers import Headers

PUBLIC = "https://letters.example"


def shell(public_url=PUBLIC, **headers):
    return Headers(PlainTextResponse("hello", headers=headers), public_url=public_url)


def test_a_page_carries_them_all():
    answer = ask(shell())
    policy = dict(part.split(" ", 1) for part in answer["content-security-policy"].split("; "))
    assert policy == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self' data:",
        "font-src": "'self'",
        "connect-src": "'self'",
        "worker-src": "'self'",
        "form-action": "'self'",
        "frame-src": "'self'",
        "base-uri": "'none'",
        "frame-ancestors": "'none'",
    }
    assert answer["x-content-type-options"] == "nosniff"
    assert answer["referrer-policy"] == "same-origin"
    assert answer["cross-origin-opener-policy"] == "same-origin"
    assert answer["cross-origin-resource-policy"] == "same-origin"
    assert "camera=()" in answer["permissions-policy"]
    assert answer["cache-control"] is None
    assert answer["x-robots-tag"] is None
    assert answer.body == b"hello"


@pytest.mark.parametrize("path", ["/confirm/abc", "/me/abc", "/me/abc/letters", "/never/abc"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_token_pages_are_told_to_nobody_and_kept_nowhere(path, method):
    answer = ask(shell(), method, path)
    assert answer["referrer-policy"] == "no-referrer"
    assert answer["cache-control"] == "no-store"
    assert answer["x-robots-tag"] == "noindex, nofollow"


@pytest.mark.parametrize("path", ["/", "/c/me/", "/mean", "/confirmed"])
def test_other_pages_may_be_found(path):
    assert ask(shell(), "GET", path)["x-robots-tag"] is None


def test_the_answer_to_a_form_is_kept_nowhere():
    answer = ask(shell(), "POST", "/c/library")
    assert (answer["cache-control"], answer["referrer-policy"]) == ("no-store", "same-origin")


def test_strict_transport_only_where_there_is_transport_security():
    assert ask(shell())["strict-transport-security"] == "max-age=31536000"
    assert ask(shell("http://127.0.0.1:8480"))["strict-transport-security"] is None


def test_a_route_may_say_otherwise():
    own = {"Content-Security-Policy": "default-src 'none'", "Cache-Control": "public, max-age=60"}
    answer = ask(shell(**own), "POST", "/me/abc")
    assert answer["content-security-policy"] == "default-src 'none'"
    assert answer["cache-control"] == "public, max-age=60"
    assert answer["referrer-policy"] == "no-referrer"


def test_the_route_s_own_headers_stay():
    answer = ask(shell(**{"X-Own": "1"}))
    assert (answer["x-own"], answer["content-length"]) == ("1", "5")
