"""Who may log in: the page for admins. The verbs are those of `lettershop users`.

GET /ops/users; POST /ops/users/add, /ops/users/{name}/{deed}. Nobody disables themselves or changes their own role here,
and an admin stays.
"""

from collections.abc import Mapping
from typing import Annotated, Any

from anyio import to_thread
from fastapi import APIRouter, Depends, HTTPException, Request
from starlette.responses import Response

from worker.domain.errors import BadInput, RefusedByState
from worker.ledger.users import ROLES
from worker.operations import passwords, users
from worker.web.forms import read_form
from worker.web.ops.guard import Gate, Visitor

USERS = "/ops/users"
_FIELDS = ("name", "role", "reason", "password", "password-again")


def add(routes: APIRouter, gate: Gate) -> None:
    """The routes of the users' page."""
    page = People(gate)

    @routes.get(USERS)
    async def listed(request: Request, visitor: Annotated[Visitor, Depends(gate.admin)]) -> Response:
        return await page.show(request, visitor)

    @routes.post(f"{USERS}/add")
    async def added(request: Request, visitor: Annotated[Visitor, Depends(gate.admin)]) -> Response:
        return await page.add(request, visitor)

    @routes.post(f"{USERS}/{{name}}/{{deed}}")
    async def changed(
        request: Request, visitor: Annotated[Visitor, Depends(gate.admin)], name: str, deed: str
    ) -> Response:
        return await page.change(request, visitor, name, deed)


class People:
    """The answers."""

    def __init__(self, gate: Gate) -> None:
        self._gate, self._shop = gate, gate.shop

    async def show(
        self, request: Request, visitor: Visitor, status: int = 200, *, error: str = "", **said: str
    ) -> Response:
        found = await to_thread.run_sync(users.listing, self._shop.ledger)
        form = {"name": "", "role": "viewer", "reason": "", **said}
        shown: dict[str, Any] = {"people": found, "roles": ROLES, "shortest": passwords.SHORTEST, "form": form}
        return self._gate.page(request, visitor, "ops/users.html", status, path=USERS, error=error, **shown)

    async def add(self, request: Request, visitor: Visitor) -> Response:
        said = await _said(request)
        known = {name: said[name] for name in ("name", "role", "reason")}
        if said["password"] != said["password-again"]:
            return await self.show(request, visitor, 400, error="the two passwords are not the same", **known)
        try:
            by = _by(visitor, said["reason"])
            await self._hashing(users.add, said["name"], said["role"], said["password"], by)
        except (BadInput, RefusedByState) as exc:
            return await self.show(request, visitor, _status(exc), error=str(exc), **known)
        return self._gate.see_other(visitor, USERS, f"User {said['name']} may log in, as {said['role']}.")

    async def change(self, request: Request, visitor: Visitor, name: str, deed: str) -> Response:
        said = await _said(request)
        try:
            told = await self._do(visitor, name, deed, said)
        except (BadInput, RefusedByState) as exc:
            return await self.show(request, visitor, _status(exc), error=str(exc))
        return self._gate.see_other(visitor, USERS, told)

    async def _do(self, visitor: Visitor, name: str, deed: str, said: Mapping[str, str]) -> str:
        """Do it; the sentence that says so. Raises BadInput, RefusedByState, HTTPException (404)."""
        if name == visitor.name and deed in {"disable", "role"}:
            raise RefusedByState("nobody does this to themselves: ask another admin, or use `lettershop users`")
        by = _by(visitor, said["reason"])
        if deed == "disable":
            ended = await self._shop.writing(users.disable, self._shop.ledger, name, by)
            return f"User {name} can log in no more; {ended} session{'s' if ended != 1 else ''} ended."
        if deed == "enable":
            await self._shop.writing(users.enable, self._shop.ledger, name, by)
            return f"User {name} can log in again."
        if deed == "role":
            await self._shop.writing(users.set_role, self._shop.ledger, name, said["role"], by)
            return f"User {name} is {said['role']} now, and logs in anew."
        if deed == "password":
            if said["password"] != said["password-again"]:
                raise BadInput("the two passwords are not the same")
            await self._hashing(users.set_password, name, said["password"], by)
            return f"User {name} has another password, and logs in anew."
        raise HTTPException(404)

    async def _hashing(self, verb: Any, *given: Any) -> None:
        await to_thread.run_sync(lambda: verb(self._shop.ledger, *given), limiter=self._gate.hashers)


async def _said(request: Request) -> dict[str, str]:
    form = await read_form(request)
    said = {name: str(form.get(name, "")) for name in _FIELDS}
    return {**said, "name": said["name"].strip(), "reason": said["reason"].strip()}


def _by(visitor: Visitor, reason: str) -> users.By:
    return users.By(visitor.name, reason, admin_only=True)


def _status(exc: Exception) -> int:
    return 400 if isinstance(exc, BadInput) else 409
