"""Signing and confirming, on both databases."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa

from tests.integration.intake.scene import (
    NOON,
    OFFICES,
    campaign,
    letters_of,
    make_intake,
    office,
    person,
    rows,
    set_state,
    signature_row,
    states,
    text,
    token_of,
    words_of,
)
from worker.domain.errors import BadInput, RefusedByState
from worker.intake import SEND, YEARLY, BadPerson, Consent, Intake
from worker.ledger import counts, pins
from worker.ledger.book import Ledger
from worker.ledger.keys import Keys
from worker.ledger.schema import consents, lanes, signers, tokens


@pytest.fixture
def intake(ledger: Ledger, ledger_keys: Keys) -> Intake:
    return make_intake(ledger, ledger_keys)


@pytest.fixture(autouse=True)
def counts_agree(ledger: Ledger) -> Iterator[None]:
    yield
    with ledger.read() as connection:
        assert counts.verify(connection) == []


def test_an_unconfirmed_signature_is_sent_one_notice(ledger: Ledger, ledger_keys: Keys, intake: Intake) -> None:
    receipt = intake.sign("library", person(), source="web")
    assert (receipt.state, receipt.letters, receipt.repeated) == ("unconfirmed", 1, False)
    (notice,) = letters_of(ledger, receipt.signature)
    assert (notice["addressee"], notice["sendout"], notice["rank"], notice["state"]) == (
        "signer",
        "confirm-1",
        0,
        "queued",
    )
    assert notice["mac"] == ledger_keys.mac(receipt.signature, text().hash, "signer")
    (lane,) = rows(ledger, sa.select(lanes).where(lanes.c.id == notice["lane_id"]))
    assert (lane["key"], lane["kind"], lane["domain"]) == ("signers:confirm", "signers", "")


def test_confirming_makes_a_letter_for_each_office(ledger: Ledger, ledger_keys: Keys, intake: Intake) -> None:
    signed = intake.sign("library", person())
    receipt = intake.confirm(token_of(ledger, ledger_keys, signed.signature))
    assert (receipt.signature, receipt.state, receipt.letters) == (signed.signature, "confirmed", 3)
    made = [letter for letter in letters_of(ledger, signed.signature) if letter["sendout"] == "signing"]
    assert [letter["addressee"] for letter in made] == list(OFFICES)
    assert {letter["rank"] for letter in made} == {2}
    assert {letter["state"] for letter in made} == {"queued"}
    for letter in made:
        assert letter["mac"] == ledger_keys.mac(signed.signature, text().hash, letter["addressee"])
        assert letter["due_at"] == letter["made_at"] <= ledger.now_us()
    by_lane = {r["id"]: r["key"] for r in rows(ledger, sa.select(lanes))}
    assert by_lane[made[0]["lane_id"]] == "mailbox:post@council.example"
    assert states(ledger, signed.signature)["signer"] == "cancelled"  # its notice has nothing to ask any more


def test_confirming_twice_changes_nothing(ledger: Ledger, ledger_keys: Keys, intake: Intake) -> None:
    token = token_of(ledger, ledger_keys, intake.sign("library", person()).signature)
    first, second = intake.confirm(token), intake.confirm(token)
    assert second.repeated
    assert (second.signature, second.state, second.letters) == (first.signature, "confirmed", 0)
    assert len(letters_of(ledger, first.signature)) == 4


def test_the_token_stands_nowhere_in_the_clear(ledger: Ledger, ledger_keys: Keys, intake: Intake) -> None:
    token = token_of(ledger, ledger_keys, intake.sign("library", person()).signature)
    assert len(token) == 27
    (row,) = rows(ledger, sa.select(tokens))
    assert row["hash"] == ledger_keys.token_hash(token)
    assert token.encode() not in row["sealed"]


@pytest.mark.parametrize("token", ["", "x" * 27, "A" * 26, "A" * 5000, "é" * 27, "A" * 26 + "\n", "A" * 27 + "\n"])
def test_an_unknown_token_is_bad_input(intake: Intake, token: str) -> None:
    with pytest.raises(BadInput, match="this confirmation link is not valid"):
        intake.confirm(token)


def test_a_token_runs_out(ledger: Ledger, ledger_keys: Keys, intake: Intake) -> None:
    signed = intake.sign("library", person())
    token = token_of(ledger, ledger_keys, signed.signature)
    with ledger.write() as connection:
        connection.execute(sa.update(tokens).values(expires_at=ledger.now_us()))
    with pytest.raises(RefusedByState, match="has run out: sign again"):
        intake.confirm(token)
    again = intake.sign("library", person(name="Sample Signer Again"))
    assert again.signature != signed.signature
    assert not again.repeated
    assert signature_row(ledger, signed.signature)["state"] == "withdrawn"
    assert states(ledger, signed.signature) == {"signer": "cancelled"}
    assert intake.confirm(token_of(ledger, ledger_keys, again.signature)).letters == 3
    assert intake.confirm(token).signature == again.signature  # the old link tells how it stands


def test_signing_twice_is_once(ledger: Ledger, intake: Intake, ledger_keys: Keys) -> None:
    first = intake.sign("library", person(email="Ada@Mail.Example"))
    second = intake.sign("library", person(name="Somebody Else", email="ada@mail.example"))
    assert second.repeated
    assert second.signature == first.signature
    assert words_of(ledger, ledger_keys, first.signature)["name"] == "Somebody Else", "the newest form counts"
    assert words_of(ledger, ledger_keys, first.signature)["email"] == "Ada@mail.example", "for the same mailbox"


def test_submit_needs_evidence_and_makes_letters_at_once(ledger: Ledger, intake: Intake) -> None:
    for missing in ("", "  ", "two\nlines", "x" * 501):
        with pytest.raises(BadInput, match="evidence"):
            intake.submit("library", person(), evidence=missing)
    receipt = intake.submit("library", person(), evidence="paper lists, folder 3")
    assert (receipt.state, receipt.letters) == ("confirmed", 3)
    row = signature_row(ledger, receipt.signature)
    assert (row["evidence"], row["confirmed_at"]) == ("paper lists, folder 3", row["made_at"])
    assert intake.submit("library", person(), evidence="another").repeated


def test_a_confirmed_signature_takes_the_place_of_an_unconfirmed_one(
    ledger: Ledger, ledger_keys: Keys, intake: Intake
) -> None:
    waiting = intake.sign("library", person(comment="unconfirmed words"))
    token = token_of(ledger, ledger_keys, waiting.signature)
    confirmed = intake.submit("library", person(comment="my own words"), evidence="a form signed at the desk")
    assert not confirmed.repeated
    assert words_of(ledger, ledger_keys, confirmed.signature)["comment"] == "my own words"
    assert states(ledger, waiting.signature) == {"signer": "cancelled"}
    followed = intake.confirm(token)
    assert (followed.signature, followed.repeated) == (confirmed.signature, True)


def test_a_request_key_is_one_signing_for_ever(ledger: Ledger, intake: Intake) -> None:
    first = intake.submit("library", person(), evidence="e", request_key="order-1")
    assert intake.submit("library", person(), evidence="e", request_key="order-1").repeated
    intake.withdraw(first.signature)
    replayed = intake.submit("library", person(), evidence="e", request_key="order-1")
    assert (replayed.signature, replayed.state, replayed.repeated) == (first.signature, "withdrawn", True)
    with pytest.raises(BadInput, match="request_key: was used for another person"):
        intake.submit("library", person(2), evidence="e", request_key="order-1")
    for unusable in ("", "a\nb", "x" * 201):
        with pytest.raises(BadInput, match="request_key"):
            intake.submit("library", person(2), evidence="e", request_key=unusable)
    assert "order-1" not in str(signature_row(ledger, first.signature)["request_key"])


def test_a_replayed_request_does_not_end_a_waiting_signature(ledger: Ledger, intake: Intake) -> None:
    first = intake.submit("library", person(), evidence="e", request_key="order-1")
    intake.withdraw(first.signature)
    waiting = intake.sign("library", person())
    intake.submit("library", person(), evidence="e", request_key="order-1")
    assert signature_row(ledger, waiting.signature)["state"] == "unconfirmed"


def test_offices_that_take_no_letters_are_skipped(ledger: Ledger, ledger_keys: Keys) -> None:
    offices = OFFICES | {"mayor": office("mayor", accepts=False)}
    intake = make_intake(ledger, ledger_keys, offices=offices)
    receipt = intake.submit("library", person(), evidence="e")
    assert (receipt.letters, receipt.skipped) == (2, 1)
    assert set(states(ledger, receipt.signature)) == {"council", "ministry"}


def test_what_was_signed_stays_when_the_text_changes(ledger: Ledger, ledger_keys: Keys, intake: Intake) -> None:
    signed = intake.sign("library", person())
    newer = make_intake(ledger, ledger_keys, campaign(text=text("Keep it open on Sundays.")))
    newer.confirm(token_of(ledger, ledger_keys, signed.signature))
    later = newer.submit("library", person(2), evidence="e")
    for signature, version in ((signed.signature, text()), (later.signature, text("Keep it open on Sundays."))):
        with ledger.read() as connection:
            body = pins.body(connection, signature_row(ledger, signature)["text_id"])
        assert body == version.body()
        macs = {letter["mac"] for letter in letters_of(ledger, signature)}
        assert ledger_keys.mac(signature, version.hash, "council") in macs


def test_another_campaign_does_not_change_what_was_signed(ledger: Ledger, ledger_keys: Keys) -> None:
    intake = make_intake(ledger, ledger_keys, campaign(), campaign("park"))
    first = intake.submit("library", person(comment="about books"), evidence="e")
    second = intake.sign("park", person(comment="about trees"))
    assert words_of(ledger, ledger_keys, first.signature)["comment"] == "about books"
    assert words_of(ledger, ledger_keys, second.signature)["comment"] == "about trees"
    assert len(rows(ledger, sa.select(signers))) == 1


def test_a_campaign_is_signed_while_it_is_open(ledger: Ledger, ledger_keys: Keys) -> None:
    class Still:
        moment = NOON

        def now(self):
            return self.moment

        def monotonic(self):
            return 0.0

    clock = Still()
    opened = campaign(opens=NOON, closes=NOON + timedelta(days=1))
    intake = make_intake(ledger, ledger_keys, opened, clock=clock)
    clock.moment = NOON - timedelta(seconds=1)
    with pytest.raises(RefusedByState, match="before 2026-05-04"):
        intake.sign("library", person())
    clock.moment = NOON
    signed = intake.sign("library", person())
    clock.moment = NOON + timedelta(days=1)
    for door in (lambda: intake.sign("library", person(2)), lambda: intake.submit("library", person(2), evidence="e")):
        with pytest.raises(RefusedByState, match="closed at 2026-05-05"):
            door()
    with pytest.raises(RefusedByState):
        intake.submit_many("library", [person(2)], evidence="e")
    assert intake.confirm(token_of(ledger, ledger_keys, signed.signature)).letters == 3  # signed in time


def test_an_unknown_campaign_names_those_there_are(intake: Intake) -> None:
    with pytest.raises(BadInput, match="no campaign 'libary'; there are: library"):
        intake.sign("libary", person())


def test_consents_are_rows_with_their_words_pinned(ledger: Ledger, intake: Intake) -> None:
    plain = intake.submit("library", person(), evidence="e", source="api:partner")
    yearly = intake.submit("library", person(2), evidence="e", consents=[SEND, Consent("yearly", "Write every year.")])
    found = rows(ledger, sa.select(consents).order_by(consents.c.id))
    assert [(c["signature_id"], c["kind"]) for c in found] == [
        (plain.signature, "send"),
        (yearly.signature, "send"),
        (yearly.signature, "yearly"),
    ]
    assert {c["source"] for c in found[:1]} == {"api:partner"}
    with ledger.read() as connection:
        bodies = [pins.body(connection, pins.find(connection, c["wording_hash"]) or 0) for c in found]
    assert bodies[0] == {"kind": "send", "language": "en", "words": "I agree that my letter is sent."}
    assert bodies[2] == {"kind": "yearly", "language": "en", "words": "Write every year."}
    with pytest.raises(BadInput, match="consent to send"):
        intake.sign("library", person(3), consents=[YEARLY])


def test_what_is_kept_for_the_record_is_one_printable_line(intake: Intake) -> None:
    receipt = intake.submit("library", person(), evidence="e")
    for unusable in ("a\nb", "a\0", "\ud800", "x" * 501):
        for door in (intake.withdraw, intake.erase):
            with pytest.raises(BadInput, match="reason: must have"):
                door(receipt.signature, reason=unusable)
        with pytest.raises(BadInput, match="source: must have"):
            intake.sign("library", person(2), source=unusable)
    for words in ("a\0", "\ud800", "x" * 5001):
        with pytest.raises(BadInput, match="words must have"):
            Consent("send", words)
    with pytest.raises(BadInput, match="no kind 'weekly'"):
        Consent("weekly")  # type: ignore[arg-type]


def test_bad_fields_are_named_and_nothing_is_recorded(ledger: Ledger, intake: Intake) -> None:
    with pytest.raises(BadPerson) as caught:
        intake.sign("library", person(name="", email="secret-name@nowhere", country="ZZ"))
    assert set(caught.value.fields) == {"name", "email", "country"}
    assert "secret-name" not in str(caught.value)
    assert rows(ledger, sa.select(signers)) == []


def test_an_office_that_was_written_to_is_not_written_to_again(ledger: Ledger, intake: Intake) -> None:
    first = intake.submit("library", person(), evidence="e")
    for addressee, state in (("council", "sent"), ("ministry", "in_doubt")):
        set_state(ledger, first.signature, addressee, state)
    ended = intake.withdraw(first.signature)
    assert (ended.signatures, ended.cancelled) == ((first.signature,), 1)
    assert states(ledger, first.signature) == {"council": "sent", "ministry": "in_doubt", "mayor": "cancelled"}
    again = intake.submit("library", person(), evidence="e")
    assert (again.letters, again.written, again.repeated) == (1, 2, False)
    assert set(states(ledger, again.signature)) == {"mayor"}


def test_a_letter_cancelled_in_doubt_may_have_arrived(ledger: Ledger, intake: Intake) -> None:
    first = intake.submit("library", person(), evidence="e")
    set_state(ledger, first.signature, "council", "cancelled", doubts=1)
    intake.withdraw(first.signature)
    assert set(states(ledger, intake.submit("library", person(), evidence="e").signature)) == {"ministry", "mayor"}


@pytest.mark.parametrize(
    ("state", "after"),
    [
        ("queued", "cancelled"),
        ("claimed", "cancelled"),
        ("held", "cancelled"),
        ("sending", "sending"),
        ("sent", "sent"),
        ("in_doubt", "in_doubt"),
        ("refused", "refused"),
    ],
)
def test_withdrawing_takes_back_what_is_not_sent(ledger: Ledger, intake: Intake, state: str, after: str) -> None:
    signed = intake.submit("library", person(), evidence="e")
    set_state(ledger, signed.signature, "council", state, claim=7 if state in {"claimed", "sending"} else None)
    intake.withdraw(signed.signature)
    letter = letters_of(ledger, signed.signature)[0]
    assert letter["state"] == after
    if after in {"sending", "in_doubt"}:
        assert letter["not_after"] <= ledger.now_us()  # should it come back to the queue, it is not sent
    else:
        assert letter["not_after"] is None
    if after == "cancelled":
        assert (letter["claim"], letter["reason"]) == (None, "withdrawn")
        assert letter["ended_at"] is not None
    assert {c["withdrawn_at"] is None for c in rows(ledger, sa.select(consents))} == {False}
    assert intake.withdraw(signed.signature).signatures == ()


def test_a_withdrawn_signature_cannot_be_confirmed(ledger: Ledger, ledger_keys: Keys, intake: Intake) -> None:
    signed = intake.sign("library", person())
    token = token_of(ledger, ledger_keys, signed.signature)
    intake.withdraw(signed.signature)
    with pytest.raises(RefusedByState, match="was withdrawn"):
        intake.confirm(token)
    for unknown in (lambda: intake.withdraw(99), lambda: intake.erase(99)):
        with pytest.raises(BadInput, match="no signature 99"):
            unknown()


def test_languages_follow_the_signer_where_the_campaign_has_them(ledger: Ledger, ledger_keys: Keys) -> None:
    both = campaign(languages=("en", "fr"))
    intake = make_intake(ledger, ledger_keys, both)
    for n, (wanted, found) in enumerate({"fr-CA": "fr", "de": "en", "": "en"}.items()):
        receipt = intake.submit("library", person(n, language=wanted), evidence="e")
        assert signature_row(ledger, receipt.signature)["language"] == found


def test_live_mode_refuses_reserved_domains(ledger: Ledger, ledger_keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "mode", "live")
    live = make_intake(ledger, ledger_keys)
    trial = make_intake(ledger, ledger_keys, allow_test_domains=True)
    with pytest.raises(BadPerson, match="reserved"):
        live.sign("library", person(email="a@b.test"))
    assert trial.sign("library", person(email="a@b.test")).letters == 1
    with pytest.raises(BadPerson, match="reserved"):
        trial.sign("library", person(email="a@b.example"))


def test_a_campaign_may_name_an_office_once_only(ledger: Ledger, ledger_keys: Keys) -> None:
    twice = replace(campaign(), offices=("council", "council", "mayor"))
    intake = make_intake(ledger, ledger_keys, twice)
    assert intake.submit("library", person(), evidence="e").letters == 2
