"""One's own account: another password, and where one is logged in.

GET /ops/account; POST /ops/account/password, /ops/account/end. Programs have no account.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any

from anyio import to_thread
from fastapi import APIRouter, Depends, HTTPException, Request
from starlette.responses import Response

from worker.domain.clock import from_us
from worker.domain.errors import BadInput
from worker.ledger import users as rows
from worker.ledger.users import Session
from worker.operations import passwords, users
from worker.operations.sessions import TooSoon, Try
from worker.web.forms import read_form
from worker.web.ops.guard import Gate, Visitor

ACCOUNT = "/ops/account"


@dataclass(frozen=True, slots=True)
class Place:
    """Somewhere one is logged in. `number` names it in the form: the beginning of its hash."""

    number: str
    here: bool
    since: datetime
    seen: datetime


def add(routes: APIRouter, gate: Gate) -> None:
    """The routes of one's own account."""
    page = Account(gate)

    @routes.get(ACCOUNT)
    async def account(request: Request, visitor: Annotated[Visitor, Depends(gate.viewer)]) -> Response:
        return await page.show(request, visitor)

    @routes.post(f"{ACCOUNT}/password")
    async def password(request: Request, visitor: Annotated[Visitor, Depends(gate.viewer)]) -> Response:
        return await page.change_password(request, visitor)

    @routes.post(f"{ACCOUNT}/end")
    async def end(request: Request, visitor: Annotated[Visitor, Depends(gate.viewer)]) -> Response:
        return await page.end(request, visitor)


class Account:
    """The answers."""

    def __init__(self, gate: Gate) -> None:
        self._gate, self._shop, self._doorman = gate, gate.shop, gate.doorman

    async def show(self, request: Request, visitor: Visitor, status: int = 200, **more: Any) -> Response:
        session = _own(visitor)
        found = await to_thread.run_sync(self._doorman.sessions_of, session.user_id)
        shown: dict[str, Any] = {"old_error": "", "new_error": "", **more}
        places = [_place(each, session) for each in found]
        return self._gate.page(
            request,
            visitor,
            "ops/account.html",
            status,
            path=ACCOUNT,
            places=places,
            shortest=passwords.SHORTEST,
            longest=_span(self._shop.home.settings.ops.longest),
            **shown,
        )

    async def change_password(self, request: Request, visitor: Visitor) -> Response:
        session, form = _own(visitor), await read_form(request)
        old, new, twice = (str(form.get(name, "")) for name in ("old-password", "new-password", "new-password-again"))
        if new != twice:
            return await self.show(request, visitor, 400, new_error="The two are not the same: type the new one twice.")
        try:
            passwords.checked(new, visitor.name)
        except BadInput as exc:
            return await self.show(request, visitor, 400, new_error=_sentence(exc))
        if refused := await self._prove(visitor.name, old):
            return await self.show(request, visitor, 403, old_error=refused)
        by = users.By(visitor.name, "their own password")
        change = lambda: users.set_password(self._shop.ledger, visitor.name, new, by)  # noqa: E731 - for a thread
        await to_thread.run_sync(change, limiter=self._gate.hashers)
        opened = await self._shop.writing(self._doorman.renew, visitor.name)
        if opened is None:
            raise HTTPException(404)
        fresh = Visitor(visitor.name, visitor.role, opened.csrf, "session", session)
        response = self._gate.see_other(
            fresh, ACCOUNT, "Your password was changed. Everywhere else you are logged out."
        )
        self._gate.give_session(request, response, opened)
        return response

    async def _prove(self, name: str, password: str) -> str:
        """Nothing ("") where it is their password, else what to say. Counted apart, as logins are."""
        admitted = await self._shop.writing(self._doorman.admit, Try(name, "", f"account of {name}"))
        if isinstance(admitted, TooSoon):
            return f"Too many tries. Wait {admitted.wait_s} seconds, then try again."
        fits = await to_thread.run_sync(passwords.fits, admitted.kept, password, limiter=self._gate.hashers)
        if not fits:
            return "This is not your password."
        await self._shop.writing(self._doorman.forget, admitted)
        return ""

    async def end(self, request: Request, visitor: Visitor) -> Response:
        session, number = _own(visitor), str((await read_form(request)).get("number", ""))
        if number == "others":
            n = await self._shop.writing(self._doorman.end_others, session)
            return self._gate.see_other(visitor, ACCOUNT, f"Logged out at {n} other place{'s' if n != 1 else ''}.")
        found = await to_thread.run_sync(self._doorman.sessions_of, session.user_id)
        for each in found:
            if _number(each) == number and each.hash != session.hash:
                await self._shop.writing(self._doorman.end_one, session, each.hash)
                return self._gate.see_other(visitor, ACCOUNT, "Logged out there.")
        return self._gate.see_other(visitor, ACCOUNT, "That one had ended already.")


def _own(visitor: Visitor) -> Session:
    if visitor.session is None:
        raise HTTPException(403, "an API key has no account: it is made and ended by `lettershop keys`")
    return visitor.session


def _place(each: rows.Session, mine: rows.Session) -> Place:
    moments = (from_us(at) for at in (each.made_at, each.seen_at))
    return Place(_number(each), each.hash == mine.hash, *moments)


def _span(length: timedelta) -> str:
    hours = int(length.total_seconds()) // 3600
    return f"{length.days} day{'s' if length.days != 1 else ''}" if length.days else f"{hours} h"


def _number(each: rows.Session) -> str:
    return each.hash.hex()[:16]


def _sentence(exc: BadInput) -> str:
    text = str(exc)
    return f"{text[:1].upper()}{text[1:]}."
