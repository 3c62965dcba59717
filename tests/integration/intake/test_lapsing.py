"""Unconfirmed signatures: reminded of once, then gone, with all that was known of who never confirmed. Both databases."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import sqlalchemy as sa

from tests.integration.intake.scene import (
    letters_of,
    make_intake,
    person,
    rows,
    signature_row,
    standing,
    states,
    token_of,
)
from tests.integration.intake.travel import DAY, Traveller, linked, mail, notices, on_the_clock, send_due
from tests.support import until
from worker.domain.errors import RefusedByState
from worker.intake import Intake, Terms
from worker.intake.lapsing import tend
from worker.intake.own_page import OwnPages
from worker.ledger import counts
from worker.ledger.book import Ledger
from worker.ledger.keys import Keys
from worker.ledger.schema import lapses, signers


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
    return make_intake(ledger, ledger_keys, linked(), linked("park"))


def known(ledger: Ledger) -> list[bool]:
    """Of each signer: whether anything can still be read of them."""
    return [row["wrapped_key"] is not None for row in rows(ledger, sa.select(signers).order_by(signers.c.id))]


def all_tended(intake: Intake) -> int:
    """Tend until nothing is left to be done; how many were seen to."""
    total = 0
    while n := tend(intake):
        total += n
    return total


def test_reminded_once_and_then_erased(ledger: Ledger, intake: Intake, clock: Traveller) -> None:
    signed = intake.sign("library", person())
    send_due(ledger)
    assert tend(intake) == 0
    clock.travel(3 * DAY - timedelta(seconds=1))
    assert tend(intake) == 0
    clock.travel(timedelta(seconds=1))
    assert tend(intake) == 1
    assert mail(ledger) == [("confirm-1", "sent"), ("confirm-2", "queued")]
    assert notices(ledger)[1][3] == ledger.now_us()
    assert tend(intake) == 0
    send_due(ledger)
    clock.travel(5 * DAY - timedelta(seconds=1))  # the link runs out after 7 days; one more is given
    assert tend(intake) == 0
    assert known(ledger) == [True]
    clock.travel(timedelta(seconds=1))
    assert tend(intake) == 1
    assert (standing(ledger), known(ledger)) == ({"erased": 1}, [False])
    assert len(mail(ledger)) == 2
    assert rows(ledger, sa.select(lapses)) == []
    again = intake.sign("library", person())
    assert (again.repeated, again.letters) == (False, 1)
    assert again.signature != signed.signature


def test_who_confirmed_is_left_alone(ledger: Ledger, ledger_keys: Keys, intake: Intake, clock: Traveller) -> None:
    signed = intake.sign("library", person())
    late = intake.sign("library", person(2))
    intake.confirm(token_of(ledger, ledger_keys, signed.signature))
    clock.travel(3 * DAY)
    assert tend(intake) == 1
    intake.confirm(token_of(ledger, ledger_keys, late.signature))
    clock.travel(30 * DAY)
    assert tend(intake) == 0
    assert (standing(ledger), known(ledger)) == ({"confirmed": 2}, [True, True])
    assert [name for name, _ in mail(ledger)].count("confirm-2") == 1


def test_a_second_asking_stands_for_the_reminder(ledger: Ledger, intake: Intake, clock: Traveller) -> None:
    intake.sign("library", person())
    intake.sign("library", person())
    clock.travel(3 * DAY)
    assert tend(intake) == 1
    assert [name for name, _ in mail(ledger)] == ["confirm-1", "confirm-2"]
    clock.travel(5 * DAY)
    assert tend(intake) == 1
    assert known(ledger) == [False]


def test_a_signer_who_confirmed_elsewhere_is_kept(
    ledger: Ledger, ledger_keys: Keys, intake: Intake, clock: Traveller
) -> None:
    intake.confirm(token_of(ledger, ledger_keys, intake.sign("park", person()).signature))
    unconfirmed = intake.sign("library", person())
    clock.travel(9 * DAY)
    assert all_tended(intake) == 1
    clock.travel(9 * DAY)
    assert all_tended(intake) == 1
    assert signature_row(ledger, unconfirmed.signature)["state"] == "withdrawn"
    assert known(ledger) == [True]
    assert rows(ledger, sa.select(lapses)) == []


def test_who_confirmed_once_and_withdrew_is_kept(
    ledger: Ledger, ledger_keys: Keys, intake: Intake, clock: Traveller
) -> None:
    first = intake.sign("library", person())
    intake.confirm(token_of(ledger, ledger_keys, first.signature))
    intake.withdraw(first.signature)
    intake.sign("library", person())
    for _ in range(2):
        clock.travel(9 * DAY)
        all_tended(intake)
    assert (standing(ledger), known(ledger)) == ({"withdrawn": 2}, [True])


def test_who_signed_twice_and_never_confirmed_is_erased(ledger: Ledger, intake: Intake, clock: Traveller) -> None:
    intake.sign("library", person())
    intake.sign("park", person())
    clock.travel(7 * DAY + timedelta(hours=1))
    intake.sign("library", person())  # the first link has run out: this takes its place
    assert standing(ledger) == {"withdrawn": 1, "unconfirmed": 2}
    for _ in range(3):
        clock.travel(9 * DAY)
        all_tended(intake)
    assert (standing(ledger), known(ledger)) == ({"erased": 3}, [False])
    assert rows(ledger, sa.select(lapses)) == []


@pytest.mark.parametrize("how", ["withdrawn", "quiet"])
def test_who_ended_before_confirming_is_erased_too(
    ledger: Ledger, ledger_keys: Keys, intake: Intake, clock: Traveller, how: str
) -> None:
    signed = intake.sign("library", person())
    if how == "quiet":
        OwnPages(intake).never(token_of(ledger, ledger_keys, signed.signature))
    else:
        intake.withdraw(signed.signature)
    clock.travel(3 * DAY)
    assert all_tended(intake) == 1
    assert (standing(ledger), known(ledger)) == ({"erased": 1}, [False])
    assert states(ledger, signed.signature) == {"signer": "cancelled"}
    assert mail(ledger) == [("confirm-1", "cancelled")]


def test_a_confirmation_that_comes_too_late_is_refused(
    ledger: Ledger, ledger_keys: Keys, intake: Intake, clock: Traveller
) -> None:
    signed = intake.sign("library", person())
    token = token_of(ledger, ledger_keys, signed.signature)
    clock.travel(7 * DAY)
    with pytest.raises(RefusedByState, match="has run out: sign again"):
        intake.confirm(token)
    all_tended(intake)
    clock.travel(DAY * 5)
    all_tended(intake)
    with pytest.raises(RefusedByState, match="was withdrawn"):
        intake.confirm(token)


def test_the_terms_are_the_homes(ledger: Ledger, ledger_keys: Keys, clock: Traveller) -> None:
    terms = Terms(confirm_within=2 * DAY, remind_after=DAY)
    intake = make_intake(ledger, ledger_keys, linked(), terms=terms)
    token = token_of(ledger, ledger_keys, intake.sign("library", person()).signature)
    clock.travel(DAY)
    assert tend(intake) == 1
    clock.travel(DAY - timedelta(seconds=1))
    assert intake.confirm(token).letters == 3
    other = token_of(ledger, ledger_keys, intake.sign("library", person(2)).signature)
    clock.travel(2 * DAY)
    with pytest.raises(RefusedByState, match="run out"):
        intake.confirm(other)


def test_a_campaign_that_is_configured_no_longer_keeps_nobody(
    ledger: Ledger, ledger_keys: Keys, intake: Intake, clock: Traveller
) -> None:
    for n in range(60):  # more than are looked at in one go
        intake.sign("park", person(n))
    clock.travel(timedelta(minutes=1))
    last = intake.sign("library", person(99))
    without = make_intake(ledger, ledger_keys, linked())
    clock.travel(3 * DAY)
    assert all_tended(without) == 61
    reminded = [each["sendout"] for each in letters_of(ledger, last.signature)]
    assert reminded == ["confirm-1", "confirm-2"]
    clock.travel(5 * DAY)
    assert all_tended(without) == 61
    assert standing(ledger) == {"erased": 61}
    assert not any(known(ledger))


def test_many_workers_tend_at_once(ledger: Ledger, ledger_keys: Keys, intake: Intake, clock: Traveller) -> None:
    for n in range(30):
        intake.sign("library", person(n))
    clock.travel(3 * DAY)
    others = [make_intake(ledger, ledger_keys, linked(), linked("park")) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(all_tended, others))
    assert [name for name, _ in mail(ledger)].count("confirm-2") == 30
    clock.travel(5 * DAY)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(all_tended, others))
    assert standing(ledger) == {"erased": 30}


def test_a_bell_is_rung_for_a_reminder_and_not_for_a_lapse(ledger: Ledger, ledger_keys: Keys, clock: Traveller) -> None:
    rung: list[int] = []
    intake = make_intake(ledger, ledger_keys, linked(), wake=lambda: rung.append(1))
    intake.sign("library", person())
    rung.clear()
    clock.travel(3 * DAY)
    tend(intake)
    until(lambda: len(rung) == 1, "the reminder's ring")
    clock.travel(5 * DAY)
    tend(intake)
    assert (len(rung), intake.bell._due) == (1, False)  # none was made, and none is to come
