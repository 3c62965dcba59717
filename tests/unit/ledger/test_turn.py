"""Two writers alternate; a turn that cannot be had costs nothing but fairness."""

import fcntl
import os
import sqlite3
import threading
import time
from pathlib import Path

import pytest

from tests.support import until
from worker.ledger.turn import LedgerConnection, Turn, begin_immediate


def connect(path: Path) -> LedgerConnection:
    connection = sqlite3.connect(path, isolation_level=None, factory=LedgerConnection, check_same_thread=False)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA busy_timeout=0")
    return connection


def _is_held(path: Path) -> bool:
    file = os.open(f"{path}-turn", os.O_RDWR)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(file)
    return False


def test_who_waits_comes_before_who_has_just_committed(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    greedy, patient = connect(path), connect(path)
    greedy.execute("CREATE TABLE told (who TEXT)")
    begin_immediate(greedy)
    asked = threading.Event()

    def wait() -> None:
        asked.set()
        begin_immediate(patient)
        patient.execute("INSERT INTO told VALUES ('patient')")
        patient.execute("COMMIT")

    waiting = threading.Thread(target=wait)
    waiting.start()
    asked.wait()
    until(lambda: _is_held(path), "the one who waits has the turn")
    greedy.execute("INSERT INTO told VALUES ('greedy')")
    greedy.execute("COMMIT")
    begin_immediate(greedy)  # at once, again
    greedy.execute("INSERT INTO told VALUES ('greedy again')")
    greedy.execute("COMMIT")
    waiting.join()
    assert [who for (who,) in greedy.execute("SELECT who FROM told")] == ["greedy", "patient", "greedy again"]
    for connection in (greedy, patient):
        connection.close()


def test_a_holder_that_does_not_move_keeps_nobody_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "ledger.db"
    connection, stuck = connect(path), Turn(str(path))
    monkeypatch.setattr("worker.ledger.turn.BUSY_S", 0.05)
    with stuck.taken(time.monotonic() + 10):
        begin_immediate(connection)
        assert connection.in_transaction
    connection.close()


def test_a_place_that_takes_no_file_costs_fairness_alone(tmp_path: Path) -> None:
    turn = Turn(str(tmp_path / "nowhere" / "ledger.db"))
    with turn.taken(time.monotonic() + 10):
        pass
    turn.close()
    turn.close()
