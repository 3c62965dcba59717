"""URLs, and what the drivers' errors mean."""

import sqlite3

import psycopg
import pytest
from psycopg import errors

from worker.domain.errors import BadInput, Failed
from worker.ledger.engine import dialect_of, explain, failures, make_engine, parse_url, shown, sqlite_file

SQLITE = "sqlite:////srv/ledger.db"
SERVER = "postgresql://user:s3cret@db.example/ledger"


@pytest.mark.parametrize(
    ("url", "dialect"),
    [
        ("sqlite:///var/ledger.db", "sqlite"),
        (SQLITE, "sqlite"),
        (SERVER, "postgresql"),
        ("postgres://u@h/l", "postgresql"),
        ("postgresql+psycopg://u@h/l", "postgresql"),
        ("postgresql:///l?host=/run/pg", "postgresql"),
    ],
)
def test_two_databases_are_known(url: str, dialect: str) -> None:
    assert dialect_of(url) == dialect


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("", "cannot be read"),
        ("ledger.db", "cannot be read"),
        ("postgresql://h:port/l", "cannot be read"),
        ("sqlite://", "in memory would be lost"),
        ("sqlite:///:memory:", "in memory would be lost"),
        ("mysql://u@h/l", "cannot be a 'mysql' database"),
        ("postgresql+asyncpg://u@h/l", "cannot be a 'postgresql\\+asyncpg' database"),
        ("postgresql://h", "names no database"),
    ],
)
def test_what_is_no_ledger_is_refused_with_an_example(url: str, said: str) -> None:
    with pytest.raises(BadInput, match=f"{said}.*sqlite:///var/ledger.db"):
        parse_url(url)


def test_passwords_are_not_shown() -> None:
    assert shown(SERVER) == "postgresql://user:***@db.example/ledger"
    assert str(sqlite_file(SQLITE)) == "/srv/ledger.db"


def test_nothing_is_opened_before_it_is_used() -> None:
    make_engine(SERVER).dispose()
    make_engine("sqlite:////nowhere/at/all.db").dispose()


def _sqlite_error(code: int, text: str = "it said so") -> sqlite3.Error:
    error = sqlite3.OperationalError(text)
    error.sqlite_errorcode = code
    error.sqlite_errorname = "SQLITE_X"
    return error


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (sqlite3.SQLITE_FULL, "the disk is full"),
        (sqlite3.SQLITE_IOERR_WRITE, "the disk is full"),
        (sqlite3.SQLITE_IOERR_READ, "look at the drive"),
        (sqlite3.SQLITE_BUSY_SNAPSHOT, "busy: another process has held it for 30 s"),
        (sqlite3.SQLITE_CANTOPEN, "its directory must exist"),
        (sqlite3.SQLITE_PERM, "must belong to this user"),
        (sqlite3.SQLITE_READONLY, "must belong to this user"),
        (sqlite3.SQLITE_CORRUPT, r"is damaged \(it said so\).*accept-restore"),
        (sqlite3.SQLITE_NOTADB, "is damaged"),
    ],
)
def test_sqlites_troubles_are_explained(code: int, said: str) -> None:
    with pytest.raises(Failed, match=f"/srv/ledger.db.*{said}|{said}.*/srv/ledger.db"), failures(SQLITE):
        raise _sqlite_error(code)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (errors.DiskFull("no space left"), "the ledger's disk is full .no space left.: make room"),
        (errors.DeadlockDetected("deadlock detected"), "try again"),
        (errors.LockNotAvailable("lock timeout"), "try again"),
        (errors.ReadOnlySqlTransaction("cannot execute UPDATE during recovery"), "is a standby"),
        (errors.DataCorrupted("invalid page\nmore"), r"is damaged \(invalid page\)"),
        (
            psycopg.OperationalError("connection refused\nIs it there?"),
            r"is away \(connection refused\): nothing is sent",
        ),
    ],
)
def test_postgresqls_troubles_are_explained(error: psycopg.Error, said: str) -> None:
    with pytest.raises(Failed, match=said) as failure, failures(SERVER):
        raise error
    assert "s3cret" not in str(failure.value)


@pytest.mark.parametrize("error", [errors.UndefinedTable("x"), _sqlite_error(sqlite3.SQLITE_ERROR, "no such table")])
def test_a_statements_own_fault_passes_through(error: Exception) -> None:
    with pytest.raises(type(error)), failures(SERVER):
        raise error
    assert explain(ValueError("else"), SERVER) is None
