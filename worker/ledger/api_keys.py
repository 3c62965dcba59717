"""Keys to the API: 160 random bits, known by their SHA-256 alone, each with scopes and at most one campaign.

A key has a name. Rotating makes a new key of the same name and leaves the old one valid for a while, so that a partner
can change over; revoking ends it at once.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from worker.ledger.keys import Keys
from worker.ledger.schema import api_keys

PREFIX = "lsk_"
"""So that a key in the wrong place is recognised by people and by programs that look for leaked secrets."""

_HOUR_US = 3_600 * 1_000_000
_BYTES = 20


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key as recorded; the key itself is never kept. Moments are microseconds."""

    id: int
    name: str
    scopes: tuple[str, ...]
    campaign: str
    made_at: int
    expires_at: int | None
    used_at: int | None


def make(connection: Connection, name: str, scopes: Sequence[str], campaign: str, at_us: int) -> str:
    """Make a key and return it: the only time that it can be read. Raises IntegrityError where the name is taken."""
    key = PREFIX + secrets.token_urlsafe(_BYTES)
    row = {
        "name": name,
        "hash": Keys.token_hash(key),
        "scopes": " ".join(scopes),
        "campaign": campaign,
        "made_at": at_us,
    }
    connection.execute(sa.insert(api_keys), row)
    return key


def find(connection: Connection, key: str, at_us: int) -> ApiKey | None:
    """The key, if it is one of ours and still valid."""
    if not key.startswith(PREFIX):
        return None
    valid = sa.or_(api_keys.c.expires_at.is_(None), api_keys.c.expires_at > at_us)
    row = connection.execute(_all().where(api_keys.c.hash == Keys.token_hash(key), valid)).first()
    return _key(row) if row else None


def used_lately(key: ApiKey, at_us: int) -> bool:
    """Whether its use within this hour is noted already."""
    return key.used_at is not None and at_us - key.used_at < _HOUR_US


def note_use(connection: Connection, key: ApiKey, at_us: int) -> None:
    """Note that the key was used, to the hour."""
    connection.execute(sa.update(api_keys).where(api_keys.c.id == key.id).values(used_at=at_us - at_us % _HOUR_US))


def current(connection: Connection, name: str) -> ApiKey | None:
    """The key of this name that is neither rotated away nor revoked, locked."""
    wanted = _all().where(api_keys.c.name == name, api_keys.c.expires_at.is_(None)).with_for_update()
    row = connection.execute(wanted).first()
    return _key(row) if row else None


def end(connection: Connection, name: str, at_us: int, until_us: int) -> int:
    """Let every key of this name that is still valid end at `until_us` at the latest. Returns how many that were."""
    longer = sa.or_(api_keys.c.expires_at.is_(None), api_keys.c.expires_at > max(at_us, until_us))
    mine = sa.and_(api_keys.c.name == name, longer)
    return connection.execute(sa.update(api_keys).where(mine).values(expires_at=until_us)).rowcount


def listing(connection: Connection) -> list[ApiKey]:
    """Every key there ever was, by name and age."""
    return [_key(row) for row in connection.execute(_all().order_by(api_keys.c.name, api_keys.c.id))]


def _all() -> sa.Select[Any]:
    return sa.select(*(api_keys.c[name] for name in ApiKey.__dataclass_fields__))


def _key(row: Any) -> ApiKey:
    number, name, scopes, *rest = row
    return ApiKey(number, name, tuple(scopes.split()), *rest)
