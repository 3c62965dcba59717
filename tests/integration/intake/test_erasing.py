"""Erasing a signer, on both databases."""

import pytest
import sqlalchemy as sa

from tests.integration.intake.scene import (
    campaign,
    letters_of,
    make_intake,
    person,
    rows,
    set_state,
    signature_row,
    states,
    token_of,
)
from worker.domain.errors import BadInput, RefusedByState
from worker.ledger import audit, counts, tokens
from worker.ledger.book import Ledger
from worker.ledger.engine import sqlite_file
from worker.ledger.keys import Keys
from worker.ledger.schema import metadata, signer_versions, signers


def test_erasing_destroys_the_key_in_all_campaigns(ledger: Ledger, ledger_keys: Keys) -> None:
    intake = make_intake(ledger, ledger_keys, campaign(), campaign("park"))
    first = intake.submit("library", person(), evidence="e", request_key="order-1")
    other = intake.sign("park", person())
    token = token_of(ledger, ledger_keys, other.signature)
    set_state(ledger, first.signature, "council", "sent")
    before = signature_row(ledger, first.signature)
    ended = intake.erase(first.signature, who="operator", reason="asked by letter")
    assert set(ended.signatures) == {first.signature, other.signature}
    assert ended.cancelled == 3
    (signer,) = rows(ledger, sa.select(signers))
    assert (signer["wrapped_key"], signer["address_key"]) == (None, None)
    assert signer["erased_at"] is not None
    after = signature_row(ledger, first.signature)
    assert (after["state"], after["person_key"]) == ("erased", before["person_key"])
    assert signature_row(ledger, other.signature)["state"] == "erased"
    assert states(ledger, first.signature) == {"council": "sent", "ministry": "cancelled", "mayor": "cancelled"}
    with ledger.read() as connection:
        assert tokens.reveal(connection, ledger_keys, other.signature) is None
        assert counts.verify(connection) == []
        assert audit.verify(connection) == []
        (entry,) = audit.latest(connection)
    assert (entry.who, entry.verb, entry.reason) == ("operator", "erase", "asked by letter")
    with pytest.raises(RefusedByState, match="withdrawn"):
        intake.confirm(token)
    replayed = intake.submit("library", person(), evidence="e", request_key="order-1")
    assert (replayed.state, replayed.repeated) == ("erased", True)  # a replay does not bring anybody back


def test_the_same_person_may_sign_again_as_a_new_signer(ledger: Ledger, ledger_keys: Keys) -> None:
    intake = make_intake(ledger, ledger_keys)
    first = intake.submit("library", person(), evidence="e")
    set_state(ledger, first.signature, "council", "sent")
    intake.erase(first.signature)
    again = intake.submit("library", person(), evidence="e")
    assert (again.letters, again.written) == (2, 1)
    assert len(rows(ledger, sa.select(signers))) == 2
    assert {letter["addressee"] for letter in letters_of(ledger, again.signature)} == {"ministry", "mayor"}


def test_a_withdrawn_signature_can_be_erased_and_erasing_twice_is_once(ledger: Ledger, ledger_keys: Keys) -> None:
    intake = make_intake(ledger, ledger_keys)
    signed = intake.submit("library", person(), evidence="e")
    intake.withdraw(signed.signature)
    assert intake.erase(signed.signature).signatures == (signed.signature,)
    assert intake.erase(signed.signature).signatures == ()
    assert signature_row(ledger, signed.signature)["state"] == "erased"


def test_a_signer_is_found_by_address(ledger: Ledger, ledger_keys: Keys) -> None:
    intake = make_intake(ledger, ledger_keys)
    intake.submit("library", person(email="Ada@mail.example"), evidence="e")
    signer = intake.find_signer(" ada@MAIL.example ")
    assert signer is not None
    assert len(intake.erase_signer(signer).signatures) == 1
    assert intake.find_signer("ada@mail.example") is None
    assert intake.erase_signer(12345).signatures == ()
    with pytest.raises(BadInput, match="email:"):
        intake.find_signer("ada")


def test_nothing_personal_stands_in_the_clear_anywhere(ledger: Ledger, ledger_keys: Keys) -> None:
    intake = make_intake(ledger, ledger_keys)
    words = {"name": "Zebedee Unmistakable", "city": "Unmistakaville", "comment": "unmistakable words"}
    intake.sign("library", person(1, email="unmistakable.one@mail.example", **words))
    intake.submit(
        "library", person(2, email="unmistakable.two@mail.example", **words), evidence="e", request_key="unmistakable"
    )
    intake.submit_many("library", [person(3, email="unmistakable.three@mail.example", **words)], evidence="e")
    intake.withdraw(2)
    with ledger.read() as connection:
        everything = [row for table in metadata.sorted_tables for row in connection.execute(sa.select(table))]
    assert len(everything) > 20
    assert (
        "unmistak"
        not in repr([tuple(bytes(v) if isinstance(v, memoryview) else v for v in r) for r in everything]).lower()
    )


@pytest.mark.parametrize("ledger_url", ["sqlite"], indirect=True)
def test_nothing_of_an_erased_signer_stands_in_the_files(ledger: Ledger, ledger_keys: Keys) -> None:
    """SQLite keeps what was overwritten in its write-ahead log, where a data key found elsewhere would open it."""
    intake = make_intake(ledger, ledger_keys)
    signature = intake.submit("library", person(), evidence="list 7, kept by Sample Signer 01").signature
    (signer,) = rows(ledger, sa.select(signers))
    (version,) = rows(ledger, sa.select(signer_versions))
    secrets = [signer["wrapped_key"], signer["address_key"], version["sealed"], b"kept by Sample Signer 01"]
    file = sqlite_file(ledger.url)

    def found() -> list[bytes]:
        kept = b"".join(file.with_name(file.name + end).read_bytes() for end in ("", "-wal"))
        return [secret for secret in secrets if bytes(secret) in kept]

    assert found() == secrets
    intake.erase(signature)
    assert found() == []
