"""Operators of the pages under /ops, as the command line and the page for admins make and change them.

Each verb is one transaction with its audit row, which names the user and holds no password. Whoever is disabled, gets
another role or another password is logged out everywhere.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy.engine import Connection

from worker.domain.clock import from_us
from worker.domain.errors import BadInput, RefusedByState
from worker.ledger import audit, users
from worker.ledger.book import Ledger
from worker.ledger.sql import now_us
from worker.ledger.transact import transact
from worker.ledger.users import ROLES, Role, User
from worker.operations import passwords
from worker.operations.barriers import iso
from worker.operations.holds import checked_reason
from worker.operations.sessions import name_key

RESERVED = frozenset({
    *("accept-restore", "backup", "console", "dispatch", "engine", "lettershop", "nobody", "restore", "root", "schedule"),
    *("signer", "somebody", "system", "watchdog", "web", "worker"),
})  # fmt: skip
"""Names that the audit and holds give to the house itself, or that seem to be nobody's in particular."""


@dataclass(frozen=True, slots=True)
class By:
    """Who does it, and why. `admin_only`: by a user of these pages, who must still be an admin when it is done."""

    who: str
    reason: str
    admin_only: bool = False

    def __post_init__(self) -> None:
        checked_reason(self.reason)


def add(ledger: Ledger, name: str, role: str, password: str, by: By) -> None:
    """Make a user. Raises BadInput for an unusable name, role, password or reason, RefusedByState for a taken name."""
    if not users.NAME.match(name):
        raise BadInput("a user's name has 1 to 40 characters: small letters, digits, and . _ - between them")
    if name in RESERVED:
        raise BadInput(f"{name} is what the audit calls the house itself: take the name of a person")
    chosen = _role(role)
    kept = passwords.hashed(passwords.checked(password, name))

    def work(connection: Connection) -> None:
        _may(connection, by)
        if users.find(connection, name) is not None:
            raise RefusedByState(f"there is a user {name} already: `lettershop users list` shows them")
        at_us = now_us(connection)
        users.add(connection, name, chosen, kept, at_us)
        audit.append(connection, at_us, by.who, "add user", target(name), by.reason, {"role": chosen})

    transact(ledger, work)


def disable(ledger: Ledger, name: str, by: By) -> int:
    """Let the user log in no more; how many sessions that ended. Raises BadInput, RefusedByState."""

    def deed(connection: Connection, user: User, at_us: int) -> dict[str, Any]:
        if user.disabled_at is not None:
            raise RefusedByState(f"user {name} is disabled already")
        if by.admin_only:
            _not_the_last(connection, user)
        return {"disabled_at": at_us, "changed_at": at_us}

    return _change(ledger, name, by, "disable user", deed)


def enable(ledger: Ledger, name: str, by: By) -> None:
    """Let the user log in again. Raises BadInput, RefusedByState."""

    def deed(_: Connection, user: User, at_us: int) -> dict[str, Any]:
        if user.disabled_at is None:
            raise RefusedByState(f"user {name} is not disabled")
        return {"disabled_at": None, "changed_at": at_us}

    _change(ledger, name, by, "enable user", deed)


def set_role(ledger: Ledger, name: str, role: str, by: By) -> None:
    """Give the user another role; they log in anew. Raises BadInput, RefusedByState."""
    chosen = _role(role)

    def deed(connection: Connection, user: User, at_us: int) -> dict[str, Any]:
        if user.role == chosen:
            raise RefusedByState(f"user {name} is {chosen} already")
        if by.admin_only:
            _not_the_last(connection, user)
        return {"role": chosen, "changed_at": at_us}

    _change(ledger, name, by, "set role", deed, {"role": chosen})


def set_password(ledger: Ledger, name: str, password: str, by: By) -> int:
    """Give the user another password, and let them log in with it at once; how many sessions ended. Raises BadInput."""
    kept = passwords.hashed(passwords.checked(password, name))

    def deed(connection: Connection, user: User, at_us: int) -> dict[str, Any]:
        del user
        users.forget_failures(connection, name_key(ledger, name))
        return {"password": kept, "changed_at": at_us}

    return _change(ledger, name, by, "set password", deed)


def listing(ledger: Ledger) -> list[dict[str, Any]]:
    """Every user by name: name, role, state (enabled or disabled), made_at, disabled_at."""
    with ledger.read() as connection:
        return [_body(user) for user in users.listing(connection)]


def target(name: str) -> str:
    """How the audit names a user."""
    return f"user {name}"


# -- the steps -----------------------------------------------------------------------------------------------------------
Deed = Callable[[Connection, User, int], Mapping[str, Any]]


def _change(ledger: Ledger, name: str, by: By, verb: str, deed: Deed, details: Mapping[str, Any] | None = None) -> int:
    def work(connection: Connection) -> int:
        _may(connection, by)
        user = users.find(connection, name, lock=True)
        if user is None:
            known = ", ".join(each.name for each in users.listing(connection))
            raise BadInput(f"there is no user {name!r}; there are: {known or 'none'}")
        at_us = max(now_us(connection), user.changed_at + 1)
        if not users.change(connection, user, **deed(connection, user, at_us)):
            raise RefusedByState(f"user {name} was changed by somebody else just now: look again")
        ended = users.end_sessions(connection, user.id)
        audit.append(connection, at_us, by.who, verb, target(name), by.reason, {**(details or {}), "ended": ended})
        return ended

    return transact(ledger, work)


def _may(connection: Connection, by: By) -> None:
    if not by.admin_only:
        return
    mine = users.find(connection, by.who)
    if mine is None or mine.role != "admin" or mine.disabled_at is not None:
        raise RefusedByState("you are not an admin any more: nothing was changed")


def _not_the_last(connection: Connection, user: User) -> None:
    """On the pages an admin stays: else nobody could make another there. The command line always can."""
    users.lock_logins(connection)
    if user.role == "admin" and user.disabled_at is None and users.active_admins(connection) == 1:
        raise RefusedByState(f"{user.name} is the last admin: make another one first, or use `lettershop users`")


def _role(role: str) -> Role:
    for known in ROLES:
        if role == known:
            return known
    raise BadInput(f"there is no role {role!r}; there are: {', '.join(ROLES)}")


def _body(user: User) -> dict[str, Any]:
    return {
        "name": user.name,
        "role": user.role,
        "state": "enabled" if user.disabled_at is None else "disabled",
        "made_at": iso(from_us(user.made_at)),
        "disabled_at": None if user.disabled_at is None else iso(from_us(user.disabled_at)),
    }
