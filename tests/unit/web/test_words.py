"""Languages, numbers, days and countries; the catalogues; a sentence for each reason; the words of every state."""

import re
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.pofile import read_po
from hypothesis import given
from hypothesis import strategies as st

import worker.web
from worker.domain.states import State
from worker.intake.address import LIVE, REHEARSAL
from worker.intake.countries import COUNTRIES
from worker.intake.validate import BadPerson, PersonInput, validate
from worker.web import faults, tellings
from worker.web.views import LetterRow, OfficeView
from worker.web.words import LANGUAGES, Words, choose, direction, load, own_name

WEB = Path(worker.web.__file__).parent
EN, FR = (load()[language] for language in ("en", "fr"))
PLACEHOLDER = re.compile(r"%\(\w+\)s|\{\w+\}|</?\w+>")
CRAMPED = re.compile(r"[^\s\u00a0\u202f][:;?!»](?:\s|$)|[ ][:;?!»]|«[^\u00a0\u202f]|[0-9] [0-9]")


class TestLanguages:
    @pytest.mark.parametrize(
        ("header", "wanted", "expected"),
        [
            ("fr-CH, fr;q=0.9, en;q=0.8", None, "fr"),
            ("de, fr;q=0.5, en;q=0.7", None, "en"),
            ("fr;q=0, en;q=0.1", None, "en"),
            ("de", None, "en"),
            ("*", None, "en"),
            ("", "FR", "fr"),
            ("en", "fr_CA", "fr"),
            ("fr", "zz", "fr"),
            ("", None, "en"),
            (",;q=,fr;q=9,\x00, fr ; q = 1.000 ", None, "fr"),
        ],
    )
    def test_choosing(self, header, wanted, expected):
        assert choose(header, wanted, ("en", "fr")) == expected

    @given(st.text(max_size=200), st.none() | st.text(max_size=40))
    def test_no_header_makes_it_raise(self, header, wanted):
        assert choose(header, wanted, ("en", "fr")) in {"en", "fr"}

    def test_only_the_beginning_of_an_endless_header_is_read(self):
        assert choose("x" * 5_000 + ",fr", None, ("en", "fr")) == "en"
        assert choose("de," * 100 + "fr", None, ("en", "fr")) == "en"

    def test_directions_and_own_names(self):
        assert [direction(tag) for tag in ("ar", "he", "fa-ir", "fr", "xx-nonsense", "")] == ["rtl"] * 3 + ["ltr"] * 3
        assert (own_name("fr"), own_name("xx-nonsense")) == ("Français", "xx-nonsense")
        assert Words("ar").dir == "rtl"


class TestFigures:
    def test_numbers_days_and_moments(self):
        at = datetime(2027, 3, 1, 14, 5, tzinfo=UTC)
        assert (EN.number(12345), FR.number(12345)) == ("12,345", "12\u202f345")
        assert EN.day(date(2027, 2, 26)) == "26 February 2027"
        assert (FR.day(date(2027, 2, 26)), FR.day(at.date())) == ("26 février 2027", "1er mars 2027")
        assert EN.moment(at, ZoneInfo("Europe/Paris")) == "1 March 2027, 15:05 CET"
        assert FR.moment(at) == "1er mars 2027, 14:05 UTC"

    def test_countries_are_found_where_their_reader_looks(self):
        names = [name for _, name in FR.countries()]
        assert {code for code, _ in FR.countries()} == COUNTRIES
        looked_for = ["Danemark", "Égypte", "Émirats arabes unis", "Équateur", "Espagne", "Éthiopie", "Fidji"]
        assert sorted(looked_for, key=names.index) == looked_for
        assert (EN.country("DE"), FR.country("DE"), EN.country("??")) == ("Germany", "Allemagne", "??")

    def test_plurals(self):
        assert EN.ngettext("person has signed", "people have signed", 2) == "people have signed"
        assert FR.ngettext("person has signed", "people have signed", 0) == "personne a signé"


def _catalogue(language: str) -> Catalog:
    with (WEB / "locale" / language / "LC_MESSAGES" / "web.po").open("rb") as file:
        return read_po(file, locale=language)


def _ids(catalogue: Catalog) -> set[tuple[str, ...]]:
    return {_forms(message.id) for message in catalogue if message.id}


def _forms(text: str | tuple[str, ...] | list[str]) -> tuple[str, ...]:
    return (text,) if isinstance(text, str) else tuple(text)


def _extracted() -> set[tuple[str, ...]]:
    with (WEB / "locale" / "babel.cfg").open(encoding="utf-8") as file:
        methods, options = parse_mapping_cfg(file)
    return {_forms(found[2]) for found in extract_from_dir(WEB, methods, options)}


class TestCatalogues:
    """`make words` mends the first of these; a translator the others."""

    @pytest.mark.parametrize("language", LANGUAGES)
    def test_they_list_what_templates_and_modules_say(self, language):
        said, listed = _extracted(), _ids(_catalogue(language))
        assert said - listed == set(), "not in the catalogue"
        assert listed - said == set(), "no longer said"
        assert len(said) > 200

    def test_nothing_is_untranslated(self):
        untold = [message.id for message in _catalogue("fr") if message.id and not all(_forms(message.string))]
        assert untold == []
        assert not any(message.fuzzy for message in _catalogue("fr") if message.id)

    def test_placeholders_agree(self):
        for message in _catalogue("fr"):
            for form in _forms(message.string) if message.id else ():
                wanted = Counter(PLACEHOLDER.findall(_forms(message.id)[-1]))
                assert Counter(PLACEHOLDER.findall(form)) == wanted, message.id

    def test_french_is_set_with_its_own_spaces(self):
        assert CRAMPED.search("Quoi?")
        assert CRAMPED.search("Quoi ?")
        assert not CRAMPED.search("Quoi\u202f?")
        assert [form for m in _catalogue("fr") if m.id for form in _forms(m.string) if CRAMPED.search(form)] == []


LONG = "x" * 20_001
PROVOKED = {
    "name": ("", "123", "a\tb\x07", "x" * 121, "see www.site.com", LONG),
    "email": (
        *("", "a", "@b", "a\u202eb@c.example", "a@" + "b" * 260, "a" * 65 + "@mail.example", "a b@mail.example"),
        *(
            "a@b c",
            "a@test",
            "a@mail.test",
            "ä" * 20 + "@" + "ü" * 49 + "." + "ü" * 49 + "." + "ü" * 49 + ".test",
            LONG,
        ),
    ),
    "country": ("", "Germany", "XX", LONG),
    "city": ("a\x00b", "x" * 121, "a@b", LONG),
    "comment": ("\u202e", "x" * 2_001, "a\n" * 59 + "a\n" * 3 + "b", LONG),
    "language": ("not a tag!", LONG),
}


def _reasons() -> Iterator[tuple[str, str]]:
    fine = {"name": "Ada", "email": "ada@mail.example", "country": "IE"}
    for field, values in PROVOKED.items():
        for value in (*values, 17):
            for domains in (REHEARSAL, LIVE):
                try:
                    validate(PersonInput(**{**fine, field: value}), domains)
                except BadPerson as exc:
                    yield field, exc.fields[field]


class TestFaults:
    def test_each_reason_has_a_whole_sentence_in_both_languages(self):
        for field, reason in set(_reasons()):
            english, french = faults.fault(EN, field, reason), faults.fault(FR, field, reason)
            assert english != reason, (field, reason)
            assert english.startswith("Please")
            assert english.endswith(".")
            assert french != english
            assert french.startswith("Veuillez")

    def test_each_sentence_has_a_reason_that_is_given(self):
        own = {"send", "offices", "email_choice", "erase", "form"}
        kept = {(field, reason) for field, reason in faults.known() if field not in own}
        anywhere = {reason for field, reason in kept if not field}
        given_reasons = set(_reasons())
        unused = {pair for pair in kept if pair[0]} - given_reasons
        assert unused <= {("email", "it is longer than 254 bytes; write one like name@mail.example")}
        assert anywhere <= {reason for _, reason in given_reasons}

    def test_a_reason_that_nobody_knows_is_said_as_it_is(self):
        assert faults.fault(FR, "name", "is strange") == "is strange"
        assert faults.fault(FR, "no such field", "expired") == "expired"


class TestTellings:
    @pytest.mark.parametrize("state", list(State))
    def test_every_state_in_both_languages(self, state):
        row = LetterRow(OfficeView("o", "Mayor", "Town", "IE"), state.value)
        english, french = tellings.state_words(EN, row), tellings.state_words(FR, row)
        assert english[2] == french[2]
        assert english[:2] != french[:2]
        assert all(english)
        assert all(french)

    def test_states_are_told_apart_by_their_titles(self):
        rows = [LetterRow(OfficeView("o", "Mayor", "Town", ""), state.value) for state in State]
        assert len({tellings.state_words(FR, row)[0] for row in rows}) == len(State) == 13

    def test_messages_and_problems(self):
        for kind in tellings.MESSAGES:
            assert tellings.message(EN, kind).text != tellings.message(FR, kind).text
        assert tellings.problem(EN, 404)[0] == "There is no such page"
        assert tellings.problem(EN, 502) == tellings.problem(EN, 500)
        assert tellings.problem(EN, 418) == tellings.problem(EN, 400)
        with pytest.raises(KeyError):
            tellings.message(EN, "no such message")
