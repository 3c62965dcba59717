"""A notice that encloses the letter: what its copy says, and that it is bounded."""

import pytest

from tests.factories import (
    make_frame,
    make_making,
    make_notice,
    make_notice_text,
    make_person,
    make_text_version,
    make_wording,
)
from tests.unit.rendering.reading import assert_on_the_wire, read
from worker.domain.address_block import OPEN_LETTER, SALUTATIONS
from worker.rendering import Renderer, TemplateFault, body_html, body_text

NOTICE = make_notice_text(text="[{{ copy }}]", html="<p>{{ copy }}</p>")


def with_copy(**changes):
    return make_notice(**{"text": NOTICE, "enclosed": make_text_version(), **changes})


def test_a_copy_is_the_letter_addressed_to_nobody_in_particular():
    lines = body_text(with_copy()).split("\n")
    assert lines[:3] == ["[Open letter, Millbrook Library", "", "Dear Sir or Madam,"]
    letter = body_text(make_making()).split("\n")
    assert lines[3:-1] == [*letter[3:-2], letter[-2] + "]"]  # all but the block is as an office gets it


def test_a_copy_is_escaped_in_html_and_arrives_whole():
    making = with_copy(signer=make_person(name="<b>A & 'B'</b>", comment="{{ goals }}\r\n.\r\nFrom \0\ud800"))
    data = Renderer().render(making)
    assert_on_the_wire(data)
    found = read(data)
    assert (found.text, found.html) == (body_text(making), body_html(making))
    assert "<b>" not in found.html
    assert "&lt;b&gt;A &amp; &#39;B&#39;&lt;/b&gt;" in found.html
    assert "> {{ goals }}\n> .\n> From \ufffd\ufffd\n" in found.text


@pytest.mark.parametrize(
    ("language", "heading", "salutation"),
    [
        ("az", "Açıq məktub", "Hörmətli xanım və ya cənab"),  # noqa: RUF001 - the Azerbaijani letter
        ("de", "Offener Brief", "Sehr geehrte Damen und Herren"),
        ("en-gb", "Open letter", "Dear Sir or Madam"),
        ("es", "Carta abierta", "Estimadas señoras y señores"),
        ("fr", "Lettre ouverte", "Madame, Monsieur"),
        ("ru", "Открытое письмо", "Уважаемая госпожа, уважаемый господин"),
        ("tr", "Açık mektup", "Sayın Yetkili"),  # noqa: RUF001 - the Turkish letter
        ("xx", "Open letter", "Dear Sir or Madam"),
    ],
)
def test_renderer_2_always_heads_copies_so(language, heading, salutation):
    signed = make_wording(text="{{ office.title }}|{{ office.salutation }}|{{ office.holder }}|{{ office.country }}")
    making = with_copy(
        text=make_text_version(wordings={language: NOTICE.wordings["en"]}),
        enclosed=make_text_version(wordings={language: signed}),
        language=language,
        frame=make_frame(default_language=language),
    )
    shown = body_text(making)
    assert shown == f"[{heading}|{salutation}||]\n", (
        "sent copies hold these words: a change needs a new renderer number"
    )
    assert set(OPEN_LETTER) == set(SALUTATIONS)


def test_a_copy_falls_back_to_the_default_language():
    notice = make_text_version(wordings=dict.fromkeys(("en", "fr"), NOTICE.wordings["en"]))
    assert "Open letter" in body_text(with_copy(text=notice, language="fr"))


def test_no_copy_is_an_empty_value():
    assert body_text(with_copy(enclosed=None)) == "[]\n"
    with pytest.raises(TemplateFault, match="unknown variable 'copy'"):
        body_text(with_copy(enclosed=None, renderer=1))


def test_what_renderer_1_did_not_know_was_free_to_be_set():
    text = make_notice_text(text="{% set copy = 'mine' %}{{ copy }}")
    assert body_text(make_notice(text=text, renderer=1)) == "mine\n"
    with pytest.raises(TemplateFault, match="copy cannot be set"):
        body_text(make_notice(text=text))


def test_a_copy_beyond_all_bounds_makes_no_message():
    long = "{% for i in range(1000) %}" + "x" * 300 + "{% endfor %}"
    with pytest.raises(TemplateFault, match="writes more than 262,144 characters"):
        Renderer().render(with_copy(enclosed=make_text_version(text=long)))
    escaped = "{% for i in range(500) %}" + "<" * 300 + "{% endfor %}"
    with pytest.raises(TemplateFault, match=r"town-library/en html.*writes more than 262,144 characters"):
        Renderer().render(with_copy(enclosed=make_text_version(text=escaped)))
    with pytest.raises(TemplateFault, match="unknown variable 'nobody'"):
        Renderer().render(with_copy(enclosed=make_text_version(text="{{ nobody }}")))
