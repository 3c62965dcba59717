"""`[occasions.<name>]` of a campaign: the days of the year on which it writes again for those who agreed to it."""

from collections.abc import Mapping
from datetime import time, timedelta
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, PlainValidator, model_validator

from worker.domain.campaign import SIGNING, TextVersion
from worker.domain.making import ANNOUNCE, CONFIRM, PAGE
from worker.domain.occasion import Occasion, Window, parse_window
from worker.settings.fields import DurationField, Language, Section, Slug, ZoneField
from worker.settings.wordings import signed_text

LONGEST_MONTHS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def _window(raw: object) -> Window:
    if isinstance(raw, Window):
        return raw
    if not isinstance(raw, str):
        raise ValueError('write it in quotes, with its unit: "5 working days"')  # noqa: TRY004 -- pydantic wants ValueError
    return parse_window(raw)


def _time(raw: object) -> time:
    if isinstance(raw, time):
        return raw
    try:
        found = time.fromisoformat(str(raw))
    except ValueError as exc:
        raise ValueError('write a time of day in quotes, like "09:00"') from exc
    if found.tzinfo is not None:
        raise ValueError('write a time of day without an offset, like "09:00": time_zone says where')
    return found


def _country(code: str) -> str:
    if not (len(code) == 2 and code.isascii() and code.isupper()):  # noqa: PLR2004 -- alpha-2 says it
        raise ValueError(f"{code!r} is not a country; write two capitals (ISO 3166)")
    return code


class OccasionKeys(Section):
    """One `[occasions.<name>]`; the name is a slug, and part of its send-outs' names: `anniversary-2027`."""

    month: int = Field(ge=1, le=12, description="The month, 1 to 12.")
    day: int = Field(ge=1, le=31, description="The day of the month.")
    leap: Literal["02-28", "03-01"] = Field(
        default="02-28", description="Which day stands for 29 February in a year without one."
    )
    time_zone: ZoneField = Field(
        default=ZoneInfo("UTC"), description='Whose calendar and clock count: `"Europe/Dublin"`.'
    )
    start: Annotated[time, PlainValidator(_time)] = Field(
        default=time(9), description='When the first letters are due: `"09:00"`.'
    )
    window: Annotated[Window, PlainValidator(_window)] = Field(
        default=Window(working_days=5),
        description='Over how long the letters are spread: `"5 working days"` of each office, or a length like `"8 h"`.',
    )
    first_year: int = Field(ge=1970, le=9000, description="The first year in which it writes.")
    text: Literal["own", "signed"] = Field(
        default="own",
        description="`own`: templates of its own, `templates/<slug>/<name>/<language>/`; `signed`: what each signed.",
    )
    consent: Literal["yearly"] = Field(default="yearly", description="The consent that a supporter must have given.")
    countries: tuple[Annotated[str, PlainValidator(_country)], ...] = Field(
        default=(), description="Only for supporters of these countries (ISO 3166); empty: all."
    )
    languages: tuple[Language, ...] = Field(
        default=(), description="Only for supporters who signed in these languages; empty: all."
    )
    tags: tuple[Slug, ...] = Field(default=(), description="Only to offices with one of these tags; empty: to all.")
    not_after: DurationField = Field(
        default=timedelta(days=60), description="Letters that are not sent so long after the start expire."
    )
    grace: DurationField = Field(
        default=timedelta(days=7), description="How late it may begin; later it is missed, and an operator is asked."
    )
    approval: bool = Field(default=True, description="Whether an operator must approve it.")

    @model_validator(mode="after")
    def _is_a_day(self) -> "OccasionKeys":
        if self.day > LONGEST_MONTHS[self.month - 1]:
            raise ValueError(f"month {self.month} has no day {self.day}")
        if not timedelta(0) <= self.grace < self.not_after <= timedelta(days=300):
            raise ValueError("grace must be less than not_after, which is at most 300 days")
        return self


_TAKEN = frozenset({SIGNING, CONFIRM, PAGE, ANNOUNCE, "imported"})


def _free(name: str) -> str:
    if name.partition("-")[0] in _TAKEN:
        raise ValueError(f"{name!r} begins like a send-out of another kind; choose another name")
    return name


OccasionName = Annotated[
    Slug, Field(min_length=4), AfterValidator(_free)
]  # a language, which has a folder beside, has three letters at most
Occasions = dict[OccasionName, OccasionKeys]


def read_occasions(
    slug: str, keys: Mapping[str, OccasionKeys], goals: Mapping[str, tuple[str, ...]], templates: Path
) -> dict[str, Occasion]:
    """A campaign's occasions with their texts. Raises BadInput naming the template that is missing."""
    return {name: _occasion(name, each, _text(slug, name, each, goals, templates)) for name, each in keys.items()}


def _text(
    slug: str, name: str, keys: OccasionKeys, goals: Mapping[str, tuple[str, ...]], templates: Path
) -> TextVersion | None:
    return signed_text(slug, goals, templates, occasion=name) if keys.text == "own" else None


def _occasion(name: str, keys: OccasionKeys, text: TextVersion | None) -> Occasion:
    return Occasion(
        name=name,
        month=keys.month,
        day=keys.day,
        leap=keys.leap,
        start=keys.start,
        zone=keys.time_zone,
        window=keys.window,
        first_year=keys.first_year,
        text=text,
        consent=keys.consent,
        countries=frozenset(keys.countries),
        languages=frozenset(keys.languages),
        tags=frozenset(keys.tags),
        not_after=keys.not_after,
        grace=keys.grace,
        approval=keys.approval,
    )
