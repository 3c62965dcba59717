"""Bring a ledger back from a backup, on either database.

The new ledger starts held: a hold on everything stands in it before it can be opened, so that nothing leaves even where
every witness is lost as well (see `worker.ledger.restore` for what must come next). All of it is one transaction on
PostgreSQL, and a file that is whole before it gets the ledger's name on SQLite: whoever is killed leaves what was there.

What ends with a restore: rounds that were open, acts under way, processes that ran, sessions of operators, who log in anew.

Numbers of signatures are not given twice: those that were given after the backup stand with producers, on receipts, and
(with the letter's number) in the Message-IDs of letters that went out. SQLite numbers on behind the highest row, so one
erased signature of nobody is put `GAP` behind the last.
"""

import contextlib
import secrets
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from worker.domain.clock import Clock, SystemClock, to_us
from worker.domain.errors import Failed, RefusedByState
from worker.ledger import admission, audit, backup_file, bulk_acts, holds, sql
from worker.ledger.backup import Failing, Progress, pour, pour_stamp, sums
from worker.ledger.backup_file import Note
from worker.ledger.engine import check_server, dialect_of, failures, make_engine, raw_connection, shown, sqlite_file
from worker.ledger.keys import Keys
from worker.ledger.migrate import migrate, upgrade
from worker.ledger.migrations import HEAD, KNOWN, ROWS_SINCE
from worker.ledger.moment import ask_server
from worker.ledger.schema import metadata, processes, rounds, sessions, signatures, signers
from worker.ledger.witness import highest_round

GAP = 1_000_000
"""More signatures than come between two backups."""

WHO = "restore"
"""Who places the hold on a ledger that was brought back."""


@dataclass(frozen=True, slots=True)
class BroughtBack:
    """What was done: the backup's note, the highest round it knows of, the old SQLite ledger's new name."""

    note: Note
    highest_round: int
    moved_to: Path | None


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked for: into which ledger, with which keys, in which mode, by whom, why.

    `scratch` is a name under which an older backup may be migrated; `replace` moves a SQLite ledger that is there aside.
    """

    url: str
    keys: Keys
    mode: str
    who: str
    reason: str
    scratch: Path
    replace: bool = False


def bring_back(
    file: Path, wish: Wish, progress: Progress = lambda _table, _rows: None, clock: Clock | None = None
) -> BroughtBack:
    """Make the ledger at `wish.url` out of the backup `file`, held.

    Raises BadInput for what is no backup; RefusedByState for one of a newer version, of the other mode or with other
    keys, where the ledger has anything (unless `replace`, on SQLite), or is in use; Failed where the backup is damaged.
    """
    backup_file.check_one(file)
    _refuse_unfit(file, wish)
    fill = _into_sqlite if dialect_of(wish.url) == "sqlite" else _into_postgresql
    return fill(file, wish, progress, clock)


def _refuse_unfit(file: Path, wish: Wish) -> None:
    place = f"sqlite:///{file.absolute()}"
    with backup_file.reading(file) as connection:
        at = admission.version(connection)
        if at is None:
            raise Failed(f"{file} is damaged: it has no version; use another backup")
        if at not in KNOWN:
            raise admission.newer(place, at)
        backup_file.check_whole(connection)
        backup_file.read_note(connection)
        admission.check_stamp(admission.stamp(connection), place, wish.keys, wish.mode)


# -- what is put into either ---------------------------------------------------------------------------------------------
def _fill(
    file: Path, wish: Wish, target: Connection, into: Failing, progress: Progress, at_us: int
) -> tuple[Note, int]:
    with _at_head(file, wish) as source:
        note = backup_file.read_note(source)
        read = pour(source, target, (partial(backup_file.failures, file), into), progress)
        if note.version >= ROWS_SINCE:  # a step has changed rows, and their checksums, of an older one
            backup_file.check_sums(note.tables, read, f"the backup {file}")
        number = highest_round(source)
        with into():
            pour_stamp(source, target)
    backup_file.check_sums(read, sums(target), "the restored ledger")
    _settle(target, wish, note, at_us)
    return note, number


@contextlib.contextmanager
def _at_head(file: Path, wish: Wish) -> Iterator[Connection]:
    """The backup as this program's version has it: an older one is copied and migrated."""
    with backup_file.reading(file) as source:
        if admission.version(source) == HEAD:
            yield source
            return
    with _migrated(file, wish) as source:
        yield source


@contextlib.contextmanager
def _migrated(file: Path, wish: Wish) -> Iterator[Connection]:
    wish.scratch.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with backup_file.draft_of(wish.scratch, ".migrating") as draft:
        try:
            with file.open("rb") as old, draft.path.open("wb") as new:
                while block := old.read(1 << 20):
                    new.write(block)
            migrate(f"sqlite:///{draft.path}", wish.mode, wish.keys)
            with backup_file.reading(draft.path) as source:
                yield source
        finally:
            for beside in _beside(draft.path):
                beside.unlink(missing_ok=True)


def _settle(target: Connection, wish: Wish, note: Note, at_us: int) -> None:
    """End what ended with the old ledger, hold everything, and say so in the audit."""
    target.execute(sa.update(rounds).where(rounds.c.closed_at.is_(None)).values(renewed_at=0))
    _skip_numbers(target, at_us)
    target.execute(sa.delete(processes))
    target.execute(sa.delete(sessions))
    reason = "restored from a backup: run `lettershop ledger accept-restore` first, then resume everything"
    held = holds.place(target, at_us, "everything", "", reason=reason, who=WHO)
    acts = bulk_acts.end_open(target, at_us, wish.who, wish.reason)
    details = {
        "hold": held,
        "acts_ended": acts,
        "backup_made_us": note.made_at,
        "backup_version": note.version,
        "letters": note.letters,
        "audit": [note.audit_id, note.audit_head],
    }
    audit.append(target, at_us, wish.who, "restore", "ledger", wish.reason, details)


def _skip_numbers(target: Connection, at_us: int) -> None:
    last = target.execute(sa.select(signatures).order_by(signatures.c.id.desc()).limit(1)).mappings().first()
    if last is None:
        return
    highest = target.execute(sa.select(sa.func.max(signers.c.id))).scalar_one()
    signer = {"id": highest + GAP, "key_version": 1, "version": 1, "made_at": at_us, "erased_at": at_us}
    target.execute(signers.insert().values(signer))
    nobody = {
        **{name: last[name] for name in ("campaign_id", "text_id", "language")},
        "id": last["id"] + GAP,
        "signer_id": signer["id"],
        "person_key": secrets.token_bytes(32),
        "state": "erased",
        "source": WHO,
        "evidence": "nobody's: the numbers before it may have been given after the backup was made",
        "made_at": at_us,
        "ended_at": at_us,
    }
    target.execute(signatures.insert().values(nobody))
    for table, number in ((signers, signer["id"]), (signatures, nobody["id"])):
        sql.raise_sequence(target, table.name, number)


# -- PostgreSQL ----------------------------------------------------------------------------------------------------------
def _into_postgresql(file: Path, wish: Wish, progress: Progress, clock: Clock | None) -> BroughtBack:
    engine = make_engine(wish.url)
    try:
        with failures(wish.url), engine.begin() as target:
            sql.lock(target, sql.MIGRATION_LOCK)
            check_server(target)
            _refuse_filled(target, wish)
            upgrade(target)
            at_us = ask_server(target) if clock is None else to_us(clock.now())
            note, number = _fill(file, wish, target, partial(failures, wish.url), progress, at_us)
    finally:
        engine.dispose()
    return BroughtBack(note, number, None)


def _refuse_filled(target: Connection, wish: Wish) -> None:
    """Nothing is ever deleted in a database: whoever wants it gone gives an empty one."""
    there = set(sa.inspect(target).get_table_names())
    version = admission.version(target)
    if version is not None and version not in KNOWN:
        raise admission.newer(wish.url, version)
    for table in metadata.sorted_tables:
        if table.name in there and target.execute(sa.text(f"SELECT 1 FROM {table.name} LIMIT 1")).first():
            raise RefusedByState(
                f"{shown(wish.url)} is not empty, and no database is emptied here: make a new one (`createdb`),"
                " name it as [ledger] url, and restore into that"
            )


# -- SQLite --------------------------------------------------------------------------------------------------------------
def _into_sqlite(file: Path, wish: Wish, progress: Progress, clock: Clock | None) -> BroughtBack:
    ledger = sqlite_file(wish.url)
    if ledger.exists() and file.samefile(ledger):
        raise RefusedByState("the backup is the ledger's own file: name another")
    _refuse_there(ledger, wish)
    ledger.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    at_us = to_us((clock or SystemClock()).now())
    with backup_file.draft_of(ledger, ".restoring") as draft:
        with backup_file.building(draft.path) as target:
            upgrade(target)
            note, number = _fill(file, wish, target, partial(backup_file.failures, draft.path), progress, at_us)
        moved_to = _set_aside(wish, ledger, at_us)
        draft.publish()
    return BroughtBack(note, number, moved_to)


def _refuse_there(ledger: Path, wish: Wish) -> None:
    there = [path for path in (ledger, *_logs(ledger)) if path.exists()]
    if there and not wish.replace:
        raise RefusedByState(
            f"{there[0]} is there already: with --replace it is moved aside first, under another name, and kept"
        )
    if ledger.exists():
        _refuse_open(wish.url)


def _set_aside(wish: Wish, ledger: Path, at_us: int) -> Path | None:
    """Give the old ledger another name. Its own stays until the new one takes it; its log must never meet the new one."""
    if not ledger.exists() and not any(path.exists() for path in _logs(ledger)):
        return None
    if ledger.exists():
        _refuse_open(wish.url)
    aside = ledger.with_name(f"{ledger.name}.before-restore-{at_us // 1_000_000}-{secrets.token_hex(2)}")
    if ledger.exists():
        _link(ledger, aside)
    for log in _logs(ledger):
        with contextlib.suppress(FileNotFoundError):
            log.rename(aside.with_name(aside.name + log.name.removeprefix(ledger.name)))
    backup_file.sync_directory(ledger.parent)
    return aside


def _link(ledger: Path, aside: Path) -> None:
    try:
        aside.hardlink_to(ledger)
    except OSError:  # a file system without links: for a moment there is no ledger
        ledger.rename(aside)


def _refuse_open(url: str) -> None:
    """SQLite leaves its write-ahead mode only where nobody else has the file open; and then one file is all of it."""
    if not backup_file.is_database(sqlite_file(url)):
        return  # SQLite would throw its log away, in which the last letters may stand
    try:
        connection: Any = raw_connection(url)
    except Failed:
        return  # too damaged to be opened: that may be why there is a restore
    try:
        connection.execute("PRAGMA journal_mode=DELETE").fetchall()
    except sqlite3.OperationalError as exc:
        if exc.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY:
            raise RefusedByState(
                f"{sqlite_file(url)} is in use by another process: stop workers, beat, pages and watchdog, and try again"
            ) from exc
    except sqlite3.DatabaseError:
        return
    finally:
        connection.close()


def _logs(file: Path) -> list[Path]:
    return [file.with_name(f"{file.name}{ending}") for ending in ("-wal", "-shm")]


def _beside(file: Path) -> list[Path]:
    return [*_logs(file), file.with_name(f"{file.name}-turn")]
