"""The bulk door, ringing, and the register, on both databases."""

import logging
import threading

import pytest
import sqlalchemy as sa

from tests.integration.intake.scene import (
    OFFICES,
    campaign,
    letters_of,
    make_intake,
    office,
    person,
    rows,
    set_state,
    standing,
    states,
    token_of,
)
from tests.support import until
from worker.domain.errors import BadInput
from worker.intake import SEND, YEARLY, Outcome, Row, Tally, sync_register
from worker.intake.bulk import chunk_size
from worker.ledger import audit, counts
from worker.ledger.book import Ledger
from worker.ledger.keys import Keys
from worker.ledger.schema import consents, lanes, letters


def test_each_of_many_has_an_outcome(ledger: Ledger, ledger_keys: Keys) -> None:
    intake = make_intake(ledger, ledger_keys)
    waiting = intake.sign("library", person(2))
    known = intake.submit("library", person(3), evidence="e", request_key="three")
    seen: dict[int, Outcome] = {}
    many = [
        person(1),
        person(2),
        person(3),
        person(1, name="The Same Again"),
        person(4, country="Atlantis"),
        Row(person(5), consents=(SEND, YEARLY), request_key="five"),
        Row(person(6), request_key="three"),
        Row(person(7), request_key="five"),
    ]
    tally = intake.submit_many("library", iter(many), evidence="an event", seen=seen.__setitem__)
    assert tally == Tally(accepted=3, repeated=2, rejected=3, letters=9)
    assert [seen[n].kind for n in range(8)] == [
        "accepted", "accepted", "repeated", "repeated", "rejected", "accepted", "rejected", "rejected",
    ]  # fmt: skip
    assert seen[2].signature == known.signature
    assert seen[3].signature == seen[0].signature
    assert seen[4].reason.startswith("country:")
    assert "another person" in seen[6].reason
    assert "another person" in seen[7].reason
    assert states(ledger, waiting.signature) == {"signer": "cancelled"}
    kinds = [c["kind"] for c in rows(ledger, sa.select(consents).order_by(consents.c.id))]
    assert kinds.count("yearly") == 1
    assert standing(ledger) == {"confirmed": 4, "withdrawn": 1}
    with ledger.read() as connection:
        assert counts.verify(connection) == []


def test_many_come_in_chunks_with_one_ring_each(ledger: Ledger, ledger_keys: Keys) -> None:
    rings: list[str] = []
    intake = make_intake(ledger, ledger_keys, wake=lambda: rings.append("ding"))
    size = chunk_size(intake.desk, campaign())
    n = size + 1
    assert intake.submit_many("library", (person(i) for i in range(n)), evidence="e").accepted == n
    until(lambda: len(rings) == 2, "the second chunk's ring")
    assert intake.submit_many("library", (person(i) for i in range(n)), evidence="e").repeated == n
    assert len(rings) == 2  # nothing was made, so nobody is woken
    with ledger.read() as connection:
        assert counts.read(connection)[1, 1, "council", "queued"] == n
        assert counts.verify(connection) == []


def test_a_letter_of_many_is_like_a_letter_of_one(ledger: Ledger, ledger_keys: Keys) -> None:
    intake = make_intake(ledger, ledger_keys)
    one = intake.submit("library", person(1), evidence="e")
    intake.submit_many("library", [person(2)], evidence="e")
    differ = {"id", "signature_id", "mac", "due_at", "made_at"}
    shapes = [
        [{k: v for k, v in letter.items() if k not in differ} for letter in letters_of(ledger, signature)]
        for signature in (one.signature, one.signature + 1)
    ]
    assert shapes[0] == shapes[1]
    assert len(shapes[0]) == 3


def test_many_need_evidence(ledger: Ledger, ledger_keys: Keys) -> None:
    with pytest.raises(BadInput, match="evidence is missing: state where and how"):
        make_intake(ledger, ledger_keys).submit_many("library", [person()], evidence=" ")


def test_workers_are_woken_once_for_each_act(ledger: Ledger, ledger_keys: Keys) -> None:
    rings: list[str] = []
    intake = make_intake(ledger, ledger_keys, wake=lambda: rings.append("ding"))
    signed = intake.sign("library", person())
    assert len(rings) == 1
    intake.sign("library", person())  # makes the second notice
    intake.sign("library", person())  # makes none
    until(lambda: len(rings) == 2, "the second notice's ring")
    token = token_of(ledger, ledger_keys, signed.signature)
    intake.confirm(token)
    intake.confirm(token)
    until(lambda: len(rings) == 3, "the letters' ring")


def test_a_broker_that_hangs_or_fails_costs_nobody_anything(
    ledger: Ledger, ledger_keys: Keys, caplog: pytest.LogCaptureFixture
) -> None:
    let_go, began = threading.Event(), threading.Event()

    def hang() -> None:
        began.set()
        let_go.wait(30)

    hanging = make_intake(ledger, ledger_keys, wake=hang)
    assert hanging.sign("library", person(1)).letters == 1
    assert began.is_set()
    assert hanging.sign("library", person(2)).letters == 1  # the first ring still hangs: none is added
    let_go.set()

    def fail() -> None:
        raise OSError("no such broker: signer1@mail.example")

    with caplog.at_level(logging.WARNING):
        assert make_intake(ledger, ledger_keys, wake=fail).sign("library", person(3)).letters == 1
    assert "workers were not woken (OSError)" in caplog.text
    assert "mail.example" not in caplog.text


@pytest.mark.parametrize("state", ["held", "in_doubt"])
def test_what_may_come_back_to_the_queue_follows_too(ledger: Ledger, ledger_keys: Keys, state: str) -> None:
    signed = make_intake(ledger, ledger_keys).submit("library", person(), evidence="e")
    set_state(ledger, signed.signature, "council", state)
    moved = OFFICES | {"council": office("council", "New@Council.example")}
    assert sync_register(ledger, moved) == 1
    keys = {r["id"]: r["key"] for r in rows(ledger, sa.select(lanes))}
    where = {letter["addressee"]: keys[letter["lane_id"]] for letter in letters_of(ledger, signed.signature)}
    assert where["council"] == "mailbox:new@council.example"


def test_letters_follow_their_office_to_its_new_mailbox(ledger: Ledger, ledger_keys: Keys) -> None:
    intake = make_intake(ledger, ledger_keys)
    signed = intake.submit("library", person(), evidence="e")
    sent = intake.submit("library", person(2), evidence="e")
    set_state(ledger, sent.signature, "council", "sent")
    moved = OFFICES | {
        "council": office("council", "New@Council.example"),
        "mayor": office("mayor", "post@ministry.example"),
    }
    assert sync_register(ledger, OFFICES) == 0
    assert sync_register(ledger, moved) == 3
    assert sync_register(ledger, moved) == 0
    keys = {r["id"]: r["key"] for r in rows(ledger, sa.select(lanes))}
    where = {letter["addressee"]: keys[letter["lane_id"]] for letter in letters_of(ledger, signed.signature)}
    assert where == {
        "council": "mailbox:new@council.example",
        "ministry": "mailbox:post@ministry.example",
        "mayor": "mailbox:post@ministry.example",
    }
    assert keys[letters_of(ledger, sent.signature)[0]["lane_id"]] == "mailbox:post@council.example"
    with ledger.read() as connection:
        assert sorted(entry.target for entry in audit.latest(connection)) == ["office council", "office mayor"]
        assert audit.verify(connection) == []
    swapped = OFFICES | {
        "ministry": office("ministry", "new@council.example"),
        "council": office("council", "post@ministry.example"),
    }
    assert sync_register(ledger, swapped) == 5
    assert sync_register(ledger, swapped) == 0


def test_more_letters_than_a_page_move(ledger: Ledger, ledger_keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.intake.register._PAGE", 4)
    intake = make_intake(ledger, ledger_keys)
    intake.submit_many("library", (person(n) for n in range(8)), evidence="e")
    moved = OFFICES | {"council": office("council", "new@council.example")}
    assert sync_register(ledger, moved) == 8
    found = rows(ledger, sa.select(letters.c.lane_id).distinct().where(letters.c.addressee == "council"))
    assert len(found) == 1
