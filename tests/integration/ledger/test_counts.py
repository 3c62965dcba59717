"""Counts: appended, folded, read, verified."""

import threading

import pytest
import sqlalchemy as sa

from tests.integration.ledger.sample import fill
from worker.domain.states import State
from worker.ledger import counts
from worker.ledger.book import Ledger
from worker.ledger.counts import Cell, Difference
from worker.ledger.keys import Keys
from worker.ledger.schema import count_deltas, letters
from worker.ledger.schema import counts as base

MAYOR = Cell(1, 1, "mayor", "queued")
SENT = Cell(1, 1, "mayor", "sent")
OTHER = Cell(2, 3, "clerk", "queued")


def _deltas(ledger: Ledger) -> int:
    with ledger.read() as connection:
        found: int = connection.execute(sa.select(sa.func.count()).select_from(count_deltas)).scalar_one()
        return found


def _fold_all(ledger: Ledger, rows: int = 7) -> int:
    folded = 0
    while True:
        with ledger.write() as connection:
            moved = counts.fold(connection, rows)
        folded += moved
        if moved < rows:
            return folded


def test_a_reading_is_base_and_deltas(ledger: Ledger) -> None:
    with ledger.write() as connection:
        counts.add(connection, {MAYOR: 5, OTHER: 2})
        counts.add(connection, {tuple(MAYOR): -5, SENT: 5, OTHER: 0})
        counts.add(connection, {})
        assert counts.read(connection) == {SENT: 5, OTHER: 2}
    assert _deltas(ledger) == 4
    assert _fold_all(ledger, rows=3) == 4
    assert _deltas(ledger) == 0
    with ledger.write() as connection:
        assert counts.read(connection) == {SENT: 5, OTHER: 2}
        assert counts.read(connection, campaign_id=2) == {OTHER: 2}
        counts.add(connection, {SENT: 1})
        assert counts.read(connection, campaign_id=1) == {SENT: 6}
    _fold_all(ledger)
    with ledger.read() as connection:
        assert counts.read(connection)[SENT] == 6
        assert type(counts.read(connection)[SENT]) is int
        n = connection.execute(sa.select(base.c.n).where(base.c.state == "sent")).scalar_one()
        assert n == 6


def test_a_delta_of_a_transaction_that_fails_was_never_there(ledger: Ledger) -> None:
    def write() -> None:
        with ledger.write() as connection:
            counts.add(connection, {MAYOR: 1})
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write()
    assert _deltas(ledger) == 0


def test_folding_beside_writers_loses_and_doubles_nothing(ledger: Ledger) -> None:
    """Four writers, two folders; on PostgreSQL the ids of deltas become visible out of order."""
    stop = threading.Event()

    def write() -> None:
        for n in range(40):
            with ledger.write() as connection:
                counts.add(connection, {MAYOR: 3, SENT: -1, Cell(1, 1, f"office-{n % 3}", "queued"): 1})

    def fold() -> None:
        while not stop.is_set():
            with ledger.write() as connection:
                counts.fold(connection, 5)

    writers = [threading.Thread(target=write) for _ in range(4)]
    folders = [threading.Thread(target=fold) for _ in range(2)]
    for thread in writers + folders:
        thread.start()
    for thread in writers:
        thread.join()
    stop.set()
    for thread in folders:
        thread.join()
    _fold_all(ledger)
    with ledger.read() as connection:
        found = counts.read(connection)
    assert found.pop(MAYOR) == 480
    assert found.pop(SENT) == -160
    assert sum(found.values()) == 160


def test_one_folds_at_a_time(ledger: Ledger) -> None:
    if ledger.dialect == "sqlite":
        return  # it has one writer at a time anyway
    with ledger.write() as connection:
        counts.add(connection, {MAYOR: 1})
    with ledger.write() as first, ledger.write() as second:
        assert counts.fold(first) == 1
        assert counts.fold(second) == 0


def test_counts_are_verified_by_counting(ledger: Ledger, ledger_keys: Keys) -> None:
    ids = fill(ledger, ledger_keys, [State.QUEUED] * 3 + [State.SENT])
    with ledger.write() as connection:
        counts.fold(connection, 2)
        assert counts.verify(connection) == []
        connection.execute(sa.update(letters).where(letters.c.id == ids[0]).values(state="sent"))
        assert counts.verify(connection) == [Difference(MAYOR, 1), Difference(SENT, -1)]
