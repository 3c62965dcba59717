"""`check_text`: what is wrong with a text version, found before anybody is written to."""

from tests.factories import (
    make_frame,
    make_notice_text,
    make_office_block,
    make_text_version,
    make_wording,
)
from worker.rendering import Problem, check_text

BLOCKS = [make_office_block(), make_office_block(office="mayor", holder="Zoë Sample", form="Ms.")]


def test_a_sound_text_has_no_problems():
    assert check_text(make_text_version(), make_frame(), BLOCKS) == []
    assert check_text(make_notice_text(), make_frame(), []) == []
    assert check_text(make_notice_text(text="{{ page }}"), make_frame(), [], {"page": "https://x.example"}) == []


def test_everything_wrong_in_all_templates_is_found_at_once():
    text = make_text_version(
        wordings={
            "en": make_wording(subject="{{ nmae }}", text="ok\n{{ signer.nmae }}\n{% include 'x' %}"),
            "fr": make_wording(html="{{ signer.name|safe }}"),
        }
    )
    assert check_text(text, make_frame(), BLOCKS) == [
        Problem("town-library/en subject", 1, "unknown variable 'nmae'"),
        Problem("town-library/en text", 2, "unknown variable 'signer.nmae'; did you mean signer.name?"),
        Problem("town-library/en text", 3, "include: a template is one text, signed as a whole (refused)"),
        Problem("town-library/fr html", 1, "the filter 'safe' is not available"),
    ]


def test_a_fault_that_only_shows_when_written_is_found_once():
    text = make_text_version(text="x\n{% if office.holder %}{% set x = 'a' %}{{ goals[9] }}{% endif %}")
    assert check_text(text, make_frame(), BLOCKS[:1]) == []
    assert check_text(text, make_frame(), BLOCKS) == [Problem("town-library/en text", 2, "item 9 is not there")]


def test_a_header_that_cannot_be_written_names_the_office():
    blocks = [*BLOCKS, make_office_block(office="broken", mailbox="nobody")]
    (problem,) = check_text(make_text_version(), make_frame(), blocks)
    assert str(problem) == "town-library, office broken: header To: not a usable e-mail address: its part before the @"
    (problem,) = check_text(make_notice_text(), make_frame(sender="nobody"), [])
    assert problem.template == "town-library, notice"


def test_problems_carry_the_callers_names():
    def name(campaign, language, part):
        return f"templates/{campaign}/{language}/{part}"

    text = make_text_version(text="\n{{ x }}")
    (problem,) = check_text(text, make_frame(), BLOCKS, name=name)
    assert str(problem) == "templates/town-library/en/text, line 2: unknown variable 'x'"
    (problem,) = check_text(make_text_version(text="{{ goals[9] }}"), make_frame(), BLOCKS, name=name)
    assert problem.template == "templates/town-library/en/text"


def test_a_missing_default_language_is_a_problem():
    (problem,) = check_text(make_text_version(), make_frame(default_language="de"), BLOCKS)
    assert problem.message == "the default language has no wording"


def test_a_notice_that_names_an_office_is_a_problem():
    (problem,) = check_text(make_notice_text(html="{{ office.title }}"), make_frame(), [])
    assert "office" in problem.message


def test_nothing_typed_may_stand_in_what_asks_to_confirm():
    text = make_notice_text(
        subject="To {{ signer.city }}", text="a\n{% if signer.name %}x{% endif %}", html="{{ link }}"
    )
    assert [(each.template, each.line) for each in check_text(text, make_frame(), [], typed=False)] == [
        ("town-library/en subject", 1),
        ("town-library/en text", 2),
    ]
    assert check_text(text, make_frame(), []) == []
    assert check_text(make_notice_text(text="{{ token }}", html="{{ link }}"), make_frame(), [], typed=False) == []
