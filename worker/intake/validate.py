"""What a signer wrote, checked and normalised: `PersonInput` in, `Valid` out, or `BadPerson` naming each field.

Text is brought to NFC and trimmed. Refused everywhere: control characters, lone surrogates, noncharacters, line and
paragraph separators, and the characters that override or isolate the direction of text (they could make a letter read
other than it was signed). Joiners stay: names in Persian and many Indic scripts need them.

Messages name the field and say what to do; none repeats what was written, so that they may be logged.
"""

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

from worker.domain.errors import BadInput
from worker.domain.person import Person
from worker.intake.address import Domains, NotAnAddress, read_address
from worker.intake.countries import COUNTRIES

NAME_LONGEST = 120
COMMENT_LONGEST = 2_000
COMMENT_LINES = 60
_RAW_LONGEST = 20_000  # nothing longer is even normalised: NFC of some texts is slow

_SEPARATORS = "\u2028\u2029"
_FILLERS = "\u115f\u1160\u3164\uffa0"  # letters by their category, and invisible
_BIDI = "\u202a-\u202e\u2066-\u2069"
_UNSEEN = "\u00ad\u061c\u200b\u200e\u200f\ue000-\uf8ff"  # soft hyphen, marks of direction, private use
_FORBIDDEN = re.compile(
    f"[{_UNSEEN}\x00-\x1f\x7f-\x9f{_SEPARATORS}{_BIDI}{_FILLERS}\ufeff\ufff9-\ufffb\ufdd0-\ufdef\ufffe\uffff\ud800-\udfff]"
)
_SPACES = re.compile(r"\s+")
_BREAKS = re.compile("\r\n|[\r\n\x0b\x0c\x85\u2028\u2029]")
_BLANK_LINES = re.compile(r"\n{3,}")
_LINK = re.compile(
    r"://|\bwww\.|@|\b[\w-]{2,}\.(?:com|net|org|info|biz|xyz|top|site|online|shop|click|io)\b", re.IGNORECASE
)
_LANGUAGE = re.compile(r"[a-z]{2,3}(?:-[a-z0-9]{2,8}){0,3}\Z")


class BadPerson(BadInput):
    """One or more fields cannot be taken. `fields` maps each one's name to what to do about it."""

    def __init__(self, fields: dict[str, str]) -> None:
        super().__init__("; ".join(f"{name}: {reason}" for name, reason in fields.items()))
        self.fields = fields


@dataclass(frozen=True, slots=True, repr=False)
class PersonInput:
    """What came in, unchecked. All are strings; `city`, `comment` and `language` may be empty."""

    name: str
    email: str
    country: str
    city: str = ""
    comment: str = ""
    language: str = ""


@dataclass(frozen=True, slots=True, repr=False)
class Valid:
    """A person as sealed and written, and the canonical address by which they are found again."""

    person: Person
    canonical: str


def validate(given: PersonInput, domains: Domains) -> Valid:
    """Check every field of `given`. Raises `BadPerson` with all that is wrong, not only the first."""
    faults: dict[str, str] = {}

    def read(field: str, reader: Callable[[str], str]) -> str:
        try:
            return reader(_plain(getattr(given, field)))
        except ValueError as exc:
            faults[field] = str(exc)
            return ""

    canonical = ""

    def email(text: str) -> str:
        nonlocal canonical
        address = read_address(text, domains)
        canonical = address.canonical
        return address.envelope

    person = Person(
        name=read("name", _name),
        email=read("email", lambda text: _hinted(email, text.strip(" "))),
        country=read("country", _country),
        city=read("city", _city),
        comment=read("comment", _comment),
        language=read("language", _language),
    )
    if faults:
        raise BadPerson(faults)
    return Valid(person, canonical)


def _plain(text: object) -> str:
    if not isinstance(text, str):
        raise ValueError("must be text")  # noqa: TRY004 - a reason for the person, gathered with the others
    if len(text) > _RAW_LONGEST:
        raise ValueError(f"is longer than {_RAW_LONGEST} characters; shorten it")
    return text


def _hinted(email: Callable[[str], str], text: str) -> str:
    if _FORBIDDEN.search(text):
        raise ValueError("has characters that cannot be seen; type it anew")
    try:
        return email(text)
    except NotAnAddress as exc:
        raise ValueError(f"{exc}; write one like name@mail.example") from exc


def _line(text: str, what: str) -> str:
    text = unicodedata.normalize("NFC", text.strip(" \t"))
    if _FORBIDDEN.search(text):
        raise ValueError("has line breaks or characters that cannot be seen; type it anew")
    text = _SPACES.sub(" ", text).strip()
    if len(text) > NAME_LONGEST:
        raise ValueError(f"is longer than {NAME_LONGEST} characters; shorten it")
    if _LINK.search(text):
        raise ValueError(f"looks like a link or an address; write {what}")
    return text


def _name(text: str) -> str:
    name = _line(text, "your name")
    if not any(unicodedata.category(c).startswith("L") for c in name):
        raise ValueError("must have at least one letter; write your name" if name else "is missing; write your name")
    return name


def _city(text: str) -> str:
    return _line(text, "the name of a town, or leave it empty")


def _country(text: str) -> str:
    code = text.strip().upper() if text.isascii() else ""
    if code not in COUNTRIES:
        raise ValueError("must be the two letters of a country (ISO 3166), like DE")
    return code


def _language(text: str) -> str:
    tag = text.strip().lower().replace("_", "-")
    if tag and not _LANGUAGE.match(tag):
        raise ValueError("must be a language tag like en or fr-ca, or empty")
    return tag


def _comment(text: str) -> str:
    text = _BREAKS.sub("\n", unicodedata.normalize("NFC", text)).replace("\t", " ")
    if _FORBIDDEN.search(text.replace("\n", "")):
        raise ValueError("has characters that cannot be seen; type it anew")
    text = _BLANK_LINES.sub("\n\n", "\n".join(line.rstrip() for line in text.split("\n"))).strip()
    if len(text) > COMMENT_LONGEST:
        raise ValueError(f"is longer than {COMMENT_LONGEST} characters; shorten it")
    if text.count("\n") >= COMMENT_LINES:
        raise ValueError(f"has more than {COMMENT_LINES} lines; shorten it")
    return text
