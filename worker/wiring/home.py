"""The home itself: its settings and campaigns, its ledger and keys, and the door for signatures."""

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from worker.domain.clock import Clock, SystemClock
from worker.ledger.book import Ledger
from worker.ledger.engine import raw_connection
from worker.ledger.keys import Keys
from worker.ledger.turn import LedgerConnection
from worker.settings import Home, load_as_far, load_home

if TYPE_CHECKING:
    from worker.intake import Intake
    from worker.ledger.hot.database import Database


def read_home(path: Path, environ: Mapping[str, str] | None = None) -> Home:
    """Read the home at `path`, with the environment laid over its settings. Raises BadInput."""
    return load_home(path, os.environ if environ is None else environ)


def read_as_far(path: Path) -> tuple[Home, str]:
    """What can be read of the home at `path`, and what is wrong with the rest, or "". Raises BadInput for its settings."""
    home, trouble = load_as_far(path, os.environ)
    return home, str(trouble or "")


def open_keys(home: Home) -> Keys:
    """The home's keys. Raises BadInput."""
    files = home.settings.keys
    return Keys.load(files.data, files.lookup, files.seal)


def open_ledger(home: Home, clock: Clock | None = None) -> Ledger:
    """The home's ledger, in the home's mode. Raises Failed, RefusedByState, BadInput."""
    return Ledger.open(home.settings.ledger.url, open_keys(home), home.settings.mode, clock=clock)


def connect_hot(url: str) -> "Database":
    """A connection for the hot path on either database. Raises Failed."""
    connection = raw_connection(url)
    if isinstance(connection, LedgerConnection):
        from worker.ledger.hot.sqlite import SqliteDatabase

        return SqliteDatabase(connection)
    from worker.ledger.hot.postgresql import PostgresDatabase

    return PostgresDatabase(connection)


@contextlib.contextmanager
def hot_database(home: Home) -> "Iterator[Database]":
    """The home's ledger as the rounds see it, for one reading."""
    database = connect_hot(home.settings.ledger.url)
    try:
        yield database
    finally:
        database.close()


def open_intake(
    home: Home, ledger: Ledger, wake: Callable[[], None] | None = None, *, ring_s: float | None = None
) -> "Intake":
    """The producers' door to this home's ledger. `ring_s`: how long a call may wait for its ring (see `Intake`)."""
    from worker.intake import Intake, Terms
    from worker.intake.bell import LONGEST_S

    signing = home.settings.signing
    return Intake(
        ledger,
        ledger.keys,
        home.campaigns,
        home.offices,
        SystemClock(),
        wake,
        allow_test_domains=home.settings.allow_test_domains,
        terms=Terms(signing.confirm_within, signing.remind_after),
        ring_s=LONGEST_S if ring_s is None else ring_s,
    )
