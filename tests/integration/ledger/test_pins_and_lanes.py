"""Pinned values and lanes: made once, found again."""

import threading

import pytest
import sqlalchemy as sa

from worker.domain.campaign import content_hash
from worker.domain.errors import Failed
from worker.ledger import lanes, pins
from worker.ledger.book import Ledger
from worker.ledger.schema import lanes as lanes_table
from worker.ledger.schema import pins as pins_table

BODY = {"b": ["é", 1], "a": None}


def test_a_value_is_pinned_once(ledger: Ledger) -> None:
    with ledger.write() as connection:
        first = pins.pin(connection, "text", BODY)
        assert pins.pin(connection, "text", dict(reversed(BODY.items()))) == first
        assert pins.pin(connection, "frame", {"c": 1}, at_us=5) != first
    with ledger.read() as connection:
        assert pins.body(connection, first) == BODY
        assert pins.find(connection, content_hash(BODY)) == first
        assert pins.find(connection, "00") is None
        rows = connection.execute(sa.select(pins_table.c.kind, pins_table.c.made_at).order_by(pins_table.c.id)).all()
    assert rows[1] == ("frame", 5)
    assert rows[0].made_at > 5


def test_a_pin_that_is_missing_or_altered_is_not_used(ledger: Ledger) -> None:
    with ledger.write() as connection:
        first = pins.pin(connection, "text", BODY)
        connection.execute(sa.update(pins_table).values(body='{"a":1}'))
    with ledger.read() as connection:
        with pytest.raises(Failed, match="was altered"):
            pins.body(connection, first)
        with pytest.raises(Failed, match="is missing"):
            pins.body(connection, first + 1)
        with pytest.raises(ValueError, match="no kind of pin"):
            pins.pin(connection, "other", BODY)


def test_a_lane_is_made_once_even_by_many_at_once(ledger: Ledger) -> None:
    found: list[tuple[int, int]] = []

    def ensure() -> None:
        with ledger.write() as connection:
            key = lanes.office_key("Mayor@Town.example")
            lane = lanes.ensure(connection, key, "office", "town.example")
            found.append((lane, pins.pin(connection, "text", BODY)))

    threads = [threading.Thread(target=ensure) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 6
    assert len(set(found)) == 1
    with ledger.write() as connection:
        assert lanes.ensure(connection, lanes.CONFIRMATIONS, "signers", "") != found[0][0]
        assert lanes.ensure(connection, "mailbox:mayor@town.example", "office", "town.example") == found[0][0]
        row = connection.execute(sa.select(lanes_table).where(lanes_table.c.id == found[0][0])).one()
    assert (row.kind, row.domain, row.served_at) == ("office", "town.example", 0)
