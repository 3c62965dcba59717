"""Operators, their sessions, and how often logging in failed: the rows, without any rule about them.

A session is known by the SHA-256 of what its cookie holds; whoever reads the ledger cannot use it. What the limits of
logging in count is told apart by keyed hashes: neither the names that were typed nor any address stands in the ledger.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from worker.ledger import sql
from worker.ledger.schema import login_failures, sessions, users

Role = Literal["viewer", "operator", "admin"]
ROLES: tuple[Role, ...] = get_args(Role)
"""Each may do what those before it may."""

NAME = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,38}[a-z0-9])?\Z")
"""What a user may be called."""

LOGIN_LOCK = 7_301_010  # an advisory lock, as those in `sql`


@dataclass(frozen=True, slots=True)
class User:
    """An operator. `password` is an Argon2id hash; moments are microseconds."""

    id: int
    name: str
    role: Role
    password: str = field(repr=False)
    made_at: int
    changed_at: int
    disabled_at: int | None


@dataclass(frozen=True, slots=True)
class Session:
    """A session with its user's name and role. Moments are microseconds."""

    hash: bytes = field(repr=False)
    user_id: int
    name: str
    role: Role
    csrf: str = field(repr=False)
    made_at: int
    seen_at: int
    expires_at: int


# -- users ---------------------------------------------------------------------------------------------------------------
def exist(connection: Connection) -> bool:
    """Whether anybody may log in at all."""
    return connection.execute(sa.select(users.c.id).where(users.c.disabled_at.is_(None)).limit(1)).first() is not None


def find(connection: Connection, name: str, *, lock: bool = False) -> User | None:
    """The user of this name; with `lock` nobody else changes them until the transaction ends.

    Strangers may write any name: one that no user can have never gets to the database, which may refuse its characters.
    """
    if not NAME.match(name):
        return None
    return _user(connection, users.c.name == name, lock=lock)


def listing(connection: Connection) -> list[User]:
    """Every user, by name."""
    return [User(*row) for row in connection.execute(_all_users().order_by(users.c.name))]


def active_admins(connection: Connection) -> int:
    """How many admins may log in."""
    query = sa.select(sa.func.count()).where(users.c.role == "admin", users.c.disabled_at.is_(None))
    n: int = connection.execute(query).scalar_one()
    return n


def add(connection: Connection, name: str, role: Role, password: str, at_us: int) -> int:
    """A new user; their id. `password` is a hash. Raises IntegrityError where the name is taken."""
    row = {"name": name, "role": role, "password": password, "made_at": at_us, "changed_at": at_us}
    done = connection.execute(users.insert().values(**row).returning(users.c.id))
    made: int = done.scalar_one()
    return made


def change(connection: Connection, user: User, **values: Any) -> bool:
    """Change columns of `user`, if they are still what was read; whether they were (compare-and-set)."""
    same = (users.c.role == user.role, users.c.password == user.password)
    off = users.c.disabled_at.is_(None) if user.disabled_at is None else users.c.disabled_at == user.disabled_at
    return connection.execute(sa.update(users).where(users.c.id == user.id, off, *same).values(**values)).rowcount == 1


# -- sessions ------------------------------------------------------------------------------------------------------------
def open_session(
    connection: Connection, user_id: int, session_hash: bytes, csrf: str, at_us: int, expires_us: int
) -> None:
    """Begin a session."""
    row = {"hash": session_hash, "user_id": user_id, "csrf": csrf, "made_at": at_us, "seen_at": at_us}
    connection.execute(sessions.insert().values(**row, expires_at=expires_us))


def session(connection: Connection, session_hash: bytes, at_us: int, idle_us: int) -> Session | None:
    """The session, if it is still good: neither too old nor unused for `idle_us`, its user not disabled or changed since."""
    mine = _sessions(at_us, idle_us).where(sessions.c.hash == session_hash)
    row = connection.execute(mine).first()
    return Session(*row) if row else None


def owner(connection: Connection, session_hash: bytes) -> int:
    """The id of the user whose session this is or was, 0 where nothing is left of it. It opens nothing."""
    found: int | None = connection.execute(
        sa.select(sessions.c.user_id).where(sessions.c.hash == session_hash)
    ).scalar()
    return found or 0


def sessions_of(connection: Connection, user_id: int, at_us: int, idle_us: int) -> list[Session]:
    """The user's good sessions, the last used first."""
    mine = _sessions(at_us, idle_us).where(sessions.c.user_id == user_id).order_by(sessions.c.seen_at.desc())
    return [Session(*row) for row in connection.execute(mine)]


def touch(connection: Connection, session_hash: bytes, at_us: int) -> None:
    """The session was used."""
    connection.execute(sa.update(sessions).where(sessions.c.hash == session_hash).values(seen_at=at_us))


def end_session(connection: Connection, session_hash: bytes) -> bool:
    """End one; whether it was there."""
    return connection.execute(sa.delete(sessions).where(sessions.c.hash == session_hash)).rowcount == 1


def end_sessions(connection: Connection, user_id: int, but: bytes = b"") -> int:
    """End all of a user's but the one of hash `but`. Returns how many."""
    return connection.execute(sa.delete(sessions).where(sessions.c.user_id == user_id, sessions.c.hash != but)).rowcount


def forget_old(connection: Connection, at_us: int, kept_us: int) -> None:
    """Remove sessions that are over, and failures older than `kept_us`."""
    connection.execute(sa.delete(sessions).where(sessions.c.expires_at <= at_us))
    connection.execute(sa.delete(login_failures).where(login_failures.c.at <= at_us - kept_us))


# -- failures ------------------------------------------------------------------------------------------------------------
def lock_logins(connection: Connection) -> None:
    """Nobody else counts failures until the transaction ends: tries at the same instant are counted one after another."""
    sql.lock(connection, LOGIN_LOCK)


def failures(connection: Connection, key: bytes, since_us: int) -> tuple[int, int]:
    """How many since then, and when the last was; (0, 0) for none."""
    mine = (login_failures.c.key == key, login_failures.c.at > since_us)
    query = sa.select(sa.func.count(), sa.func.coalesce(sa.func.max(login_failures.c.at), 0)).where(*mine)
    n, last = connection.execute(query).one()
    return n, last


def note_failures(connection: Connection, keys: Sequence[bytes], at_us: int) -> None:
    """One failure more under each key."""
    connection.execute(login_failures.insert(), [{"key": key, "at": at_us} for key in keys])


def forget_failures(connection: Connection, key: bytes) -> None:
    """All of this key's."""
    connection.execute(sa.delete(login_failures).where(login_failures.c.key == key))


def take_back_failure(connection: Connection, key: bytes, at_us: int) -> None:
    """The one of this instant: it was none."""
    one = sa.select(sa.func.max(login_failures.c.id)).where(login_failures.c.key == key, login_failures.c.at == at_us)
    connection.execute(sa.delete(login_failures).where(login_failures.c.id == one.scalar_subquery()))


# -- the statements ------------------------------------------------------------------------------------------------------
def _all_users() -> sa.Select[Any]:
    return sa.select(*(users.c[name] for name in User.__dataclass_fields__))


def _user(connection: Connection, which: sa.ColumnElement[bool], *, lock: bool = False) -> User | None:
    query = _all_users().where(which)
    row = connection.execute(query.with_for_update() if lock else query).first()
    return User(*row) if row else None


def _sessions(at_us: int, idle_us: int) -> sa.Select[Any]:
    columns = (
        *(sessions.c.hash, sessions.c.user_id, users.c.name, users.c.role),
        *(sessions.c.csrf, sessions.c.made_at, sessions.c.seen_at, sessions.c.expires_at),
    )
    good = (
        *(sessions.c.expires_at > at_us, sessions.c.seen_at > at_us - idle_us),
        *(users.c.disabled_at.is_(None), sessions.c.made_at >= users.c.changed_at),
    )
    return sa.select(*columns).join(users, users.c.id == sessions.c.user_id).where(*good)
