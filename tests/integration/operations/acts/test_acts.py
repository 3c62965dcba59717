"""Acts on many letters: what each verb moves, what it leaves and says why. Both databases."""

import pytest
import sqlalchemy as sa

from tests.fixtures.world import World
from tests.integration.operations.acts.scene import BY, COUNCIL, HOUR, MAYOR, audited, do, ids, put, row, sound
from worker.domain.errors import BadInput, RefusedByState
from worker.domain.states import State
from worker.ledger import holds, reviews, suppression
from worker.ledger.schema import attempts, letters, rounds
from worker.operations.acts import (
    Order,
    Wanted,
    begin,
    carry_on,
    listing,
    preview,
    preview_undo,
    shown,
    stop,
    undo,
)


def at(world: World) -> int:
    return world.ledger.now_us()


def test_a_preview_counts_and_says_what_is_left_alone(world: World) -> None:
    world.submit(4)
    mayor = ids(world, addressee=MAYOR)
    put(world, mayor[:1], State.SENT)
    put(world, mayor[1:2], State.IN_DOUBT, doubts=1)
    put(world, mayor[2:3], State.HELD)
    seen = preview(world.ledger, world.home, Wanted("cancel", office=MAYOR))
    assert (seen.count, seen.by_state, seen.by_office) == (2, {"queued": 1, "held": 1}, {MAYOR: 2})
    assert seen.not_allowed == {"a sent letter cannot be cancelled": 1, "a letter in doubt cannot be cancelled": 1}
    assert seen.up_to == max(ids(world))
    everywhere = preview(world.ledger, world.home, Wanted("cancel", campaign=world.campaign))
    assert everywhere.by_office == {COUNCIL: 4, MAYOR: 2}


def test_cancel_and_its_undo_move_exactly_the_same_letters(world: World) -> None:
    world.submit(6)
    mayor = ids(world, addressee=MAYOR)
    put(world, mayor[:1], State.CANCELLED)  # by somebody else, before
    ahead = at(world) + 9 * HOUR
    put(world, mayor[1:2], State.QUEUED, due_at=ahead)
    done = do(world, Wanted("cancel", office=MAYOR))
    assert (done.moved, done.skipped, done.expected) == (5, 0, 5)
    assert row(world, mayor[1]).reason == f"cancelled by an operator, act {done.id}"
    assert world.states() == {"cancelled": 6, "queued": 6}
    assert preview_undo(world.ledger, done.id).count == 5
    back = carry_on(world.ledger, undo(world.ledger, done.id, Order("other", "a mistake")))
    assert (back.verb, back.undoes, back.moved) == ("requeue", done.id, 5)
    assert world.states() == {"cancelled": 1, "queued": 11}
    assert row(world, mayor[1]).due_at == ahead, "a due time that lies ahead is kept"
    with pytest.raises(RefusedByState, match=f"act {done.id} was undone by act {back.id}"):
        undo(world.ledger, done.id, BY)
    assert shown(world.ledger, done.id)["cannot_undo"] == f"it was undone by act {back.id}"
    assert [verb for verb, *_ in audited(world)] == ["cancel", "cancel-done", "requeue", "requeue-done"]
    sound(world)


def test_hold_and_resume_undo_each_other_and_keep_due_times(world: World) -> None:
    world.submit(2)
    first, *_ = mayor = ids(world, addressee=MAYOR)
    ahead = at(world) + 9 * HOUR
    put(world, [first], State.QUEUED, due_at=ahead)
    held = do(world, Wanted("hold", office=MAYOR))
    assert world.states() == {"held": 2, "queued": 2}
    back = carry_on(world.ledger, undo(world.ledger, held.id, BY))
    assert row(world, first).due_at == ahead
    assert row(world, mayor[1]).due_at <= at(world)
    again = carry_on(world.ledger, undo(world.ledger, back.id, BY))
    assert (again.verb, again.moved) == ("hold", 2)
    assert world.states() == {"held": 2, "queued": 2}
    sound(world)


def test_what_moved_on_since_is_not_undone(world: World) -> None:
    world.submit(2)
    held = do(world, Wanted("hold", office=MAYOR))
    put(world, ids(world, addressee=MAYOR)[:1], State.CANCELLED)
    assert preview_undo(world.ledger, held.id).count == 1
    assert carry_on(world.ledger, undo(world.ledger, held.id, BY)).moved == 1
    other = do(world, Wanted("hold", office=COUNCIL))
    put(world, ids(world, addressee=COUNCIL), State.CANCELLED)
    for expected in (None, 2):
        with pytest.raises(RefusedByState, match=f"none of the letters of act {other.id} can be moved back"):
            undo(world.ledger, other.id, BY, expected=expected)


def test_requeue_begins_anew_and_refuses_what_must_not_be_sent(world: World) -> None:
    world.submit(6)
    mayor = ids(world, addressee=MAYOR)
    put(world, mayor, State.REFUSED, ended_at=at(world), life_us=HOUR, suspect=1, attempts=3, due_at=at(world) - HOUR)
    put(world, mayor[1:2], State.EXPIRED, not_after=at(world) - 1)
    put(world, mayor[2:3], State.CANCELLED, doubts=1)
    put(world, mayor[5:6], State.CANCELLED)
    world.intake.withdraw(world.receipts[3].signature)
    with world.ledger.write() as connection:
        reviews.begin(connection, world.receipts[4].signature, "comment", at(world))
    wanted = Wanted("requeue", office=MAYOR, states=("refused", "expired", "cancelled"))
    seen = preview(world.ledger, world.home, wanted)
    assert (seen.count, seen.by_state) == (2, {"refused": 1, "cancelled": 1})
    assert seen.not_allowed == {
        "its last day is past": 1,
        "it was in doubt when it was cancelled: it may have arrived": 1,
        "its signature has ended, or is not confirmed": 1,
        "its signature waits to be looked at": 1,
    }
    done = do(world, wanted)
    assert (done.moved, done.skipped, done.why_skipped) == (2, 4, seen.not_allowed)
    found = row(world, mayor[0])
    assert (found.state, found.life_us, found.suspect, found.attempts, found.ended_at) == ("queued", 0, 0, 3, None)
    assert found.due_at > at(world) - HOUR
    sound(world)


def test_requeue_takes_cancelled_letters_only_where_they_are_named(world: World) -> None:
    world.submit(2)
    mayor = ids(world, addressee=MAYOR)
    put(world, mayor, State.CANCELLED)
    with pytest.raises(RefusedByState, match=r"no letter can be queued again: .*2 x a cancelled letter"):
        begin(world.ledger, Wanted("requeue", office=MAYOR), 0, BY)
    assert do(world, Wanted("requeue", ids=tuple(mayor))).moved == 2


def test_an_office_that_asked_for_none_gets_none(world: World) -> None:
    world.submit(1)
    put(world, ids(world, addressee=MAYOR), State.REFUSED)
    with world.ledger.write() as connection:
        suppression.stop(connection, at(world), MAYOR, reason="it wrote to us", who="tester")
    seen = preview(world.ledger, world.home, Wanted("requeue", states=("refused",)))
    assert (seen.count, seen.not_allowed) == (0, {"its office asked not to be written to": 1})


def test_resume_leaves_what_waits_for_a_look_or_a_sendout(world: World) -> None:
    world.submit(3)
    mayor = ids(world, addressee=MAYOR)
    put(world, ids(world), State.HELD)
    with world.ledger.write() as connection:
        reviews.begin(connection, world.receipts[0].signature, "comment", at(world))
    done = do(world, Wanted("resume", office=MAYOR))
    assert (done.moved, done.why_skipped) == (2, {"its signature waits to be looked at": 1})
    with world.ledger.write() as connection:
        holds.place(connection, at(world), "sendout", str(row(world, mayor[0]).sendout_id), reason="x", who="tester")
    seen = preview(world.ledger, world.home, Wanted("resume", office=COUNCIL))
    assert seen.not_allowed == {"its signature waits to be looked at": 1, "its send-out is held": 2}


def doubtful(world: World, letter: int, renewed_us: int) -> None:
    """Let its last attempt's round have been alive until then; its content was written."""
    with world.ledger.write() as connection:
        lane = connection.execute(sa.select(letters.c.lane_id).where(letters.c.id == letter)).scalar_one()
        opened = {
            "lane_id": lane, "slot": letter, "worker": "w", "relay": "main", "lone": False, "opened_at": renewed_us,
            "renewed_at": renewed_us, "closed_at": renewed_us, "ended": "died",
        }  # fmt: skip
        number = connection.execute(rounds.insert().values(opened).returning(rounds.c.id)).scalar_one()
        tried = {
            "letter_id": letter,
            "number": 1,
            "round_id": number,
            "relay": "main",
            "lane_id": lane,
            "hash": b"h" * 32,
        }
        connection.execute(attempts.insert().values(tried))
    put(world, [letter], State.IN_DOUBT, attempts=1, doubts=1)


def test_doubts_are_resolved_and_stay_so(world: World) -> None:
    world.submit(3)
    long_ago, lately, other = ids(world, addressee=MAYOR)
    for letter, renewed in ((long_ago, HOUR), (lately, 0), (other, HOUR)):
        doubtful(world, letter, at(world) - renewed)
    wanted = Wanted("resolve-queued", ids=(long_ago, lately))
    assert preview(world.ledger, world.home, wanted).not_allowed == {
        "its reply may still come: 15 minutes must go by": 1
    }
    done = do(world, wanted)
    assert (done.moved, done.skipped) == (1, 1)
    assert (row(world, long_ago).state, row(world, long_ago).resend_of) == ("queued", 1)
    assert row(world, lately).state == "in_doubt"
    sent = do(world, Wanted("resolve-sent", states=("in_doubt",)))
    assert sent.moved == 2
    assert row(world, other).ended_at is not None
    for act in (done, sent):
        with pytest.raises(RefusedByState, match="cannot be undone"):
            undo(world.ledger, act.id, BY)
    sound(world)


@pytest.mark.parametrize(
    ("criterion", "which"),
    [
        ({"code": "550"}, 1), ({"code": "5.1.1"}, 1), ({"code": "5xx"}, 1), ({"code": "4xx"}, 0), ({"code": "551"}, 0),
        ({"sendout": "signing"}, 3), ({"older_us": 1}, 0), ({"newer_us": 1}, 3), ({"older_us": 2**62, "office": MAYOR}, 3),
    ],
)  # fmt: skip
def test_each_criterion(world: World, criterion: dict, which: int) -> None:
    world.submit(3)
    mayor = ids(world, addressee=MAYOR)
    put(world, ids(world, addressee=COUNCIL), State.SENT)
    doubtful(world, mayor[0], 0)
    put(world, mayor[:1], State.QUEUED)
    with world.ledger.write() as connection:
        connection.execute(sa.update(attempts).values(code=550, enhanced="5.1.1", kind="refuse", ended_at=1))
    wanted = Wanted("hold", **criterion)
    assert preview(world.ledger, world.home, wanted).count == which
    if which:
        assert do(world, wanted).moved == which
        sound(world)


def test_of_one_signature(world: World) -> None:
    world.submit(3)
    assert do(world, Wanted("hold", signature=world.receipts[1].signature)).moved == 2
    assert world.states() == {"held": 2, "queued": 4}


def test_a_stale_preview_changes_nothing(world: World) -> None:
    world.submit(3)
    put(world, ids(world, addressee=MAYOR)[:1], State.SENT)
    seen = preview(world.ledger, world.home, Wanted("cancel", office=MAYOR))
    world.submit(1)
    assert preview(world.ledger, world.home, seen.wanted).count == 2, "letters made later are not meant"
    put(world, ids(world, addressee=MAYOR)[:1], State.QUEUED)
    with pytest.raises(RefusedByState, match="the count grew since the preview: 2 then, 3 now; nothing was changed"):
        begin(world.ledger, seen.wanted, seen.count, BY)
    assert listing(world.ledger) == []
    assert audited(world) == []


def test_letters_made_later_are_not_meant(world: World) -> None:
    world.submit(2)
    seen = preview(world.ledger, world.home, Wanted("cancel", office=MAYOR))
    act = begin(world.ledger, seen.wanted, seen.count, BY)
    world.submit(1)
    assert carry_on(world.ledger, act).moved == 2
    assert len(ids(world, addressee=MAYOR, state="queued")) == 1


def test_an_act_is_stopped_once(world: World) -> None:
    world.submit(2)
    act = begin(world.ledger, Wanted("cancel", office=MAYOR), 2, BY)
    with pytest.raises(RefusedByState, match=f"act {act} is still under way"):
        undo(world.ledger, act, BY)
    ended = stop(world.ledger, act, Order("other", "not this one"))
    assert (ended.ended_by, ended.moved) == ("other", 0)
    assert carry_on(world.ledger, act).moved == 0
    with pytest.raises(RefusedByState, match="is over already"):
        stop(world.ledger, act, BY)
    with pytest.raises(RefusedByState, match="moved no letter"):
        undo(world.ledger, act, BY)
    (body,) = listing(world.ledger)
    assert (body["state"], body["moved"], body["wanted"]["office"]) == ("stopped", 0, MAYOR)
    assert audited(world)[-1] == ("cancel-stopped", f"act {act}", "not this one")


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"verb": "delete", "office": "x"}, "there is no act 'delete'"),
        ({"verb": "hold"}, "say which letters"),
        ({"verb": "hold", "up_to": 5}, "say which letters"),
        ({"verb": "hold", "states": ("asleep",)}, "'asleep' is no state"),
        ({"verb": "hold", "office": "a\x00b"}, "one printable line"),
        ({"verb": "hold", "office": "a\nb"}, "one printable line"),
        ({"verb": "hold", "campaign": "x" * 201}, "at most 200"),
        ({"verb": "hold", "code": "550 or 1=1"}, "is no reply code"),
        ({"verb": "hold", "code": "\u0665\u0665\u0660"}, "is no reply code"),
        ({"verb": "hold", "ids": (0,)}, "0 is not a letter's number"),
        ({"verb": "hold", "ids": (2**63,)}, "is not a letter's number"),
        ({"verb": "hold", "ids": tuple(range(1, 10_002))}, "at most 10,000"),
        ({"verb": "hold", "signature": 2**70}, "out of range"),
        ({"verb": "hold", "older_us": -1}, "out of range"),
    ],
)
def test_what_cannot_be_meant(said: dict, why: str) -> None:
    with pytest.raises(BadInput, match=why):
        Wanted(**said)


def test_names_that_do_not_exist(world: World) -> None:
    world.submit(1)
    for wanted, why in (
        (Wanted("hold", office="sampleton-mayer"), "there is no office 'sampleton-mayer'"),
        (Wanted("hold", office="' OR 1=1 --"), "there is no office"),
        (Wanted("hold", campaign="nothing"), "there are: town-library"),
        (Wanted("hold", sendout="never"), "there is no send-out 'never'"),
        (Wanted("hold", ids=(1, 99)), "there is no letter 99"),
    ):
        with pytest.raises(BadInput, match=why):
            preview(world.ledger, world.home, wanted)
    for call in (carry_on, shown):
        with pytest.raises(BadInput, match="there is no act 7"):
            call(world.ledger, 7)
    with pytest.raises(BadInput, match="a reason is needed"):
        Order("tester", " ")
    with pytest.raises(RefusedByState, match="no letter can be resumed: 1 x a queued letter cannot be resumed"):
        begin(world.ledger, Wanted("resume", ids=(1,)), 0, BY)
