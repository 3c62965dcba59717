"""Logging in and out. What was typed is never repeated but for the name; every refusal says the same.

GET and POST /ops/login, POST /ops/logout. The rules are those of `worker.operations.sessions`.
"""

from typing import Any

from anyio import to_thread
from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from worker.operations import passwords
from worker.operations.sessions import Admitted, Opened, TooSoon, Try, device_cookie, device_of
from worker.web.forms import read_form
from worker.web.gate import client_of
from worker.web.ops import csrf as tokens
from worker.web.ops.guard import LOGIN, SEE_OTHER, Gate, local, visitor_of

MOST_WAITING = 20
"""Logins that may be under way at once, most of them waiting for their hash; more are asked to come again."""

DEVICE = "lettershop-ops-device"
_DEVICE_S = 400 * 86_400  # the longest that browsers keep a cookie (RFC 6265bis, 5.5)
_WRONG = "The name or the password is not right."
_BUSY = "Many people are logging in just now. Try again in a minute."


def add(routes: APIRouter, gate: Gate) -> None:
    """The routes of logging in and out."""
    desk = LoginDesk(gate)
    routes.add_api_route("/ops/login", desk.show, methods=["GET"])
    routes.add_api_route("/ops/login", desk.log_in, methods=["POST"])
    routes.add_api_route("/ops/logout", desk.log_out, methods=["POST"])


class LoginDesk:
    """The answers. Belongs to one event loop."""

    def __init__(self, gate: Gate) -> None:
        self._gate, self._shop, self._doorman = gate, gate.shop, gate.doorman
        self._under_way = 0

    async def show(self, request: Request) -> Response:
        onward = local(request.query_params.get("next", ""))
        if await self._gate.session(request) is not None:
            return RedirectResponse(onward, SEE_OTHER)
        return self._gate.login_page(request, next=onward)

    async def log_in(self, request: Request) -> Response:
        form = await read_form(request)
        said = {name: str(form.get(name, "")) for name in ("name", "password", "next", "kept")}
        onward = local(said["next"])
        known: dict[str, Any] = {"name": said["name"][:40], "next": onward, "kept": said["kept"]}
        if self._under_way >= MOST_WAITING:
            return self._gate.login_page(request, 503, {"Retry-After": "60"}, error=_BUSY, **known)
        self._under_way += 1
        try:
            opened = await self._try(request, said["name"].strip().lower(), said["password"])
        finally:
            self._under_way -= 1
        if isinstance(opened, TooSoon):
            error = f"Too many tries. Wait {_wait(opened.wait_s)}, then try again."
            headers = {"Retry-After": str(opened.wait_s)}
            return self._gate.login_page(request, 429, headers, error=error, **known)
        if opened is None:
            return self._gate.login_page(request, 403, error=_WRONG, **known)
        return await self._in(request, opened, onward, said["kept"])

    async def _try(self, request: Request, name: str, password: str) -> Opened | TooSoon | None:
        peer = request.client.host if request.client else None
        network = client_of(peer, request.headers.getlist("x-forwarded-for"), self._shop.networks).network
        device = device_of(self._shop.ledger, name, request.cookies.get(self._gate.cookie(request, DEVICE), ""))
        admitted = await self._shop.writing(self._doorman.admit, Try(name, network, device))
        if isinstance(admitted, TooSoon):
            return admitted
        before = request.cookies.get(self._gate.cookie(request), "")
        return await to_thread.run_sync(self._hash_and_settle, admitted, password, before, limiter=self._gate.hashers)

    def _hash_and_settle(self, admitted: Admitted, password: str, before: str) -> Opened | None:
        fits = passwords.fits(admitted.kept, password)
        return self._doorman.settle(admitted, fits=fits, password=password, before=before)

    async def _in(self, request: Request, opened: Opened, onward: str, kept_text: str) -> Response:
        """Onward, or to the form that was kept."""
        session = await to_thread.run_sync(lambda: self._doorman.session(opened.token))
        kept = self._gate.signer.kept(kept_text, self._gate.now_s()) if kept_text else None
        if kept is None or session is None or not kept.is_for(session.user_id):
            response: Response = RedirectResponse(onward, SEE_OTHER, {"Cache-Control": "no-store"})
        else:
            response = self._gate.again(request, visitor_of(session), kept)
        self._gate.give_session(request, response, opened)
        known = device_cookie(self._shop.ledger, opened.name)
        self._gate.set_cookie(request, response, known, _DEVICE_S, DEVICE)
        return response

    async def log_out(self, request: Request) -> Response:
        session = await self._gate.session(request)
        form = await read_form(request)
        if session is not None and tokens.same(session.csrf, str(form.get(tokens.FIELD, ""))):
            await self._shop.writing(self._doorman.log_out, session)
        elif session is not None:
            return RedirectResponse("/ops", SEE_OTHER)  # the page of a session before this one
        response = RedirectResponse(LOGIN, SEE_OTHER)
        self._gate.set_cookie(request, response, "", 0)
        return response


def _wait(seconds: int) -> str:
    """So much that the time is surely over then."""
    minutes = -(-seconds // 60)
    return f"{seconds} seconds" if seconds < 60 else f"{minutes} minute{'s' if minutes > 1 else ''}"  # noqa: PLR2004 - a minute
