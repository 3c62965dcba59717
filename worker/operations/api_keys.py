"""API keys, as operators make, rotate and revoke them. `worker.ledger.api_keys` keeps them, by their hashes alone.

Each verb is one transaction with its audit row, which names the key and never holds it. A key that was made or rotated
is returned once; nobody can read it again.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Literal, get_args

from sqlalchemy.engine import Connection

from worker.domain.clock import from_us
from worker.domain.errors import BadInput, RefusedByState
from worker.ledger import api_keys, audit
from worker.ledger.api_keys import ApiKey
from worker.ledger.book import Ledger
from worker.ledger.sql import now_us
from worker.ledger.transact import transact
from worker.operations.barriers import iso
from worker.operations.holds import checked_reason

Scope = Literal["sign", "read", "withdraw", "metrics", "ops:read", "ops:act"]
SCOPES: tuple[str, ...] = get_args(Scope)
"""sign: create signatures, also ones confirmed elsewhere; read: a signature's state; withdraw: end a signature; metrics:
the numbers for a monitoring system, of all campaigns; ops:read: what a viewer sees under /ops; ops:act: what an operator
does there. The last two are for all campaigns."""

OVERLAP = timedelta(hours=24)
LONGEST_OVERLAP = timedelta(days=90)

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?\Z")
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Fresh:
    """A key that was just made, with the key itself."""

    name: str
    key: str = field(repr=False)
    scopes: tuple[str, ...]
    campaign: str

    def body(self) -> dict[str, Any]:
        """The JSON form, the key included."""
        return {"name": self.name, "key": self.key, "scopes": list(self.scopes), "campaign": self.campaign}


def create(
    ledger: Ledger, name: str, scopes: Collection[str], campaign: str, *, campaigns: Collection[str], who: str
) -> Fresh:
    """Make a key. `campaign` is one of `campaigns`, or "" for all of them.

    Raises BadInput for an unusable name, scope or campaign, RefusedByState where the name has a key already.
    """
    _check_name(name)
    chosen = _scopes(scopes)
    if campaign and campaign not in campaigns:
        raise BadInput(f"there is no campaign {campaign!r}; there are: {', '.join(sorted(campaigns)) or 'none'}")

    if campaign and (whole := [scope for scope in chosen if scope.startswith("ops:")]):
        raise BadInput(f"the scope {whole[0]} is for all campaigns: leave the campaign out")

    def work(connection: Connection) -> Fresh:
        if api_keys.current(connection, name) is not None:
            raise RefusedByState(f"there is a key {name} already: rotate or revoke it, or choose another name")
        at_us = now_us(connection)
        key = api_keys.make(connection, name, chosen, campaign, at_us)
        details = {"scopes": list(chosen), "campaign": campaign}
        audit.append(connection, at_us, who, "create key", _target(name), "", details)
        return Fresh(name, key, chosen, campaign)

    return transact(ledger, work)


def rotate(ledger: Ledger, name: str, *, who: str, reason: str, overlap: timedelta = OVERLAP) -> Fresh:
    """Make a new key in the place of this one, which stays valid for `overlap`, so that its holder can change over.

    Raises BadInput for an unknown name, a bad reason or an overlap that is negative or above `LONGEST_OVERLAP`,
    RefusedByState where the key was revoked.
    """
    checked_reason(reason)
    if not timedelta(0) <= overlap <= LONGEST_OVERLAP:
        raise BadInput(f"the overlap must be between 0 s and {LONGEST_OVERLAP.days} d")

    def work(connection: Connection) -> Fresh:
        at_us = now_us(connection)
        old = api_keys.current(connection, name)
        if old is None:
            raise _none(connection, name)
        until_us = at_us + overlap // _MICROSECOND
        api_keys.end(connection, name, at_us, until_us)
        key = api_keys.make(connection, name, old.scopes, old.campaign, at_us)
        details = {"old_until": iso(from_us(until_us))}
        audit.append(connection, at_us, who, "rotate key", _target(name), reason, details)
        return Fresh(name, key, old.scopes, old.campaign)

    return transact(ledger, work)


def revoke(ledger: Ledger, name: str, *, who: str, reason: str) -> int:
    """End every key of this name that is still valid, at once. Returns how many that were.

    Raises BadInput for an unknown name or a bad reason, RefusedByState where none was valid any more.
    """
    checked_reason(reason)

    def work(connection: Connection) -> int:
        at_us = now_us(connection)
        ended = api_keys.end(connection, name, at_us, at_us)
        if not ended:
            raise _none(connection, name)
        audit.append(connection, at_us, who, "revoke key", _target(name), reason, {"ended": ended})
        return ended

    return transact(ledger, work)


def listing(ledger: Ledger) -> list[dict[str, Any]]:
    """Every key there ever was, by name and age. `state` is valid, ending (rotated away, still good) or ended."""
    with ledger.read() as connection:
        at_us = ledger.now_us()
        return [_body(key, at_us) for key in api_keys.listing(connection)]


# -- the steps ---------------------------------------------------------------------------------------------------------
def _check_name(name: str) -> None:
    if not _NAME.match(name):
        raise BadInput("a key's name has 1 to 40 characters: small letters, digits, and hyphens between them")


def _scopes(given: Collection[str]) -> tuple[str, ...]:
    if strange := sorted(set(given) - set(SCOPES)):
        raise BadInput(f"there is no scope {strange[0]!r}; there are: {', '.join(SCOPES)}")
    if not given:
        raise BadInput(f"a key needs at least one scope of: {', '.join(SCOPES)}")
    return tuple(scope for scope in SCOPES if scope in given)


def _none(connection: Connection, name: str) -> BadInput | RefusedByState:
    names = list(dict.fromkeys(key.name for key in api_keys.listing(connection)))
    if name in names:
        return RefusedByState(f"key {name} was revoked; `lettershop keys create` makes another one of this name")
    return BadInput(f"there is no key {name!r}; there are: {', '.join(names) or 'none'}")


def _target(name: str) -> str:
    return f"key {name}"


def _body(key: ApiKey, at_us: int) -> dict[str, Any]:
    def moment(us: int | None) -> str | None:
        return None if us is None else iso(from_us(us))

    state = "valid" if key.expires_at is None else "ending" if key.expires_at > at_us else "ended"
    return {
        "name": key.name,
        "state": state,
        "scopes": list(key.scopes),
        "campaign": key.campaign,
        "made_at": moment(key.made_at),
        "expires_at": moment(key.expires_at),
        "used_at": moment(key.used_at),
    }
