"""A server for the tests to ill-treat: `python child_serve.py PORT [NAME=NUMBER...]`; the numbers are its patience."""

import asyncio
import sys
from functools import partial

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import PlainTextResponse

from worker.domain.errors import LettershopError
from worker.web.access_log import AccessLog
from worker.web.connection import Patience
from worker.web.headers import Headers
from worker.web.hygiene import Hygiene, Site
from worker.web.serve import serve

say = partial(print, flush=True)


def make_app(url: str):
    app = FastAPI(openapi_url=None)
    router = APIRouter()

    @router.get("/{token}")
    async def own_page(token: str):
        return PlainTextResponse(f"page {len(token)}")

    @router.post("/{token}")
    async def change(token: str, request: Request):
        return PlainTextResponse(f"took {len(await request.body())}")

    app.include_router(router, prefix="/me")

    @app.get("/large")
    async def large():
        return PlainTextResponse("x" * 30_000_000)

    @app.get("/slow")
    async def slow():
        say("slow began")
        await asyncio.sleep(1.5)
        return PlainTextResponse("at last")

    @app.get("/fault")
    async def fault(secret: str):
        try:
            {}[secret]
        except KeyError as exc:
            raise RuntimeError(f"cannot do {secret}") from exc

    site = Site(url, loopback=True)
    shell = Headers(
        Hygiene(app, site=site, allowed=lambda *_: False, on_error=lambda _, status: PlainTextResponse("no", status)),
        public_url=url,
    )
    return AccessLog(shell)


def main() -> int:
    port = int(sys.argv[1])
    numbers = {name: float(text) if "." in text else int(text) for name, text in (a.split("=") for a in sys.argv[2:])}
    try:
        serve(make_app(f"http://127.0.0.1:{port}"), "127.0.0.1", port, patience=Patience(**numbers))
    except LettershopError as exc:
        say(exc)
        return exc.exit_status
    say("closed what was open")
    return 0


if __name__ == "__main__":
    sys.exit(main())
