"""What a signer changes on their own page: their words and their consents; on both databases."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from tests.integration.intake.scene import (
    OFFICES,
    letters_of,
    make_intake,
    person,
    rows,
    set_state,
    signature_row,
    states,
    token_of,
    words_of,
)
from tests.integration.intake.travel import (
    DAY,
    Traveller,
    linked,
    mail,
    on_the_clock,
    page_token,
)
from worker.domain.errors import RefusedByState
from worker.intake import SEND, BadPerson, Consent, Intake
from worker.intake.own_page import OwnPages
from worker.ledger import audit, counts, letters_write, pins, reviews
from worker.ledger.book import Ledger
from worker.ledger.hot.lanes import claim
from worker.ledger.hot.values import Call, Claimed, Place
from worker.ledger.keys import Keys
from worker.ledger.schema import consents, signer_versions
from worker.wiring.home import connect_hot

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


# -- correct -----------------------------------------------------------------------------------------------------------
def version(ledger: Ledger, number: int) -> int:
    found: int = signature_row(ledger, number)["signer_version"]
    return found


def test_a_correction_is_a_new_version(
    ledger: Ledger, ledger_keys: Keys, pages: OwnPages, signed: tuple[int, str]
) -> None:
    number, token = signed
    before = words_of(ledger, ledger_keys, number)
    pages.correct(token, "  Ada  Sample ", "Other Town", "")
    after = words_of(ledger, ledger_keys, number)
    assert after == before | {"name": "Ada Sample", "city": "Other Town"}
    assert version(ledger, number) == 2
    assert len(rows(ledger, sa.select(signer_versions))) == 2  # letters that were sent are made again from theirs
    pages.correct(token, "Ada Sample", "Other Town", "")
    assert version(ledger, number) == 2  # nothing new, nothing recorded
    assert verbs(ledger) == [("signer", "correct", f"signature {number}")]
    with ledger.read() as connection:
        (entry,) = audit.latest(connection)
    assert entry.details == {"changed": ["name", "city"]}
    assert "Ada" not in str(entry)


def test_a_correction_follows_one_signature_alone(
    ledger: Ledger, ledger_keys: Keys, intake: Intake, pages: OwnPages
) -> None:
    library, token = confirmed(ledger, ledger_keys, intake)
    park, park_token = confirmed(ledger, ledger_keys, intake, slug="park")
    pages.correct(token, "Ada Sample", "Town", "")
    pages.correct(park_token, "Sample Signer 01", "Elsewhere", "")
    assert words_of(ledger, ledger_keys, library)["name"] == "Ada Sample"
    assert (words_of(ledger, ledger_keys, park)["name"], words_of(ledger, ledger_keys, park)["city"]) == (
        "Sample Signer 01",
        "Elsewhere",
    )
    assert sorted(row["version"] for row in rows(ledger, sa.select(signer_versions))) == [1, 2, 3, 4]


def test_claimed_letters_go_back_and_sent_ones_stay(ledger: Ledger, pages: OwnPages, signed: tuple[int, str]) -> None:
    number, token = signed
    set_state(ledger, number, "council", "claimed", claim=7)
    set_state(ledger, number, "ministry", "sent", attempts=1)
    set_state(ledger, number, "mayor", "sending", claim=7, attempts=1)
    pages.correct(token, "Ada Sample", "Town", "")
    found = {each["addressee"]: (each["state"], each["claim"]) for each in letters_of(ledger, number)}
    assert (found["council"], found["ministry"], found["mayor"]) == (("queued", None), ("sent", None), ("sending", 7))


def test_what_was_sent_cannot_be_corrected(
    ledger: Ledger, ledger_keys: Keys, pages: OwnPages, signed: tuple[int, str]
) -> None:
    number, token = signed
    for office, state in (("council", "sent"), ("ministry", "in_doubt"), ("mayor", "refused")):
        set_state(ledger, number, office, state)
    with pytest.raises(RefusedByState, match="every letter has been sent or has ended"):
        pages.correct(token, "Ada Sample", "Town", "")
    assert words_of(ledger, ledger_keys, number)["name"] == "Sample Signer 01"
    assert version(ledger, number) == 1


def test_a_correction_is_checked_as_a_signing_is(
    ledger: Ledger, ledger_keys: Keys, intake: Intake, pages: OwnPages, signed: tuple[int, str]
) -> None:
    number, token = signed
    with pytest.raises(BadPerson) as caught:
        pages.correct(token, "", "two\nlines", "\0")
    assert set(caught.value.fields) == {"name", "city", "comment"}
    with pytest.raises(BadPerson) as caught:
        pages.correct(token, "see https://spam.example", "", "x" * 2_001)
    assert set(caught.value.fields) == {"name", "comment"}
    assert version(ledger, number) == 1
    _, park = confirmed(ledger, ledger_keys, intake, slug="park")
    with pytest.raises(BadPerson) as caught:
        pages.correct(park, "Sample Signer 01", "Town", COMMENT)
    assert set(caught.value.fields) == {"comment"}


def offices_of(ledger: Ledger, number: int) -> set[tuple[str, str]]:
    return {(e["state"], e["reason"]) for e in letters_of(ledger, number) if e["addressee"] != "signer"}


def test_a_new_comment_waits_for_a_look(
    ledger: Ledger, pages: OwnPages, signed: tuple[int, str], clock: Traveller
) -> None:
    number, token = signed
    set_state(ledger, number, "mayor", "claimed", claim=7)
    pages.correct(token, "Sample Signer 01", "Town", COMMENT)
    assert offices_of(ledger, number) == {("held", "comment")}
    assert pages.read(token).held == "comment"
    assert mail(ledger)[-1] == ("page-1", "queued")  # mail to them is not held
    clock.travel(timedelta(hours=1))
    pages.correct(token, "Sample Signer 01", "Town", "Other words.")
    with ledger.read() as connection:
        case = reviews.find(connection, number)
    assert case is not None
    assert case.since == ledger.now_us()  # who looked before saw other words


def test_a_comment_taken_back_sets_its_letters_free(
    ledger: Ledger, ledger_keys: Keys, intake: Intake, pages: OwnPages
) -> None:
    number, token = confirmed(ledger, ledger_keys, intake, comment=COMMENT)
    assert offices_of(ledger, number) == {("held", "comment")}
    pages.correct(token, "Ada Sample", "Town", COMMENT)  # the same words still wait
    assert offices_of(ledger, number) == {("held", "comment")}
    pages.correct(token, "Ada Sample", "Town", "")
    assert {state for state, _ in offices_of(ledger, number)} == {"queued"}
    assert pages.read(token).held == ""


def test_a_round_that_claims_while_a_correction_is_written(
    ledger: Ledger, ledger_keys: Keys, intake: Intake, pages: OwnPages, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever is first: no round holds a letter that would be written from the old words."""
    number, token = confirmed(ledger, ledger_keys, intake)
    mine = [each["id"] for each in letters_of(ledger, number) if each["addressee"] != "signer"]
    rewrite = letters_write.unclaim

    def claims() -> list[Claimed]:
        database = connect_hot(ledger.url)
        try:
            place = Place(9, 1, "", "main")
            ((taken,),) = database.transaction(lambda: [[Call(lambda db: claim(db, place, mine))]])
            return list(taken)
        finally:
            database.close()

    with ThreadPoolExecutor(1) as pool:
        rounds: list[Future[list[Claimed]]] = []

        def meanwhile(connection: sa.Connection, signature: int) -> None:
            rewrite(connection, signature)
            rounds.append(pool.submit(claims))
            if ledger.dialect == "postgresql":  # SQLite's writers wait for each other
                rounds[0].result(30)

        monkeypatch.setattr(letters_write, "unclaim", meanwhile)
        pages.correct(token, "Ada Sample", "Town", "")
        assert {each.signer_version for each in rounds[0].result(30)} <= {2}
        assert {each.signer_version for each in claims()} == {2}
    assert version(ledger, number) == 2


# -- choose ------------------------------------------------------------------------------------------------------------
def given(ledger: Ledger, number: int) -> list[tuple[str, str, bool]]:
    query = sa.select(consents).where(consents.c.signature_id == number).order_by(consents.c.id)
    return [(row["kind"], row["source"], row["withdrawn_at"] is None) for row in rows(ledger, query)]


def test_consents_are_switched_one_by_one(
    ledger: Ledger, ledger_keys: Keys, pages: OwnPages, signed: tuple[int, str], clock: Traveller
) -> None:
    number, token = signed
    pages.choose(token, ["answer", "yearly"])
    assert given(ledger, number) == [
        ("send", "api", True),
        ("answer", "own page", True),
        ("yearly", "own page", True),
    ]
    assert (words_of(ledger, ledger_keys, number)["answer"], words_of(ledger, ledger_keys, number)["copy"]) == (
        True,
        False,
    )
    clock.travel(DAY)
    pages.choose(token, ["copy", "yearly"])
    assert given(ledger, number)[1:] == [
        ("answer", "own page", False),
        ("yearly", "own page", True),
        ("copy", "own page", True),
    ]
    assert (words_of(ledger, ledger_keys, number)["answer"], words_of(ledger, ledger_keys, number)["copy"]) == (
        False,
        True,
    )
    pages.choose(token, ["answer"])
    assert [each for each in given(ledger, number) if each[0] == "answer"] == [
        ("answer", "own page", False),
        ("answer", "own page", True),
    ]
    assert pages.read(token).consents == {"send", "answer"}
    with ledger.read() as connection:
        newest = rows(ledger, sa.select(consents).order_by(consents.c.id.desc()))[0]
        body = pins.body(connection, pins.find(connection, newest["wording_hash"]) or 0)
    assert (body["kind"], body["language"]) == ("answer", "en")
    assert "reply" in body["words"]


def test_the_consent_to_send_is_not_switched_there(ledger: Ledger, pages: OwnPages, signed: tuple[int, str]) -> None:
    number, token = signed
    pages.choose(token, [])
    pages.choose(token, ["send", "weekly", "x" * 5_000])
    assert given(ledger, number) == [("send", "api", True)]
    assert version(ledger, number) == 1
    assert verbs(ledger) == []


def test_only_what_the_campaign_offers_is_given_anew(ledger: Ledger, ledger_keys: Keys) -> None:
    intake = make_intake(ledger, ledger_keys, linked(offers=("copy",)))
    _, token = confirmed(ledger, ledger_keys, intake, consents=[SEND, Consent("yearly")])
    pages = OwnPages(intake)
    pages.choose(token, ["yearly", "copy", "answer"])
    assert pages.read(token).consents == {"send", "yearly", "copy"}
    pages.choose(token, ["copy"])
    pages.choose(token, ["copy", "yearly"])
    assert pages.read(token).consents == {"send", "copy"}


def test_a_choice_reaches_letters_that_are_not_sent(ledger: Ledger, pages: OwnPages, signed: tuple[int, str]) -> None:
    number, token = signed
    set_state(ledger, number, "council", "claimed", claim=7)
    pages.choose(token, ["yearly"])  # says nothing that stands in a letter
    assert states(ledger, number)["council"] == "claimed"
    pages.choose(token, ["yearly", "answer"])
    assert states(ledger, number)["council"] == "queued"
    for office in OFFICES:
        set_state(ledger, number, office, "sent")
    pages.choose(token, [])  # may be taken back at any time
    assert pages.read(token).consents == {"send"}
