"""What signers may write, and how it is normalised."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.intake.address import REHEARSAL
from worker.intake.countries import COUNTRIES
from worker.intake.validate import BadPerson, PersonInput, validate


def checked(**changes: str):
    values = {"name": "Sample Signer", "email": "one@mail.example", "country": "GB"}
    return validate(PersonInput(**(values | changes)), REHEARSAL).person


def refused(**changes: str) -> dict[str, str]:
    with pytest.raises(BadPerson) as caught:
        checked(**changes)
    return caught.value.fields


@pytest.mark.parametrize(
    ("given_name", "kept"),
    [
        ("  Sample   Signer ", "Sample Signer"),
        ("Zoe\u0308 Signer", "Zoë Signer"),
        ("O'Neill-Smith, Jr.", "O'Neill-Smith, Jr."),
        ("Дмитрий", "Дмитрий"),
        ("\u0639\u0644\u06cc\u200c\u0631\u0636\u0627", "\u0639\u0644\u06cc\u200c\u0631\u0636\u0627"),  # with a joiner
        ("小林", "小林"),
        ("X" * 120, "X" * 120),
        ("J.Smith", "J.Smith"),
    ],
)
def test_names_that_are_taken(given_name: str, kept: str) -> None:
    assert checked(name=given_name).name == kept


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "is missing"),
        ("   ", "is missing"),
        ("12 34", "at least one letter"),
        ("X" * 121, "longer than 120"),
        ("X" * 30_000, "longer than 20000"),
        ("Sample\nSigner", "line breaks"),
        ("Sample\r\nBcc: x", "line breaks"),
        ("Sample\0Signer", "cannot be seen"),
        ("Sample\x85Signer", "cannot be seen"),
        ("Sample\u2028Signer", "cannot be seen"),
        ("Sample \u202eSigner", "cannot be seen"),
        ("Sample \u2066Signer", "cannot be seen"),
        ("Sample \ud800Signer", "cannot be seen"),
        ("Sample \ufffeSigner", "cannot be seen"),
        ("\u3164", "cannot be seen"),
        ("https://win.example", "looks like a link"),
        ("WWW.win.example", "looks like a link"),
        ("Win at casino.com", "looks like a link"),
        ("one@mail.example", "looks like a link"),
    ],
)
def test_names_that_are_refused(name: str, reason: str) -> None:
    fields = refused(name=name)
    assert list(fields) == ["name"]
    assert reason in fields["name"]


def test_all_that_is_wrong_is_told_at_once_and_nothing_repeated() -> None:
    fields = refused(
        name="secret\n", email="secret", country="secret", city="secret\0", comment="secret\0", language="se cret"
    )
    assert set(fields) == {"name", "email", "country", "city", "comment", "language"}
    assert "secret" not in " ".join(fields.values())


def test_what_is_not_text_is_refused() -> None:
    with pytest.raises(BadPerson, match="name: must be text"):
        validate(PersonInput(None, "one@mail.example", "GB"), REHEARSAL)  # type: ignore[arg-type]


def test_countries_are_iso_codes() -> None:
    assert len(COUNTRIES) == 249
    assert checked(country=" az ").country == "AZ"
    assert "two letters" in refused(country="Germany")["country"]
    assert refused(country="")
    assert refused(country="ﬆ")  # upper() makes "ST" of this one letter, but nobody meant it


def test_languages_are_tags() -> None:
    assert checked(language="fr_CA ").language == "fr-ca"
    assert checked().language == ""
    assert refused(language="french!")


def test_a_comment_keeps_its_lines() -> None:
    assert checked(comment=" a\r\nb\rc\u2028d  \n\n\n\ne\tf ").comment == "a\nb\nc\nd\n\ne f"
    assert checked(comment="x" * 2000).comment
    assert "longer than 2000" in refused(comment="x" * 2001)["comment"]
    assert "60 lines" in refused(comment="x\n" * 60 + "x")["comment"]
    assert "cannot be seen" in refused(comment="a\x07b")["comment"]
    assert checked(comment="see https://library.example").comment  # links are for readers of a letter to judge


def test_people_are_not_printed() -> None:
    person = PersonInput("Sample Signer", "one@mail.example", "GB")
    assert "Sample" not in repr(person) + repr(validate(person, REHEARSAL)) + repr(checked())


_ANY = st.text(max_size=200)


@given(name=_ANY, city=_ANY, comment=_ANY)
def test_whatever_is_taken_is_clean_and_taken_again_unchanged(name: str, city: str, comment: str) -> None:
    try:
        person = checked(name=name, city=city, comment=comment)
    except BadPerson:
        return
    for text in (person.name, person.city, person.comment.replace("\n", "")):
        assert text.isascii() or unicodedata.is_normalized("NFC", text)
        assert not any(unicodedata.category(c) in {"Cc", "Cs", "Zl", "Zp"} for c in text)
        text.encode()
    assert checked(name=person.name, city=person.city, comment=person.comment) == person
