"""`ledger copy`, both ways."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.integration.ledger.sample import any_lane, behind_its_back, fill, open_round
from tests.support import until
from worker.domain.errors import BadInput, Failed, RefusedByState
from worker.domain.states import State
from worker.ledger import audit, copy, holds, pins
from worker.ledger.book import Ledger
from worker.ledger.engine import raw_connection
from worker.ledger.keys import Keys
from worker.ledger.migrate import migrate, migrate_empty
from worker.ledger.schema import campaigns, gates, imports, letters, meta, metadata, rounds
from worker.ledger.verify import verify

STATES = [State.QUEUED, State.SENT, State.IN_DOUBT, State.HELD]


@pytest.fixture
def target_url(ledger: Ledger, tmp_path: Path, request: pytest.FixtureRequest) -> str:
    """An empty database of the other kind."""
    if ledger.dialect == "postgresql":
        return f"sqlite:///{tmp_path / 'target' / 'ledger.db'}"
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture
def full(ledger: Ledger, ledger_keys: Keys) -> Ledger:
    """A ledger with something in most tables, pages of two rows to copy it by, and no round alive."""
    fill(ledger, ledger_keys, STATES * 2)
    lane = any_lane(ledger)
    with ledger.write() as connection:
        open_round(connection, lane)
        open_round(connection, lane, slot=1)
        connection.execute(sa.delete(rounds).where(rounds.c.slot == 1))  # its number must not come again
        holds.place(connection, 1, "office", "mayor", reason="asked", who="anna")
        audit.append(connection, 1, "anna", "hold", "office mayor", "é", {"n": 1})
        for kind, key in (("relay", "Ä"), ("relay", "a"), ("relay", "Z"), ("lane", "b"), ("lane", "B")):
            connection.execute(gates.insert().values(kind=kind, key=key, opens_at=1, reason="", since=1, strikes=1))
        connection.execute(imports.insert().values(campaign_id=1, file_hash="f", evidence="e", rows_done=1, accepted=1,
                                                   repeated=0, rejected=0, made_at=2**53 + 1))  # fmt: skip
    return ledger


@pytest.fixture(autouse=True)
def _small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copy, "PAGE", 2)


def _rows(ledger: Ledger) -> dict[str, list[tuple[object, ...]]]:
    with ledger.read() as connection:
        return {
            table.name: sorted((tuple(row) for row in connection.execute(sa.select(table))), key=repr)
            for table in metadata.sorted_tables
            if table.name != "holds"
        }


def test_every_row_arrives_and_the_copy_goes_on_numbering(full: Ledger, target_url: str, ledger_keys: Keys) -> None:
    told: list[tuple[str, int]] = []
    done = copy.copy(full.url, target_url, ledger_keys, "rehearsal", progress=lambda *step: told.append(step))
    assert {part.table: part.rows for part in done}["letters"] == 8
    assert sum(n for table, n in told if table == "letters") == 8
    with Ledger.open(target_url, ledger_keys, "rehearsal") as target:
        assert target.ledger_id == full.ledger_id
        assert _rows(target) == _rows(full)
        assert verify(target) == []
        lane = any_lane(target)
        with target.write() as connection:
            assert open_round(connection, lane, slot=5) == 3
            pins.pin(connection, "text", {"new": 1})
            connection.execute(campaigns.insert().values(slug="new"))
            audit.append(connection, 2, "anna", "resume", "office mayor")
            assert audit.verify(connection) == []
            assert [hold.who for hold in holds.standing(connection, 5)] == ["anna"]


def test_the_source_is_held_afterwards(full: Ledger, target_url: str, ledger_keys: Keys) -> None:
    copy.copy(full.url, target_url, ledger_keys, "rehearsal")
    with full.read() as connection:
        (hold,) = holds.standing(connection, full.now_us(), "everything")
    assert hold.who == copy.WHO
    assert hold.reason.startswith("copied to ")
    with pytest.raises(RefusedByState, match="is a ledger already"):
        copy.copy(full.url, target_url, ledger_keys, "rehearsal")


@pytest.mark.parametrize("stop_at", ["pins", "letters", "gates", "count_deltas"])
def test_a_copy_that_fails_goes_on_where_it_was(full: Ledger, target_url: str, ledger_keys: Keys, stop_at: str) -> None:
    def fail(table: str, _rows: int) -> None:
        if table == stop_at:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        copy.copy(full.url, target_url, ledger_keys, "rehearsal", progress=fail)
    with pytest.raises(RefusedByState, match=r"not finished \(run it again\)"):
        Ledger.open(target_url, ledger_keys, "rehearsal")
    told: list[str] = []
    copy.copy(full.url, target_url, ledger_keys, "rehearsal", progress=lambda table, _n: told.append(table))
    assert "campaigns" not in told  # copied by the first run
    with Ledger.open(target_url, ledger_keys, "rehearsal") as target:
        assert _rows(target) == _rows(full)


def test_a_copy_that_stopped_before_the_stamp_goes_on(
    full: Ledger, target_url: str, ledger_keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(copy, "_finish", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            copy.copy(full.url, target_url, ledger_keys, "rehearsal")
    copy.copy(full.url, target_url, ledger_keys, "rehearsal")
    with Ledger.open(target_url, ledger_keys, "rehearsal") as target, target.read() as connection:
        assert [hold.who for hold in holds.standing(connection, 5)] == ["anna"]


def test_a_copy_that_is_killed_goes_on(full: Ledger, target_url: str, ledger_keys: Keys, tmp_path: Path) -> None:
    script = """
import pathlib, sys, threading
from worker.ledger import copy
from worker.ledger.keys import Keys
copy.PAGE = 2
source, target, folder = sys.argv[1:]
def progress(table, rows):
    if table == "letters":
        print("there", flush=True)
        threading.Event().wait()
keys = Keys.load(*(pathlib.Path(folder) / f"{name}.key" for name in ("data", "lookup", "seal")))
copy.copy(source, target, keys, "rehearsal", progress=progress)
"""
    argv = [sys.executable, "-c", script, full.url, target_url, str(tmp_path / "keys")]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"there\n"
        child.send_signal(signal.SIGKILL)
    if full.dialect == "postgresql":
        until(lambda: _lockable(full), "the killed copy's locks are gone")
    copy.copy(full.url, target_url, ledger_keys, "rehearsal")
    with Ledger.open(target_url, ledger_keys, "rehearsal") as target:
        assert _rows(target) == _rows(full)


def _lockable(ledger: Ledger) -> bool:
    with ledger.read() as connection:
        held = sa.text("SELECT count(*) FROM pg_locks WHERE mode = 'ShareRowExclusiveLock'")
        return connection.execute(held).scalar_one() == 0


def test_a_source_that_changed_between_two_runs_is_noticed(full: Ledger, target_url: str, ledger_keys: Keys) -> None:
    def fail(table: str, _rows: int) -> None:
        if table == "letters":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        copy.copy(full.url, target_url, ledger_keys, "rehearsal", progress=fail)
    with full.write() as connection:
        connection.execute(sa.update(letters).where(letters.c.id == 1).values(reason="changed"))
    with pytest.raises(Failed, match="the copy of letters differs: 8 rows here, 8 there"):
        copy.copy(full.url, target_url, ledger_keys, "rehearsal")
    with pytest.raises(RefusedByState):
        Ledger.open(target_url, ledger_keys, "rehearsal")


def test_the_source_cannot_be_written_meanwhile(full: Ledger, target_url: str, ledger_keys: Keys) -> None:
    tried: list[str] = []

    def write(table: str, _rows: int) -> None:
        if table == "campaigns":
            other = raw_connection(full.url)
            patience = "PRAGMA busy_timeout=0" if full.dialect == "sqlite" else "SET lock_timeout = '10ms'"
            other.execute(patience)
            with pytest.raises(Exception, match=r"locked|lock timeout") as refusal:
                other.execute("UPDATE letters SET reason = 'x'")
            tried.append(str(refusal.value))
            other.close()

    copy.copy(full.url, target_url, ledger_keys, "rehearsal", progress=write)
    assert len(tried) == 1


def test_a_running_stack_is_refused(full: Ledger, target_url: str, ledger_keys: Keys) -> None:
    lane = any_lane(full)
    with full.write() as connection:
        open_round(connection, lane, slot=7, renewed_at=full.now_us())
    with pytest.raises(RefusedByState, match="workers are running"):
        copy.copy(full.url, target_url, ledger_keys, "rehearsal")


def test_only_an_empty_target_is_filled(full: Ledger, target_url: str, ledger_keys: Keys) -> None:
    with pytest.raises(BadInput, match="into itself"):
        copy.copy(full.url, full.url, ledger_keys, "rehearsal")
    migrate_empty(target_url)
    with behind_its_back(target_url) as connection:
        connection.execute(campaigns.insert().values(slug="other"))
    with pytest.raises(RefusedByState, match="is not empty"):
        copy.copy(full.url, target_url, ledger_keys, "rehearsal")


def test_half_a_copy_of_another_ledger_is_not_mixed_up(full: Ledger, target_url: str, ledger_keys: Keys) -> None:
    def fail(_table: str, _rows: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        copy.copy(full.url, target_url, ledger_keys, "rehearsal", progress=fail)
    with full.write() as connection:
        connection.execute(sa.update(meta).values(ledger_id="another"))
    with pytest.raises(RefusedByState, match="half a copy of another ledger"):
        copy.copy(full.url, target_url, ledger_keys, "rehearsal")


def test_a_row_the_target_cannot_hold_is_named(tmp_path: Path, postgres_url: str, ledger_keys: Keys) -> None:
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    migrate(url, "rehearsal", ledger_keys)
    with behind_its_back(url) as connection:
        connection.execute(campaigns.insert().values(slug="nul\0here"))
    with pytest.raises(Failed, match=r"a row of campaigns between \[1\] and \[1\] cannot be stored"):
        copy.copy(url, postgres_url, ledger_keys, "rehearsal")
