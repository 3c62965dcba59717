"""An occurrence's life, from the plan to the last letter, on a clock that the tests move."""

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.integration.intake.scene import states, text
from tests.integration.intake.travel import mail, send_due
from tests.integration.schedule.scene import AGAIN, DAY, ORDER, START, Scene, is_, occasion, yearly
from worker.domain.errors import RefusedByState
from worker.domain.occurrence import Life
from worker.ledger import preflights
from worker.ledger.audience import NEW_TEXT, NOT_TOLD
from worker.schedule import Fault, approve, cancel, hold, resume, run, tick


def test_from_the_plan_to_the_last_letter(scene: Scene) -> None:
    first, second = scene.sign(1, 2)
    scene.sign(3, consents=(scene_send(),))  # agreed to nothing but the first letter
    is_(scene.tick(), Life.PLANNED)
    is_(scene.announce(), Life.ANNOUNCED)
    assert sorted(mail(scene.ledger)) == [("announce-anniversary-2026-1", "sent")] * 2
    approve(scene.board, scene.now().id, ORDER)
    is_(scene.at(START - DAY).tick(), Life.APPROVED)
    assert scene.letters() == []
    is_(scene.at(START).tick(), Life.SENDING)
    made = scene.letters()
    assert sorted((each["signature_id"], each["addressee"]) for each in made) == sorted(
        (signature, office) for signature in (first, second) for office in scene.offices
    )
    assert all(each["due_at"] > scene.ledger.now_us() for each in made)
    assert scene.tick().state is Life.SENDING
    scene.send_letters()
    done = is_(scene.tick(), Life.DONE) and scene.now()
    assert (done.audience, done.written) == (2, 2)
    assert len(scene.letters()) == 6  # whatever ticks come
    assert scene.counted()


def scene_send() -> object:
    from worker.intake import SEND

    return SEND


def test_nothing_is_begun_without_approval_and_what_is_approved_late_begins_at_once(scene: Scene) -> None:
    scene.sign(1)
    is_(scene.announce(), Life.ANNOUNCED)
    is_(scene.at(START + DAY).tick(), Life.ANNOUNCED)
    approve(scene.board, scene.now().id, ORDER)
    is_(scene.tick(), Life.SENDING)
    assert len(scene.letters()) == 3


def test_an_occasion_that_needs_no_approval_goes_by_itself(scene: Scene) -> None:
    scene.campaign = yearly(occasion(approval=False))
    scene.sign(1)
    is_(scene.announce(), Life.APPROVED)
    assert scene.now().approved_by == "the configuration"
    is_(scene.at(START).tick(), Life.SENDING)


def test_later_than_its_grace_it_is_missed_and_an_operator_may_run_it(scene: Scene) -> None:
    scene.sign(1)
    scene.announce()
    approve(scene.board, scene.now().id, ORDER)
    missed = scene.at(START + 7 * DAY + timedelta(seconds=1)).tick()
    is_(missed, Life.MISSED)
    assert scene.letters() == []
    run(scene.board, missed.id, ORDER)
    is_(scene.tick(), Life.SENDING)
    assert len(scene.letters()) == 3


def test_an_outage_over_the_leads_makes_up_for_all_of_them(scene: Scene) -> None:
    scene.campaign = yearly(occasion(approval=False))
    scene.sign(1)
    scene.tick()
    late = scene.at(START - 3 * DAY).tick()  # announcing and two preflights had been due
    is_(late, Life.APPROVED)
    send_due(scene.ledger)
    with scene.ledger.read() as connection:
        assert preflights.names(connection, late.id) == {"30 days before", "7 days before"}
    is_(scene.at(START).tick(), Life.APPROVED)  # nobody has known of it for a week
    is_(scene.at(START + 4 * DAY).tick(), Life.SENDING)
    assert len(scene.letters()) == 3


def test_who_was_not_told_in_time_is_not_written_for(scene: Scene) -> None:
    told, untold = scene.sign(1, 2)
    is_(scene.at(START - 14 * DAY).tick(), Life.ANNOUNCED)
    approve(scene.board, scene.now().id, ORDER)
    send_due_of(scene, told)
    scene.at(START - 6 * DAY)
    send_due(scene.ledger)  # the other one's mail server took it a day too late
    is_(scene.at(START).tick(), Life.SENDING)
    assert {each["signature_id"] for each in scene.letters()} == {told}
    assert left_out(scene) == [(untold, NOT_TOLD)]


def send_due_of(scene: Scene, signature: int) -> None:
    import sqlalchemy as sa

    from worker.ledger.schema import letters

    with scene.ledger.write() as connection:
        mine = (letters.c.signature_id == signature, letters.c.addressee == "signer")
        done = {"state": "sent", "ended_at": scene.ledger.now_us(), "attempts": 1}
        connection.execute(sa.update(letters).where(*mine).values(done))


def left_out(scene: Scene) -> list[tuple[int, str]]:
    from worker.ledger import audience
    from worker.schedule.audience import terms_of

    seen = scene.now()
    with scene.ledger.read() as connection:
        by = (seen.begun_at or 0) - scene.board.leads.announced_for_us
        terms = terms_of(connection, seen, scene.campaign.occasions["anniversary"], told_by=by)
        return audience.left_out(connection, terms)


def test_silence_is_enough_only_for_the_text_that_was_shown_when_signing(scene: Scene) -> None:
    shown = scene.sign(1)[0]
    scene.campaign = yearly(occasion(text=text("Another letter.")))
    new = scene.sign(2)[0]
    is_(scene.announce(), Life.ANNOUNCED)
    assert sorted(mail(scene.ledger)) == [
        ("announce-anniversary-2026-1", "sent"),
        ("announce-anniversary-2026-1-ask", "sent"),
    ]
    approve(scene.board, scene.now().id, ORDER)
    is_(scene.at(START).tick(), Life.SENDING)
    assert {each["signature_id"] for each in scene.letters()} == {new}
    assert left_out(scene) == [(shown, NEW_TEXT)]


def test_who_agrees_to_the_new_text_is_written_for(scene: Scene) -> None:
    from worker.ledger import agreements

    signature = scene.sign(1)[0]
    scene.campaign = yearly(occasion(text=text("Another letter.")))
    seen = scene.announce()
    with scene.ledger.write() as connection:
        agreements.agree(connection, signature, seen.text_id or 0, scene.ledger.now_us())
    approve(scene.board, seen.id, ORDER)
    is_(scene.at(START).tick(), Life.SENDING)
    assert len(scene.letters()) == 3


def test_an_edit_after_the_announcement_voids_it_and_the_approval(scene: Scene) -> None:
    scene.sign(1)
    approve(scene.board, scene.announce().id, ORDER)
    scene.campaign = yearly(occasion(text=text("Edited.")))
    edited = scene.at(START - 13 * DAY).tick()
    is_(edited, Life.ANNOUNCED)
    assert (edited.edition, edited.approved_at) == (2, None)
    assert [name for name, _ in mail(scene.ledger)] == [
        "announce-anniversary-2026-1",
        "announce-anniversary-2026-2-ask",
    ]


def test_a_changed_date_moves_what_has_not_begun_and_makes_no_second(scene: Scene) -> None:
    scene.sign(1)
    scene.tick()
    scene.campaign = yearly(occasion(day=25))
    moved = scene.tick()
    assert moved.starts_at == scene.now().starts_at
    assert moved.starts_at - int(START.timestamp() * 1e6) == 5 * DAY // timedelta(microseconds=1)
    scene.at(START + 30 * DAY).tick()
    with scene.ledger.read() as connection:
        from worker.ledger import occurrences

        assert [each.period for each in occurrences.listed(connection)] == [2026, 2027]


@pytest.mark.parametrize("jump", [-400, -30, 30])
def test_a_clock_that_jumps_back_or_forth_begins_nothing_twice(scene: Scene, jump: int) -> None:
    scene.sign(1, 2)
    scene.through()
    before = len(scene.letters())
    scene.at(START + jump * DAY).tick()
    scene.at(START).tick()
    scene.send_letters()
    is_(scene.at(START + 2 * DAY).tick(), Life.DONE)
    scene.at(START - DAY).tick()
    scene.at(START).tick()
    assert (before, len(scene.letters())) == (6, 6)
    is_(scene.now(), Life.DONE)


def test_a_preflight_that_finds_something_holds_it(scene: Scene) -> None:
    scene.sign(1)
    scene.faults = (Fault("relay main", "it does not answer: look at it"),)
    held = scene.at(START - 30 * DAY).tick()
    is_(held, Life.HELD)
    assert "it does not answer" in held.reason
    scene.at(START - 14 * DAY).tick()
    assert mail(scene.ledger) == []
    scene.faults = ()
    resume(scene.board, held.id, ORDER)
    is_(scene.tick(), Life.ANNOUNCED)


def test_too_many_for_the_window_are_found_before_anybody_is_told(scene: Scene) -> None:
    from worker.domain.limits import Rate

    scene.sign(*range(30))
    scene.rates = (Rate(10, 86_400),)
    held = scene.at(START - 30 * DAY).tick()
    is_(held, Life.HELD)
    assert "of 30 letters its limits let" in held.reason
    assert "move its end there" in held.reason


def test_an_empty_audience_ends_at_once(scene: Scene) -> None:
    scene.sign(1, consents=(scene_send(),))
    done = scene.through()
    is_(done, Life.DONE)
    assert (done.audience, scene.letters()) == (0, [])


def test_a_hold_sets_every_letter_aside_and_a_resume_puts_it_back(scene: Scene) -> None:
    scene.sign(1, 2)
    seen = scene.through()
    due = [each["due_at"] for each in scene.letters()]
    assert hold(scene.board, seen.id, ORDER) == 6
    assert {each["state"] for each in scene.letters()} == {"held"}
    is_(scene.tick(), Life.HELD)
    assert resume(scene.board, seen.id, ORDER) == 6
    assert [(each["state"], each["due_at"]) for each in scene.letters()] == [("queued", at) for at in due]
    is_(scene.now(), Life.SENDING)
    assert scene.counted()


def test_a_cancel_takes_back_what_is_not_sent_and_is_final(scene: Scene) -> None:
    scene.sign(1, 2)
    seen = scene.through()
    assert cancel(scene.board, seen.id, ORDER) == 6
    assert {each["state"] for each in scene.letters()} == {"cancelled"}
    with pytest.raises(RefusedByState, match="cancelled"):
        resume(scene.board, seen.id, ORDER)
    is_(scene.tick(), Life.CANCELLED)
    assert scene.counted()


def test_who_withdraws_while_it_is_made_is_not_written_for(scene: Scene) -> None:
    first, second = scene.sign(1, 2)
    approve(scene.board, scene.announce().id, ORDER)
    scene.intake.withdraw(first)
    scene.at(START).tick()
    assert {each["signature_id"] for each in scene.letters()} == {second}
    scene.intake.withdraw(second)
    assert set(states(scene.ledger, second).values()) <= {"cancelled", "sent"}


def test_an_occasion_that_is_configured_no_longer_is_held(scene: Scene) -> None:
    scene.sign(1)
    scene.tick()
    scene.campaign = replace(scene.campaign, occasions={})
    held = scene.tick()
    is_(held, Life.HELD)
    assert "no occasion 'anniversary' any more" in held.reason


def test_the_signed_text_is_written_again_where_the_occasion_has_none(scene: Scene) -> None:
    scene.campaign = yearly(occasion(text=None))
    scene.sign(1)
    seen = scene.through()
    is_(seen, Life.SENDING)
    assert seen.text_id is None
    assert AGAIN.hash != scene.campaign.text.hash
    assert len(scene.letters()) == 3


def test_years_follow_each_other(scene: Scene) -> None:
    scene.campaign = yearly(occasion(approval=False))
    scene.sign(1)
    for year in range(2026, 2030):
        start = START.replace(year=year)
        scene.at(start - 14 * DAY).tick()
        send_due(scene.ledger)
        scene.at(start).tick()
        scene.send_letters(f"anniversary-{year}")
        tick(scene.board)
        is_(scene.now(year), Life.DONE)
        assert len(scene.letters(f"anniversary-{year}")) == 3
