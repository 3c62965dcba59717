"""What a signer is sent, and how little: on both databases, on a clock that travels."""

import itertools
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import sqlalchemy as sa

from tests.integration.intake.scene import (
    OFFICES,
    letters_of,
    make_intake,
    office,
    person,
    rows,
    set_state,
    signature_row,
    standing,
    states,
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
from worker.domain.errors import RefusedByState
from worker.intake import SEND, BadPerson, Consent, Intake
from worker.intake.lapsing import tend
from worker.intake.own_page import OwnPages
from worker.ledger import counts, given, reviews, tokens
from worker.ledger.book import Ledger
from worker.ledger.keys import Keys
from worker.ledger.schema import lanes, letters, signatures, signers
from worker.ledger.tokens import PAGE

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


@pytest.fixture
def intake(ledger: Ledger, ledger_keys: Keys) -> Intake:
    return make_intake(ledger, ledger_keys, linked(), linked("park"), linked("pool"))


def apart(due: list[int]) -> bool:
    return all(later - earlier >= DAY_US for earlier, later in itertools.pairwise(due))


# -- how many ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("ledger_url", ["sqlite"], indirect=True)  # long, and its SQL is in others
def test_a_thousand_signings_at_one_victim_bring_one_notice_a_day(ledger: Ledger, intake: Intake) -> None:
    spellings = ["Victim@Mail.example", "victim@mail.example", "VICTIM@MAIL.EXAMPLE"]

    def sign(n: int) -> str:
        who = person(n, name=f"Sample Signer {n}", email=spellings[n % 3])
        return intake.sign(("library", "park")[n % 2], who).state

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(sign, range(1_000))) == {"unconfirmed"}
    made = notices(ledger)
    assert sorted(each[:2] for each in made) == [
        ("library", "confirm-1"),
        ("library", "confirm-2"),
        ("park", "confirm-1"),
        ("park", "confirm-2"),
    ]
    assert made[0][3] == ledger.now_us()
    assert apart([due for *_, due in made])
    assert standing(ledger) == {"unconfirmed": 2}


def test_months_of_signing_bring_one_notice_a_day_at_most(ledger: Ledger, intake: Intake, clock: Traveller) -> None:
    came: list[int] = []
    for _ in range(40):
        for slug in ("library", "park", "pool"):
            intake.sign(slug, person())
            intake.sign(slug, person())
        tend(intake)
        came += [ledger.now_us()] * len(send_due(ledger))
        clock.travel(12 * HOUR)
    assert len(came) > 6  # links that had run out were asked for anew
    assert apart(came)


def test_a_second_asking_brings_a_second_notice_and_a_third_none(
    ledger: Ledger, intake: Intake, clock: Traveller
) -> None:
    first = intake.sign("library", person())
    clock.travel(HOUR)
    second = intake.sign("library", person())
    assert (second.signature, second.repeated, second.letters) == (first.signature, True, 1)
    (_, one, _, due), (_, two, _, later) = notices(ledger)
    assert (one, two, later) == ("confirm-1", "confirm-2", due + DAY_US)
    for _ in range(3):
        clock.travel(DAY)
        assert intake.sign("library", person()).letters == 0
    assert len(notices(ledger)) == 2


def test_a_second_notice_is_due_at_once_a_day_later(ledger: Ledger, intake: Intake, clock: Traveller) -> None:
    intake.sign("library", person())
    clock.travel(DAY + HOUR)
    intake.sign("library", person())
    assert notices(ledger)[1][3] == ledger.now_us()


def test_notices_of_a_second_kind_of_lane(ledger: Ledger, ledger_keys: Keys, intake: Intake) -> None:
    signed = intake.sign("library", person())
    intake.sign("library", person())
    intake.confirm(token_of(ledger, ledger_keys, signed.signature))
    keys = {row["id"]: row["key"] for row in rows(ledger, sa.select(lanes))}
    found = {each["sendout"]: (keys[each["lane_id"]], each["rank"]) for each in letters_of(ledger, signed.signature)}
    assert found["confirm-1"] == found["confirm-2"] == ("signers:confirm", 0)
    assert found["page-1"] == ("signers:page", 1)


def test_another_address_is_written_to_at_once(ledger: Ledger, intake: Intake) -> None:
    intake.sign("library", person())
    intake.sign("park", person(2))
    assert {due for *_, due in notices(ledger)} == {ledger.now_us()}


@pytest.mark.parametrize(("attempts", "waits_us"), [(0, 0), (1, DAY_US)])
def test_a_notice_taken_back_counts_only_where_it_may_have_arrived(
    ledger: Ledger, intake: Intake, attempts: int, waits_us: int
) -> None:
    signed = intake.sign("library", person())
    set_state(ledger, signed.signature, "signer", "cancelled", attempts=attempts)
    intake.sign("park", person())
    assert notices(ledger)[-1][3] == ledger.now_us() + waits_us


def test_a_notice_sent_late_counts_from_then(ledger: Ledger, intake: Intake, clock: Traveller) -> None:
    intake.sign("library", person())
    clock.travel(10 * HOUR)
    assert send_due(ledger) == ["confirm-1"]
    sent_us = ledger.now_us()
    clock.travel(HOUR)
    intake.sign("park", person())
    assert notices(ledger)[-1][3] == sent_us + DAY_US


# -- the page ----------------------------------------------------------------------------------------------------------
def test_confirming_brings_the_page_at_once(
    ledger: Ledger, ledger_keys: Keys, intake: Intake, clock: Traveller
) -> None:
    signed = intake.sign("library", person())
    send_due(ledger)
    clock.travel(HOUR)
    intake.confirm(token_of(ledger, ledger_keys, signed.signature))
    assert mail(ledger) == [("confirm-1", "sent"), ("page-1", "queued")]
    assert notices(ledger)[1][3] == ledger.now_us()
    assert len(page_token(ledger, ledger_keys, signed.signature)) == 27
    assert intake.confirm(token_of(ledger, ledger_keys, signed.signature)).repeated
    assert len(mail(ledger)) == 2


def test_who_signs_again_after_confirming_is_sent_their_page_again(
    ledger: Ledger, ledger_keys: Keys, intake: Intake, clock: Traveller
) -> None:
    signed = intake.sign("library", person())
    intake.confirm(token_of(ledger, ledger_keys, signed.signature))
    assert intake.sign("library", person()).letters == 0  # the first one is not even sent
    send_due(ledger)
    again = intake.sign("library", person())
    assert (again.signature, again.state, again.repeated, again.letters) == (signed.signature, "confirmed", True, 1)
    assert mail(ledger)[-1] == ("page-2", "queued")
    assert notices(ledger)[-1][3] == ledger.now_us() + DAY_US
    clock.travel(DAY)
    assert send_due(ledger) == ["page-2"]


def test_a_page_is_sent_again_ten_times_in_all(
    ledger: Ledger, ledger_keys: Keys, intake: Intake, clock: Traveller
) -> None:
    signed = intake.sign("library", person())
    intake.confirm(token_of(ledger, ledger_keys, signed.signature))
    for _ in range(30):
        clock.travel(DAY)
        send_due(ledger)
        intake.sign("library", person())
    assert [name for name, _ in mail(ledger)][1:] == [f"page-{n}" for n in range(1, 11)]


def test_a_campaign_without_pages_sends_no_link_of_one(ledger: Ledger, ledger_keys: Keys) -> None:
    intake = make_intake(ledger, ledger_keys)
    signed = intake.sign("library", person())
    intake.confirm(token_of(ledger, ledger_keys, signed.signature))
    assert mail(ledger) == [("confirm-1", "cancelled")]
    with ledger.read() as connection:
        assert tokens.reveal(connection, ledger_keys, signed.signature, PAGE) is None
    assert intake.sign("library", person()).letters == 0


def test_submit_tells_the_signer_only_where_asked(ledger: Ledger, intake: Intake) -> None:
    assert intake.submit("library", person(), evidence="e").letters == 3
    assert mail(ledger) == []
    assert intake.submit("library", person(2), evidence="e", notify=True).letters == 3
    assert mail(ledger) == [("page-1", "queued")]


# -- never again -------------------------------------------------------------------------------------------------------
def people(ledger: Ledger) -> tuple[int, ...]:
    return tuple(len(rows(ledger, sa.select(table.c.id))) for table in (signers, signatures, letters))


def test_who_asked_for_quiet_is_written_to_no_more(ledger: Ledger, ledger_keys: Keys, intake: Intake) -> None:
    library = intake.sign("library", person())
    park = intake.sign("park", person())
    pool = intake.submit("pool", person(), evidence="e", notify=True)
    OwnPages(intake).never(token_of(ledger, ledger_keys, library.signature))
    assert {state for _, state in mail(ledger)} == {"cancelled"}
    assert signature_row(ledger, library.signature)["state"] == "withdrawn"
    assert signature_row(ledger, park.signature)["state"] == "withdrawn"
    assert signature_row(ledger, pool.signature)["state"] == "confirmed"  # they agreed to it; only mail to them ends
    assert {states(ledger, pool.signature)[each] for each in OFFICES} == {"queued"}
    with pytest.raises(RefusedByState, match="was withdrawn"):
        intake.confirm(token_of(ledger, ledger_keys, park.signature))
    before = people(ledger)
    for slug in ("library", "park", "pool"):
        quiet = intake.sign(slug, person(email="SIGNER1@mail.example"))
        assert (quiet.signature, quiet.state, quiet.letters) == (0, "quiet", 0)
    assert people(ledger) == before


def test_who_asked_for_quiet_may_still_have_signed_elsewhere(ledger: Ledger, ledger_keys: Keys, intake: Intake) -> None:
    OwnPages(intake).never(token_of(ledger, ledger_keys, intake.sign("library", person()).signature))
    submitted = intake.submit("library", person(), evidence="e", notify=True)
    assert (submitted.state, submitted.letters) == ("confirmed", 3)
    assert mail(ledger) == [("confirm-1", "cancelled")]
    OwnPages(intake).lost("library", "signer1@mail.example")
    assert mail(ledger) == [("confirm-1", "cancelled")]
    intake.erase(submitted.signature)
    assert intake.sign("library", person()).state == "quiet"  # the wish outlives what is known of them


def test_quiet_among_many_is_theirs_alone(ledger: Ledger, ledger_keys: Keys, intake: Intake) -> None:
    OwnPages(intake).never(token_of(ledger, ledger_keys, intake.sign("library", person()).signature))
    tally = intake.submit_many("library", [person(n) for n in range(1, 4)], evidence="e")
    assert tally.accepted == 3
    assert intake.sign("park", person(2)).letters == 1
    assert intake.sign("park", person()).state == "quiet"


def test_quiet_that_is_asked_for_while_others_sign(ledger: Ledger, ledger_keys: Keys, intake: Intake) -> None:
    with ThreadPoolExecutor(6) as pool:
        for n in range(6):
            token = token_of(ledger, ledger_keys, intake.sign("library", person(n)).signature)
            acts = [pool.submit(intake.sign, "park", person(n)) for _ in range(3)]
            acts.append(pool.submit(OwnPages(intake).never, token))
            acts += [pool.submit(intake.sign, "pool", person(n)) for _ in range(3)]
            for act in acts:
                act.result()
    assert {state for _, state in mail(ledger)} == {"cancelled"}
    assert standing(ledger).keys() == {"withdrawn"}


# -- offices left out --------------------------------------------------------------------------------------------------
def test_offices_left_out_get_no_letter(ledger: Ledger, ledger_keys: Keys, intake: Intake) -> None:
    signed = intake.sign("library", person(), left_out=["mayor"])
    assert intake.confirm(token_of(ledger, ledger_keys, signed.signature)).letters == 2
    assert set(states(ledger, signed.signature)) == {"signer", "council", "ministry"}
    submitted = intake.submit("library", person(2), evidence="e", left_out={"council", "mayor"})
    assert submitted.letters == 1
    assert set(states(ledger, submitted.signature)) == {"ministry"}
    assert intake.submit("library", person(3), evidence="e").letters == 3


def test_one_office_at_least_and_none_that_is_strange(ledger: Ledger, ledger_keys: Keys, intake: Intake) -> None:
    for left_out in (list(OFFICES), ["parliament"], ["x" * 5_000]):
        with pytest.raises(BadPerson) as caught:
            intake.sign("library", person(), left_out=left_out)
        assert set(caught.value.fields) == {"offices"}
        assert len(str(caught.value)) < 200
    offices = OFFICES | {"mayor": office("mayor", accepts=False)}
    closed = make_intake(ledger, ledger_keys, offices=offices)
    with pytest.raises(BadPerson, match="choose at least one office"):
        closed.sign("library", person(), left_out=["council", "ministry"])  # the mayor takes no letters anyway
    assert people(ledger) == (0, 0, 0)


# -- what waits for a look ---------------------------------------------------------------------------------------------
def waits(ledger: Ledger, signature: int) -> str:
    with ledger.read() as connection:
        return reviews.waiting(connection, signature)


def test_a_comment_waits_whatever_the_campaign_says_of_comments_now(ledger: Ledger, ledger_keys: Keys) -> None:
    intake = make_intake(ledger, ledger_keys, linked(takes_comments=True), linked("park"))
    with_words, without, elsewhere = (
        intake.sign("library", person(1, comment="I learnt to read there.")),
        intake.sign("library", person(2)),
        intake.sign("park", person(3, comment="I learnt to read there.")),
    )
    for each in (with_words, without, elsewhere):
        assert intake.confirm(token_of(ledger, ledger_keys, each.signature)).letters == 3
    for waiting in (with_words, elsewhere):
        offices = [each for each in letters_of(ledger, waiting.signature) if each["addressee"] != "signer"]
        assert {(each["state"], each["reason"]) for each in offices} == {("held", "comment")}
    assert ("page-1", "queued") in mail(ledger)  # they see on it why their letters wait
    assert {states(ledger, without.signature)[each] for each in OFFICES} == {"queued"}
    assert [waits(ledger, each.signature) for each in (with_words, without, elsewhere)] == ["comment", "", "comment"]


def test_an_unseen_comment_that_was_confirmed_elsewhere_waits(ledger: Ledger, intake: Intake) -> None:
    words = person(comment="I learnt to read there.")
    unseen = intake.submit("library", words, evidence="e", unseen=True, notify=True)
    seen = intake.submit("park", words, evidence="e")
    plain = intake.submit("pool", person(), evidence="e", unseen=True)
    assert (unseen.letters, seen.letters, plain.letters) == (3, 3, 3)
    assert {states(ledger, unseen.signature)[each] for each in OFFICES} == {"held"}
    assert set(states(ledger, seen.signature).values()) == set(states(ledger, plain.signature).values()) == {"queued"}
    assert [waits(ledger, each.signature) for each in (unseen, seen, plain)] == ["comment", "", ""]


def test_a_held_notice_waits_and_is_not_gone_around(ledger: Ledger, intake: Intake, clock: Traveller) -> None:
    held = intake.sign("library", person(), hold="no proof of work")
    assert (held.state, held.letters) == ("unconfirmed", 1)
    assert mail(ledger) == [("confirm-1", "held")]
    assert letters_of(ledger, held.signature)[0]["reason"] == "no proof of work"
    assert waits(ledger, held.signature) == "no proof of work"
    assert intake.sign("library", person(), hold="no proof of work").letters == 0
    clock.travel(3 * DAY)
    assert tend(intake) == 1
    assert mail(ledger) == [("confirm-1", "held")]


def test_a_form_that_passed_every_gate_sets_a_held_notice_free(ledger: Ledger, intake: Intake) -> None:
    held = intake.sign("library", person(name="Mallory Sample"), hold="no proof of work")
    assert intake.sign("library", person()).letters == 1
    assert mail(ledger) == [("confirm-1", "queued")]
    assert waits(ledger, held.signature) == ""


def test_until_it_is_confirmed_the_newest_form_counts(ledger: Ledger, intake: Intake, ledger_keys: Keys) -> None:
    """A stranger's form decides nothing: not the name, nor the consents, nor the offices left out."""
    everything = [SEND, Consent("yearly"), Consent("answer"), Consent("copy")]
    first = intake.sign("library", person(name="Mallory Sample"), consents=everything, left_out=["council"])
    second = intake.sign("library", person(), left_out=["mayor"])
    assert second.signature == first.signature
    assert words_of(ledger, ledger_keys, first.signature)["name"] == "Sample Signer 01"
    assert words_of(ledger, ledger_keys, first.signature)["answer"] is False
    with ledger.read() as connection:
        assert given.standing(connection, first.signature) == {"send"}
    intake.confirm(token_of(ledger, ledger_keys, first.signature))
    assert {each for each in states(ledger, first.signature) if each != "signer"} == {"council", "ministry"}


def test_a_form_that_is_held_changes_nothing_that_is_not(ledger: Ledger, intake: Intake, ledger_keys: Keys) -> None:
    first = intake.sign("library", person())
    assert intake.sign("library", person(name="Mallory Sample"), hold="no proof of work").letters == 0
    assert words_of(ledger, ledger_keys, first.signature)["name"] == "Sample Signer 01"


def test_a_request_made_again_makes_no_notice(ledger: Ledger, intake: Intake) -> None:
    for _ in range(3):
        intake.sign("library", person(), request_key="order-1")
    assert mail(ledger) == [("confirm-1", "queued")]
