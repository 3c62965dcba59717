"""The words of the pages: languages, dates, numbers and countries; and what to say of a field that cannot be taken.

Catalogues are `.po` files under `locale/<language>/LC_MESSAGES/web.po`, compiled in memory when the app is made: no
compiled file is kept and there is no build step. English is the language of the source; its catalogue lists the
messages and leaves them as they are. `make words` brings the catalogues up to date; a test compares them with what
the templates and modules say.
"""

import functools
import io
import re
import unicodedata
from collections.abc import Sequence
from datetime import date, datetime, tzinfo
from functools import cached_property
from gettext import GNUTranslations, NullTranslations
from importlib.resources import files
from typing import Any, Literal

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_skeleton, format_time
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_decimal

from worker.intake.countries import COUNTRIES

LANGUAGES = ("en", "fr")
"""Those with a catalogue; the first is the default."""

# How the days and hours of a language are written where its bare tag would mean one country's way.
_REGIONS = {"en": "en_GB"}
_LONGEST_HEADER = 1_000  # characters of Accept-Language that are read
_MOST_RANGES = 30
_RANGE = re.compile(
    r"\s*(?P<tag>\*|[A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*)\s*(?:;\s*q\s*=\s*(?P<q>[01](?:\.[0-9]{0,3})?)\s*)?\Z"
)


def N_(message: str) -> str:  # noqa: N802 - gettext's name, by which extraction finds what is translated later
    """`message` itself, marked for the catalogues."""
    return message


class Words:
    """One UI language. Safe to share between threads; made once per language and app."""

    def __init__(self, language: str, translations: NullTranslations | None = None) -> None:
        self.language = language
        self.locale = Locale.parse(_REGIONS.get(language, language), sep="_" if language in _REGIONS else "-")
        self.translations = translations or NullTranslations()

    @property
    def dir(self) -> Literal["ltr", "rtl"]:
        """The direction of the page."""
        return direction(self.language)

    def gettext(self, message: str, **values: Any) -> str:
        """`message` in this language; "%(name)s" in it stands for a value."""
        said = self.translations.gettext(message)
        return said % values if values else said

    def ngettext(self, one: str, many: str, n: int, **values: Any) -> str:
        """The form for `n`; "%(n)s" is `n` as this language writes it."""
        return self.translations.ngettext(one, many, n) % {"n": self.number(n), **values}

    def number(self, n: int) -> str:
        """With the language's thousands separator: "12,345"."""
        return format_decimal(n, locale=self.locale)

    def day(self, day: date) -> str:
        """The day as "26 February 2027"; in French, the first of a month is "1er"."""
        said = format_date(day, "long", locale=self.locale)
        return f"1er {said[2:]}" if self.language == "fr" and day.day == 1 else said

    def day_of_year(self, day: date) -> str:
        """The day as "26 February", whatever the year; in French, the first of a month is "1er"."""
        said = str(format_skeleton("MMMMd", day, locale=self.locale))
        return f"1er {said[2:]}" if self.language == "fr" and day.day == 1 else said

    def moment(self, moment: datetime, zone: tzinfo | None = None) -> str:
        """Day, hour and the short name of `zone` (by default the moment's own). `moment` is aware."""
        local = moment.astimezone(zone or moment.tzinfo)
        hour = format_time(local.timetz(), "short", tzinfo=local.tzinfo, locale=self.locale)
        return f"{self.day(local.date())}, {hour} {local.tzname()}"

    def country(self, code: str) -> str:
        """The country's name in this language, or `code` where it has none."""
        return str(self.locale.territories.get(code, code))

    def countries(self) -> tuple[tuple[str, str], ...]:
        """All (code, name) as this language's reader looks them up: accents and case do not count."""
        return self._countries

    @cached_property
    def _countries(self) -> tuple[tuple[str, str], ...]:
        return tuple(sorted(((code, self.country(code)) for code in COUNTRIES), key=lambda pair: _plain(pair[1])))


def direction(language: str) -> Literal["ltr", "rtl"]:
    """The direction in which `language` (a tag like "en" or "ar-eg") is written; "ltr" for one that nobody knows."""
    try:
        locale = Locale.parse(language, sep="-")
    except (ValueError, UnknownLocaleError):  # not a tag, or none that the CLDR knows
        return "ltr"
    return "rtl" if locale.text_direction == "rtl" else "ltr"


def own_name(language: str) -> str:
    """What the speakers of `language` call it, with a capital where a line begins: "Français"."""
    try:
        name = Locale.parse(language, sep="-").get_display_name() or language
    except (ValueError, UnknownLocaleError):
        return language
    return name[:1].upper() + name[1:]


def _plain(text: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c)).casefold()


def load() -> dict[str, Words]:
    """The words of every language that has a catalogue."""
    return {language: Words(language, _catalogue(language)) for language in LANGUAGES}


@functools.cache
def _catalogue(language: str) -> NullTranslations:
    source = files("worker.web").joinpath("locale", language, "LC_MESSAGES", "web.po").read_bytes()
    compiled = io.BytesIO()
    write_mo(compiled, read_po(io.BytesIO(source), locale=language, abort_invalid=True))
    compiled.seek(0)
    return GNUTranslations(compiled)


def choose(accept_language: str, wanted: str | None, offered: Sequence[str]) -> str:
    """One of `offered` (never empty; the first is the default).

    `wanted` wins where it is offered; then the ranges of the Accept-Language header by their weight (RFC 9110, 12.5.4),
    each also matching its shorter forms (RFC 4647, 3.4). What cannot be read in the header is passed over.
    """
    for tag in (*filter(None, [wanted]), *_ranges(accept_language)):
        found = _match(tag, offered)
        if found:
            return found
    return offered[0]


def _ranges(header: str) -> list[str]:
    parts = [_RANGE.match(part) for part in header[:_LONGEST_HEADER].split(",")[:_MOST_RANGES]]
    weighed = [(float(found["q"] or 1), found["tag"]) for found in parts if found]
    return [tag for weight, tag in sorted(weighed, key=lambda pair: -pair[0]) if weight > 0]


def _match(tag: str, offered: Sequence[str]) -> str:
    if tag == "*":
        return offered[0]
    by_lower = {one.lower(): one for one in offered}
    subtags = tag.lower().replace("_", "-").split("-")[:8]
    for length in range(len(subtags), 0, -1):
        if "-".join(subtags[:length]) in by_lower:
            return by_lower["-".join(subtags[:length])]
    return ""
