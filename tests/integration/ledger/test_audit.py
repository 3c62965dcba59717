"""The chained audit."""

import threading

import pytest
import sqlalchemy as sa

from worker.ledger import audit
from worker.ledger.book import Ledger
from worker.ledger.schema import audit as table


def _three(ledger: Ledger) -> None:
    for n in range(3):
        with ledger.write() as connection:
            audit.append(connection, n, "anna", "hold", f"lane {n}", "é reason", {"b": n, "a": [1]})


def test_rows_are_chained_and_read_back(ledger: Ledger) -> None:
    with ledger.read() as connection:
        assert audit.head(connection) == (0, "")
        assert audit.verify(connection) == []
    _three(ledger)
    with ledger.read() as connection:
        assert audit.verify(connection) == []
        newest, *_ = entries = audit.latest(connection)
        assert [entry.target for entry in entries] == ["lane 2", "lane 1", "lane 0"]
        assert (newest.who, newest.verb, newest.reason, newest.details) == (
            "anna",
            "hold",
            "é reason",
            {"a": [1], "b": 2},
        )
        assert [entry.at_us for entry in audit.latest(connection, target="lane 1")] == [1]
        assert audit.head(connection)[0] == newest.id


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (sa.update(table).where(table.c.target == "lane 1").values(reason="another"), ["was altered"]),
        (sa.update(table).where(table.c.target == "lane 1").values(details='{"a":2}'), ["was altered"]),
        (sa.delete(table).where(table.c.target == "lane 1"), ["does not follow"]),
        (sa.delete(table).where(table.c.target == "lane 0"), ["does not follow"]),
        (sa.update(table).where(table.c.target == "lane 1").values(hash="00"), ["was altered", "does not follow"]),
    ],
)
def test_a_change_shows(ledger: Ledger, change: sa.Executable, said: list[str]) -> None:
    _three(ledger)
    with ledger.write() as connection:
        connection.execute(change)
    with ledger.read() as connection:
        problems = audit.verify(connection)
    assert len(problems) == len(said)
    assert all(part in problem for part, problem in zip(said, problems, strict=True))


def test_many_may_append_at_once(ledger: Ledger) -> None:
    def append(who: int) -> None:
        for n in range(10):
            with ledger.write() as connection:
                audit.append(connection, n, f"operator {who}", "hold", "everything")

    threads = [threading.Thread(target=append, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with ledger.read() as connection:
        assert audit.verify(connection) == []
        assert len(audit.latest(connection, 100)) == 40


def test_a_long_chain_is_read_page_by_page(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "_PAGE", 2)
    _three(ledger)
    _three(ledger)
    with ledger.read() as connection:
        assert audit.verify(connection) == []
