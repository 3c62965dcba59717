"""What a ledger must show before it is opened: its version, its mode, and that our keys are its keys."""

import secrets
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.exc import NoResultFound, OperationalError, ProgrammingError

from worker.domain.errors import BadInput, Failed, RefusedByState
from worker.ledger.engine import dialect_of, shown, sqlite_file
from worker.ledger.keys import Keys
from worker.ledger.migrations import HEAD, KNOWN
from worker.ledger.schema import meta

MODES = ("rehearsal", "live")


@dataclass(frozen=True, slots=True)
class Stamp:
    """What is written on a ledger: who it is, its mode, how often it was restored, by what keys it was made."""

    ledger_id: str
    mode: str
    epoch: int
    key_checks: str


def check_mode(mode: str) -> None:
    """Raises BadInput for what is no mode."""
    if mode not in MODES:
        raise BadInput(f'mode is {mode!r}; it must be "rehearsal" or "live"')


def check_file(url: str) -> None:
    """Raises RefusedByState where a SQLite ledger's file does not exist: opening must not make an empty one."""
    if dialect_of(url) == "sqlite" and not sqlite_file(url).exists():
        raise RefusedByState(f"there is no ledger at {sqlite_file(url)}: run `lettershop migrate` to make it")


def admit(connection: Connection, url: str, keys: Keys, mode: str) -> Stamp:
    """Look at version, mode and keys. Raises RefusedByState or Failed as `Ledger.open` says."""
    check_version(connection, url)
    found = _stamp_or_damage(connection, url)
    check_stamp(found, url, keys, mode)
    return found


def check_version(connection: Connection, url: str) -> None:
    """Raises RefusedByState unless the schema is exactly this program's."""
    at = version(connection)
    if at is None:
        raise RefusedByState(f"{shown(url)} is not a ledger yet: run `lettershop migrate`")
    if at not in KNOWN:
        raise newer(url, at)
    if at != HEAD:
        raise RefusedByState(f"the ledger {shown(url)} is of an older version ({at}): run `lettershop migrate`")


def newer(url: str, at: str) -> RefusedByState:
    """The error for a ledger that a later program has migrated."""
    return RefusedByState(
        f"the ledger {shown(url)} is of a newer version ({at}; this program knows up to {HEAD}):"
        " upgrade this installation of lettershop"
    )


def version(connection: Connection) -> str | None:
    """The revision that the migrations have reached; None where they never ran."""
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()
    return found


def stamp(connection: Connection) -> Stamp:
    """What is written on the ledger. Raises NoResultFound where nothing is."""
    row = connection.execute(sa.select(meta.c.ledger_id, meta.c.mode, meta.c.epoch, meta.c.key_checks)).one()
    return Stamp(*row)


def _stamp_or_damage(connection: Connection, url: str) -> Stamp:
    try:
        return stamp(connection)
    except NoResultFound as exc:
        raise RefusedByState(
            f"the ledger {shown(url)} is not complete: a `ledger copy` into it was not finished (run it again),"
            " or it is damaged (restore a backup)"
        ) from exc
    except (ProgrammingError, OperationalError) as exc:
        if "no such table" in str(exc.orig) or isinstance(exc, ProgrammingError):
            raise Failed(f"the ledger {shown(url)} is damaged: its tables are missing; restore a backup") from exc
        raise


def check_stamp(found: Stamp, url: str, keys: Keys, mode: str) -> None:
    """Raises RefusedByState for the other mode, or for keys that are not the ledger's."""
    if found.mode != mode:
        raise RefusedByState(
            f'the ledger {shown(url)} was made for mode "{found.mode}" and cannot be used in mode "{mode}":'
            f' set mode = "{found.mode}", or give the other mode a ledger of its own'
        )
    wrong = keys.wrong_files(found.key_checks)
    if wrong:
        raise RefusedByState(
            f"wrong key: {', '.join(wrong)} {'is' if len(wrong) == 1 else 'are'} not what the ledger"
            f" {shown(url)} was made with: put the right file back"
        )


def put_stamp(connection: Connection, mode: str, keys: Keys, at_us: int) -> None:
    """Write on a new ledger who it is."""
    connection.execute(
        meta.insert().values(
            id=1,
            ledger_id=secrets.token_hex(8),
            mode=mode,
            epoch=1,
            key_checks=keys.checks(),
            rounds_from=0,
            made_at=at_us,
        )
    )
