"""What is due, against a full count of the letters. Both databases."""

import random
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tests.integration.ledger.sample import fill
from worker.domain.states import State
from worker.ledger import counts, due
from worker.ledger import lanes as ledger_lanes
from worker.ledger.book import Ledger
from worker.ledger.keys import Keys
from worker.ledger.schema import letters, sendouts

NOW = 1_000_000
ADDRESSEES = ("mayor", "council", 'odd "name"', "left-the-register", "signer")


def scatter(ledger: Ledger, keys: Keys, chance: random.Random, many: int) -> None:
    """Letters of every state to all addressees, offices that share one lane among them, due whenever."""
    (model,) = fill(ledger, keys, [State.QUEUED])
    with ledger.write() as connection:
        row = dict(connection.execute(sa.select(letters).where(letters.c.id == model)).mappings().one())
        shared = ledger_lanes.ensure(connection, "mailbox:shared@town.example", "office", "town.example")
        weights = [chance.randint(0, 5) for _ in ADDRESSEES]
        if not any(weights):
            weights[0] = 1
        due_share = chance.choice([0.0, 0.02, 0.5, 0.98, 1.0])
        sendout = dict(
            connection.execute(sa.select(sendouts).where(sendouts.c.id == row["sendout_id"])).mappings().one()
        )
        rows: list[dict[str, Any]] = []
        cells: dict[tuple[int, int, str, str], int] = {}
        for n in range(many):
            addressee = chance.choices(ADDRESSEES, weights)[0]
            state = chance.choices([State.QUEUED, State.CLAIMED, State.SENT, State.HELD], [6, 1, 2, 1])[0]
            past = chance.random() < due_share
            at = NOW - chance.choice([0, 1, chance.randint(0, 999)]) if past else NOW + chance.randint(1, 999)
            lane = chance.choice([row["lane_id"], shared])
            rows.append({**row, "id": model + 1 + n, "sendout_id": 1000 + n, "addressee": addressee,
                         "state": state, "due_at": at, "lane_id": lane})  # fmt: skip
            cell = (row["campaign_id"], 1000 + n, addressee, state.value)
            cells[cell] = cells.get(cell, 0) + 1
        connection.execute(
            sa.insert(sendouts), [{**sendout, "id": each["sendout_id"], "name": f"s{each['id']}"} for each in rows]
        )
        connection.execute(sa.insert(letters), rows)
        counts.add(connection, cells)


def queued(connection: Connection) -> dict[str, int]:
    found: dict[str, int] = {}
    for cell, n in counts.read(connection).items():
        if cell.state == State.QUEUED:
            found[cell.addressee] = found.get(cell.addressee, 0) + n
    return found


def full(connection: Connection, bounds: list[int]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    rows = connection.execute(sa.text("SELECT addressee, due_at FROM letters WHERE state = 'queued'"))
    for addressee, at in rows:
        spans = found.setdefault(addressee, [0] * (len(bounds) + 1))
        spans[sum(at > bound for bound in bounds)] += 1
    return found


@pytest.mark.parametrize("seed", range(8))
def test_due_and_spans_are_those_of_a_full_count(
    ledger: Ledger, ledger_keys: Keys, seed: int, monkeypatch: Any
) -> None:
    chance = random.Random(seed)
    monkeypatch.setattr(due, "FIRST_BOUND", chance.choice([1, 2, 7]))  # so that bounds overflow and grow
    monkeypatch.setattr(due, "GROWTH", 2)
    monkeypatch.setattr(due, "PAGE", 3)
    scatter(ledger, ledger_keys, chance, 300)
    bounds = sorted([*chance.sample(range(NOW - 999, NOW + 999), chance.randint(1, 6)), NOW])
    with ledger.read() as connection:
        known = queued(connection)
        assert due.spread(connection, bounds, known) == full(connection, bounds)
        counted = {addressee: spans[0] for addressee, spans in full(connection, [NOW]).items() if spans[0]}
        found = due.due(connection, NOW, known)
        assert {addressee: each.n for addressee, each in found.items()} == counted
        extremes = {
            row.addressee: (row.first, row.last)
            for row in connection.execute(
                sa.text("SELECT addressee, min(due_at) AS first, max(due_at) AS last FROM letters"
                        " WHERE state = 'queued' GROUP BY addressee"))
        }  # fmt: skip
        assert {addressee: each.first_us for addressee, each in found.items()} == {a: extremes[a][0] for a in counted}
        assert due.last(connection, known) == {addressee: edge for addressee, (_, edge) in extremes.items()}


def test_an_empty_ledger(ledger: Ledger) -> None:
    with ledger.read() as connection:
        assert due.due(connection, NOW, {}) == {}
        assert due.spread(connection, [NOW], {"mayor": 0}) == {}


def test_a_deep_backlog_is_not_counted(ledger: Ledger, ledger_keys: Keys) -> None:
    """A single large span follows by subtraction: no probe ever asks for more than the first bound."""
    scatter(ledger, ledger_keys, random.Random(2), 50)
    asked: list[int] = []
    with ledger.read() as connection:
        sa.event.listen(connection, "before_cursor_execute", lambda *given: asked.append(1), retval=False)
        due.spread(connection, [NOW], dict.fromkeys(ADDRESSEES, 10**6))
    assert len(asked) <= 2
