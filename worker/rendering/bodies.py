"""The words of a message: its templates run with what the making holds.

Which wording: the making's language, else the frame's default. What a template sees is listed in `words`; the signer's
address is not among it.

A notice may enclose the letter: then its `copy` is the plain text of that letter, in the notice's language, as it is
written to nobody in particular (`block_of_copy`) on the notice's day. It has a budget of its own, as any letter has.

A notice may tell of a `day`, given in ISO 8601: it is written out in the notice's language, and the letter that it encloses
is written on that day.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from typing import Any, TypeVar

from worker.domain.address_block import block_of_copy
from worker.domain.campaign import TextVersion, Wording
from worker.domain.making import Making
from worker.rendering import mime
from worker.rendering.dates import long_date
from worker.rendering.faults import Flaw, TemplateFault
from worker.rendering.folding import Fixed, Letterhead, letterhead, of_root
from worker.rendering.sandbox import GLOBALS, compiled, run
from worker.rendering.words import NOTICE_VALUES, NOTICE_VALUES_1, variable

_T = TypeVar("_T")


def template_name(campaign: str, language: str, part: str) -> str:
    """How faults name a template: "town-library/en subject", "... text", "... html"."""
    return f"{campaign}/{language} {part}"


@dataclass(frozen=True, slots=True)
class Words:
    """The wording that a making uses, and the values its templates see."""

    campaign: str
    language: str
    wording: Wording
    names: tuple[str, ...]  # of a notice's further values
    letterhead: Letterhead | None  # what a letter shares with the others to its office; a notice shares nothing
    values: dict[str, Any]

    def subject(self) -> str:
        return self._written("subject", self._text)

    def text(self) -> str:
        return self._written("text", self._text)

    def html(self) -> str:
        return self._written("html", self._text)

    def parts(self) -> tuple[bytes, bytes]:
        """The plain and the HTML body part of the message."""
        return self._written("text", self._part), self._written("html", self._part)

    def _text(self, source: str, html: bool) -> str:
        if self.letterhead is None:
            return run(compiled(source, html, self.names), self.values)
        return self.letterhead.folded(source, html).run(self.values)

    def _part(self, source: str, html: bool) -> bytes:
        subtype = b"html" if html else b"plain"
        if self.letterhead is None:
            return mime.part(subtype, mime.clean(self._text(source, html)))
        return self.letterhead.folded(source, html).part(subtype, self.values)

    def _written(self, part: str, write: Callable[[str, bool], _T]) -> _T:
        try:
            return write(getattr(self.wording, part), part == "html")
        except Flaw as flaw:
            raise TemplateFault(template_name(self.campaign, self.language, part), flaw.line, flaw.message) from None


def words(making: Making) -> Words:
    """The words of `making`. Raises TemplateFault where it names no wording, or no time zone."""
    if making.date.tzinfo is None:
        raise TemplateFault("header Date", 0, "a date without a time zone")
    language = _language(making, making.text)
    wording = making.text.wordings.get(language)
    if wording is None:
        name = template_name(making.text.campaign, making.language, "text")
        raise TemplateFault(name, 0, f"there is no wording in {making.language!r}, nor in the default {language!r}")
    today = long_date(making.date.astimezone(UTC).date(), language)
    if making.office is not None:
        shared = letterhead(Fixed(making.office, making.frame, wording.goals, today))
        values = shared.values | of_root("signer", making.signer)
        return Words(making.text.campaign, language, wording, (), shared, values)
    extra = {**dict.fromkeys(NOTICE_VALUES_1 if making.renderer == 1 else NOTICE_VALUES, ""), **making.values}
    if making.enclosed is not None:
        extra["copy"] = _copy(making, making.enclosed)
    if "day" in extra:
        extra["day"] = _day(extra["day"], language)
    values = _notice_values(making, wording, today, extra)
    return Words(making.text.campaign, language, wording, tuple(sorted(extra)), None, values)


def _language(making: Making, text: TextVersion) -> str:
    return making.language if making.language in text.wordings else making.frame.default_language


def _copy(notice: Making, signed: TextVersion) -> str:
    """The text of the letter that `notice` encloses, without line ends around it. Raises TemplateFault."""
    block = block_of_copy(notice.frame, _language(notice, signed))
    letter = replace(notice, text=signed, office=block, values={}, enclosed=None, date=_day_of_copy(notice))
    return mime.clean(words(letter).text()).strip("\n")


def _day_of_copy(notice: Making) -> datetime:
    """When the letter is written that `notice` encloses: on the day that it tells of, else on its own."""
    stated = notice.values.get("day")
    return notice.date if stated is None else datetime.combine(_stated(stated), time(12), UTC)


def _day(stated: str, language: str) -> str:
    """A notice's `day`, as its reader writes it. Raises TemplateFault for what is no day."""
    return long_date(_stated(stated), language)


def _stated(day: str) -> date:
    try:
        return date.fromisoformat(day)
    except ValueError:
        raise TemplateFault("value day", 0, "is no day like 2027-02-26") from None


def _notice_values(making: Making, wording: Wording, today: str, extra: Mapping[str, str]) -> dict[str, Any]:
    return {
        **GLOBALS,
        **extra,
        "goals": wording.goals,
        "date": today,
        **{variable("values", name): value for name, value in extra.items()},
        **of_root("signer", making.signer),
        **of_root("campaign", making.frame),
    }
