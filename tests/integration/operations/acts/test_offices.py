"""`redirect`, `suppress`, `unsuppress`, and how many wait: on both databases, with the register's file."""

from collections.abc import Callable, Mapping
from datetime import date

import pytest
import sqlalchemy as sa

from tests.fixtures.homes import Draft
from tests.fixtures.world import World
from tests.integration.operations.acts.scene import BY, COUNCIL, MAYOR, ids, put, row, sound
from worker.domain.clock import SystemClock
from worker.domain.errors import BadInput, RefusedByState
from worker.domain.office import Office
from worker.domain.states import State
from worker.intake import sync_register
from worker.ledger import holds
from worker.ledger.schema import lanes
from worker.operations import holds as orders
from worker.operations.acts import carry_on
from worker.operations.redirect import Correction, propose_redirect, redirect, waiting
from worker.operations.suppressing import (
    Refusal,
    preview_taken,
    propose_suppress,
    propose_unsuppress,
    suppress,
    taken_from,
    unsuppress,
)

NOW = SystemClock().now()
OLD, NEW = "mailbox:mayor@sampleton.example", "mailbox:new@sampleton.example"


@pytest.fixture
def house(world: World, draft: Draft) -> World:
    """A world whose register may be written."""
    world.home = draft.load()
    return world


def sync(world: World) -> Callable[[Mapping[str, Office], Callable[[int], None]], int]:
    return lambda offices, told: sync_register(world.ledger, offices, who="tester", progress=told)


def lane_of(world: World, letter: int) -> str:
    with world.ledger.read() as connection:
        return str(
            connection.execute(sa.select(lanes.c.key).where(lanes.c.id == row(world, letter).lane_id)).scalar_one()
        )


def corrected(mailbox: str = "new@sampleton.example") -> Correction:
    return Correction(MAYOR, mailbox, "its website", date(2027, 2, 1))


def test_what_waits_moves_and_what_was_sent_stays(house: World) -> None:
    house.submit(3)
    sent, claimed, queued = ids(house, addressee=MAYOR)
    put(house, [sent], State.SENT)
    put(house, [claimed], State.CLAIMED)
    with house.ledger.write() as connection:
        holds.place(connection, house.ledger.now_us(), "lane", OLD, reason="550 no such mailbox", who="lettershop")
    proposal = propose_redirect(house.home, corrected(), NOW)
    assert waiting(house.ledger, house.home, proposal) == {
        "office": MAYOR, "from_lane": OLD, "to_lane": NEW, "letters": 2, "holds": ["550 no such mailbox"],
    }  # fmt: skip
    told: list[int] = []
    done = redirect(house.ledger, house.home, proposal, BY, sync(house), lift=True, progress=told.append)
    assert (done.moved, done.lifted, told) == (1, 1, [1])
    assert [lane_of(house, letter) for letter in (sent, claimed, queued)] == [OLD, OLD, NEW]
    put(house, [claimed], State.QUEUED)  # its round gave it back
    assert sync(house)(proposal.offices, told.append) == 1
    assert lane_of(house, claimed) == NEW
    again = redirect(
        house.ledger,
        house.home,
        propose_redirect(house.home, corrected("n@b.example"), NOW),
        BY,
        sync(house),
        lift=True,
    )
    assert (again.moved, again.lifted) == (2, 0), "a lane that is not held has nothing to lift"
    sound(house)


def test_a_mailbox_that_it_has_already_and_one_that_cannot_be(house: World) -> None:
    with pytest.raises(RefusedByState, match="already; nothing was changed"):
        propose_redirect(house.home, corrected("mayor@sampleton.example"), NOW)
    for mailbox in ("nobody", "a b@c.example", "a@b.example\nBcc: x@y.example", "a@b\x00.example"):
        with pytest.raises(BadInput):
            propose_redirect(house.home, corrected(mailbox), NOW)


def test_exactly_what_a_suppression_took_comes_back(house: World) -> None:
    house.submit(4)
    mayor = ids(house, addressee=MAYOR)
    put(house, mayor[:1], State.SUPPRESSED, ended_at=1)  # by an earlier one, which said something else
    put(house, mayor[1:2], State.HELD)
    told = Refusal(MAYOR, "they wrote to us", "their letter", date(2027, 2, 1))
    assert suppress(house.ledger, propose_suppress(house.home, told, NOW), BY) == 3
    assert house.states() == {"queued": 4, "suppressed": 4}
    with pytest.raises(RefusedByState, match="is not written to since"):
        propose_suppress(house.home, told, NOW)
    wanted = taken_from(house.ledger, MAYOR)
    assert preview_taken(house.ledger, house.home, wanted) == 2, "what somebody had held stays as it is"
    retired = propose_unsuppress(house.home, MAYOR, NOW)
    act = unsuppress(house.ledger, house.home, retired, BY, wanted)
    assert act is not None
    assert carry_on(house.ledger, act).moved == 2
    assert [row(house, each).state for each in mayor[:2]] == ["suppressed", "suppressed"]
    with pytest.raises(RefusedByState, match="takes letters already"):
        propose_unsuppress(house.home, MAYOR, NOW)
    sound(house)


def test_an_office_without_letters(house: World) -> None:
    told = Refusal(COUNCIL, "they wrote to us", "their letter", date(2027, 2, 1))
    assert suppress(house.ledger, propose_suppress(house.home, told, NOW), BY) == 0
    assert (
        unsuppress(
            house.ledger,
            house.home,
            propose_unsuppress(house.home, COUNCIL, NOW),
            BY,
            taken_from(house.ledger, COUNCIL),
        )
        is None
    )


def test_how_many_wait(world: World) -> None:
    world.submit(3)
    mayor = ids(world, addressee=MAYOR)
    put(world, mayor[:1], State.SENT)
    put(world, mayor[1:2], State.CLAIMED)
    with world.ledger.write() as connection:
        connection.execute(sa.text("UPDATE letters SET claim = 5 WHERE state = 'claimed'"))
    for scope, target, n in (
        ("office", MAYOR, 2), ("lane", OLD, 2), ("lane", "Mayor@sampleton.example", 2), ("campaign", world.campaign, 5),
        ("relay", "rehearsal", 5), ("everything", "", 5), ("office", "un-secretary-general", 0),
    ):  # fmt: skip
        assert orders.waiting(world.ledger, world.home, scope, target) == n, (scope, target)  # type: ignore[arg-type]
    with pytest.raises(BadInput, match="there is no office"):
        orders.waiting(world.ledger, world.home, "office", "nobody")
    with pytest.raises(BadInput, match="`lettershop sendouts hold`"):
        orders.hold(world.ledger, world.home, orders.Order("sendout", "1", "tester", "x"))
