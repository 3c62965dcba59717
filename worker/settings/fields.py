"""The kinds of value a config file may hold, each with the form that is asked for when it is wrong."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator, ValidationInfo

from worker.domain.duration import parse_duration
from worker.domain.hours import Hours, parse_hours
from worker.domain.limits import Rate, parse_rate
from worker.settings.addresses import address

_SLUG = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_LANGUAGE = re.compile(r"[a-z]{2,3}(?:-[a-z0-9]{2,8}){0,3}")
_LONGEST_SLUG = 60  # an office's id is the local part of its rehearsal address (RFC 5321 section 4.5.3.1.1: 64)
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


class Section(BaseModel):
    """A table of a config file: frozen, and it refuses keys that it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


def _text_first(raw: Any, example: str) -> str:
    if not isinstance(raw, str):
        raise ValueError(f'write it in quotes, with its unit: "{example}"')  # noqa: TRY004 -- pydantic wants ValueError
    return raw


def _rate(raw: Any) -> Rate:
    return raw if isinstance(raw, Rate) else parse_rate(_text_first(raw, "30/h"))


def _rate_or_none(raw: Any) -> Rate | None:
    return None if raw is None or raw == "" else _rate(raw)


def _duration(raw: Any) -> timedelta:
    return raw if isinstance(raw, timedelta) else parse_duration(_text_first(raw, "15 min"))


def _hours(raw: Any) -> Hours:
    return raw if isinstance(raw, Hours) else parse_hours(_text_first(raw, "Mo-Fr 09:00-17:00"))


def _zone(raw: Any) -> ZoneInfo:
    if isinstance(raw, ZoneInfo):
        return raw
    try:
        return ZoneInfo(_text_first(raw, "Europe/Paris"))
    except (ZoneInfoNotFoundError, ValueError, OSError) as exc:
        raise ValueError(f'{raw!r} is not a time zone; write one like "Europe/Paris" or "UTC"') from exc


def slug(text: str) -> str:
    """`text` itself where it is a lower-case slug. Raises ValueError with the form that is wanted."""
    if not _SLUG.fullmatch(text) or len(text) > _LONGEST_SLUG:
        raise ValueError(f"{text!r} is not an id; use a-z, 0-9 and single hyphens, at most {_LONGEST_SLUG} characters")
    return text


def _language(text: str) -> str:
    if not _LANGUAGE.fullmatch(text):
        raise ValueError(f'{text!r} is not a language; write it in lower case, like "en" or "fr-ca" (BCP 47)')
    return text


def one_line(text: str) -> str:
    """`text` without outer white space. Raises ValueError for line breaks and other control characters."""
    if _CONTROL.search(text):
        raise ValueError("holds a line break or another control character; write it on one line")
    return text.strip()


def _address(text: str, info: ValidationInfo) -> str:
    return address(text, allow_test_domains=bool((info.context or {}).get("allow_test_domains")))


def _address_or_empty(text: str, info: ValidationInfo) -> str:
    return _address(text, info) if text else ""


def _none_if_empty(raw: Any) -> Any:
    return None if raw == "" else raw


Slug = Annotated[str, AfterValidator(slug)]
Language = Annotated[str, AfterValidator(_language)]
Line = Annotated[str, AfterValidator(one_line)]
NeededLine = Annotated[str, Field(min_length=1), AfterValidator(one_line)]
RateField = Annotated[Rate, PlainValidator(_rate)]
RateOrNone = Annotated[Rate | None, PlainValidator(_rate_or_none)]
DurationField = Annotated[timedelta, PlainValidator(_duration)]
HoursField = Annotated[Hours, PlainValidator(_hours)]
ZoneField = Annotated[ZoneInfo, PlainValidator(_zone)]
Address = Annotated[str, AfterValidator(_address)]
AddressOrEmpty = Annotated[str, AfterValidator(_address_or_empty)]
FileOrNone = Annotated[Path | None, BeforeValidator(_none_if_empty)]


def base_url(text: str) -> str:
    """An address of pages, in lower case and without a slash at the end, or "". Raises ValueError for any other."""
    parts = urlsplit(text)
    if text and (parts.scheme not in {"https", "http"} or not parts.hostname or parts.path.strip("/") or parts.query):
        raise ValueError('write a whole address without a path, like "https://letters.town-library.example"')
    return text.rstrip("/").lower()
