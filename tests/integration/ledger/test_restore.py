"""A ledger restored from a backup: noticed by its witness, and taken back with everything in doubt."""

import pytest
import sqlalchemy as sa

from tests.integration.ledger.sample import any_lane, fill, open_round, state_of
from worker.domain.errors import RefusedByState
from worker.domain.states import State
from worker.ledger import audit, counts, restore
from worker.ledger.book import Ledger
from worker.ledger.keys import Keys
from worker.ledger.restore import PATHS, Accepted, accept_restore
from worker.ledger.schema import attempts, letters, rounds
from worker.ledger.verify import verify
from worker.ledger.witness import behind, highest_round, refuse_behind

WAITING = [State.QUEUED, State.CLAIMED, State.SENDING, State.HELD]
AT_AN_END = [State.SENT, State.REFUSED, State.EXPIRED, State.FAULTY, State.BOUNCED, State.CANCELLED, State.SUPPRESSED]


def test_a_ledger_that_lost_rounds_is_behind(ledger: Ledger, ledger_keys: Keys) -> None:
    assert not behind(ledger, 0)
    refuse_behind(ledger, 0)
    fill(ledger, ledger_keys, [State.CLAIMED])
    with ledger.read() as connection:
        own = highest_round(connection)
    assert own > 0
    assert not behind(ledger, own)
    assert behind(ledger, own + 1)
    with pytest.raises(RefusedByState, match=f"knows of {own} rounds, and {own + 5} were opened.*accept-restore"):
        refuse_behind(ledger, own + 5)


def test_accepting_puts_in_doubt_what_may_have_gone_out(ledger: Ledger, ledger_keys: Keys) -> None:
    waiting = fill(ledger, ledger_keys, WAITING)
    ended = fill(ledger, ledger_keys, [*AT_AN_END, State.BOUND, State.IN_DOUBT])
    done = accept_restore(ledger, 100, "anna", "the drive died")
    assert done == Accepted(epoch=2, in_doubt=4, rounds_closed=2)
    assert ledger.epoch() == 2
    assert {state_of(ledger, letter) for letter in waiting} == {State.IN_DOUBT}
    assert [state_of(ledger, letter) for letter in ended] == [*AT_AN_END, State.BOUND, State.IN_DOUBT]
    assert not behind(ledger, 100)
    assert verify(ledger) == []
    with ledger.read() as connection:
        assert counts.read(connection, 1)[counts.Cell(1, 1, "mayor", "in_doubt")] == 5
        entry = audit.latest(connection)[0]
        assert (entry.who, entry.verb, entry.reason) == ("anna", "accept-restore", "the drive died")
        assert entry.details == {
            "epoch": 2,
            "in_doubt": {"queued": 1, "claimed": 1, "sending": 1, "held": 1},
            "knew": 2,
            "witness": 100,
            "rounds_closed": 2,
            "send_outs": [],
            "acts_ended": [],
        }
        assert connection.execute(sa.select(rounds.c.ended).distinct()).scalars().all() == ["died"]
        lost = connection.execute(sa.select(attempts.c.kind, attempts.c.stage, attempts.c.rule)).all()
        assert lost == [("lose", "dot", "restored")]


def test_the_next_round_is_above_every_number_the_witness_saw(ledger: Ledger, ledger_keys: Keys) -> None:
    fill(ledger, ledger_keys, [State.QUEUED])
    accept_restore(ledger, 100, "anna", "")
    lane = any_lane(ledger)
    with ledger.write() as connection:
        assert open_round(connection, lane) == 101
    assert not behind(ledger, 101)


def test_one_resending_by_itself_leaves_restored_letters_alone(ledger: Ledger, ledger_keys: Keys) -> None:
    """A campaign's `resend_once` acts on a first doubt; these have had theirs."""
    first, second = fill(ledger, ledger_keys, [State.QUEUED, State.QUEUED])
    with ledger.write() as connection:
        connection.execute(sa.update(letters).where(letters.c.id == second).values(doubts=1))
    accept_restore(ledger, 1, "anna", "")
    with ledger.read() as connection:
        rows = connection.execute(sa.select(letters.c.doubts, letters.c.reason, letters.c.claim)).all()
    assert rows == [(2, "restored", None)] * 2
    assert first < second


def test_what_is_not_behind_is_not_accepted_unless_told(ledger: Ledger, ledger_keys: Keys) -> None:
    (letter,) = fill(ledger, ledger_keys, [State.QUEUED])
    with pytest.raises(RefusedByState, match="is not behind: it knows of 0 rounds, its witnesses of 0"):
        accept_restore(ledger, 0, "anna", "")
    assert state_of(ledger, letter) is State.QUEUED
    assert accept_restore(ledger, 0, "anna", "no witness left", anyway=True) == Accepted(2, 1, 0)
    assert accept_restore(ledger, 3, "anna", "again") == Accepted(3, 0, 0)


def test_nothing_is_accepted_while_workers_run(ledger: Ledger, ledger_keys: Keys) -> None:
    fill(ledger, ledger_keys, [State.QUEUED])
    lane = any_lane(ledger)
    with ledger.write() as connection:
        open_round(connection, lane, renewed_at=ledger.now_us())
    with pytest.raises(RefusedByState, match="workers are running"):
        accept_restore(ledger, 50, "anna", "")
    assert ledger.epoch() == 1


def test_the_way_into_doubt_is_legal() -> None:
    """Every waiting state but `bound`, whose digest speaks for it, has a way."""
    for state, events in PATHS.items():
        restore._walk(state, events)
