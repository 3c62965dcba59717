"""How an office is greeted and named where the register does not say it, and when its letters wait by its policy."""

from datetime import date
from zoneinfo import ZoneInfo

import pytest

from tests.factories import make_frame
from worker.domain.address_block import block_of_copy, block_on
from worker.domain.office import Holder, Office
from worker.domain.salutation import SALUTATIONS, usual_form, usual_salutation

DAY = date(2026, 11, 23)
SG, AMBASSADOR = "Secretary-General", "Ambassador, Permanent Representative to the United Nations"


def office(*holders, **more):
    values = {"id": "o", "title": "Clerk", "organisation": "Sampleton", "country": "IE", "language": "en",
              "zone": ZoneInfo("Europe/Dublin"), "mailbox": "o@sampleton.example"}  # fmt: skip
    return Office(**(values | more), holders=holders)


@pytest.mark.parametrize(
    ("title", "form", "language", "expected"),
    [
        (SG, "", "en", "Excellency"),
        (SG, "H.E. Mr.", "en", "Mr. Secretary-General"),
        (SG, "H.E. Ms.", "en", "Madam Secretary-General"),
        (SG, "H.E. Prof. Dr.", "en", "Excellency"),  # which of the two it does not tell
        ("secretary general", "Mr", "fr-ca", "Monsieur le Secrétaire général"),
        ("Secrétaire générale", "Mme", "fr", "Madame la Secrétaire générale"),
        ("Generalsekretärin", "Frau", "de", "Sehr geehrte Frau Generalsekretärin"),
        (AMBASSADOR, "H.E. Mr.", "en", "Excellency"),
        (AMBASSADOR, "", "ru", "Ваше Превосходительство"),
        ("Head of Mission, Ambassador", "", "es", "Excelencia"),
        ("President of the Republic", "H.E. Ms.", "en", "Madam President"),
        ("Acting President", "", "de", "Exzellenz"),
        ("Mayor", "Mr.", "en", "Mr. Mayor"),
        ("Mayor", "", "en", "Dear Sir or Madam"),
        ("Lord Mayor", "Mme", "fr", "Madame la Maire"),
        (SG, "Mr.", "eo", "Mr. Secretary-General"),  # a language we have no words in
    ],
)
def test_the_usual_salutation(title, form, language, expected):
    assert usual_salutation(title, form, language) == expected


@pytest.mark.parametrize(
    "title",
    ["Deputy Secretary-General", "Vice-President", "Office of the President", "Presidential Adviser", "Merchant",
     "Assistant to the Ambassador", "Mayoress's Secretary", "", "President-elect"],
)  # fmt: skip
def test_others_are_not_taken_for_the_office(title):
    assert usual_salutation(title, "Mr.", "en") == "Dear Sir or Madam"
    assert usual_form(title, "en") == ""


@pytest.mark.parametrize("language", sorted(SALUTATIONS))
@pytest.mark.parametrize("title", [SG, AMBASSADOR, "President", "Mayor", "Clerk"])
@pytest.mark.parametrize("form", ["", "Mr.", "Ms."])
def test_every_language_has_a_line_for_every_title(language, title, form):
    line = usual_salutation(title, form, language)
    assert line
    assert not line.endswith(",")
    assert line.isprintable()
    if title == "Clerk":
        assert line == SALUTATIONS[language]


def test_what_the_register_says_wins():
    holder = Holder("A. Sample", "H.E. Mr.", verified=DAY)
    said = Holder("A. Sample", "Dr.", "Dear Dr. Sample", verified=DAY)
    assert block_on(office(holder, title=SG), DAY).salutation == "Mr. Secretary-General"
    assert block_on(office(holder, title=SG, salutation="Dear Office"), DAY).salutation == "Dear Office"
    block = block_on(office(said, title=SG, salutation="Dear Office"), DAY)
    assert (block.form, block.salutation) == ("Dr.", "Dear Dr. Sample")


def test_the_usual_form_stands_before_a_name_only():
    assert block_on(office(Holder("A. Sample", verified=DAY), title=SG), DAY).form == "H.E."
    assert block_on(office(Holder("A. Sample", verified=DAY), title=SG), DAY, "fr").form == "S.E."
    assert block_on(office(Holder("A. Sample", verified=DAY), title="Clerk"), DAY).form == ""
    assert block_on(office(title=SG), DAY).form == ""


def test_copies_greet_as_ever():
    """A copy that was sent is made again from the same words."""
    block = block_of_copy(make_frame(), "en")
    assert (block.title, block.salutation, block.form) == ("Open letter", "Dear Sir or Madam", "")


VERIFIED, STALE = date(2026, 1, 2), date(2025, 1, 2)


@pytest.mark.parametrize(
    ("holders", "policy", "expected"),
    [
        ([], {}, ""),
        ([], {"stale": "hold"}, ""),
        ([], {"vacancy": "hold"}, "its office is vacant"),
        ([Holder("A", until=date(2026, 11, 22), verified=VERIFIED)], {"vacancy": "hold"}, "its office is vacant"),
        ([Holder("A", until=DAY, verified=VERIFIED)], {"vacancy": "hold"}, ""),
        ([Holder("A", verified=STALE)], {}, ""),
        ([Holder("A", verified=STALE)], {"vacancy": "hold"}, ""),
        ([Holder("A", verified=STALE)], {"stale": "hold"}, "its holder was last verified on 2025-01-02"),
        ([Holder("A")], {"stale": "hold"}, "its holder was never verified"),
        ([Holder("A", verified=STALE), Holder("B", verified=VERIFIED)], {"stale": "hold"}, ""),
        ([Holder("A", verified=date(2025, 11, 23))], {"stale": "hold"}, ""),  # 365 days
        ([Holder("A", verified=date(2025, 11, 22))], {"stale": "hold"}, "its holder was last verified on 2025-11-22"),
    ],
)
def test_letters_wait_by_policy_only(holders, policy, expected):
    assert office(*holders, **policy).standstill(DAY) == expected
