"""Anniversaries on the signer's own page: what they are told, agreeing to a text, and ending it. On both databases."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from tests.integration.intake.scene import OFFICES, letters_of, make_intake, person, rows, set_state, text, token_of
from tests.integration.intake.travel import Traveller, linked, on_the_clock, page_token
from worker.domain.clock import to_us
from worker.domain.errors import RefusedByState
from worker.domain.occasion import Occasion, Window
from worker.domain.occurrence import Life, Step
from worker.intake import SEND, Consent, Intake
from worker.intake.anniversaries import Next
from worker.intake.own_page import OwnPages
from worker.ledger import audit, counts, letters_write, occurrences, pins
from worker.ledger.book import Ledger
from worker.ledger.keys import Keys
from worker.ledger.schema import agreements, letters, sendouts

YEARLY = Consent("yearly")
OLD, NEW = text("Once more: keep it open."), text("Again, and in other words.")
START = datetime(2027, 2, 26, 5, tzinfo=UTC)  # 09:00 in Baku
KNOWN = Occasion(
    name="anniversary",
    month=2,
    day=26,
    start=time(9),
    zone=ZoneInfo("Asia/Baku"),
    window=Window(working_days=5),
    first_year=2027,
    text=OLD,
    not_after=timedelta(days=60),
    grace=timedelta(days=7),
)


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


def intake_of(ledger: Ledger, keys: Keys, occasion: Occasion = KNOWN, **changes: Any) -> Intake:
    """The campaign as it is configured with this occasion."""
    return make_intake(ledger, keys, linked(occasions={occasion.name: occasion}, **changes))


@pytest.fixture
def pages(ledger: Ledger, ledger_keys: Keys) -> OwnPages:
    return OwnPages(intake_of(ledger, ledger_keys))


@pytest.fixture
def edited(ledger: Ledger, ledger_keys: Keys) -> OwnPages:
    """The pages once the occasion has another text."""
    return OwnPages(intake_of(ledger, ledger_keys, replace(KNOWN, text=NEW)))


def signed(ledger: Ledger, keys: Keys, n: int = 1, *, yearly: bool = True, **changes: Any) -> tuple[int, str]:
    """A confirmed signature of the time of the old text, and the token of its page."""
    intake = intake_of(ledger, keys)
    number = intake.sign("library", person(n, **changes), consents=[SEND, YEARLY] if yearly else [SEND]).signature
    intake.confirm(token_of(ledger, keys, number))
    return number, page_token(ledger, keys, number)


def plan(ledger: Ledger, period: int = 2027, starts: datetime = START) -> None:
    with ledger.write() as connection:
        campaign_id = letters_write.ensure_campaign(connection, "library")
        assert occurrences.ensure(connection, campaign_id, "anniversary", period, to_us(starts), 0)


def take(ledger: Ledger, step: Step, period: int = 2027, **values: Any) -> None:
    with ledger.write() as connection:
        row = occurrences.of_period(connection, "library", "anniversary", period)
        assert row is not None
        assert occurrences.take(connection, row, step, **values)


def announce(ledger: Ledger, wording: Any = OLD) -> None:
    with ledger.write() as connection:
        number = pins.pin(connection, "text", wording.body())
    take(ledger, Step.ANNOUNCE, text_id=number, edition=1, told_to=0)


def expand(ledger: Ledger, keys: Keys, signature: int, consent: str = "yearly") -> None:
    """Begin to send: letters of the signature in the send-out of 2027, due at its start."""
    take(ledger, Step.APPROVE)
    with ledger.write() as connection:
        row = occurrences.of_period(connection, "library", "anniversary", 2027)
        assert row is not None
        sendout = letters_write.ensure_sendout(connection, row.campaign_id, row.name, 4, 0, consent=consent)
        lanes = {
            each.addressee: each.lane_id
            for each in connection.execute(sa.select(letters).where(letters.c.signature_id == signature))
            if each.addressee in OFFICES
        }
        letters_write.make(connection, keys, sendout, [letters_write.Making(signature, OLD.hash, lanes)], 0)
        assert occurrences.take(connection, row, Step.BEGIN, sendout_id=sendout.id)


def ahead(pages: OwnPages, token: str) -> Next:
    (found,) = pages.read(token).coming
    return found


def of_the_anniversary(ledger: Ledger, signature: int) -> dict[str, str]:
    found = letters_of(ledger, signature)
    return {each["addressee"]: each["state"] for each in found if each["sendout"] == "anniversary-2027"}


def noted(ledger: Ledger, verb: str) -> list[dict[str, Any]]:
    with ledger.read() as connection:
        return [dict(each.details) for each in reversed(audit.latest(connection, 100)) if each.verb == verb]


# -- what is told
def test_before_anything_is_planned_the_next_day_is_told(ledger: Ledger, ledger_keys: Keys, pages: OwnPages) -> None:
    _, token = signed(ledger, ledger_keys)
    found = ahead(pages, token)
    assert (found.day, found.starts, found.consents, found.knows) == (date(2027, 2, 26), START, True, True)
    assert (found.planned, found.announced, found.must_agree) == (False, False, False)
    assert found.text == OLD
    assert pages.read(token).written == ()


def test_who_has_not_agreed_is_told_so_as_long_as_the_campaign_asks(ledger: Ledger, ledger_keys: Keys) -> None:
    _, token = signed(ledger, ledger_keys, yearly=False)
    assert not ahead(OwnPages(intake_of(ledger, ledger_keys)), token).consents
    assert OwnPages(intake_of(ledger, ledger_keys, offers=("copy",))).read(token).coming == ()
    for filters in ({"languages": frozenset({"fr"})}, {"countries": frozenset({"FR"})}):
        assert OwnPages(intake_of(ledger, ledger_keys, replace(KNOWN, **filters))).read(token).coming == ()


def test_a_cancelled_year_is_passed_over(ledger: Ledger, ledger_keys: Keys, pages: OwnPages) -> None:
    _, token = signed(ledger, ledger_keys)
    plan(ledger)
    take(ledger, Step.CANCEL)
    assert ahead(pages, token).day == date(2028, 2, 26)


def test_a_moved_day_is_that_of_the_occurrence(ledger: Ledger, ledger_keys: Keys, pages: OwnPages) -> None:
    _, token = signed(ledger, ledger_keys)
    plan(ledger, starts=START + timedelta(days=3))
    assert ahead(pages, token).day == date(2027, 3, 1)


def test_the_announced_text_is_shown_whatever_the_files_say(
    ledger: Ledger, ledger_keys: Keys, edited: OwnPages
) -> None:
    _, token = signed(ledger, ledger_keys)
    plan(ledger)
    assert (ahead(edited, token).text, ahead(edited, token).must_agree) == (NEW, True)
    announce(ledger, OLD)
    assert (ahead(edited, token).text, ahead(edited, token).must_agree) == (OLD, False)
    take(ledger, Step.HOLD, was=Life.ANNOUNCED)
    assert (ahead(edited, token).text, ahead(edited, token).held) == (OLD, True)


def test_each_signed_text_again_needs_no_agreement(ledger: Ledger, ledger_keys: Keys) -> None:
    _, token = signed(ledger, ledger_keys)
    plan(ledger)
    found = ahead(OwnPages(intake_of(ledger, ledger_keys, replace(KNOWN, text=None))), token)
    assert (found.text, found.must_agree) == (None, False)


@pytest.mark.parametrize("name", ["announce-anniversary-2027-1", "announce-anniversary-2027-1-ask"])
def test_when_the_announcement_was_accepted_is_known(
    ledger: Ledger, ledger_keys: Keys, pages: OwnPages, name: str
) -> None:
    number, token = signed(ledger, ledger_keys)
    plan(ledger)
    announce(ledger)
    assert ahead(pages, token).told is None
    with ledger.write() as connection:
        row = occurrences.of_period(connection, "library", "anniversary", 2027)
        assert row is not None
        told = letters_write.ensure_sendout(connection, row.campaign_id, name, 3, 0)
        lane = connection.execute(sa.select(letters.c.lane_id).where(letters.c.addressee == "signer")).scalars().first()
        assert lane is not None
        letters_write.make(connection, ledger_keys, told, [letters_write.Making(number, OLD.hash, {"signer": lane})], 0)
        connection.execute(
            sa.update(letters).where(letters.c.sendout_id == told.id).values(state="sent", ended_at=to_us(START))
        )
        counts.add(connection, {(row.campaign_id, told.id, "signer", s): n for s, n in (("queued", -1), ("sent", 1))})
    assert ahead(pages, token).told == START


# -- agreeing
def test_a_new_text_is_agreed_to_once(ledger: Ledger, ledger_keys: Keys, edited: OwnPages) -> None:
    number, token = signed(ledger, ledger_keys)
    assert edited.agree(token, "anniversary", NEW.hash) == "not now"
    plan(ledger)
    assert edited.agree(token, "anniversary", OLD.hash) == "another text"
    assert edited.agree(token, "party", NEW.hash) == "not now"
    assert ahead(edited, token).must_agree
    for _ in range(2):
        assert edited.agree(token, "anniversary", NEW.hash) == "agreed"
    (row,) = rows(ledger, sa.select(agreements))
    with ledger.read() as connection:
        assert (row["signature_id"], row["text_id"]) == (number, pins.find(connection, NEW.hash))
    assert noted(ledger, "agree") == [{"occasion": "anniversary", "text": NEW.hash}]
    assert not ahead(edited, token).must_agree
    assert [each["text_sha256"] for each in edited.data(token)["texts_agreed_to"]] == [NEW.hash]


def test_the_announced_text_is_the_one_agreed_to(ledger: Ledger, ledger_keys: Keys, pages: OwnPages) -> None:
    _, token = signed(ledger, ledger_keys)
    plan(ledger)
    announce(ledger, NEW)
    assert pages.agree(token, "anniversary", OLD.hash) == "another text"
    assert pages.agree(token, "anniversary", NEW.hash) == "agreed"
    (row,) = rows(ledger, sa.select(agreements))
    with ledger.read() as connection:
        found = occurrences.of_period(connection, "library", "anniversary", 2027)
    assert found is not None
    assert row["text_id"] == found.text_id


def test_a_text_that_was_shown_needs_no_agreement(ledger: Ledger, ledger_keys: Keys, pages: OwnPages) -> None:
    _, token = signed(ledger, ledger_keys)
    plan(ledger)
    assert pages.agree(token, "anniversary", OLD.hash) == "agreed"
    assert rows(ledger, sa.select(agreements)) == []
    assert noted(ledger, "agree") == []


def test_without_the_consent_nothing_is_agreed_to(ledger: Ledger, ledger_keys: Keys, edited: OwnPages) -> None:
    _, token = signed(ledger, ledger_keys, yearly=False)
    plan(ledger)
    assert edited.agree(token, "anniversary", NEW.hash) == "not now"
    edited.choose(token, ["yearly"])  # beside which the new text is shown
    assert ahead(edited, token).knows
    edited.withdraw(token)
    with pytest.raises(RefusedByState, match="was withdrawn"):
        edited.agree(token, "anniversary", NEW.hash)
    assert edited.read(token).coming == ()


def test_once_it_has_begun_nothing_is_agreed_to(ledger: Ledger, ledger_keys: Keys, edited: OwnPages) -> None:
    number, token = signed(ledger, ledger_keys)
    plan(ledger)
    announce(ledger, NEW)
    expand(ledger, ledger_keys, number)
    assert edited.agree(token, "anniversary", NEW.hash) == "not now"


# -- ending
@pytest.mark.parametrize("by", ["end", "choose"])
def test_ended_what_waits_of_the_anniversary_is_taken_back(
    ledger: Ledger, ledger_keys: Keys, edited: OwnPages, clock: Traveller, by: str
) -> None:
    number, token = signed(ledger, ledger_keys)
    other, _ = signed(ledger, ledger_keys, 2)
    plan(ledger)
    assert edited.agree(token, "anniversary", NEW.hash) == "agreed"
    announce(ledger, NEW)
    expand(ledger, ledger_keys, number)
    with ledger.write() as connection:  # another send-out, which rests on no consent, stays
        sendout = letters_write.ensure_sendout(connection, 1, "extra-1", 4, 0)
        lane = connection.execute(sa.select(letters.c.lane_id).where(letters.c.addressee == "mayor")).scalars().first()
        assert lane is not None
        letters_write.make(
            connection, ledger_keys, sendout, [letters_write.Making(number, OLD.hash, {"mayor": lane})], 0
        )
        mine = sa.and_(
            letters.c.signature_id == number,
            letters.c.addressee == "council",
            letters.c.sendout_id
            == sa.select(sendouts.c.id).where(sendouts.c.name == "anniversary-2027").scalar_subquery(),
        )
        connection.execute(sa.update(letters).where(mine).values(state="sending"))
        row = occurrences.of_period(connection, "library", "anniversary", 2027)
        assert row is not None
        cells = {(1, row.sendout_id, "council", state): n for state, n in (("queued", -1), ("sending", 1))}
        counts.add(connection, cells)  # type: ignore[arg-type]  # the send-out was begun
    for _ in range(2):
        if by == "end":
            edited.end(token, "yearly")
        else:
            edited.choose(token, [])
    assert of_the_anniversary(ledger, number) == {"council": "sending", "ministry": "cancelled", "mayor": "cancelled"}
    kept = {(each["sendout"], each["state"]) for each in letters_of(ledger, number) if each["addressee"] == "mayor"}
    assert kept == {("signing", "queued"), ("anniversary-2027", "cancelled"), ("extra-1", "queued")}
    (late,) = [each for each in letters_of(ledger, number) if each["state"] == "sending"]
    assert late["not_after"] == to_us(clock.now()), "it does not come back to the queue"
    assert {each["state"] for each in letters_of(ledger, other) if each["sendout"] == "signing"} == {"queued"}
    assert rows(ledger, sa.select(agreements)) == []
    assert noted(ledger, "choose") == [{"given": [], "withdrawn": ["yearly"]}]
    assert pages_consents(edited, token) == {"send"}


def pages_consents(pages: OwnPages, token: str) -> frozenset[str]:
    return pages.read(token).consents


def test_only_the_consent_that_is_named_ends_and_never_the_first(ledger: Ledger, ledger_keys: Keys) -> None:
    intake = intake_of(ledger, ledger_keys)
    number = intake.sign("library", person(), consents=[SEND, YEARLY, Consent("copy")]).signature
    intake.confirm(token_of(ledger, ledger_keys, number))
    pages, token = OwnPages(intake), page_token(ledger, ledger_keys, number)
    for kind in ("send", "named", "nothing of the kind"):
        pages.end(token, kind)
    assert pages_consents(pages, token) == {"send", "yearly", "copy"}
    pages.end(token, "yearly")
    assert pages_consents(pages, token) == {"send", "copy"}


# -- letters
def test_letters_of_an_anniversary_stand_apart(ledger: Ledger, ledger_keys: Keys, pages: OwnPages) -> None:
    number, token = signed(ledger, ledger_keys)
    plan(ledger)
    announce(ledger)
    expand(ledger, ledger_keys, number)
    plan(ledger, 2028, START + timedelta(days=365))
    page = pages.read(token)
    (year,) = page.written
    assert (year.occasion, year.day, year.begun) == ("anniversary", date(2027, 2, 26), True)
    assert {(each.office, each.sendout) for each in year.letters} == {(o, "anniversary-2027") for o in OFFICES}
    assert {each.sendout for each in page.letters} == {"signing"}
    assert (page.coming[0].day, page.coming[0].under_way) == (date(2028, 2, 26), date(2027, 2, 26))
    assert len(pages.data(token)["letters"]) == 2 * len(OFFICES)
    take(ledger, Step.EXPANDED, to=Life.SENDING)
    take(ledger, Step.FINISH)
    page = pages.read(token)
    assert (page.written[0].begun, page.coming[0].under_way) == (False, None)


def test_a_name_is_corrected_for_what_is_still_to_be_written(
    ledger: Ledger, ledger_keys: Keys, pages: OwnPages
) -> None:
    number, token = signed(ledger, ledger_keys)
    once, only = signed(ledger, ledger_keys, 2, yearly=False)
    for signature in (number, once):
        for office in OFFICES:
            set_state(ledger, signature, office, "sent")
    assert (pages.read(token).unsent, pages.read(only).unsent) == (True, False)
    pages.correct(token, "Sample Signer the Elder", "", "")
    assert pages.read(token).person.name == "Sample Signer the Elder"
    with pytest.raises(RefusedByState, match="what was sent cannot be corrected"):
        pages.correct(only, "Sample Signer the Elder", "", "")


# -- before confirming
def test_the_texts_beside_a_consent_belong_to_what_is_confirmed(ledger: Ledger, ledger_keys: Keys) -> None:
    seen = []
    for n, occasion in enumerate((KNOWN, replace(KNOWN, text=NEW)), 1):
        intake = intake_of(ledger, ledger_keys, occasion)
        number = intake.sign("library", person(n, name="Sample Signer"), consents=[SEND, YEARLY]).signature
        page = OwnPages(intake).read(token_of(ledger, ledger_keys, number), "confirm")
        assert occasion.text is not None
        assert (page.shown_texts, page.coming, page.written) == ({occasion.text.hash}, (), ())
        seen.append(replace(page, person=replace(page.person, email="")).fingerprint)
    assert seen[0] != seen[1]
