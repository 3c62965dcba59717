"""Notices in languages that have templates of their own, and in those that have none; and the house's own templates."""

import pytest

from tests.factories import make_frame, make_notice, make_text_version, make_wording
from tests.fixtures.homes import CHECKOUT
from worker.domain.errors import BadInput
from worker.domain.making import notice_values
from worker.rendering import Renderer, TemplateFault, body_html, body_text, check_text, subject_line
from worker.settings.wordings import notice_language, notice_text

TEMPLATES = CHECKOUT / "templates"
KINDS = ("confirm", "page", "imported", "announce")
FACTS = {"occasion": "anniversary", "day": "2027-02-26", "consent_needed": ""}
MADE_UP = dict.fromkeys(("copy", "link", "never_link", "token"), "https://library.example/x")


def lay(root, language, *kinds):
    folder = root / "notices" / language
    folder.mkdir(parents=True)
    for kind in kinds:
        for name in (f"{kind}.subject.txt", f"{kind}.txt", f"{kind}.html"):
            (folder / name).write_text(f"{kind} in {language}\n")


def test_a_language_without_its_own_gets_the_english_ones(tmp_path):
    lay(tmp_path, "en", "confirm", "page")
    lay(tmp_path, "fr", "confirm")
    confirm = notice_text("library", "confirm", ("az", "fr", "fr-ca", "en"), tmp_path)
    assert {each: wording.subject for each, wording in confirm.wordings.items()} == {
        "az": "confirm in en",
        "en": "confirm in en",
        "fr": "confirm in fr",
        "fr-ca": "confirm in fr",
    }
    assert notice_text("library", "page", ("fr",), tmp_path).wordings["fr"].text == "page in en\n"
    assert notice_language("page", "fr", tmp_path) == "en"


def test_a_language_that_has_only_some_of_the_files_is_told(tmp_path):
    lay(tmp_path, "en", "confirm")
    lay(tmp_path, "fr", "confirm")
    (tmp_path / "notices/fr/confirm.html").unlink()
    with pytest.raises(BadInput, match=r"templates/notices/fr/confirm\.html is missing; a notice needs all three"):
        notice_text("library", "confirm", ("fr",), tmp_path)
    with pytest.raises(BadInput, match=r"templates/notices/en/page\.subject\.txt is missing"):
        notice_text("library", "page", ("fr",), tmp_path)


@pytest.mark.parametrize("linked", [True, False])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("language", ["en", "fr"])
def test_the_house_templates_say_what_they_must(kind, language, linked):
    text = notice_text("town-library", kind, (language,), TEMPLATES)
    links = {each: f"https://library.example/{each}/{{token}}" for each in ("confirm_link", "page_link", "never_link")}
    part = make_frame(default_language=language, **(links if linked else {}))
    assert check_text(text, part, [], {**MADE_UP, **facts_of(kind)}, typed=kind != "confirm") == []
    making = notice(text, part, kind, language)
    plain, html = body_text(making), body_html(making)
    assert f'lang="{language}"' in html
    for shown in (plain, html):
        assert ("https://library.example/never_link/TOKEN" in shown) is linked
        link = f"https://library.example/{'confirm' if kind == 'confirm' else 'page'}_link/TOKEN"
        assert (link in shown) is linked
        assert part.contact in shown
        assert part.controller in shown
        assert ("Open letter" in shown or "Lettre ouverte" in shown) is (kind != "confirm")
    if kind == "confirm":
        assert "Sample Signer" not in plain + html + subject_line(making)
        assert ("\n\nTOKEN\n\n" in plain) is not linked
        assert all(addressee in plain for addressee in part.addressees)
    Renderer().render(making)


@pytest.mark.parametrize("linked", [True, False])
@pytest.mark.parametrize(
    ("language", "day", "nothing", "unless", "will", "would"),
    [
        ("en", "26 February 2027", "need do nothing", "unless you agree", "will be sent", "would be sent"),
        ("fr", "26 février 2027", "rien à faire", "sans votre accord", "sera envoyée", "serait envoyée"),
    ],
)
def test_an_announcement_says_whether_silence_is_enough(language, day, nothing, unless, will, would, linked):
    text = notice_text("town-library", "announce", (language,), TEMPLATES)
    part = make_frame(
        default_language=language, **({"page_link": "https://library.example/me/{token}"} if linked else {})
    )
    for needed in ("", "yes"):
        making = notice(text, part, "announce", language, consent_needed=needed)
        plain, html = body_text(making), body_html(making)
        assert day in subject_line(making)
        for shown in (" ".join(plain.split()), " ".join(html.split())):
            assert (nothing in shown, unless in shown) == (not needed, bool(needed))
            assert (will in shown, would in shown) == (not needed, bool(needed))
            assert shown.count(day) >= 2  # that of the announcement, and that of the letter
            assert "2027-02-26" not in shown
        assert max(len(line) for line in plain.partition("-----")[0].splitlines()) < 120


def test_a_day_that_is_none_is_told():
    text = notice_text("town-library", "announce", ("en",), TEMPLATES)
    for day in ("", "26 February", "2027-02-30"):
        with pytest.raises(TemplateFault, match="is no day like 2027-02-26"):
            body_text(notice(text, make_frame(), "announce", "en", day=day))


def facts_of(kind, **changed):
    return {**FACTS, **changed} if kind == "announce" else {}


def notice(text, part, kind, language, **changed):
    signed = make_text_version(wordings={language: make_wording()})
    return make_notice(
        text=text,
        frame=part,
        language=language,
        values=notice_values(part, kind, "TOKEN", facts_of(kind, **changed)),
        enclosed=None if kind == "confirm" else signed,
    )
