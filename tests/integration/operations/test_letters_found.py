"""Letters found by age, reply, send-out and signer; and the timeline of one. Both databases."""

import pytest
import sqlalchemy as sa

from tests.fixtures.world import World
from tests.smtp_server import Say
from worker.domain.errors import BadInput
from worker.ledger import audit
from worker.operations.letters import Filter, list_letters, show_letter, signatures_of
from worker.operations.moves import hold_letter

HOUR_US = 3_600_000_000


def ids(world: World, wanted: Filter) -> list[int]:
    return [each["id"] for each in list_letters(world.ledger, wanted)]


def test_by_age(world: World) -> None:
    world.submit(2)
    every, now = ids(world, Filter()), world.ledger.now_us()
    with world.ledger.write() as connection:
        connection.execute(sa.text("UPDATE letters SET made_at = :at WHERE id = 1"), {"at": now - 3 * HOUR_US})
    assert ids(world, Filter(older_us=now - 2 * HOUR_US)) == [1]
    assert ids(world, Filter(newer_us=now - 2 * HOUR_US)) == every[1:]
    assert ids(world, Filter(newer_us=now - 2 * HOUR_US, older_us=now - 4 * HOUR_US)) == []


def test_by_the_code_of_the_last_reply(world: World) -> None:
    world.submit(1)
    with world.relay({"DOT": [Say(b"451 4.7.1 greylisted, try again later")]}):
        world.until_idle()
        (deferred,) = ids(world, Filter(code="451"))
        assert ids(world, Filter(code="4xx")) == ids(world, Filter(code="4.7.1")) == [deferred]
        assert ids(world, Filter(code="450")) == ids(world, Filter(code="5xx")) == []
        world.ahead_us = HOUR_US
        world.until_idle()
    assert ids(world, Filter(code="4xx")) == [], "its last reply was another"
    assert len(ids(world, Filter(code="2xx"))) == 2
    for wrong in ("45", "6xx", "4xx0", "4.x.1", "450; DROP", "٤٥٠"):
        with pytest.raises(BadInput, match="no reply code"):
            ids(world, Filter(code=wrong))


def test_by_sendout(world: World) -> None:
    world.submit(1)
    assert len(ids(world, Filter(sendout="signing"))) == 2
    assert ids(world, Filter(sendout="anniversary-2027")) == []


def test_by_signer_is_audited_and_names_nobody(world: World) -> None:
    world.submit(2)
    key = world.ledger.keys.address_key(world.intake.canonical("Signer1@mail.example"))
    found = signatures_of(world.ledger, key, "tester", "they asked by letter")
    assert found == (world.receipts[0].signature,)
    assert {each["signature"] for each in list_letters(world.ledger, Filter(signatures=found))} == set(found)
    nobody = world.ledger.keys.address_key(world.intake.canonical("else@mail.example"))
    assert signatures_of(world.ledger, nobody, "tester", "a question") == ()
    assert ids(world, Filter(signatures=())) == []
    with world.ledger.read() as connection:
        rows = audit.latest(connection)
    assert [(each.verb, each.target) for each in rows[:2]] == [("look-up", "nobody"), ("look-up", "signer 1")]
    assert "mail.example" not in repr(rows)
    with pytest.raises(BadInput, match="a reason is needed"):
        signatures_of(world.ledger, key, "tester", " ")


def test_the_timeline_is_in_order(world: World) -> None:
    world.submit(1)
    with world.relay({"DOT": [Say(b"451 4.7.1 greylisted, try again later")]}):
        world.until_idle()
        (letter,) = ids(world, Filter(code="451"))
        hold_letter(world.ledger, letter, "tester", "its words need a look")
    found = show_letter(world.ledger, world.home, letter)
    assert [event["what"] for event in found["timeline"]] == ["made", "attempt", "audit"]
    assert "451 4.7.1 greylisted" in found["timeline"][1]["text"]
    assert found["timeline"][2]["text"] == "tester: hold: its words need a look"
    assert found["why"].startswith(f"Letter {letter} is held for an operator")
