"""What the holder of a private link sees and may do, on both databases, on a clock that travels."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from tests.integration.intake.scene import (
    NOON,
    OFFICES,
    letters_of,
    make_intake,
    person,
    rows,
    set_state,
    signature_row,
    states,
    text,
    token_of,
    words_of,
)
from tests.integration.intake.travel import (
    DAY,
    DAY_US,
    Traveller,
    linked,
    mail,
    notices,
    on_the_clock,
    page_token,
    send_due,
)
from worker.domain.errors import BadInput, RefusedByState
from worker.intake import SEND, Consent, Intake
from worker.intake.own_page import OwnPage, OwnPages
from worker.ledger import audit, counts
from worker.ledger.book import Ledger
from worker.ledger.keys import Keys
from worker.ledger.schema import attempts, signers
from worker.ledger.tokens import CONFIRM

COMMENT = "I learnt to read there."


@pytest.fixture
def clock() -> Traveller:
    return Traveller()


@pytest.fixture
def ledger(ledger_url: str, ledger_keys: Keys, clock: Traveller) -> Iterator[Ledger]:
    with on_the_clock(ledger_url, ledger_keys, clock) as opened:
        yield opened
        with opened.read() as connection:
            assert counts.verify(connection) == []
            assert audit.verify(connection) == []


@pytest.fixture
def intake(ledger: Ledger, ledger_keys: Keys) -> Intake:
    return make_intake(ledger, ledger_keys, linked(takes_comments=True), linked("park"))


@pytest.fixture
def pages(intake: Intake) -> OwnPages:
    return OwnPages(intake)


@pytest.fixture
def signed(ledger: Ledger, ledger_keys: Keys, intake: Intake) -> tuple[int, str]:
    """A confirmed signature without a comment, and the token of its page."""
    return confirmed(ledger, ledger_keys, intake)


def confirmed(ledger: Ledger, keys: Keys, intake: Intake, n: int = 1, **changes: Any) -> tuple[int, str]:
    asked = {name: changes.pop(name) for name in ("consents", "left_out") if name in changes}
    slug = changes.pop("slug", "library")
    number = intake.sign(slug, person(n, city="Town", **changes), **asked).signature
    intake.confirm(token_of(ledger, keys, number))
    return number, page_token(ledger, keys, number)


def verbs(ledger: Ledger) -> list[tuple[str, str, str]]:
    with ledger.read() as connection:
        return [(e.who, e.verb, e.target) for e in reversed(audit.latest(connection, 1_000))]


# -- links -------------------------------------------------------------------------------------------------------------
def test_an_unknown_link_opens_nothing(
    ledger: Ledger, ledger_keys: Keys, pages: OwnPages, signed: tuple[int, str]
) -> None:
    doors = (
        pages.read,
        pages.data,
        pages.withdraw,
        pages.erase,
        pages.resend,
        pages.never,
        pages.page_token,
        pages.campaign_of,
        lambda token: pages.choose(token, []),
        lambda token: pages.correct(token, "Sample Signer", "", ""),
    )
    for token in ("", "A" * 27, "x" * 5_000, "é" * 27, "\0" * 27, f"{signed[1]}\n"):
        for door in doors:
            with pytest.raises(BadInput, match="this link is not valid"):
                door(token)
    assert states(ledger, signed[0])["council"] == "queued"


def test_a_confirmation_link_is_no_key_to_the_page(
    ledger: Ledger, ledger_keys: Keys, pages: OwnPages, signed: tuple[int, str]
) -> None:
    number, token = signed
    to_confirm = token_of(ledger, ledger_keys, number)
    for door in (pages.read, pages.data, pages.withdraw, pages.erase, pages.resend):
        with pytest.raises(BadInput, match="this link is not valid"):
            door(to_confirm)
    with pytest.raises(BadInput, match="this link is not valid"):
        pages.read(token, CONFIRM)
    with pytest.raises(BadInput, match="this link is not valid"):
        pages.page_token(token)
    assert pages.read(to_confirm, CONFIRM).signature == number
    assert pages.page_token(to_confirm) == token
    assert pages.campaign_of(token) == pages.campaign_of(to_confirm) == "library"


def test_before_confirming_there_is_no_page(
    ledger: Ledger, ledger_keys: Keys, intake: Intake, pages: OwnPages, clock: Traveller
) -> None:
    number = intake.sign("library", person(comment=COMMENT), left_out=["mayor"]).signature
    token = token_of(ledger, ledger_keys, number)
    page = pages.read(token, CONFIRM)
    assert (page.state, page.letters, page.confirmed, page.held) == ("unconfirmed", (), None, "")
    assert (page.person.name, page.person.comment, page.left_out) == ("Sample Signer 01", COMMENT, {"mayor"})
    assert page.expires == NOON + 7 * DAY
    assert pages.page_token(token) == ""
    clock.travel(8 * DAY)
    assert pages.read(token, CONFIRM).expires == NOON + 7 * DAY  # it is told, so that the page may say so


def test_a_campaign_without_pages_has_no_token_of_one(ledger: Ledger, ledger_keys: Keys) -> None:
    intake = make_intake(ledger, ledger_keys)
    token = token_of(ledger, ledger_keys, intake.sign("library", person()).signature)
    intake.confirm(token)
    assert OwnPages(intake).page_token(token) == ""


def test_a_page_belongs_to_one_signature(ledger: Ledger, ledger_keys: Keys, intake: Intake, pages: OwnPages) -> None:
    library, token = confirmed(ledger, ledger_keys, intake)
    park, _ = confirmed(ledger, ledger_keys, intake, slug="park")
    assert pages.read(token).campaign == "library"
    pages.withdraw(token)
    assert [signature_row(ledger, n)["state"] for n in (library, park)] == ["withdrawn", "confirmed"]


# -- look --------------------------------------------------------------------------------------------------------------
def test_the_page_shows_where_each_letter_stands(
    ledger: Ledger, pages: OwnPages, signed: tuple[int, str], clock: Traveller
) -> None:
    number, token = signed
    clock.travel(timedelta(hours=1))
    sent_us = ledger.now_us()
    set_state(ledger, number, "council", "sent", attempts=1, ended_at=sent_us, reason="accepted")
    council = next(each for each in letters_of(ledger, number) if each["addressee"] == "council")
    reply = {"code": 250, "enhanced": "2.0.0", "text": "Ok: queued as 4XyZ", "hash": b"\1" * 32}
    with ledger.write() as connection:
        base = {"letter_id": council["id"], "number": 1, "round_id": 1, "relay": "main", "lane_id": 1}
        connection.execute(sa.insert(attempts).values(**base, **reply, signer_version=1))
    page = pages.read(token)
    assert (page.signature, page.campaign, page.state, page.language) == (number, "library", "confirmed", "en")
    assert (page.signed, page.confirmed, page.text) == (NOON, NOON, text())
    assert (page.consents, page.left_out, page.held, page.unsent) == ({"send"}, frozenset(), "", True)
    assert [each.office for each in page.letters] == list(OFFICES)
    sent, waiting, _ = page.letters
    assert (sent.state, sent.reply, sent.hash) == ("sent", "250 2.0.0 Ok: queued as 4XyZ", "01" * 32)
    assert sent.ended == NOON + timedelta(hours=1)
    assert (waiting.state, waiting.reply, waiting.hash, waiting.ended) == ("queued", "", "", None)
    assert "Signer" not in repr(page)
    for office in ("ministry", "mayor"):
        set_state(ledger, number, office, "sent")
    assert not pages.read(token).unsent


def test_data_to_take_away_is_all_there_is(ledger: Ledger, ledger_keys: Keys, intake: Intake, pages: OwnPages) -> None:
    number, token = confirmed(
        ledger, ledger_keys, intake, comment=COMMENT, consents=[SEND, Consent("answer")], left_out=["mayor"]
    )
    pages.choose(token, [])
    data = json.loads(json.dumps(pages.data(token)))
    assert data["person"] == words_of(ledger, ledger_keys, number)
    assert data["person"]["email"] == "signer1@mail.example"
    assert (data["signature"], data["campaign"], data["state"]) == (number, "library", "confirmed")
    assert data["text_version"] == text().hash
    assert data["offices_left_out"] == ["mayor"]
    assert [(each["kind"], each["withdrawn_at"] is None) for each in data["consents"]] == [
        ("send", True),
        ("answer", False),
    ]
    assert {len(each["words_sha256"]) for each in data["consents"]} == {64}
    assert [each["office"] for each in data["letters"]] == ["council", "ministry"]
    assert [(each["notice"], each["state"]) for each in data["notices"]] == [
        ("confirm-1", "cancelled"),
        ("page-1", "queued"),
    ]
    assert "token" not in json.dumps(data)


# -- withdraw and erase ------------------------------------------------------------------------------------------------
def test_withdrawing_takes_back_what_is_not_sent(ledger: Ledger, pages: OwnPages, signed: tuple[int, str]) -> None:
    number, token = signed
    set_state(ledger, number, "council", "sent")
    ended = pages.withdraw(token)
    assert (ended.signatures, ended.cancelled) == ((number,), 3)  # two letters and the notice that was not sent
    assert states(ledger, number) | {"signer": ""} == {
        "council": "sent", "ministry": "cancelled", "mayor": "cancelled", "signer": "",
    }  # fmt: skip
    assert pages.withdraw(token).signatures == ()
    page = pages.read(token)
    assert (page.state, page.consents, page.unsent) == ("withdrawn", frozenset(), False)
    for refused in (
        lambda: pages.correct(token, "Another", "", ""),
        lambda: pages.choose(token, ["yearly"]),
        lambda: pages.resend(token),
    ):
        with pytest.raises(RefusedByState, match="was withdrawn: there is nothing left to change"):
            refused()
    assert verbs(ledger) == [("signer", "withdraw", f"signature {number}")]


def test_erasing_leaves_nothing_to_be_read(ledger: Ledger, ledger_keys: Keys, intake: Intake, pages: OwnPages) -> None:
    number, token = confirmed(ledger, ledger_keys, intake)
    park, other_token = confirmed(ledger, ledger_keys, intake, slug="park")
    to_confirm = token_of(ledger, ledger_keys, number)
    assert set(pages.erase(token).signatures) == {number, park}
    assert pages.erase(token).signatures == ()
    for refused in (
        lambda: pages.read(token),
        lambda: pages.read(other_token),
        lambda: pages.read(to_confirm, CONFIRM),
        lambda: pages.data(token),
        lambda: pages.correct(token, "Another", "", ""),
        lambda: pages.choose(token, []),
        lambda: pages.resend(token),
        lambda: pages.never(token),
    ):
        with pytest.raises(RefusedByState, match="was erased: nothing of it is left"):
            refused()
    assert pages.page_token(to_confirm) == ""
    (row,) = rows(ledger, sa.select(signers))
    assert (row["wrapped_key"], row["address_key"]) == (None, None)


# -- the link once more ------------------------------------------------------------------------------------------------
def test_a_page_is_sent_again_a_day_later_and_ten_times_at_most(
    ledger: Ledger, pages: OwnPages, signed: tuple[int, str], clock: Traveller
) -> None:
    _, token = signed
    assert not pages.resend(token)  # the first one still waits to be sent
    send_due(ledger)
    clock.travel(timedelta(hours=1))
    assert pages.resend(token)
    assert notices(ledger)[-1][3] == ledger.now_us() + DAY_US - 3_600_000_000
    assert not pages.resend(token)
    made = 2
    for _ in range(20):
        clock.travel(DAY)
        send_due(ledger)
        made += pages.resend(token)
    assert made == 10
    assert mail(ledger)[-1] == ("page-10", "sent")


def test_a_lost_link_is_sent_to_who_confirmed_and_nobody_is_told(
    ledger: Ledger, intake: Intake, pages: OwnPages, signed: tuple[int, str], clock: Traveller
) -> None:
    intake.sign("library", person(2))
    send_due(ledger)
    clock.travel(DAY)
    for address in ("SIGNER1@Mail.example", "signer2@mail.example", "nobody@mail.example"):
        assert pages.lost("library", address) is None
    pages.lost("park", "signer1@mail.example")
    assert [name for name, state in mail(ledger) if state == "queued"] == ["page-2"]
    with pytest.raises(BadInput, match="email"):
        pages.lost("library", "nobody")
    with pytest.raises(BadInput, match="there is no campaign"):
        pages.lost("libary", "signer1@mail.example")
    pages.withdraw(signed[1])
    pages.lost("library", "signer1@mail.example")
    assert [name for name, state in mail(ledger) if state == "queued"] == []


def test_a_lost_link_of_one_who_asked_for_quiet(ledger: Ledger, pages: OwnPages, signed: tuple[int, str]) -> None:
    send_due(ledger)
    pages.never(signed[1])
    pages.lost("library", "signer1@mail.example")
    assert not pages.resend(signed[1])
    assert mail(ledger) == [("confirm-1", "cancelled"), ("page-1", "sent")]


# -- never again -------------------------------------------------------------------------------------------------------
def test_quiet_may_be_asked_for_over_any_link_and_twice(
    ledger: Ledger, ledger_keys: Keys, intake: Intake, pages: OwnPages, signed: tuple[int, str]
) -> None:
    number, token = signed
    waiting = intake.sign("park", person())
    pages.never(token)
    pages.never(token_of(ledger, ledger_keys, waiting.signature))
    assert {state for _, state in mail(ledger)} == {"cancelled"}
    assert {states(ledger, number)[office] for office in OFFICES} == {"queued"}
    assert pages.read(token).state == "confirmed"  # the page still opens
    assert [verb for _, verb, _ in verbs(ledger)] == ["never", "never"]
    assert "mail.example" not in str(verbs(ledger))


def test_a_link_of_a_withdrawn_signature_asks_for_quiet_too(
    intake: Intake, pages: OwnPages, signed: tuple[int, str]
) -> None:
    pages.withdraw(signed[1])
    pages.never(signed[1])
    assert intake.sign("park", person()).state == "quiet"


def test_a_page_can_be_told_from_another(pages: OwnPages, signed: tuple[int, str]) -> None:
    assert isinstance(pages.read(signed[1]), OwnPage)
    assert pages.read(signed[1]) == pages.read(signed[1])
