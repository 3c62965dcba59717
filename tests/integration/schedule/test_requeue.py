"""A yearly send-out that was cancelled stays cancelled, whatever is queued again. Both databases."""

from datetime import timedelta

from tests.integration.schedule.scene import ORDER, START, Scene, is_
from worker.domain.occurrence import Life, Step
from worker.ledger import occurrences
from worker.operations import acts
from worker.operations.acts import Wanted
from worker.operations.acts.choosing import count
from worker.schedule import approve, cancel

BY = acts.Order("anna", "mine by mistake")


def cancelled(scene: Scene) -> Wanted:
    return Wanted("requeue", states=("cancelled",), office=next(iter(scene.offices)))


def test_letters_of_a_cancelled_sendout_are_not_queued_again(scene: Scene) -> None:
    scene.sign(1, 2)
    approve(scene.board, scene.announce().id, ORDER)
    is_(scene.at(START).tick(), Life.SENDING)
    before = taken_back(scene)
    cancel(scene.board, scene.now().id, ORDER)
    scene.tick()
    found = count(scene.ledger, cancelled(scene))
    assert (found.count, found.not_allowed) == (0, {"its send-out was cancelled": 2})
    assert acts.preview_undo(scene.ledger, before).count == 0
    assert {each["state"] for each in scene.letters()} == {"cancelled"}


def test_letters_of_a_sendout_that_goes_on_are(scene: Scene) -> None:
    scene.sign(1, 2)
    approve(scene.board, scene.announce().id, ORDER)
    is_(scene.at(START).tick(), Life.SENDING)
    before = taken_back(scene)
    assert acts.carry_on(scene.ledger, acts.undo(scene.ledger, before, BY)).moved == 2 * len(scene.offices)
    assert {each["state"] for each in scene.letters()} == {"queued"}
    assert scene.counted()


def test_an_announcement_of_an_edited_text_is_not_queued_again(scene: Scene) -> None:
    scene.sign(1)
    seen = scene.at(START - timedelta(days=14)).tick()
    is_(seen, Life.ANNOUNCED)
    notices = Wanted("cancel", sendout=seen.announcement, states=("queued",))
    act = acts.begin(scene.ledger, count(scene.ledger, notices).wanted, 1, BY)
    acts.carry_on(scene.ledger, act)
    assert acts.preview_undo(scene.ledger, act).count == 1, "it stands still"
    with scene.ledger.write() as connection:  # as the text is edited, and announced anew
        assert occurrences.take(connection, seen, Step.VOID, told_to=-1)
    found = acts.preview_undo(scene.ledger, act)
    assert (found.count, found.not_allowed) == (0, {"its send-out was cancelled": 1})


def taken_back(scene: Scene) -> int:
    """An act that has cancelled the send-out's letters."""
    found = count(scene.ledger, Wanted("cancel", sendout="anniversary-2026"))
    assert found.count == 2 * len(scene.offices)
    return acts.carry_on(scene.ledger, acts.begin(scene.ledger, found.wanted, found.count, BY)).id
