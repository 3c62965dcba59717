"""Holds and gates."""

import pytest
from sqlalchemy.exc import IntegrityError

from worker.ledger import gates, holds
from worker.ledger.book import Ledger
from worker.ledger.gates import Gate
from worker.ledger.holds import Hold


def test_holds_stand_until_they_are_lifted_or_over(ledger: Ledger) -> None:
    with ledger.write() as connection:
        first = holds.place(connection, 10, "office", "mayor", reason="asked for one letter", who="anna")
        second = holds.place(connection, 20, "office", "mayor", reason="fuse", who="house")
        third = holds.place(connection, 20, "everything", "", reason="lunch", who="anna", until_us=30)
        assert [hold.id for hold in holds.standing(connection, 20)] == [first, second, third]
        assert holds.standing(connection, 29, "everything") == [Hold(third, "everything", "", "lunch", "anna", 20, 30)]
        assert [hold.id for hold in holds.standing(connection, 30)] == [first, second]
        assert holds.lift(connection, 40, "office", "clerk") == 0
        assert holds.lift(connection, 40, "office", "mayor") == 2
        assert holds.lift(connection, 40, "office", "mayor") == 0
        assert holds.lift(connection, 40, "everything", "") == 0
        assert holds.standing(connection, 40) == []


def test_a_hold_of_no_known_scope_is_refused(ledger: Ledger) -> None:
    with pytest.raises(IntegrityError), ledger.write() as connection:
        holds.place(connection, 1, "planet", "earth", reason="", who="anna")  # type: ignore[arg-type]


def test_a_gate_counts_strikes_from_the_first(ledger: Ledger) -> None:
    with ledger.write() as connection:
        assert gates.read(connection, "relay", "main") is None
        assert gates.reopen(connection, 1, "relay", "main") is False
        gates.strike(connection, 10, "relay", "main", opens_at_us=20, reason="refused")
        second = gates.strike(connection, 21, "relay", "main", opens_at_us=60, reason="timed out")
        assert second == Gate("relay", "main", 60, "timed out", 10, 2)
        assert gates.read(connection, "relay", "main") == second
        gates.strike(connection, 21, "domain", "town.example", opens_at_us=30, reason="421")
        assert [gate.key for gate in gates.shut(connection, 25)] == ["town.example", "main"]
        assert gates.shut(connection, 25, ["relay"]) == [second]
        assert [gate.key for gate in gates.shut(connection, 30)] == ["main"]
        assert second.shut(59)
        assert not second.shut(60)
        assert gates.reopen(connection, 40, "relay", "main", "resumed") is True
        assert gates.read(connection, "relay", "main") == Gate("relay", "main", 40, "resumed", 40, 0)
        assert gates.strike(connection, 50, "relay", "main", opens_at_us=55, reason="x").since_us == 50
