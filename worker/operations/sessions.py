"""Logging in and out of the pages under /ops, without any page: who may, how often they may try, how long it lasts.

A try goes in three steps, so that no transaction waits for a hash: `admit` counts it as failed already (tries at the same
instant cannot pass together), `passwords.fits` takes its tenth of a second wherever the caller wants, `settle` takes the
failure back and opens the session, or leaves it.

| counted | free failures | then |
|---|---|---|
| a name, from browsers that nobody logged in with | 5 | wait 15 s, then twice as long each time, 15 minutes at most |
| a browser that somebody logged in with (its own cookie), for that name | 5 | the same: strangers cannot lock it out |
| a network (IPv4 /24, IPv6 /48) | 20 | the same |

A try within the wait is refused without being counted or hashed, whatever its password, so that after the wait the right
password works. Failures are forgotten after a day; a name's are with its next login. The audit gets one row at the fifth
failure and whenever their number has doubled, not one for each.
"""

import contextlib
import hmac
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from sqlalchemy.engine import Connection

from worker.domain.errors import Failed
from worker.ledger import audit, users
from worker.ledger.book import Ledger
from worker.ledger.keys import Keys
from worker.ledger.transact import transact
from worker.ledger.users import Session, User
from worker.operations import passwords

FREE = 5
FREE_NETWORK = 20
FIRST_WAIT_S = 15
LONGEST_WAIT_S = 900
COUNTED = timedelta(days=1)
SEEN = timedelta(minutes=1)
"""How exactly it is known when a session was used last."""

_MICROSECOND = timedelta(microseconds=1)
_SECOND_US = 1_000_000
_TOKEN_BYTES = 32
_LONGEST_NAME = 200


@dataclass(frozen=True, slots=True)
class Try:
    """Somebody who wants in. `device`: what the browser's own cookie names, if it is one of ours for this name."""

    name: str
    network: str
    device: str = ""


@dataclass(frozen=True, slots=True)
class Admitted:
    """A try that may be looked at: the user, if there is one who may log in; what it was counted under, how often."""

    user: User | None
    at_us: int
    keys: tuple[bytes, ...] = field(repr=False)
    counts: tuple[int, ...]

    @property
    def kept(self) -> str:
        """The hash that the password is held against: nobody's, where there is no such user."""
        nobody = passwords.nobodys()  # also where there is one: it takes the same time
        return nobody if self.user is None else self.user.password


@dataclass(frozen=True, slots=True)
class TooSoon:
    """A try within the wait; `wait_s` from now."""

    wait_s: int


@dataclass(frozen=True, slots=True)
class Opened:
    """A new session: what the cookie holds, and the field of its forms."""

    token: str = field(repr=False)
    csrf: str = field(repr=False)
    name: str


class Doorman:
    """Lets users in. Safe to share between threads. `idle`, `longest`: how long a session lasts, unused and at all."""

    def __init__(self, ledger: Ledger, idle: timedelta, longest: timedelta) -> None:
        self._ledger = ledger
        self._idle_us, self._longest_us = idle // _MICROSECOND, longest // _MICROSECOND

    # -- coming in
    def open_at_all(self) -> bool:
        """Whether there is any user who may log in."""
        with self._ledger.read() as connection:
            return users.exist(connection)

    def admit(self, wanted: Try) -> Admitted | TooSoon:
        """Count the try, unless it comes too soon. Writes. Raises Failed."""
        allowed = _allowances(self._ledger, wanted)

        with self._ledger.read() as connection:  # a flood of tries that must wait writes nothing, and waits for no lock
            _, too_soon = _counted(connection, allowed, self._ledger.now_us())
        if too_soon:
            return too_soon

        def work(connection: Connection) -> Admitted | TooSoon:
            users.lock_logins(connection)
            at_us = self._ledger.now_us()
            counts, too_soon = _counted(connection, allowed, at_us)
            if too_soon:
                return too_soon
            keys = tuple(key for key, _ in allowed)
            users.forget_old(connection, at_us, COUNTED // _MICROSECOND)
            users.note_failures(connection, keys, at_us)
            user = users.find(connection, wanted.name)
            may = user if user is not None and user.disabled_at is None else None
            return Admitted(may, at_us, keys, tuple(n + 1 for n in counts))

        return transact(self._ledger, work)

    def settle(self, admitted: Admitted, *, fits: bool, password: str, before: str = "") -> Opened | None:
        """Open the session of a user whose password `fits`; None for anybody else. Writes.

        `before` is what the browser's cookie held: that session ends. A hash with old parameters is made anew, which
        takes as long as the first one did.
        """
        if not fits or admitted.user is None:
            self._refused(admitted)
            return None
        user = admitted.user
        fresh = passwords.hashed(password) if passwords.is_old(user.password) else ""

        def work(connection: Connection) -> Opened | None:
            now = users.find(connection, user.name, lock=True)
            if now is None or now.disabled_at is not None or now.password != user.password:
                return None
            if fresh:
                users.change(connection, now, password=fresh)
            users.forget_failures(connection, admitted.keys[0])
            for key in admitted.keys[1:]:
                users.take_back_failure(connection, key, admitted.at_us)
            users.end_session(connection, Keys.token_hash(before))
            at_us = max(self._ledger.now_us(), now.changed_at)
            audit.append(connection, at_us, user.name, "log in", _target(user.name))
            return self._open(connection, now, at_us)

        return transact(self._ledger, work)

    def forget(self, admitted: Admitted) -> None:
        """It was no failure. Writes."""
        with self._ledger.write() as connection:
            users.forget_failures(connection, admitted.keys[0])

    def renew(self, name: str) -> Opened | None:
        """A new session for somebody who just proved who they are, as by changing their password. Writes."""

        def work(connection: Connection) -> Opened | None:
            user = users.find(connection, name)
            if user is None or user.disabled_at is not None:
                return None
            return self._open(connection, user, max(self._ledger.now_us(), user.changed_at))

        return transact(self._ledger, work)

    def _open(self, connection: Connection, user: User, at_us: int) -> Opened:
        opened = Opened(secrets.token_urlsafe(_TOKEN_BYTES), secrets.token_urlsafe(_TOKEN_BYTES), user.name)
        kept = Keys.token_hash(opened.token)
        users.open_session(connection, user.id, kept, opened.csrf, at_us, at_us + self._longest_us)
        return opened

    def _refused(self, admitted: Admitted) -> None:
        """One row at the fifth failure, and whenever there are twice as many."""
        named = admitted.user is not None
        n, free = (
            (admitted.counts[0], FREE) if named or len(admitted.counts) == 1 else (admitted.counts[1], FREE_NETWORK)
        )
        if not _is_told(n, free):
            return
        # what was typed as the name of nobody may be a password: it is written nowhere
        target = _target(admitted.user.name) if admitted.user else "users"
        details = {"failures": n, "counted": "name" if named else "network"}
        with self._ledger.write() as connection:
            audit.append(connection, self._ledger.now_us(), "web", "refuse log in", target, "", details)

    # -- being in
    def session(self, token: str, *, use: bool = True) -> Session | None:
        """The session that a cookie names, if it is good. `use`: it counts as used now."""
        return self.session_of(Keys.token_hash(token), use=use)

    def session_of(self, kept: bytes, *, use: bool = False) -> Session | None:
        """The same by its hash."""
        at_us = self._ledger.now_us()
        with self._ledger.read() as connection:
            found = users.session(connection, kept, at_us, self._idle_us)
        if found is not None and use and at_us - found.seen_at >= SEEN // _MICROSECOND:
            with contextlib.suppress(Failed), self._ledger.write() as connection:  # a note is not worth a refusal
                users.touch(connection, kept, at_us)
        return found

    def whose(self, token: str) -> int:
        """The id of the user whose session this cookie names, good or over; 0 where nobody knows. It lets nobody in."""
        with self._ledger.read() as connection:
            return users.owner(connection, Keys.token_hash(token))

    def sessions_of(self, user_id: int) -> list[Session]:
        """A user's sessions that are good, the last used first."""
        with self._ledger.read() as connection:
            return users.sessions_of(connection, user_id, self._ledger.now_us(), self._idle_us)

    # -- going out
    def log_out(self, session: Session) -> None:
        """End this session."""
        self._end(session, "log out", lambda connection: int(users.end_session(connection, session.hash)))

    def end_one(self, session: Session, other: bytes) -> bool:
        """End another session of the same user."""
        mine = {each.hash for each in self.sessions_of(session.user_id)}
        if other not in mine:
            return False
        return bool(self._end(session, "end session", lambda connection: int(users.end_session(connection, other))))

    def end_others(self, session: Session) -> int:
        """End all of the user's sessions but this one. Returns how many."""
        return self._end(
            session, "end sessions", lambda connection: users.end_sessions(connection, session.user_id, session.hash)
        )

    def _end(self, session: Session, verb: str, end: Callable[[Connection], int]) -> int:
        with self._ledger.write() as connection:
            ended = end(connection)
            if ended:
                at_us = self._ledger.now_us()
                audit.append(connection, at_us, session.name, verb, _target(session.name), "", {"ended": ended})
        return ended


# -- what is counted -----------------------------------------------------------------------------------------------------
def name_key(ledger: Ledger, name: str) -> bytes:
    """What failures with this name are counted under."""
    return _key(ledger, "name", name[:_LONGEST_NAME])


def device_cookie(ledger: Ledger, name: str) -> str:
    """For a browser that `name` logged in with: it names no one, and fits this name alone."""
    nonce = secrets.token_urlsafe(12)
    return f"{nonce}.{_key(ledger, 'device of', name, nonce).hex()}"


def device_of(ledger: Ledger, name: str, cookie: str) -> str:
    """The device that the cookie names, "" where it is not ours or was made for another name."""
    nonce, _, mac = cookie[:_LONGEST_NAME].partition(".")
    good = nonce.isascii() and hmac.compare_digest(_key(ledger, "device of", name, nonce).hex().encode(), mac.encode())
    return nonce if good else ""


def _allowances(ledger: Ledger, wanted: Try) -> list[tuple[bytes, int]]:
    """Each key with its free failures; the first is forgotten with a login."""
    if wanted.device:
        return [(_key(ledger, "device", wanted.device), FREE)]
    return [(name_key(ledger, wanted.name), FREE), (_key(ledger, "network", wanted.network), FREE_NETWORK)]


def _key(ledger: Ledger, *parts: str) -> bytes:
    framed = b"".join(
        len(coded).to_bytes(4, "big") + coded for coded in (part.encode("utf-8", "replace") for part in parts)
    )
    return hmac.digest(ledger.keys.form_key, b"ops login " + framed, "sha256")


def _counted(
    connection: Connection, allowed: Sequence[tuple[bytes, int]], at_us: int
) -> tuple[list[int], TooSoon | None]:
    """The failures under each key, and the longest wait that stands."""
    found = [users.failures(connection, key, at_us - COUNTED // _MICROSECOND) for key, _ in allowed]
    waits = [_wait_us(n, last, free, at_us) for (n, last), (_, free) in zip(found, allowed, strict=True)]
    longest = max(waits)
    return [n for n, _ in found], TooSoon(-(-longest // _SECOND_US)) if longest > 0 else None


def _wait_us(n: int, last_us: int, free: int, at_us: int) -> int:
    """How long until the next try, after `n` failures of which the last was at `last_us`."""
    if n < free:
        return 0
    wait_s: int = min(LONGEST_WAIT_S, FIRST_WAIT_S << min(n - free, 10))
    return max(0, last_us + wait_s * _SECOND_US - at_us)


def _is_told(n: int, free: int) -> bool:
    return n >= free and n % free == 0 and (n // free) & (n // free - 1) == 0


def _target(name: str) -> str:
    return f"user {name}"
