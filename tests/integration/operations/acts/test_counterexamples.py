"""What once went wrong around acts: each of these sent a letter that must not leave, or kept an operator from acting."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from tests.fixtures.homes import Draft
from tests.fixtures.redis import open_windows
from tests.fixtures.world import World
from tests.integration.operations.acts.scene import BY, MAYOR, audited, do, ids, put, row, sound
from tests.integration.operations.acts.test_races import abandon
from worker.cli import acting
from worker.domain.clock import SystemClock
from worker.domain.errors import RefusedByState
from worker.domain.states import State
from worker.intake import Intake
from worker.ledger import holds
from worker.ledger.book import Ledger
from worker.ledger.from_backup import Wish, bring_back
from worker.ledger.hot import Call
from worker.ledger.hot.rescue import resend_once
from worker.ledger.restore import accept_restore
from worker.operations import suppressing
from worker.operations.acts import (
    Wanted,
    begin,
    carry_on,
    carry_on_abandoned,
    preview,
    preview_undo,
    running,
    shown,
    undo,
)
from worker.operations.backup import back_up
from worker.operations.moves import hold_letter
from worker.wiring.home import connect_hot

YEARS_US = 10**14


# -- after a restore nothing goes on by itself ---------------------------------------------------------------------------
@pytest.fixture(name="bring")
def bring_fixture(world: World, tmp_path: Path) -> Callable[[], Any]:
    """Restore the file `backup` into a new ledger: the world on it, and the first number of its rounds."""

    @contextmanager
    def bring() -> Iterator[tuple[World, int]]:
        url = f"sqlite:///{tmp_path / 'restored.db'}"
        wish = Wish(url, world.keys, "rehearsal", "anna", "the drive died", tmp_path / "scratch.db")
        done = bring_back(tmp_path / "backup", wish)
        with Ledger.open(url, world.keys, "rehearsal") as ledger:
            open_windows(world.redis, ledger.ledger_id)
            intake = Intake(ledger, world.keys, world.home.campaigns, world.home.offices, SystemClock())
            yield replace(world, ledger=ledger, intake=intake), done.highest_round + 1

    return bring


def one_page_in(world: World, verb: str) -> int:
    """An act of which one page of two letters is done."""
    seen = preview(world.ledger, world.home, Wanted(verb, campaign=world.campaign))
    act = begin(world.ledger, seen.wanted, seen.count, BY)
    turns = iter([False, True])
    carry_on(world.ledger, act, stopping=lambda: next(turns))
    return act


@pytest.mark.parametrize(("verb", "state"), [("requeue", State.REFUSED), ("resolve-queued", State.IN_DOUBT)])
def test_an_act_under_way_in_a_backup_ends_with_the_restore(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bring: Callable[[], Any], verb: str, state: State
) -> None:
    monkeypatch.setattr(running, "PAGE", 2)
    with world.relay() as server:
        world.submit(5)
        put(world, ids(world), state)
        act = one_page_in(world, verb)
        back_up(world.ledger, tmp_path / "backup", "anna")
        carry_on(world.ledger, act)
        world.until_idle()
        assert len(server.letters) == 10
        with bring() as (restored, witness):
            ended = shown(restored.ledger, act)
            assert (ended["state"], ended["ended_by"], ended["moved"]) == ("stopped", "restore", 2)
            assert (f"{verb}-stopped", f"act {act}", "the drive died") in audited(restored)
            accept_restore(restored.ledger, witness, "anna", "looked")
            with restored.ledger.write() as connection:
                holds.lift(connection, restored.ledger.now_us(), "everything", "")
            assert carry_on_abandoned(restored.ledger) == 0
            restored.until_idle()
            sound(restored)
        assert len(server.letters) == 10, "none is sent twice"


def test_accepting_a_restore_ends_acts_as_well(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The ledger may have been brought back with the database's own tools."""
    monkeypatch.setattr(running, "PAGE", 2)
    world.submit(5)
    put(world, ids(world), State.REFUSED)
    act = one_page_in(world, "requeue")
    accept_restore(world.ledger, 100, "anna", "pg_restore")
    abandon(world, act)
    assert carry_on_abandoned(world.ledger) == 0
    assert world.states() == {"in_doubt": 2, "refused": 8}
    assert shown(world.ledger, act)["ended_by"] == "restore"
    assert ("requeue-stopped", f"act {act}", "pg_restore") in audited(world)
    sound(world)


def test_a_doubt_of_the_backup_is_no_first_doubt_after_it(world: World) -> None:
    world.submit(2)
    with world.relay():
        world.until_idle()
    first, second, *others = ids(world)
    put(world, [first], State.IN_DOUBT, doubts=1)
    put(world, [second], State.IN_DOUBT, doubts=4)
    accept_restore(world.ledger, 100, "anna", "x")
    assert (row(world, first).doubts, row(world, second).doubts) == (2, 4)
    assert resent(world) == 0
    put(world, others[:1], State.IN_DOUBT, doubts=1)
    assert resent(world) == 1, "one of afterwards is resent"


def resent(world: World) -> int:
    """How many letters in doubt the house queues again by itself, a long time from now."""
    hot = connect_hot(world.ledger.url)
    late = world.ledger.now_us() + YEARS_US
    try:
        ((moved,),) = hot.transaction(lambda: [(Call(lambda database: resend_once(database, world.campaign, late)),)])
    finally:
        hot.close()
    return int(moved)


# -- an undo sends nothing that somebody had held --------------------------------------------------------------------------
def test_what_was_held_before_a_cancel_is_held_after_its_undo(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "PAGE", 2)
    world.submit(3)
    first, second, third = ids(world, addressee=MAYOR)
    hold_letter(world.ledger, first, "bea", "it insults: do not send")
    put(world, [second], State.HELD, reason="50% of _it, odd")
    done = do(world, Wanted("cancel", office=MAYOR))
    assert row(world, first).reason == f"cancelled by an operator, act {done.id}, was held: held by an operator"
    sound(world)
    back = carry_on(world.ledger, undo(world.ledger, done.id, BY))
    assert back.moved == 3
    found = [row(world, letter) for letter in (first, second, third)]
    assert [each.state for each in found] == ["held", "held", "queued"]
    assert [each.reason for each in found[:2]] == ["held by an operator", "50% of _it, odd"]
    assert [each.ended_at for each in found] == [None, None, None]
    sound(world)
    with world.relay():
        world.until_idle()
    assert (row(world, first).state, row(world, third).state) == ("held", "sent")


def test_an_act_is_undone_and_no_other_whose_number_begins_alike(world: World) -> None:
    world.submit(1)
    (letter,) = ids(world, addressee=MAYOR)
    hold_letter(world.ledger, letter, "bea", "x")
    done = do(world, Wanted("cancel", office=MAYOR))
    other = f"cancelled by an operator, act {done.id}1, was held: held by an operator"
    put(world, [letter], State.CANCELLED, reason=other)
    assert preview_undo(world.ledger, done.id).count == 0


def test_what_was_held_and_is_asked_for_is_queued(world: World) -> None:
    world.submit(1)
    (letter,) = ids(world, addressee=MAYOR)
    hold_letter(world.ledger, letter, "bea", "x")
    do(world, Wanted("cancel", office=MAYOR))
    assert do(world, Wanted("requeue", states=("cancelled",), office=MAYOR)).moved == 1
    assert row(world, letter).state == "queued"


# -- suppressed letters that are asked for come back -----------------------------------------------------------------------
def test_unsuppress_queues_what_is_left_where_one_ends_meanwhile(
    world: World, draft: Draft, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.home = draft.load()
    world.submit(4)
    now = SystemClock().now()
    told = suppressing.Refusal(MAYOR, "they wrote to us", "their letter", date(2027, 2, 1))
    suppressing.suppress(world.ledger, suppressing.propose_suppress(world.home, told, now), BY)
    wanted = suppressing.taken_from(world.ledger, MAYOR)
    counted = suppressing.preview

    def then_one_withdraws(*given: Any) -> Any:
        found = counted(*given)
        world.intake.withdraw(world.receipts[0].signature)
        return found

    monkeypatch.setattr(suppressing, "preview", then_one_withdraws)
    proposal = suppressing.propose_unsuppress(world.home, MAYOR, now)
    act = suppressing.unsuppress(world.ledger, world.home, proposal, BY, wanted)
    assert act is not None
    assert carry_on(world.ledger, act).moved == 3
    assert len(ids(world, addressee=MAYOR, state="queued")) == 3
    sound(world)


# -- a busy campaign can be acted on -------------------------------------------------------------------------------------
def test_letters_that_leave_meanwhile_stop_no_act(world: World) -> None:
    world.submit(3)
    seen = preview(world.ledger, world.home, Wanted("cancel", office=MAYOR))
    put(world, ids(world, addressee=MAYOR)[:1], State.SENT)
    done = carry_on(world.ledger, begin(world.ledger, seen.wanted, seen.count, BY))
    assert (seen.count, done.expected, done.moved) == (3, 2, 2)
    back = preview_undo(world.ledger, done.id)
    put(world, ids(world, addressee=MAYOR)[1:2], State.QUEUED)
    assert carry_on(world.ledger, undo(world.ledger, done.id, BY, back.count)).moved == 1


def test_where_all_have_left_nothing_is_begun(world: World) -> None:
    world.submit(2)
    seen = preview(world.ledger, world.home, Wanted("cancel", office=MAYOR))
    put(world, ids(world), State.SENT)
    with pytest.raises(RefusedByState, match="no letter can be cancelled: 2 x a sent letter"):
        begin(world.ledger, seen.wanted, seen.count, BY)


def test_the_command_says_how_many_had_left(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    world.submit(3)
    monkeypatch.setattr(acting, "ask", lambda *_, **__: put(world, ids(world, addressee=MAYOR)[:1], State.SENT))
    done = acting.act_on(world.home, world.ledger, Wanted("cancel", office=MAYOR), "a test", expect=5)
    assert done is not None
    assert done.moved == 2
    assert "1 of the 3 letters had moved on before act" in capsys.readouterr().err
