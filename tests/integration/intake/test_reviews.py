"""Signatures that wait for an operator's look, decided one by one and by the page; on both databases."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.integration.intake.scene import (
    OFFICES,
    letters_of,
    make_intake,
    person,
    rows,
    signature_row,
    standing,
    states,
    token_of,
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
from worker.intake import Intake, import_file
from worker.intake.lapsing import tend
from worker.intake.own_page import OwnPages
from worker.ledger import audit, counts, quiet
from worker.ledger.book import Ledger
from worker.ledger.keys import Keys
from worker.ledger.schema import signers, tokens
from worker.operations.moves import resume_letter
from worker.operations.review import PAGE, Decided, Order, decide, decide_all, held, look, write_again

COMMENT = "I learnt to read there."
HOLD = "no proof of work"
APPROVE = Order("approved", "operator", "read and fine")
REJECT = Order("rejected", "operator", "an insult")
HOUR = timedelta(hours=1)


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


def with_comment(ledger: Ledger, keys: Keys, intake: Intake, n: int = 1) -> int:
    """A confirmed signature whose letters wait."""
    number = intake.sign("library", person(n, comment=COMMENT, city="Town")).signature
    intake.confirm(token_of(ledger, keys, number))
    return number


def to_offices(ledger: Ledger, number: int) -> set[str]:
    return {states(ledger, number)[office] for office in OFFICES}


def told(ledger: Ledger) -> list[tuple[str, str, str]]:
    with ledger.read() as connection:
        return [(each.verb, each.target, each.reason) for each in reversed(audit.latest(connection, 1_000))]


# -- look --------------------------------------------------------------------------------------------------------------
def test_what_waits_is_listed_longest_first(
    ledger: Ledger, ledger_keys: Keys, intake: Intake, clock: Traveller
) -> None:
    first = with_comment(ledger, ledger_keys, intake, 1)
    clock.travel(HOUR)
    second = intake.sign("park", person(2), hold=HOLD).signature
    third = intake.sign("park", person(3), hold=HOLD).signature
    intake.sign("park", person(4))
    found = held(ledger)
    assert [each["signature"] for each in found] == [first, second, third]
    assert found[0] == {
        "signature": first,
        "campaign": "library",
        "state": "confirmed",
        "why": "comment",
        "since": "2026-05-04T12:00:00Z",
    }
    assert (found[1]["state"], found[1]["why"]) == ("unconfirmed", HOLD)
    assert [each["signature"] for each in held(ledger, 1, second)] == [third]
    assert held(ledger, 10, third) == []
    with pytest.raises(BadInput, match="signature 99 never waited"):
        held(ledger, 10, 99)


def test_a_look_shows_who_and_what_without_the_address(ledger: Ledger, ledger_keys: Keys, intake: Intake) -> None:
    number = with_comment(ledger, ledger_keys, intake)
    found = look(ledger, number, "operator")
    assert (found["name"], found["country"], found["city"], found["comment"]) == (
        "Sample Signer 01",
        "GB",
        "Town",
        COMMENT,
    )
    assert "mail.example" not in str(found)
    assert told(ledger) == [("look", f"signature {number}", "")]
    decide(ledger, number, APPROVE)
    with pytest.raises(RefusedByState, match="was approved before"):
        look(ledger, number, "operator")
    with pytest.raises(RefusedByState, match="does not wait for a look"):
        look(ledger, intake.submit("park", person(2), evidence="e").signature, "operator")
    with pytest.raises(BadInput, match="no signature 99"):
        look(ledger, 99, "operator")
    assert [verb for verb, *_ in told(ledger)] == ["look", "approve"]


# -- decide ------------------------------------------------------------------------------------------------------------
def test_approving_queues_the_letters(ledger: Ledger, ledger_keys: Keys, intake: Intake, clock: Traveller) -> None:
    number = with_comment(ledger, ledger_keys, intake)
    clock.travel(2 * DAY)
    assert decide(ledger, number, APPROVE) == Decided(1, 3)
    letters = [each for each in letters_of(ledger, number) if each["addressee"] != "signer"]
    assert {(each["state"], each["reason"], each["due_at"]) for each in letters} == {
        ("queued", "looked at", ledger.now_us())
    }
    assert decide(ledger, number, APPROVE) == Decided(0, 0)
    with pytest.raises(RefusedByState, match=f"was approved before; `lettershop withdraw {number}` ends it"):
        decide(ledger, number, REJECT)
    assert told(ledger) == [("approve", f"signature {number}", "read and fine")]
    assert held(ledger) == []


def test_rejecting_ends_the_signature(ledger: Ledger, ledger_keys: Keys, intake: Intake) -> None:
    number = with_comment(ledger, ledger_keys, intake)
    assert decide(ledger, number, REJECT) == Decided(1, 4)  # with the notice that was not sent
    assert signature_row(ledger, number)["state"] == "withdrawn"
    assert set(states(ledger, number).values()) == {"cancelled"}
    assert {each["reason"] for each in letters_of(ledger, number)} == {"rejected", "confirmed"}
    assert decide(ledger, number, REJECT) == Decided(0, 0)
    with pytest.raises(RefusedByState, match="was rejected before"):
        decide(ledger, number, APPROVE)
    assert told(ledger) == [("reject", f"signature {number}", "an insult")]
    again = with_comment(ledger, ledger_keys, intake)
    assert again != number


@pytest.mark.parametrize("order", [APPROVE, REJECT])
def test_what_does_not_wait_cannot_be_decided(ledger: Ledger, ledger_keys: Keys, intake: Intake, order: Order) -> None:
    plain = intake.submit("park", person(), evidence="e").signature
    gone = with_comment(ledger, ledger_keys, intake, 2)
    intake.withdraw(gone)
    with pytest.raises(RefusedByState, match="does not wait"):
        decide(ledger, plain, order)
    with pytest.raises(RefusedByState, match="has ended"):
        decide(ledger, gone, order)
    with pytest.raises(BadInput, match="no signature 99"):
        decide(ledger, 99, order)
    assert to_offices(ledger, plain) == {"queued"}


@pytest.mark.parametrize("reason", ["", " ", "two\nlines", "x" * 501])
def test_a_reason_is_needed(ledger: Ledger, reason: str) -> None:
    with pytest.raises(BadInput, match="reason"):
        Order("approved", "operator", reason)
    with pytest.raises(BadInput, match="reason"):
        write_again(ledger, b"\0" * 32, "operator", reason)


def test_a_letter_that_an_operator_let_go_already(ledger: Ledger, ledger_keys: Keys, intake: Intake) -> None:
    number = with_comment(ledger, ledger_keys, intake)
    council = next(each["id"] for each in letters_of(ledger, number) if each["addressee"] == "council")
    resume_letter(ledger, council, "operator", "fine")
    assert decide(ledger, number, APPROVE) == Decided(1, 2)


def test_words_that_were_changed_after_the_look_are_looked_at_again(
    ledger: Ledger, ledger_keys: Keys, intake: Intake, clock: Traveller
) -> None:
    number = with_comment(ledger, ledger_keys, intake)
    look(ledger, number, "operator")
    clock.travel(HOUR)
    token = page_token(ledger, ledger_keys, number)
    OwnPages(intake).correct(token, "Sample Signer 01", "Town", "Quite other words.")
    with pytest.raises(RefusedByState, match="was changed by its signer after the last look: look again"):
        decide(ledger, number, APPROVE)
    assert to_offices(ledger, number) == {"held"}
    assert look(ledger, number, "operator")["comment"] == "Quite other words."
    assert decide(ledger, number, APPROVE) == Decided(1, 3)
    OwnPages(intake).correct(token, "Sample Signer 01", "Town", "And others still.")
    assert [each["signature"] for each in held(ledger)] == [number]  # what was approved is not these words
    assert to_offices(ledger, number) == {"held"}


# -- unconfirmed -------------------------------------------------------------------------------------------------------
def test_approving_lets_the_notice_go_and_gives_it_its_time(
    ledger: Ledger, ledger_keys: Keys, intake: Intake, clock: Traveller
) -> None:
    number = intake.sign("library", person(), hold=HOLD).signature
    clock.travel(6 * DAY)
    tend(intake)
    assert decide(ledger, number, Order("approved", "operator", "a crowd", 4 * DAY, 2 * DAY)) == Decided(1, 1)
    assert notices(ledger) == [("library", "confirm-1", "queued", ledger.now_us())]
    assert send_due(ledger) == ["confirm-1"]
    clock.travel(2 * DAY)
    assert tend(intake) == 1
    assert mail(ledger)[-1] == ("confirm-2", "queued")  # reminded of, as anybody is
    clock.travel(2 * DAY - timedelta(seconds=1))
    assert intake.confirm(token_of(ledger, ledger_keys, number)).letters == 3
    row = rows(ledger, sa.select(tokens).where(tokens.c.kind == "confirm"))[0]
    assert row["expires_at"] == ledger.now_us() + 1_000_000


def test_an_approved_notice_keeps_its_day(ledger: Ledger, intake: Intake, clock: Traveller) -> None:
    held_one = intake.sign("library", person(), hold=HOLD).signature
    clock.travel(2 * DAY)
    intake.sign("park", person())
    assert send_due(ledger) == ["confirm-1"]
    sent_us = ledger.now_us()
    clock.travel(HOUR)
    decide(ledger, held_one, APPROVE)
    assert [(slug, due) for slug, _, _, due in notices(ledger)] == [("park", sent_us), ("library", sent_us + DAY_US)]


def test_two_that_are_approved_for_one_address_go_a_day_apart(ledger: Ledger, intake: Intake, clock: Traveller) -> None:
    for slug in ("library", "park"):
        intake.sign(slug, person(), hold=HOLD)
    clock.travel(3 * DAY)
    assert decide_all(ledger, HOLD, APPROVE) == Decided(2, 2)
    now_us = ledger.now_us()
    assert [due for *_, due in notices(ledger)] == [now_us, now_us + DAY_US]


def test_a_wait_that_was_set_is_not_cut_short(ledger: Ledger, intake: Intake, clock: Traveller) -> None:
    intake.sign("park", person())
    held_one = intake.sign("library", person(), hold=HOLD).signature  # due a day after the other
    due = notices(ledger)[-1][3]
    clock.travel(HOUR)
    decide(ledger, held_one, APPROVE)
    assert notices(ledger)[-1] == ("library", "confirm-1", "queued", due)


def test_letters_of_an_import_still_wait_their_time(
    ledger: Ledger, ledger_keys: Keys, intake: Intake, clock: Traveller, tmp_path: Path
) -> None:
    file = tmp_path / "people.csv"
    file.write_text("name,email,country\nSample Signer,one@mail.example,GB\n")
    import_file(intake, "library", file, evidence="a list", wait=DAY)
    due = ledger.now_us() + DAY_US
    clock.travel(HOUR)
    OwnPages(intake).correct(page_token(ledger, ledger_keys, 1), "Sample Signer", "", COMMENT)
    assert to_offices(ledger, 1) == {"held"}
    decide(ledger, 1, APPROVE)
    letters = [each for each in letters_of(ledger, 1) if each["addressee"] != "signer"]
    assert {(each["state"], each["due_at"]) for each in letters} == {("queued", due)}


def test_who_is_rejected_before_confirming_is_erased_in_time(ledger: Ledger, intake: Intake, clock: Traveller) -> None:
    number = intake.sign("library", person(), hold=HOLD).signature
    assert decide(ledger, number, REJECT) == Decided(1, 1)
    assert signature_row(ledger, number)["state"] == "withdrawn"
    clock.travel(3 * DAY)
    tend(intake)
    assert [row["wrapped_key"] for row in rows(ledger, sa.select(signers))] == [None]


def test_what_nobody_looks_at_lapses(ledger: Ledger, intake: Intake, clock: Traveller) -> None:
    number = intake.sign("library", person(), hold=HOLD).signature
    clock.travel(3 * DAY)
    assert tend(intake) == 1
    clock.travel(5 * DAY)
    assert tend(intake) == 1
    assert standing(ledger) == {"erased": 1}
    assert held(ledger) == []
    with pytest.raises(RefusedByState, match="has ended"):
        decide(ledger, number, APPROVE)


# -- many --------------------------------------------------------------------------------------------------------------
def test_all_of_one_reason_are_decided_page_by_page(ledger: Ledger, ledger_keys: Keys, intake: Intake) -> None:
    n = 2 * PAGE + 3
    comments = [with_comment(ledger, ledger_keys, intake, k) for k in range(n)]
    other = intake.sign("park", person(n), hold=HOLD).signature
    seen: list[int] = []
    assert decide_all(ledger, "comment", APPROVE, seen.append) == Decided(n, 3 * n)
    assert seen == [PAGE, 2 * PAGE, n]
    assert [each["signature"] for each in held(ledger)] == [other]
    assert sorted(told(ledger)) == sorted(("approve", f"signature {k}", "read and fine") for k in comments)
    assert decide_all(ledger, "comment", APPROVE) == Decided(0, 0)
    assert decide_all(ledger, HOLD, REJECT) == Decided(1, 1)
    assert held(ledger) == []


def test_two_operators_who_decide_on_all_at_once(ledger: Ledger, ledger_keys: Keys, intake: Intake) -> None:
    n = 2 * PAGE + 3
    for k in range(n):
        with_comment(ledger, ledger_keys, intake, k)
    with ThreadPoolExecutor(3) as pool:
        done = [pool.submit(decide_all, ledger, "comment", order) for order in (APPROVE, REJECT, APPROVE)]
        decided = [each.result() for each in done]
    assert sum(each.signatures for each in decided) == n
    assert len(told(ledger)) == n
    assert standing(ledger)["withdrawn"] == decided[1].signatures
    for number in range(1, n + 1):
        wanted = "cancelled" if signature_row(ledger, number)["state"] == "withdrawn" else "queued"
        assert to_offices(ledger, number) == {wanted}


def test_deciding_while_signers_withdraw(ledger: Ledger, ledger_keys: Keys, intake: Intake) -> None:
    numbers = [with_comment(ledger, ledger_keys, intake, k) for k in range(PAGE)]
    with ThreadPoolExecutor(3) as pool:
        acts = [pool.submit(intake.withdraw, number) for number in numbers]
        acts.append(pool.submit(decide_all, ledger, "comment", APPROVE))
        for act in acts:
            act.result()
    assert standing(ledger) == {"withdrawn": PAGE}
    assert {state for number in numbers for state in states(ledger, number).values()} == {"cancelled"}


# -- quiet -------------------------------------------------------------------------------------------------------------
def test_an_address_is_written_to_again_once_its_owner_asks(ledger: Ledger, ledger_keys: Keys, intake: Intake) -> None:
    key = ledger_keys.address_key(intake.canonical("Signer1@mail.example"))
    assert not write_again(ledger, key, "operator", "asked by letter")
    OwnPages(intake).never(token_of(ledger, ledger_keys, intake.sign("library", person()).signature))
    assert intake.sign("library", person()).state == "quiet"
    assert write_again(ledger, key, "operator", "asked by letter")
    assert not write_again(ledger, key, "operator", "asked by letter")
    assert [each for each in told(ledger) if each[0] == "write-again"] == [
        ("write-again", "signer 1", "asked by letter")
    ]
    assert intake.sign("library", person()).state == "unconfirmed"
    with ledger.write() as connection:
        quiet.ask(connection, b"\7" * 32, ledger.now_us())
    assert write_again(ledger, b"\7" * 32, "operator", "asked by letter")
    assert told(ledger)[-1] == ("write-again", "an address", "asked by letter")
