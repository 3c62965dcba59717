"""What operators do to a send-out: what is refused, what reaches which letter, what the audit says; and thirty years."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from tests.integration.intake.scene import rows
from tests.integration.intake.travel import mail, send_due
from tests.integration.ledger.sample import open_round
from tests.integration.schedule.scene import DAY, ORDER, START, Scene, each_once, is_, occasion, yearly
from worker.domain.clock import from_us, to_us
from worker.domain.errors import BadInput, RefusedByState
from worker.domain.limits import Rate
from worker.domain.occasion import Window
from worker.domain.occurrence import Life
from worker.ledger import audit, counts, holds, letters_write, occurrences, preflights
from worker.ledger.hot import Claimed, Committer, Start
from worker.ledger.hot.lanes import claim
from worker.ledger.hot.values import Place
from worker.ledger.schema import letters
from worker.schedule import (
    Fault,
    Leads,
    Order,
    approve,
    begins_at,
    cancel,
    hold,
    lead_name,
    move_end,
    preflight,
    resume,
    run,
    tick,
    verbs,
)
from worker.wiring.home import connect_hot

Verb = Callable[[Any, int, Order], object]


def end_late(board: Any, number: int, order: Order) -> object:
    return move_end(board, number, to_us(START + 100 * DAY), order)


def looked(board: Any, number: int, order: Order) -> object:
    return preflight(board, number, order.who)


@pytest.fixture
def signed(scene: Scene) -> Iterator[Scene]:
    scene.sign(1, 2)
    yield scene
    assert scene.counted()
    with scene.ledger.read() as connection:
        assert audit.verify(connection) == []


# -- what is refused ---------------------------------------------------------------------------------------------------
def planned(scene: Scene) -> None:
    scene.tick()


def announced(scene: Scene) -> None:
    scene.announce()


def sending(scene: Scene) -> None:
    scene.through()


def done(scene: Scene) -> None:
    scene.through()
    scene.send_letters()
    scene.tick()


def held(scene: Scene) -> None:
    scene.through()
    hold(scene.board, scene.now().id, ORDER)


def missed(scene: Scene) -> None:
    scene.announce()
    scene.at(START + 8 * DAY).tick()


def cancelled(scene: Scene) -> None:
    scene.through()
    cancel(scene.board, scene.now().id, ORDER)


NOTHING = "possible now: nothing"


@pytest.mark.parametrize(
    ("place", "verb", "said"),
    [
        (planned, approve, "it is planned, so it cannot be approved; possible now: cancel, hold"),
        (planned, run, "its supporters were not told yet: nobody would be written for"),
        (planned, resume, "it is planned, so it cannot be resumed"),
        (announced, run, "its supporters were told too lately: it can begin at 2026-06-13 09:00:00 UTC"),
        (announced, resume, "it is announced, so it cannot be resumed"),
        (sending, approve, "it is sending, so it cannot be approved"),
        (sending, run, "it is sending, so it cannot be approved"),
        (held, approve, "it is held, so it cannot be approved"),
        (held, hold, "it is held, so it cannot be held"),
        (held, end_late, "its letters are set aside: resume it first, then move its end"),
        (missed, approve, "it was missed, and approving it does not change that: run it now, or cancel it"),
        (missed, hold, "it is missed, so it cannot be held"),
        (missed, end_late, "it is missed, so its end cannot be moved"),
        (done, cancel, f"it is done, so it cannot be cancelled; {NOTHING}"),
        (done, end_late, "it is done, so its end cannot be moved"),
        (cancelled, cancel, f"it is cancelled, so it cannot be cancelled; {NOTHING}"),
        (cancelled, resume, f"it is cancelled, so it cannot be resumed; {NOTHING}"),
        (cancelled, run, f"it is cancelled, so it cannot be approved; {NOTHING}"),
    ],
)
def test_what_its_state_does_not_allow_is_refused_and_changes_nothing(
    signed: Scene, place: Callable[[Scene], None], verb: Verb, said: str
) -> None:
    place(signed)
    before = everything(signed)
    with pytest.raises(RefusedByState) as refused:
        verb(signed.board, signed.now().id, ORDER)
    assert str(refused.value).startswith(said)
    assert everything(signed) == before


def everything(scene: Scene) -> tuple[Any, ...]:
    with scene.ledger.read() as connection:
        return scene.now(), audit.head(connection), rows(scene.ledger, sa.select(letters).order_by(letters.c.id))


@pytest.mark.parametrize("verb", [approve, run, hold, resume, cancel, end_late, looked])
def test_a_number_that_is_none_is_said(signed: Scene, verb: Verb) -> None:
    with pytest.raises(BadInput, match="there is no send-out 99; `lettershop sendouts list` shows them"):
        verb(signed.board, 99, ORDER)


@pytest.mark.parametrize("reason", ["", "  ", "x" * 501, "two\nlines", "\x07"])
def test_a_reason_is_a_printable_line(reason: str) -> None:
    with pytest.raises(BadInput, match="a reason is needed"):
        Order("ops", reason)


@pytest.mark.parametrize("verb", [run, looked, end_late])
def test_an_occasion_that_is_gone_is_said(signed: Scene, verb: Verb) -> None:
    signed.announce()
    signed.campaign = replace(signed.campaign, occasions={})
    with pytest.raises(RefusedByState, match="campaign library has no occasion 'anniversary' any more: put it back"):
        verb(signed.board, signed.now().id, ORDER)


def test_somebody_else_was_faster(signed: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    signed.announce()
    monkeypatch.setattr(occurrences, "change", lambda *_, **__: False)
    with pytest.raises(RefusedByState, match="somebody else has changed it meanwhile: look at it again"):
        approve(signed.board, signed.now().id, ORDER)


# -- what is done ------------------------------------------------------------------------------------------------------
def test_each_verb_leaves_a_row_of_the_audit(signed: Scene) -> None:
    number = signed.announce().id
    for verb in (looked, approve, hold, resume, end_late):
        verb(signed.board, number, ORDER)
    signed.at(START).tick()
    cancel(signed.board, number, Order("anna", "the council has decided"))
    with signed.ledger.read() as connection:
        found = audit.latest(connection, 1000, "send-out library/anniversary-2026")
    said = [(each.who, each.verb, each.reason) for each in reversed(found)]
    assert said == [
        ("ops", "sendout-preflight", ""),
        ("ops", "sendout-approve", "as agreed"),
        ("ops", "sendout-hold", "as agreed"),
        ("ops", "sendout-resume", "as agreed"),
        ("ops", "sendout-end", "as agreed"),
        ("anna", "sendout-cancel", "the council has decided"),
    ]
    assert found[1].details == {"ends": (START + 100 * DAY).isoformat()}


def test_a_missed_one_is_run_and_says_who_approved_it(signed: Scene) -> None:
    missed(signed)
    again = run(signed.board, signed.now().id, ORDER)
    assert (again.approved_by, from_us(again.run_at or 0)) == ("ops", START + 8 * DAY)
    assert is_(signed.tick(), Life.SENDING)
    assert each_once(signed, [1, 2])
    with pytest.raises(RefusedByState):
        run(signed.board, again.id, ORDER)


def test_an_approved_one_begins_before_its_day_when_told_to(signed: Scene) -> None:
    number = signed.announce().id
    approve(signed.board, number, ORDER)
    signed.at(START - 7 * DAY)
    assert begins_at(signed.board, run(signed.board, number, ORDER)) == to_us(START - 7 * DAY)
    assert is_(signed.tick(), Life.SENDING)
    is_(signed.at(START).tick(), Life.SENDING)
    assert each_once(signed, [1, 2])


def test_a_preflight_on_demand_is_kept_with_its_date(signed: Scene) -> None:
    number = signed.announce().id
    signed.faults = (Fault("relay main", "it does not answer"),)
    report = preflight(signed.board, number, "anna")
    assert (report.passed, report.supporters, report.letters) == (False, 2, 6)
    is_(signed.now(), Life.ANNOUNCED)  # a look that was asked for holds nothing
    with signed.ledger.read() as connection:
        kept = {each.name: each for each in preflights.results(connection, number)}
    assert set(kept) == {"30 days before", "asked for at 2026-06-06 09:00:00"}
    assert kept["asked for at 2026-06-06 09:00:00"].report == report.body()


def test_a_changed_date_is_looked_over_anew(signed: Scene) -> None:
    signed.at(START - DAY).tick()
    names = {"30 days before", "7 days before", "1 day before"}
    looked_at = times(signed)
    assert set(looked_at) == names
    signed.campaign = yearly(occasion(month=9))
    september = START.replace(month=9)
    signed.tick()
    assert from_us(signed.now().starts_at) == september
    assert times(signed) == looked_at
    signed.at(september - 7 * DAY).tick()
    assert {name for name, at in times(signed).items() if at > looked_at[name]} == {"30 days before", "7 days before"}


def times(scene: Scene) -> dict[str, int]:
    with scene.ledger.read() as connection:
        return preflights.times(connection, scene.now().id)


def test_leads_are_named_in_their_largest_unit() -> None:
    leads = (30 * DAY, DAY, timedelta(hours=36), timedelta(seconds=40))
    assert [lead_name(lead) for lead in leads] == ["30 days before", "1 day before", "36 h before", "40 s before"]


# -- what stops --------------------------------------------------------------------------------------------------------
def claimed(scene: Scene, letter: Any) -> tuple[Claimed, Start]:
    """The letter in a round's hands, and the mark that the round will ask for."""
    with scene.ledger.write() as connection:
        number = open_round(connection, letter["lane_id"], slot=letter["id"], renewed_at=scene.ledger.now_us())
    place, at_us = Place(number, letter["lane_id"], "mailbox:x", "main"), scene.ledger.now_us()
    found = at_the_committer(scene, lambda committer: committer.call(lambda db: claim(db, place, [letter["id"]])))[0]
    return found, Start(found, place, "library", at_us, 1, 2, 1, at_us, 1, b"\1" * 32)


def at_the_committer(scene: Scene, ask: Callable[[Committer], Awaitable[Any]]) -> Any:
    async def asked() -> Any:
        committer = Committer(lambda: connect_hot(scene.ledger.url))
        try:
            return await ask(committer)
        finally:
            await asyncio.to_thread(committer.close)

    return asyncio.run(asked())


def begun(scene: Scene, start: Start) -> bool:
    """Whether the mark is made."""
    return bool(at_the_committer(scene, lambda committer: committer.commit(start))[0])


def state_of(scene: Scene, letter: Any) -> str:
    (row,) = rows(scene.ledger, sa.select(letters.c.state).where(letters.c.id == letter["id"]))
    return str(row["state"])


@pytest.mark.parametrize(("verb", "reached"), [(hold, "held"), (cancel, "cancelled")])
def test_a_letter_in_a_rounds_hands_is_not_begun_any_more(signed: Scene, verb: Verb, reached: str) -> None:
    seen = signed.through()
    first, other = signed.letters()[:2]
    (_, free), (_, start) = claimed(signed, first), claimed(signed, other)
    assert begun(signed, free), "without a hold it is begun"
    verb(signed.board, seen.id, ORDER)
    assert not begun(signed, start)
    assert (state_of(signed, first), state_of(signed, other)) == ("sending", reached)


def test_between_the_hold_and_its_letters_nothing_is_begun(signed: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hold of a million letters takes a while; the first transaction of it is enough."""
    seen = signed.through()
    _, start = claimed(signed, signed.letters()[0])
    with monkeypatch.context() as patched:
        patched.setattr(verbs, "sweep", lambda *_: 0)
        hold(signed.board, seen.id, ORDER)
    assert state_of(signed, signed.letters()[0]) == "claimed"
    assert not begun(signed, start)
    signed.tick()
    assert {each["state"] for each in signed.letters()} == {"held"}


def test_what_a_relay_defers_after_a_hold_is_set_aside_too(signed: Scene) -> None:
    seen = signed.through()
    signed.put(1, "mayor", "sending")
    assert hold(signed.board, seen.id, ORDER) == 5
    signed.put(1, "mayor", "queued")
    signed.tick()
    assert {each["state"] for each in signed.letters()} == {"held"}
    assert resume(signed.board, seen.id, ORDER) == 6
    assert standing(signed) == []


def standing(scene: Scene) -> list[str]:
    with scene.ledger.read() as connection:
        return [each.target for each in holds.standing(connection, scene.ledger.now_us())]


def test_after_a_cancel_nothing_comes_back(signed: Scene) -> None:
    """What is being sent or in doubt is too late for the queue; what an operator had set aside is taken back."""
    seen = signed.through()
    for addressee, state in (("mayor", "sending"), ("council", "in_doubt"), ("ministry", "held")):
        signed.put(1, addressee, state, claim=7 if state == "sending" else None)
    assert cancel(signed.board, seen.id, ORDER) == 4
    now = signed.ledger.now_us()
    left = {each["addressee"]: each for each in signed.letters() if each["signature_id"] == 1}
    assert {name: (each["state"], each["not_after"] <= now) for name, each in left.items()} == {
        "mayor": ("sending", True),
        "council": ("in_doubt", True),
        "ministry": ("cancelled", False),
    }
    assert standing(signed) == []


def test_a_letter_held_for_another_reason_stays_so_after_a_resume(signed: Scene) -> None:
    seen = signed.through()
    signed.put(1, "mayor", "held", reason="looks like policy")
    assert hold(signed.board, seen.id, ORDER) == 5
    assert resume(signed.board, seen.id, ORDER) == 5
    assert Counter(each["state"] for each in signed.letters()) == {"queued": 5, "held": 1}


def test_announcements_are_held_resumed_and_cancelled(signed: Scene) -> None:
    seen = signed.at(START - 14 * DAY).tick()
    name = "announce-anniversary-2026-1"
    assert hold(signed.board, seen.id, ORDER) == 2
    assert mail(signed.ledger) == [(name, "held")] * 2
    assert resume(signed.board, seen.id, ORDER) == 2
    assert mail(signed.ledger) == [(name, "queued")] * 2
    assert len(send_due(signed.ledger)) == 2
    is_(signed.now(), Life.ANNOUNCED)


def test_announcements_that_are_not_sent_are_cancelled(signed: Scene) -> None:
    seen = signed.at(START - 14 * DAY).tick()
    assert cancel(signed.board, seen.id, ORDER) == 2
    assert mail(signed.ledger) == [("announce-anniversary-2026-1", "cancelled")] * 2
    assert standing(signed) == []


def test_a_preflight_that_fails_stops_announcements_too(signed: Scene) -> None:
    signed.at(START - 14 * DAY).tick()
    signed.faults = (Fault("relay main", "it does not answer"),)
    found = signed.at(START - 7 * DAY).tick()
    assert is_(found, Life.HELD)
    assert mail(signed.ledger) == [("announce-anniversary-2026-1", "held")] * 2


def test_a_hold_is_the_send_outs_own(signed: Scene) -> None:
    """Other letters of the same campaign, and of the same lanes, go on."""
    seen = signed.through()
    fresh = signed.sign(3)[0]
    before = [each["state"] for each in signed.letters("signing")]
    hold(signed.board, seen.id, ORDER)
    cancel(signed.board, seen.id, ORDER)
    assert [each["state"] for each in signed.letters("signing")] == before
    assert {each["state"] for each in signed.letters("signing") if each["signature_id"] == fresh} == {"queued"}


# -- another end -------------------------------------------------------------------------------------------------------
def test_a_closer_end_spreads_what_is_left_anew(signed: Scene) -> None:
    signed.sign(3, 4)
    seen = signed.through()
    signed.at(START + timedelta(hours=1))
    end = START + timedelta(hours=5)
    assert move_end(signed.board, seen.id, to_us(end), ORDER) == 12
    for office in signed.offices:
        due = [from_us(each["due_at"]) for each in signed.letters() if each["addressee"] == office]
        assert due == [START + timedelta(hours=1, minutes=30 + 60 * n) for n in range(4)]
    with pytest.raises(BadInput, match="the end must come after its start, and after now"):
        move_end(signed.board, seen.id, to_us(START), ORDER)


@pytest.mark.parametrize("shared", [False, True])
def test_an_end_that_the_limits_do_not_allow_is_refused_with_one_that_they_do(scene: Scene, shared: bool) -> None:
    if shared:
        scene.offices = {name: replace(office, mailbox="post@town.example") for name, office in scene.offices.items()}
    scene.campaign = yearly(occasion(window=Window(working_days=20)))
    scene.sign(*range(20))
    seen = scene.through()
    scene.rates = (Rate(5, 86_400),)
    before = everything(scene)
    with pytest.raises(RefusedByState) as refused:
        move_end(scene.board, seen.id, to_us(START + 2 * DAY), ORDER)
    named = datetime.fromisoformat(str(refused.value).rpartition(" is ")[2].replace(" UTC", "+00:00"))
    assert str(refused.value).startswith(
        "its limits do not let it end then (3 offices); the earliest end they allow is"
    )
    assert named == START + (12 if shared else 4) * DAY  # 20 letters to each of three offices, five a day
    assert everything(scene) == before
    assert move_end(scene.board, seen.id, to_us(named), ORDER) == 60
    assert max(each["due_at"] for each in scene.letters()) < to_us(named)


def test_an_end_may_be_moved_before_it_begins(signed: Scene) -> None:
    number = signed.announce().id
    assert move_end(signed.board, number, to_us(START + timedelta(hours=2)), ORDER) == 0
    approve(signed.board, number, ORDER)
    signed.at(START).tick()
    assert {from_us(each["due_at"]) for each in signed.letters()} == {
        START + timedelta(minutes=30), START + timedelta(minutes=90)
    }  # fmt: skip


def test_the_end_of_one_that_was_held_for_its_window_is_moved_and_then_it_goes_on(scene: Scene) -> None:
    scene.sign(*range(30))
    scene.rates = (Rate(10, 86_400),)
    held_for_it = scene.at(START - 30 * DAY).tick()
    is_(held_for_it, Life.HELD)
    move_end(scene.board, held_for_it.id, to_us(START + 4 * DAY), ORDER)
    assert preflight(scene.board, held_for_it.id, "ops").passed
    resume(scene.board, held_for_it.id, ORDER)
    assert is_(scene.through(), Life.SENDING)
    due = [from_us(each["due_at"]) for each in scene.letters()]
    assert START + 3 * DAY < max(due) < START + 4 * DAY


def test_the_end_is_not_moved_while_letters_are_made(signed: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    approve(signed.board, signed.announce().id, ORDER)
    signed.draining = lambda: signed.now().state is Life.EXPANDING
    is_(signed.at(START).tick(), Life.EXPANDING)
    with pytest.raises(RefusedByState, match="its letters are being made: move its end when they are"):
        end_late(signed.board, signed.now().id, ORDER)


# -- thirty years ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("ledger_url", ["sqlite"], indirect=True)  # dates, and no SQL that a single year has not
@pytest.mark.parametrize(("leap", "end"), [("02-28", 2056), ("03-01", 2035)])
def test_up_to_thirty_years_of_29_february(scene: Scene, leap: str, end: int) -> None:
    """Somebody looks once a month: everything is late, and every year is written for once."""
    scene.leads = Leads((30 * DAY, 7 * DAY), 70 * DAY, 7 * DAY)
    scene.campaign = yearly(occasion(month=2, day=29, leap=leap, approval=False, grace=40 * DAY))
    scene.sign(1)
    moment, last = datetime(2026, 1, 5, 3, tzinfo=UTC), datetime(end, 1, 1, tzinfo=UTC)
    while moment < last:
        scene.at(moment)
        tick(scene.board)
        send_due(scene.ledger)
        for each in range(moment.year - 1, moment.year + 1):
            scene.send_letters(f"anniversary-{each}")
        tick(scene.board)
        moment = (moment + 31 * DAY).replace(day=5)
    with scene.ledger.read() as connection:
        found = [each for each in occurrences.listed(connection) if each.state is not Life.PLANNED]
        written = counts.read(connection)
        ids = {each.period: each.sendout_id for each in found}
        assert letters_write.sendout_id(connection, found[0].campaign_id, f"anniversary-{end - 1}") is not None
    over = [each for each in found if each.period < end]
    assert [each.period for each in over] == list(range(2026, end))
    assert {each.state for each in over} == {Life.DONE}
    days = {from_us(each.starts_at).date() for each in over}
    assert days == {day_in(year, leap) for year in range(2026, end)}
    assert all(sum(n for cell, n in written.items() if cell.sendout_id == ids[year]) == 3 for year in range(2026, end))
    assert scene.counted()


def day_in(year: int, leap: str) -> Any:
    leaps = year % 4 == 0
    return datetime(year, 2 if leaps or leap == "02-28" else 3, 29 if leaps else (28 if leap == "02-28" else 1)).date()  # noqa: DTZ001 -- only its date
