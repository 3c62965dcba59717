"""The file of a backup: one SQLite database of its own, which no ledger ever writes to.

It is not opened as a ledger is: no write-ahead log stands beside it, so that the one file is the whole backup, and may
lie on a medium that is only read. `application_id` says that it is one of ours, and a note in it what it holds.

A backup, and a SQLite ledger brought back from one, is built under a draft's name (`FILE.part`) and gets its own name
when it is whole and on the disk. Whoever is killed before leaves the draft, which the next run overwrites.
"""

import contextlib
import fcntl
import json
import os
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import DatabaseError

from worker.domain.errors import BadInput, Failed, RefusedByState
from worker.ledger.copy import Copied
from worker.ledger.engine import explain

APPLICATION_ID = 0x4C534255  # "LSBU"; https://www.sqlite.org/pragma.html#pragma_application_id

_MAGIC = b"SQLite format 3\0"

_BUILDING = (  # nobody else sees the draft, and it is thrown away unless it becomes whole
    "PRAGMA journal_mode=OFF",
    "PRAGMA synchronous=OFF",
    "PRAGMA foreign_keys=OFF",
    "PRAGMA cache_size=-65536",
    "PRAGMA temp_store=MEMORY",
)
_READING = ("PRAGMA query_only=ON", "PRAGMA trusted_schema=OFF", "PRAGMA cell_size_check=ON")

_note = sa.Table(
    "backup_note",
    sa.MetaData(),
    sa.Column("id", sa.Integer, primary_key=True),  # always 1
    sa.Column("body", sa.Text, nullable=False),
)


@dataclass(frozen=True, slots=True)
class Note:
    """What a backup says of itself: when it was made (microseconds, the ledger's clock), of which ledger, up to where.

    `audit_id` and `audit_head` are the last row of the audit and its hash; `waiting` are the letters that may have gone
    out since.
    """

    made_at: int
    ledger_id: str
    version: str
    letters: int
    waiting: int
    audit_id: int
    audit_head: str
    tables: tuple[Copied, ...]


def put_note(connection: Connection, note: Note) -> None:
    """Write the note, and with it that the file is a backup."""
    _note.create(connection)
    connection.execute(_note.insert().values(id=1, body=json.dumps(asdict(note))))
    connection.exec_driver_sql(f"PRAGMA application_id={APPLICATION_ID}")


def read_note(connection: Connection) -> Note:
    """The note. Raises Failed where it is missing or cannot be read."""
    try:
        found = json.loads(connection.execute(sa.select(_note.c.body)).scalar_one())
        return Note(**{**found, "tables": tuple(Copied(**each) for each in found["tables"])})
    except (DatabaseError, sa.exc.NoResultFound, ValueError, TypeError, KeyError) as exc:
        raise Failed("the backup is damaged: it does not say what it holds; use another one") from exc


# -- opening it ----------------------------------------------------------------------------------------------------------
@contextlib.contextmanager
def building(file: Path) -> Iterator[Connection]:
    """One transaction that fills the empty `file`. Raises Failed where the disk is full or cannot be written."""
    with _engine(_url(file, "mode=rw&nolock=1"), _BUILDING) as engine, failures(file), engine.begin() as connection:
        yield connection


@contextlib.contextmanager
def reading(file: Path) -> Iterator[Connection]:
    """The finished `file`, only read, its whole state. Raises Failed where it is damaged."""
    with (
        _engine(_url(file, "mode=ro&immutable=1"), _READING) as engine,
        failures(file),
        engine.connect() as connection,
    ):
        yield connection


def looks_like_one(file: Path) -> bool:
    """Whether `file` is marked as a backup: by its first bytes (https://www.sqlite.org/fileformat.html, 1.3)."""
    with file.open("rb") as handle:
        head = handle.read(72)
    return head.startswith(_MAGIC) and head[68:72] == APPLICATION_ID.to_bytes(4, "big")


def is_database(file: Path) -> bool:
    """Whether `file` begins as SQLite's do."""
    with file.open("rb") as handle:
        return handle.read(len(_MAGIC)) == _MAGIC


def check_one(file: Path) -> None:
    """Raises BadInput for what is no backup, or is still being used as a ledger."""
    try:
        ours = file.is_file() and looks_like_one(file)
    except OSError as exc:
        raise BadInput(f"{file} cannot be read: {exc.strerror}") from exc
    if not file.exists():
        raise BadInput(f"there is no file {file}")
    if not ours:
        raise BadInput(f"{file} is not a backup: it must be a file that `lettershop backup` made")


def check_whole(connection: Connection) -> None:
    """Raises Failed where the database file is damaged, or rows in it refer to nothing."""
    found = [line for (line,) in connection.exec_driver_sql("PRAGMA integrity_check(5)") if line != "ok"]
    if found:
        raise Failed(f"the backup is damaged: {found[0]}")
    if connection.exec_driver_sql("PRAGMA foreign_key_check").first():
        raise Failed("the backup is damaged: rows in it refer to nothing")


def check_sums(wanted: Sequence[Copied], found: Sequence[Copied], what: str) -> None:
    """Raises Failed, naming the first table that is not as it should be."""
    for want, have in zip(wanted, found, strict=True):
        if want != have:
            raise Failed(
                f"{what} is damaged: {want.table} should have {want.rows} rows with checksum {want.checksum},"
                f" and has {have.rows} with {have.checksum}"
            )


def _url(file: Path, how: str) -> str:
    return f"file:{quote(str(file.absolute()))}?{how}"


@contextlib.contextmanager
def _engine(place: str, settings: Sequence[str]) -> Iterator[Engine]:
    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(place, uri=True, isolation_level=None, check_same_thread=False)
        for setting in settings:
            connection.execute(setting).fetchall()
        return connection

    engine = sa.create_engine("sqlite://", creator=connect, poolclass=sa.NullPool, hide_parameters=True)
    sa.event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
    try:
        yield engine
    finally:
        engine.dispose()


@contextlib.contextmanager
def failures(file: Path) -> Iterator[None]:
    """Like the ledger's, with words for a file that is no ledger: nobody should go and mend the ledger for it."""
    try:
        yield
    except (DatabaseError, sqlite3.Error) as exc:
        cause: Any = exc.orig if isinstance(exc, DatabaseError) else exc
        if not isinstance(cause, sqlite3.Error) or explain(cause, f"sqlite:///{file}") is None:
            raise
        full = getattr(cause, "sqlite_errorcode", 0) in {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE}
        if full:
            raise Failed(f"the disk is full: {file} could not be written; make room and try again") from exc
        raise Failed(f"{file} cannot be read or written ({cause}): it is damaged, or its drive is") from exc


# -- its draft -----------------------------------------------------------------------------------------------------------
class Draft:
    """A file under construction, empty and readable by its owner alone; `publish` gives it its own name."""

    def __init__(self, file: Path, path: Path, handle: int) -> None:
        self.file, self.path, self._handle = file, path, handle
        self.published = False

    def publish(self) -> None:
        """Put it on the disk, then in its place; what had that name is replaced."""
        os.fsync(self._handle)
        self.path.replace(self.file)
        self.published = True
        sync_directory(self.file.parent)


@contextlib.contextmanager
def draft_of(file: Path, suffix: str = ".part") -> Iterator[Draft]:
    """The draft beside `file`, which is gone at the end unless it was published.

    Raises RefusedByState while another process is at the same draft, OSError where it cannot be made.
    """
    path = file.with_name(file.name + suffix)
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        _take(handle, path)
        draft = Draft(file, path, handle)
        try:
            os.fchmod(handle, 0o600)
            os.ftruncate(handle, 0)
            yield draft
        finally:
            if not draft.published:
                path.unlink(missing_ok=True)
    finally:
        os.close(handle)


def _take(handle: int, path: Path) -> None:
    """Lock it; it may have been published, or thrown away, between opening and locking."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        mine = path.stat().st_ino == os.fstat(handle).st_ino
    except (BlockingIOError, FileNotFoundError):
        mine = False
    if not mine:
        raise RefusedByState(f"{path} is being written by another process: wait for it, or choose another name")


def sync_directory(directory: Path) -> None:
    """Put a directory's names on the disk."""
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
