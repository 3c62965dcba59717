"""What `status` says of a ledger with letters in every condition. Both databases."""

import dataclasses
from datetime import UTC, datetime

import sqlalchemy as sa

from tests.fixtures.world import World
from tests.smtp_server import Always, Say
from worker.domain.clock import from_us
from worker.domain.errors import Failed
from worker.domain.states import State
from worker.ledger import holds, witness
from worker.operations.barriers import SINK, iso, next_opening
from worker.operations.holds import Order, hold
from worker.operations.status import Seen, status
from worker.wiring.relays import SINK as WIRED

OFFICES = ("sampleton-mayor", "sampleton-library-committee")


def read(world: World) -> dict:
    return status(world.home, world.ledger, Seen())


def offices(found: dict) -> dict:
    return {office["id"]: office for office in found["offices"]}


def test_a_ledger_without_letters(world: World) -> None:
    found = read(world)
    assert (found["mode"], found["due"], found["oldest_due_age_s"], found["in_doubt"]) == ("rehearsal", 0, None, 0)
    assert found["letters"] == dict.fromkeys((state.value for state in State), 0)
    assert found["last_accept_at"] is None
    assert set(OFFICES) < set(offices(found))
    for part in ("broker", "ledger", "pacing"):
        assert (found[part]["ok"], found[part]["error"]) == (True, "")


def test_what_is_queued_and_what_was_sent(world: World) -> None:
    world.submit(3)
    before = read(world)
    assert (before["letters"]["queued"], before["due"]) == (6, 6)
    assert before["oldest_due_age_s"] >= 0
    with world.relay():
        world.until_idle()
    after = read(world)
    assert (after["letters"]["sent"], after["due"], after["oldest_due_age_s"]) == (6, 0, None)
    assert after["last_accept_at"] == after["last_accept_at"].replace("+00:00", "Z")
    for office in OFFICES:
        assert offices(before)[office]["due"] == offices(before)[office]["letters"]["queued"] == 3
        assert offices(after)[office]["letters"]["sent"] == 3
        assert offices(after)[office]["oldest_due_age_s"] is None


def test_notices_are_counted_beside_the_letters(world: World) -> None:
    from worker.intake import PersonInput

    world.intake.sign(world.campaign, PersonInput("Sample Signer 01", "one@mail.example", "GB"))
    found = read(world)
    assert found["letters"]["queued"] == found["notices"]["queued"] == found["due"] == 1
    assert all(office["due"] == 0 for office in found["offices"])


def test_a_refused_mailbox_shows_with_its_reply(world: World) -> None:
    world.submit(2)
    with world.relay({"RCPT": Always(Say(b"550 5.1.1 no such mailbox"))}):
        world.until_idle()
    found = read(world)
    assert {(hold["scope"], hold["who"]) for hold in found["holds"]} == {("lane", "lettershop")}
    for office in OFFICES:
        texts = [reason["text"] for reason in offices(found)[office]["waits"] if reason["kind"] == "hold"]
        assert len(texts) == 1
        assert "is refused: 550 5.1.1 no such mailbox" in texts[0]
    assert found["letters"]["queued"] == 4


def test_offices_that_share_a_mailbox_are_told_apart(world: World) -> None:
    mayor = world.home.offices[OFFICES[0]]
    shared = {
        **world.home.offices,
        OFFICES[1]: dataclasses.replace(world.home.offices[OFFICES[1]], mailbox=mayor.mailbox),
    }
    world.submit(2)
    with world.ledger.write() as connection:
        lane = connection.execute(
            sa.text("SELECT lane_id FROM letters WHERE addressee = :a"), {"a": OFFICES[0]}
        ).scalar()
        connection.execute(sa.text("UPDATE letters SET lane_id = :lane"), {"lane": lane})
        connection.execute(sa.text("DELETE FROM letters WHERE id = (SELECT max(id) FROM letters WHERE addressee = :a)"),
                           {"a": OFFICES[1]})  # fmt: skip
    found = status(dataclasses.replace(world.home, offices=shared), world.ledger, Seen())
    assert [offices(found)[office]["due"] for office in OFFICES] == [2, 1]


def test_an_office_that_left_the_register(world: World) -> None:
    world.submit(1)
    left = {id_: office for id_, office in world.home.offices.items() if id_ != OFFICES[0]}
    found = status(dataclasses.replace(world.home, offices=left, campaigns={}), world.ledger, Seen())
    gone = offices(found)[OFFICES[0]]
    assert (gone["due"], gone["next_opening"]) == (1, None)
    assert "no longer in config/offices.toml" in gone["waits"][0]["text"]


def test_every_kind_of_hold_is_said(world: World) -> None:
    with world.ledger.write() as connection:
        now = world.ledger.now_us()
        for scope, target in (
            ("everything", ""),
            ("campaign", world.campaign),
            ("office", OFFICES[0]),
            ("relay", SINK),
        ):
            holds.place(connection, now, scope, target, reason=f"look at {scope}", who="tester")
    found = read(world)
    assert {hold["scope"] for hold in found["holds"]} == {"everything", "campaign", "office", "relay"}
    said = [reason["text"] for reason in offices(found)[OFFICES[0]]["waits"]]
    for scope in ("everything", "campaign", "office", "relay"):
        assert any(f"look at {scope}" in text for text in said), scope
    other = [reason["text"] for reason in offices(found)["nato-secretary-general"]["waits"]]
    assert not any("look at campaign" in text or "look at office" in text for text in other)


def test_parts_that_are_away_are_said_and_nothing_is_raised(world: World) -> None:
    found = status(world.home, Failed("the ledger is away"), Seen("no broker", "no Redis"))
    assert found["ledger"] == {"ok": False, "error": "the ledger is away"}
    assert found["broker"] == {"ok": False, "error": "no broker"}
    assert found["pacing"] == {"ok": False, "error": "no Redis", "ready": False}
    assert (found["letters"], found["offices"], found["due"]) == ({}, [], None)


def test_a_restored_ledger_is_not_ok(world: World, tmp_path) -> None:
    home = dataclasses.replace(world.home, root=tmp_path)
    witness.note(tmp_path / "var" / "witness.json", world.ledger.ledger_id, 7)
    found = status(home, world.ledger, Seen())
    assert not found["ledger"]["ok"]
    assert "accept-restore" in found["ledger"]["error"]
    assert found["letters"]["queued"] == 0, "what can be read is still said"


def test_the_next_opening(world: World) -> None:
    office = world.home.offices[OFFICES[0]]
    sunday = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
    assert next_opening(world.home, office, sunday) == datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
    monday = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
    assert next_opening(world.home, office, monday) == monday


def test_an_office_opens_when_what_keeps_it_is_over(world: World) -> None:
    world.submit(1)
    office, now_us = OFFICES[0], world.ledger.now_us()
    until_us = now_us + 14 * 24 * 3600 * 1_000_000
    hold(world.ledger, world.home, Order("office", office, "op", "the mayor is away"), until_us)
    expected = next_opening(world.home, world.home.offices[office], from_us(until_us))
    assert offices(read(world))[office]["next_opening"] == iso(expected)
    hold(world.ledger, world.home, Order("campaign", world.campaign, "op", "until it is looked at"))
    found = offices(read(world))
    assert {found[each]["next_opening"] for each in OFFICES} == {None}


def test_the_sink_has_one_name() -> None:
    assert SINK == WIRED
