"""The access log: a line a request, and nothing in it that was asked."""

import logging
import re

import pytest
from fastapi import APIRouter, FastAPI
from fastapi.responses import PlainTextResponse
from starlette.routing import Mount, Route

from tests.unit.web.asgi import ask
from worker.web.access_log import AccessLog

SECRET = "s3cr3t"


def make_app():
    async def inner(_request):
        return PlainTextResponse("static")

    app = FastAPI(openapi_url=None, routes=[Mount("/files", routes=[Route("/{name}", inner)])])
    inner_router, outer = APIRouter(), APIRouter()

    @inner_router.get("/{token}/letters")
    async def letters(token: str):
        return PlainTextResponse("x" * 10)

    @app.get("/fault/{token}")
    async def fault(token: str):
        raise ValueError(token)

    outer.include_router(inner_router, prefix="/me")
    app.include_router(outer, prefix="/v1")
    return AccessLog(app)


@pytest.fixture
def said(caplog):
    caplog.set_level(logging.INFO, "lettershop.access")
    return lambda: [re.sub(r"\d+ ms", "n ms", record.getMessage()) for record in caplog.records]


@pytest.mark.parametrize(
    ("method", "path", "line"),
    [
        ("GET", f"/v1/me/{SECRET}/letters", "GET /v1/me/{token}/letters 200 n ms 10 B"),
        ("POST", f"/v1/me/{SECRET}/letters", "POST /v1/me/{token}/letters 405 n ms 31 B"),
        ("GET", f"/nowhere/{SECRET}", "GET - 404 n ms 22 B"),
        (SECRET, "/nowhere", "- - 404 n ms 22 B"),
    ],
)
def test_a_line_for_each_request(method, path, line, said, caplog):
    ask(make_app(), method, path, query=f"email={SECRET}".encode(), headers=[("Host", "x"), ("Referer", SECRET)])
    assert said() == [line]
    assert SECRET not in caplog.text
    assert "192.0.2.7" not in caplog.text


def test_what_is_mounted_is_told_by_a_template_too(said):
    ask(make_app(), "GET", f"/files/{SECRET}", headers=[("Host", "x")])
    assert len(said()) == 1
    assert SECRET not in said()[0]


def test_a_fault_of_ours_is_a_line_too(said):
    with pytest.raises(ValueError, match=SECRET):
        ask(make_app(), "GET", f"/fault/{SECRET}", headers=[("Host", "x")])
    assert said() == ["GET /fault/{token} 500 n ms 21 B"]


def test_an_answer_that_never_began(said):
    async def silent(_scope, _receive, _send):
        return

    assert ask(AccessLog(silent)).status is None
    assert said() == ["GET - - n ms 0 B"]
