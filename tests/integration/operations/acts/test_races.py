"""Acts against each other, against workers, and against kill -9: each letter is moved once. Both databases."""

import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from tests.fixtures.world import World
from tests.integration.operations.acts.scene import BY, MAYOR, audited, ids, put, row, sound
from worker.domain.errors import LettershopError, RefusedByState
from worker.domain.states import State
from worker.ledger import bulk_acts
from worker.ledger.bulk_acts import LEASE_US
from worker.ledger.schema import attempts
from worker.operations.acts import Wanted, begin, carry_on, carry_on_abandoned, listing, preview, running, shown, undo

ROOT = Path(__file__).parents[4]
SCRIPT = "tests.integration.operations.acts.child_act"


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many pages of few letters."""
    monkeypatch.setattr(running, "PAGE", 3)


def begun(world: World, wanted: Wanted) -> int:
    seen = preview(world.ledger, world.home, wanted)
    return begin(world.ledger, seen.wanted, seen.count, BY)


def at_once(*works: Callable[[], Any]) -> list[Future[Any]]:
    """Start them at the same moment; what became of each."""
    gate = threading.Barrier(len(works))

    def run(work: Callable[[], Any]) -> Any:
        gate.wait()
        return work()

    with ThreadPoolExecutor(len(works)) as pool:
        return [pool.submit(run, work) for work in works]


def test_two_processes_at_one_act_move_each_letter_once(world: World) -> None:
    world.submit(20)
    act = begun(world, Wanted("cancel", campaign=world.campaign))
    for each in at_once(*(lambda: carry_on(world.ledger, act) for _ in range(3))):
        assert each.result().moved == 40
    assert world.states() == {"cancelled": 40}
    assert [verb for verb, *_ in audited(world)] == ["cancel", "cancel-done"]
    sound(world)


def test_two_operators_on_the_same_letters(world: World) -> None:
    world.submit(20)
    hold, cancel = (begun(world, Wanted(verb, campaign=world.campaign)) for verb in ("hold", "cancel"))
    held, cancelled = (
        each.result() for each in at_once(lambda: carry_on(world.ledger, hold), lambda: carry_on(world.ledger, cancel))
    )
    assert cancelled.moved == 40, "what is held can be cancelled"
    assert held.moved + held.skipped <= 40
    assert set(held.why_skipped) <= {"a cancelled letter cannot be held"}
    assert world.states() == {"cancelled": 40}
    sound(world)


def test_an_act_that_two_undo_is_undone_once(world: World) -> None:
    world.submit(5)
    act = begun(world, Wanted("cancel", office=MAYOR))
    carry_on(world.ledger, act)
    both = at_once(*(lambda: carry_on(world.ledger, undo(world.ledger, act, BY)).moved for _ in range(2)))
    refused = [each.exception() for each in both if each.exception()]
    assert [each.result() for each in both if not each.exception()] == [5]
    assert [type(each) for each in refused] == [RefusedByState]
    sound(world)


def test_letters_are_cancelled_while_workers_send(world: World) -> None:
    world.submit(30)
    act = begun(world, Wanted("cancel", campaign=world.campaign))
    with world.relay() as server:
        sending, cancelling = at_once(world.until_idle, lambda: carry_on(world.ledger, act))
        sending.result()
        done = cancelling.result()
        world.until_idle()
        taken = len(server.accepted)
    states = world.states()
    assert set(states) <= {"sent", "cancelled"}
    assert (states.get("sent", 0), states.get("cancelled", 0)) == (taken, done.moved)
    assert taken + done.moved == 60
    sound(world)


def test_letters_are_held_and_resumed_while_workers_send(world: World) -> None:
    world.submit(30)
    act = begun(world, Wanted("hold", campaign=world.campaign))
    with world.relay() as server:
        for each in at_once(world.until_idle, lambda: carry_on(world.ledger, act)):
            each.result()
        if shown(world.ledger, act)["moved"]:
            carry_on(world.ledger, undo(world.ledger, act, BY))
        world.until_idle()
        assert len(server.accepted) == 60
    assert world.states() == {"sent": 60}
    with world.ledger.read() as connection:
        once = sa.select(sa.func.count()).select_from(attempts).where(attempts.c.kind == "accept")
        assert connection.execute(once).scalar_one() == 60
    sound(world)


def test_a_claimed_letter_is_taken_out_of_its_round(world: World) -> None:
    world.submit(2)
    put(world, ids(world, addressee=MAYOR), State.CLAIMED)
    with world.ledger.write() as connection:
        connection.execute(sa.text("UPDATE letters SET claim = 77 WHERE state = 'claimed'"))
    done = carry_on(world.ledger, begun(world, Wanted("cancel", office=MAYOR)))
    assert done.moved == 2
    assert [row(world, letter).claim for letter in ids(world, addressee=MAYOR)] == [None, None]


def test_a_letter_that_moves_between_the_look_and_the_page_is_left(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.submit(3)
    act = begun(world, Wanted("cancel", office=MAYOR))
    behind, fast = running.Finder.behind, ids(world, addressee=MAYOR)[1]

    def slow(self: Any, mark: int) -> list[int]:
        found = behind(self, mark)
        if found:
            put(world, [fast], State.SENT)
        return found

    monkeypatch.setattr(running.Finder, "behind", slow)
    done = carry_on(world.ledger, act)
    assert (done.moved, done.why_skipped) == (2, {"a sent letter cannot be cancelled": 1})
    assert row(world, fast).state == "sent"
    sound(world)


@pytest.mark.parametrize(("pages", "where", "moved"), [(2, "between", 6), (2, "inside", 6), (0, "inside", 0)])
def test_an_act_whose_process_is_killed_is_carried_on(
    world: World, tmp_path: Path, pages: int, where: str, moved: int
) -> None:
    world.submit(10)
    act = begun(world, Wanted("cancel", campaign=world.campaign))
    command = [sys.executable, "-m", SCRIPT, world.ledger.url, str(tmp_path / "keys"), str(act), str(pages), where]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as child:
        assert child.stdout
        assert child.stdout.readline() == "now\n"
        child.kill()
    sound(world)
    assert shown(world.ledger, act)["moved"] == moved
    assert carry_on_abandoned(world.ledger) == 0, "somebody may be at it still"
    abandon(world, act)
    assert listing(world.ledger)[0]["state"] == "abandoned"
    assert carry_on_abandoned(world.ledger) == 20 - moved
    assert world.states() == {"cancelled": 20}
    assert [verb for verb, *_ in audited(world)] == ["cancel", "cancel-done"]
    assert shown(world.ledger, act)["state"] == "done"
    assert carry_on_abandoned(world.ledger) == 0
    sound(world)


def abandon(world: World, act: int) -> None:
    """Nobody has been at it for half a minute."""
    with world.ledger.write() as connection:
        values = {"renewed_at": world.ledger.now_us() - LEASE_US - 1}
        connection.execute(sa.update(bulk_acts.bulk_acts).where(bulk_acts.bulk_acts.c.id == act).values(values))


def test_an_abandoned_act_is_taken_up_by_one(world: World) -> None:
    world.submit(10)
    act = begun(world, Wanted("cancel", campaign=world.campaign))
    abandon(world, act)
    moved = [each.result() for each in at_once(*(lambda: carry_on_abandoned(world.ledger) for _ in range(3)))]
    assert sorted(moved) == [0, 0, 20]


def test_a_worker_that_stops_leaves_the_rest(world: World) -> None:
    world.submit(10)
    act = begun(world, Wanted("cancel", campaign=world.campaign))
    pages = iter([False, False, True])
    done = carry_on(world.ledger, act, stopping=lambda: next(pages))
    assert (done.moved, done.over) == (6, False)
    assert carry_on(world.ledger, act).moved == 20


def test_one_act_that_cannot_go_on_stops_no_other(world: World) -> None:
    world.submit(3)
    broken, whole = (begun(world, Wanted("cancel", office=MAYOR)) for _ in range(2))
    with world.ledger.write() as connection:
        nonsense = {"filter": '{"verb":"vanish","office":"x"}'}
        connection.execute(sa.update(bulk_acts.bulk_acts).where(bulk_acts.bulk_acts.c.id == broken).values(nonsense))
    for act in (broken, whole):
        abandon(world, act)
    with pytest.raises(LettershopError, match="there is no act 'vanish'"):
        carry_on_abandoned(world.ledger)
    assert shown(world.ledger, whole)["moved"] == 3


def test_progress_ends_at_what_was_expected(world: World) -> None:
    world.submit(4)
    told: list[tuple[int, int]] = []
    carry_on(world.ledger, begun(world, Wanted("cancel", campaign=world.campaign)), lambda *each: told.append(each))
    assert told == [(3, 8), (6, 8), (8, 8), (8, 8)]


def test_pages_look_at_a_stretch_of_letters_and_miss_none(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running.Finder, "NARROW", 4)
    monkeypatch.setattr(running.Finder, "WIDE", 8)
    world.submit(40)
    mayor = ids(world, addressee=MAYOR)
    put(world, [*mayor[3:20], *mayor[21:38]], State.SENT)
    done = carry_on(world.ledger, begun(world, Wanted("cancel", office=MAYOR)))
    assert done.moved == 6
    named = carry_on(world.ledger, begun(world, Wanted("hold", ids=tuple(ids(world, state="queued")[::2]))))
    assert named.moved == 20
    sound(world)
