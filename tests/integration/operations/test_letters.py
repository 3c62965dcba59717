"""The list of letters, one letter's story, and its bytes made again. Both databases."""

import dataclasses

import pytest
import sqlalchemy as sa

from tests.fixtures.world import World
from tests.smtp_server import Always, Say
from worker.domain.errors import BadInput, Failed, RefusedByState
from worker.operations.holds import Order, hold
from worker.operations.letters import Filter, find_letters, list_letters, show_letter
from worker.operations.rebuild import Rebuilt, rebuild
from worker.wiring.home import connect_hot

MAYOR = "sampleton-mayor"


def rebuilt(world: World, letter: int, attempt: int | None = None) -> Rebuilt:
    database = connect_hot(world.ledger.url)
    try:
        return rebuild(world.ledger, database, world.keys, letter, attempt)
    finally:
        database.close()


def test_pages_and_filters(world: World) -> None:
    world.submit(5)
    ids = [each["id"] for each in list_letters(world.ledger, Filter())]
    assert len(ids) == 10
    assert ids == sorted(ids)
    first = list_letters(world.ledger, Filter(), 4)
    then = list_letters(world.ledger, Filter(after=first[-1]["id"]), 100)
    assert [each["id"] for each in first + then] == ids
    assert {each["office"] for each in list_letters(world.ledger, Filter(office=MAYOR))} == {MAYOR}
    assert len(list_letters(world.ledger, Filter(state="queued", campaign=world.campaign))) == 10
    assert list_letters(world.ledger, Filter(state="sent")) == []
    assert list_letters(world.ledger, Filter(campaign="none")) == []
    signature = world.receipts[0].signature
    assert len(list_letters(world.ledger, Filter(signature=signature))) == 2
    with pytest.raises(BadInput, match="'gone' is no state of a letter; there are: bounced, bound"):
        list_letters(world.ledger, Filter(state="gone"))


def test_the_story_of_a_letter_that_was_deferred_and_sent(world: World) -> None:
    world.submit(1)
    with world.relay({"DOT": [Say(b"451 4.7.1 greylisted, try again later")]}):
        world.until_idle()
        deferred = next(each for each in list_letters(world.ledger, Filter()) if each["state"] == "queued")
        waiting = show_letter(world.ledger, world.home, deferred["id"])
        assert any(reason["kind"] in {"retry", "gate"} for reason in waiting["chain"])
        world.ahead_us = 3600 * 1_000_000
        world.until_idle()
    found = show_letter(world.ledger, world.home, deferred["id"])
    assert (found["state"], found["attempts"]) == ("sent", 2)
    assert [reason["kind"] for reason in found["chain"]] == ["sent"]
    one, two = found["attempts_made"]
    assert (one["verdict"], one["stage"], one["code"], one["enhanced"]) == ("defer", "dot", 451, "4.7.1")
    assert (two["verdict"], two["code"]) == ("accept", 250)
    assert two["worker"] == "test"
    assert {"mail", "rcpt", "data", "content", "dot"} <= set(two["steps_ms"])
    assert len(two["hash"]) == 64


def test_a_name_that_nobody_knows_is_no_empty_list(world: World) -> None:
    world.submit(1)
    with pytest.raises(BadInput, match=r"there is no office 'sampleton-major'; did you mean sampleton-mayor"):
        find_letters(world.ledger, world.home, Filter(office="sampleton-major"))
    with pytest.raises(BadInput, match="there is no campaign 'library'"):
        find_letters(world.ledger, world.home, Filter(campaign="library"))
    assert find_letters(world.ledger, world.home, Filter(office=MAYOR, state="sent")) == []
    left = dataclasses.replace(world.home, offices={})
    assert len(find_letters(world.ledger, left, Filter(office=MAYOR))) == 1, "it has left the register"


def test_why_a_held_lane_keeps_it(world: World) -> None:
    world.submit(1)
    with world.relay({"RCPT": Always(Say(b"550 5.1.1 no such mailbox"))}):
        world.until_idle()
    letter = list_letters(world.ledger, Filter(office=MAYOR))[0]["id"]
    texts = [reason["text"] for reason in show_letter(world.ledger, world.home, letter)["chain"]]
    assert any("its mailbox mayor@sampleton.example is refused: 550" in text for text in texts)


def test_what_operators_did_stands_in_its_story(world: World) -> None:
    from worker.operations.moves import hold_letter

    world.submit(1)
    letter = list_letters(world.ledger, Filter())[0]["id"]
    hold_letter(world.ledger, letter, "tester", "its words need a look")
    found = show_letter(world.ledger, world.home, letter)
    assert found["state"] == "held"
    assert [reason["kind"] for reason in found["chain"]] == ["held"]
    assert [(each["who"], each["verb"], each["reason"]) for each in found["audit"]] == [
        ("tester", "hold", "its words need a look")
    ]
    hold(world.ledger, world.home, Order("everything", "", "tester", "stop"))
    other = list_letters(world.ledger, Filter())[1]["id"]
    assert any("everything is held" in each["text"] for each in show_letter(world.ledger, world.home, other)["chain"])


def test_a_letter_that_is_not_there(world: World) -> None:
    with pytest.raises(BadInput, match="there is no letter 99"):
        show_letter(world.ledger, world.home, 99)
    with pytest.raises(BadInput, match="there is no letter 99"):
        rebuilt(world, 99)


def test_the_same_bytes_again(world: World) -> None:
    world.submit(2)
    with world.relay() as server:
        world.until_idle()
    for each in list_letters(world.ledger, Filter()):
        made = rebuilt(world, each["id"])
        assert made.same
        assert made.data in server.accepted
        assert made.hash == show_letter(world.ledger, world.home, each["id"])["attempts_made"][0]["hash"]
    with pytest.raises(RefusedByState, match="attempt 5 wrote no content"):
        rebuilt(world, 1, 5)


def test_a_letter_not_yet_written(world: World) -> None:
    world.submit(1)
    with pytest.raises(RefusedByState, match="no content of it was ever started"):
        rebuilt(world, 1)


def test_another_hash_is_said(world: World) -> None:
    world.submit(1)
    with world.relay():
        world.until_idle()
    with world.ledger.write() as connection:
        connection.execute(sa.text("UPDATE attempts SET date_us = date_us + 60000000"))
    made = rebuilt(world, 1)
    assert not made.same
    assert made.hash != made.recorded_hash


def test_what_remains_of_an_erased_signer(world: World) -> None:
    world.submit(1)
    with world.relay():
        world.until_idle()
    kept = rebuilt(world, 1).recorded_hash
    world.intake.erase(world.receipts[0].signature)
    with pytest.raises(RefusedByState, match=f"its signer was erased.*{kept}"):
        rebuilt(world, 1)


def test_data_that_do_not_open(world: World) -> None:
    world.submit(1)
    with world.relay():
        world.until_idle()
    with world.ledger.write() as connection:
        connection.execute(sa.text("UPDATE signer_versions SET sealed = :junk"), {"junk": b"\x01" + b"x" * 80})
    with pytest.raises(Failed, match="ledger verify"):
        rebuilt(world, 1)
