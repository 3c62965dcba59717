"""Offices: who is named in a letter on a day, and the address block made of it."""

from datetime import date
from zoneinfo import ZoneInfo

import pytest

from worker.domain.address_block import addressee_line, block_on, frame_of
from worker.domain.campaign import Campaign, Sender, TextVersion, Wording
from worker.domain.office import Holder, Office

DAY = date(2026, 11, 23)


def office(*holders, **more):
    values = {
        "id": "mayor",
        "title": "Mayor",
        "organisation": "Sampleton",
        "country": "IE",
        "zone": ZoneInfo("Europe/Dublin"),
        "language": "en",
        "mailbox": "Mayor@Sampleton.Example",
    }
    return Office(**(values | more), holders=holders)


@pytest.mark.parametrize(
    ("holder", "named"),
    [
        (Holder("A", verified=date(2026, 11, 23)), True),
        (Holder("A", verified=date(2025, 11, 23)), True),  # 365 days
        (Holder("A", verified=date(2025, 11, 22)), False),
        (Holder("A"), False),
        (Holder("A", since=date(2026, 11, 24), verified=DAY), False),
        (Holder("A", since=DAY, verified=DAY), True),
        (Holder("A", until=DAY, verified=DAY), True),
        (Holder("A", until=date(2026, 11, 22), verified=DAY), False),
    ],
)
def test_a_holder_is_named_while_in_office_and_verified_within_a_year(holder, named):
    assert (office(holder).holder_on(DAY) is holder) is named


def test_the_one_verified_last_is_named():
    older, newer = Holder("A", verified=date(2026, 1, 1)), Holder("B", verified=date(2026, 2, 1))
    assert office(newer, older).holder_on(DAY) is newer
    assert office().holder_on(DAY) is None


def test_the_block_of_a_named_holder():
    block = block_on(office(Holder("Alex Sample", "H.E.", "Dear Mayor Sample", verified=DAY)), DAY)
    assert (block.holder, block.form, block.salutation) == ("Alex Sample", "H.E.", "Dear Mayor Sample")
    assert (block.office, block.title, block.organisation, block.language) == ("mayor", "Mayor", "Sampleton", "en")
    assert block.mailbox == "Mayor@Sampleton.Example"


def test_a_long_unverified_holder_leaves_no_trace():
    block = block_on(office(Holder("Alex Sample", "H.E.", "Dear Mayor Sample", verified=date(2015, 12, 31))), DAY)
    assert (block.holder, block.form, block.salutation) == ("", "", "Dear Sir or Madam")


@pytest.mark.parametrize(
    ("own", "language", "expected"),
    [
        ("Excellency", "", "Excellency"),
        ("", "fr", "Madame, Monsieur"),
        ("", "fr-ca", "Madame, Monsieur"),
        ("", "eo", "Dear Sir or Madam"),
    ],
)
def test_salutations_without_a_holder(own, language, expected):
    assert block_on(office(salutation=own), DAY, language).salutation == expected


def test_a_holder_without_a_salutation_gets_the_offices():
    assert block_on(office(Holder("A", verified=DAY), salutation="Excellency"), DAY).salutation == "Excellency"


def test_the_domain_that_limits_count():
    assert office().domain == "sampleton.example"


def test_the_frame_lists_all_addressees_in_the_campaigns_order():
    register = {"a": office(id="a", title="Chair", organisation=""), "b": office(id="b")}
    campaign = Campaign(
        slug="library",
        name="Library",
        site="https://library.example",
        controller="Friends",
        contact="q@library.example",
        sender=Sender("l@library.example", reply_to="r@library.example"),
        subject_tag="[L]",
        list_id="l.library.example",
        languages=("en",),
        offices=("b", "a"),
        text=TextVersion("library", {"en": Wording("s", "t", "h", ("g",))}),
    )
    frame = frame_of(campaign, register)
    assert frame.addressees == ("Mayor, Sampleton", "Chair")
    assert (frame.sender, frame.sender_pattern, frame.reply_to) == (
        "l@library.example",
        "{signer} via {campaign}",
        "r@library.example",
    )
    assert addressee_line(register["b"]) == "Mayor, Sampleton"
    assert (frame.campaign, frame.default_language) == ("library", "en")


def test_offices_that_share_a_mailbox_share_a_lane():
    assert (
        office().lane
        == office(id="deputy", mailbox="mayor@sampleton.example").lane
        == "mailbox:mayor@sampleton.example"
    )
