"""Text versions are named by what they say; languages fall back."""

import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.domain.campaign import Campaign, Sender, TextVersion, Wording, canonical, content_hash

EN = Wording("Subject", "Text", "<p>Text</p>", ("One", "Two"))
FR = Wording("Sujet", "Texte", "<p>Texte</p>", ("Un",))


def version(**wordings):
    return TextVersion("library", wordings)


def test_the_hash_is_fixed():
    # A changed hash here means that every pinned text would be taken for a new one.
    assert version(en=EN).hash == "f2f32f5ba8e5bcb3d9b340d7d3a13d6673c8ea58a6522bbfff0b12cc5d1904cc"
    assert canonical({"b": [1], "a": "é"}) == '{"a":"é","b":[1]}'


def test_the_order_of_languages_does_not_matter():
    assert version(en=EN, fr=FR).hash == version(fr=FR, en=EN).hash


@pytest.mark.parametrize("field", ["subject", "text", "html"])
def test_any_change_gives_another_hash(field):
    assert version(en=dataclasses.replace(EN, **{field: "x"})).hash != version(en=EN).hash


def test_goals_their_order_languages_and_campaign_count():
    hashes = {
        version(en=EN).hash,
        version(en=dataclasses.replace(EN, goals=("Two", "One"))).hash,
        version(en=dataclasses.replace(EN, goals=("OneTwo",))).hash,
        version(en=EN, fr=FR).hash,
        version(fr=EN).hash,
        TextVersion("other", {"en": EN}).hash,
    }
    assert len(hashes) == 6


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
wordings = st.builds(Wording, texts, texts, texts, st.lists(texts, max_size=3).map(tuple))


@given(texts, st.dictionaries(texts, wordings, max_size=3))
def test_it_comes_back_from_its_stored_form(campaign, by_language):
    before = TextVersion(campaign, by_language)
    after = TextVersion.from_body(json.loads(canonical(before.body())))
    assert after == before
    assert after.hash == before.hash == content_hash(before.body())


def campaign(*languages):
    return Campaign(
        slug="library",
        name="Library",
        site="https://library.example",
        controller="Friends",
        contact="q@library.example",
        sender=Sender("l@library.example"),
        subject_tag="[L]",
        list_id="l.library.example",
        languages=languages,
        offices=("mayor",),
        text=version(en=EN),
    )


@pytest.mark.parametrize(
    ("languages", "wanted", "given"),
    [
        (("en", "fr"), "fr", "fr"),
        (("en", "fr"), "fr-ca", "fr"),
        (("en", "fr-ca"), "fr-ca", "fr-ca"),
        (("en", "fr-ca"), "fr", "en"),
        (("az", "en"), "", "az"),
        (("en",), "ru", "en"),
    ],
)
def test_the_language_of_a_letter(languages, wanted, given):
    assert campaign(*languages).language_for(wanted) == given
