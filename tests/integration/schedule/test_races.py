"""Many who tick at once, crashes in every act, and what signers and operators do between two pages."""

import contextlib
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy.engine import Connection

from tests.integration.intake.scene import make_intake, states, text
from tests.integration.intake.travel import mail, page_token, send_due
from tests.integration.schedule.scene import DAY, ORDER, START, Scene, each_once, is_, occasion, yearly
from worker.domain.occurrence import Life
from worker.intake.own_page import OwnPages
from worker.ledger import audit, holds, occurrences
from worker.ledger.book import Ledger
from worker.schedule import announce, approve, cancel, expand, hold, life, resume, stopping, tick

MANY = 8
PEOPLE = range(1, 8)


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two supporters a page, and two letters where letters are moved."""
    monkeypatch.setattr(announce, "PAGE_SIZE", 2)
    monkeypatch.setattr(expand, "PAGE_LETTERS", {"sqlite": 6, "postgresql": 6})
    monkeypatch.setattr(stopping, "PAGE", 2)


@pytest.fixture
def signed(scene: Scene) -> Iterator[Scene]:
    scene.sign(*PEOPLE)
    yield scene
    assert scene.counted()
    with scene.ledger.read() as connection:
        assert audit.verify(connection) == []


def at_once(scene: Scene) -> int:
    """Tick in many threads at the same moment. Returns how many acts were done."""
    board, ready = scene.board, threading.Barrier(MANY)

    def one(_: int) -> int:
        ready.wait(30)
        return tick(board)

    with ThreadPoolExecutor(MANY) as pool:
        return sum(pool.map(one, range(MANY)))


def test_many_who_tick_at_once_do_everything_once(signed: Scene) -> None:
    at_once(signed)
    is_(signed.now(), Life.PLANNED)
    signed.at(START - 30 * DAY)
    at_once(signed)
    signed.at(START - 14 * DAY)
    at_once(signed)
    is_(signed.now(), Life.ANNOUNCED)
    assert mail(signed.ledger) == [("announce-anniversary-2026-1", "queued")] * len(PEOPLE)
    send_due(signed.ledger)
    approve(signed.board, signed.now().id, ORDER)
    signed.at(START)
    at_once(signed)
    assert is_(signed.now(), Life.SENDING)
    assert (signed.now().audience, signed.now().written) == (len(PEOPLE), len(PEOPLE))
    assert each_once(signed, list(PEOPLE))
    signed.send_letters()
    at_once(signed.at(START + DAY))
    assert is_(signed.now(), Life.DONE)
    assert at_once(signed) == 0
    assert each_once(signed, list(PEOPLE))
    with signed.ledger.read() as connection:
        assert [each.period for each in occurrences.listed(connection)] == [2026, 2027]
        verbs = Counter(each.verb for each in audit.latest(connection, 1000))
    assert verbs["sendout-finish"] == 1


class Crash(Exception):
    """The process ends here."""


@contextlib.contextmanager
def crashing(monkeypatch: pytest.MonkeyPatch, phase: int) -> Iterator[list[int]]:
    """Every fourth transaction is run, and the process ends before its commit; counts them all."""
    asked = [0]
    true = life.transact

    def transact(ledger: Ledger, work: Callable[[Connection], Any]) -> Any:
        asked[0] += 1
        if asked[0] % 4 != phase:
            return true(ledger, work)
        with ledger.write() as connection:
            work(connection)
            raise Crash

    with monkeypatch.context() as patched:
        patched.setattr(life, "transact", transact)
        patched.setattr(stopping, "transact", transact)
        yield asked


def through_crashes(scene: Scene) -> None:
    """Tick until one ends without a crash."""
    for _ in range(1000):
        with contextlib.suppress(Crash):
            tick(scene.board)
            return
    raise AssertionError("it never comes to an end")


@pytest.mark.parametrize("phase", range(4))
def test_a_crash_before_any_commit_costs_nothing(signed: Scene, monkeypatch: pytest.MonkeyPatch, phase: int) -> None:
    with crashing(monkeypatch, phase) as asked:
        through_crashes(signed)
        through_crashes(signed.at(START - 30 * DAY))
        through_crashes(signed.at(START - 14 * DAY))
        assert mail(signed.ledger) == [("announce-anniversary-2026-1", "queued")] * len(PEOPLE)
        send_due(signed.ledger)
        approve(signed.board, signed.now().id, ORDER)
        through_crashes(signed.at(START))
        assert is_(signed.now(), Life.SENDING)
        assert each_once(signed, list(PEOPLE))
        signed.send_letters()
        through_crashes(signed)
        assert is_(signed.now(), Life.DONE)
        assert asked[0] > 20, "pages of both were crashed in"
    assert each_once(signed, list(PEOPLE))


@pytest.mark.parametrize("phase", [0, 2])
def test_a_crash_in_any_page_of_a_hold_a_resume_or_a_cancel_is_made_up_for_by_a_tick(
    signed: Scene, monkeypatch: pytest.MonkeyPatch, phase: int
) -> None:
    seen = signed.through()
    letters = 3 * len(PEOPLE)
    for verb, reached in ((hold, "held"), (resume, "queued"), (hold, "held"), (cancel, "cancelled")):
        with crashing(monkeypatch, phase):
            with contextlib.suppress(Crash):
                verb(signed.board, seen.id, ORDER)
            through_crashes(signed)
        assert Counter(each["state"] for each in signed.letters()) == {reached: letters}
        assert signed.counted()
    with signed.ledger.read() as connection:
        assert holds.standing(connection, signed.ledger.now_us()) == []


# -- between two pages ---------------------------------------------------------------------------------------------------
def one_page_of_letters(scene: Scene) -> None:
    """Begin, and stop after the first page: two supporters have their letters."""
    approve(scene.board, scene.announce().id, ORDER)
    scene.draining = lambda: scene.now().written_to > 0
    is_(scene.at(START).tick(), Life.EXPANDING)
    scene.draining = lambda: False
    assert each_once(scene, [1, 2])


def end_consent(scene: Scene, signature: int) -> None:
    intake = make_intake(scene.ledger, scene.keys, scene.campaign, clock=scene.clock, offices=scene.offices)
    OwnPages(intake).end(page_token(scene.ledger, scene.keys, signature), "yearly")


def test_who_says_no_between_two_pages_of_letters_is_not_written_for(signed: Scene) -> None:
    one_page_of_letters(signed)
    signed.intake.withdraw(1)
    end_consent(signed, 2)
    signed.intake.withdraw(3)
    signed.intake.erase(4)
    end_consent(signed, 5)
    is_(signed.tick(), Life.SENDING)
    assert each_once(signed, [1, 2, 6, 7])
    assert {each["state"] for each in signed.letters() if each["signature_id"] < 3} == {"cancelled"}
    assert (signed.now().audience, signed.now().written) == (7, 4)
    signed.send_letters()
    is_(signed.tick(), Life.DONE)


def test_who_says_no_between_two_pages_of_announcements_is_not_told(signed: Scene) -> None:
    signed.at(START - 14 * DAY)
    signed.draining = lambda: signed.now().told_to > 0
    signed.tick()
    assert mail(signed.ledger) == [("announce-anniversary-2026-1", "queued")] * 2
    signed.intake.withdraw(1)
    end_consent(signed, 2)
    signed.intake.withdraw(3)
    signed.intake.erase(4)
    signed.draining = lambda: False
    is_(signed.tick(), Life.ANNOUNCED)
    told = {signature: states(signed.ledger, signature).get("signer") for signature in PEOPLE}
    assert told == {1: "cancelled", 2: "cancelled", 3: None, 4: None, 5: "queued", 6: "queued", 7: "queued"}


def test_a_hold_between_two_pages_stops_the_next_and_a_resume_goes_on_there(signed: Scene) -> None:
    one_page_of_letters(signed)
    number = signed.now().id
    assert hold(signed.board, number, ORDER) == 6
    is_(signed.tick(), Life.HELD)
    assert {each["state"] for each in signed.letters()} == {"held"}
    assert resume(signed.board, number, ORDER) == 6
    is_(signed.now(), Life.EXPANDING)
    is_(signed.tick(), Life.SENDING)
    assert each_once(signed, list(PEOPLE))
    assert {each["state"] for each in signed.letters()} == {"queued"}


def test_a_hold_comes_between_pages_whoever_is_at_it(signed: Scene) -> None:
    """One thread makes letters, another holds: none is queued once the hold has answered."""
    approve(signed.board, signed.announce().id, ORDER)
    signed.at(START)
    number, began = signed.now().id, threading.Event()

    def draining() -> bool:
        if signed.now().written_to > 0:
            began.set()
        return False

    signed.draining = draining
    with ThreadPoolExecutor(1) as pool:
        ticking = pool.submit(tick, signed.board)
        assert began.wait(30)
        hold(signed.board, number, ORDER)
        ticking.result(30)
    assert {each["state"] for each in signed.letters()} == {"held"}
    resume(signed.board, number, ORDER)
    is_(signed.tick(), Life.SENDING)
    assert each_once(signed, list(PEOPLE))


def test_the_text_is_edited_between_two_pages_of_announcements(signed: Scene) -> None:
    """What was not sent of the old announcement is taken back; everybody is sent the new one."""
    signed.at(START - 14 * DAY)
    signed.draining = lambda: signed.now().told_to > 0
    signed.tick()
    signed.draining = lambda: False
    signed.campaign = yearly(occasion(text=text("Edited.")))
    is_(signed.tick(), Life.ANNOUNCED)
    assert Counter(mail(signed.ledger)) == {
        ("announce-anniversary-2026-1", "cancelled"): 2,
        ("announce-anniversary-2026-2-ask", "queued"): len(PEOPLE),
    }
    with signed.ledger.read() as connection:
        assert holds.standing(connection, signed.ledger.now_us()) == []
