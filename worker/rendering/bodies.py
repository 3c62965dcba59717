"""The words of a message: its templates run with what the making holds.

Which wording: the making's language, else the frame's default. What a template sees is listed in `words`; the signer's
address is not among it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC
from functools import lru_cache
from typing import Any

from worker.domain.campaign import Wording
from worker.domain.making import Making
from worker.rendering.dates import long_date
from worker.rendering.faults import Flaw, TemplateFault
from worker.rendering.folding import KEPT, Fixed, folded, of_root
from worker.rendering.sandbox import GLOBALS, compiled, run
from worker.rendering.words import NOTICE_VALUES, variable


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
    fixed: Fixed | None  # what a letter shares with the others to its office; a notice shares nothing
    values: dict[str, Any]

    def subject(self) -> str:
        return self._run("subject", self.wording.subject, html=False)

    def text(self) -> str:
        return self._run("text", self.wording.text, html=False)

    def html(self) -> str:
        return self._run("html", self.wording.html, html=True)

    def _run(self, part: str, source: str, *, html: bool) -> str:
        try:
            template = folded(source, html, self.fixed) if self.fixed else compiled(source, html, self.names)
            return run(template, self.values)
        except Flaw as flaw:
            raise TemplateFault(template_name(self.campaign, self.language, part), flaw.line, flaw.message) from None


def words(making: Making) -> Words:
    """The words of `making`. Raises TemplateFault where it names no wording, or no time zone."""
    if making.date.tzinfo is None:
        raise TemplateFault("header Date", 0, "a date without a time zone")
    language = making.language if making.language in making.text.wordings else making.frame.default_language
    wording = making.text.wordings.get(language)
    if wording is None:
        name = template_name(making.text.campaign, making.language, "text")
        raise TemplateFault(name, 0, f"there is no wording in {making.language!r}, nor in the default {language!r}")
    date = long_date(making.date.astimezone(UTC).date(), language)
    if making.office is not None:
        fixed = Fixed(making.office, making.frame, wording.goals, date)
        return Words(making.text.campaign, language, wording, (), fixed, _letter_values(making, fixed))
    extra = {**dict.fromkeys(NOTICE_VALUES, ""), **making.values}
    values = _notice_values(making, wording, date, extra)
    return Words(making.text.campaign, language, wording, tuple(sorted(extra)), None, values)


def _letter_values(making: Making, fixed: Fixed) -> dict[str, Any]:
    return _shared_values(fixed) | of_root("signer", making.signer)


@lru_cache(maxsize=KEPT)
def _shared_values(fixed: Fixed) -> dict[str, Any]:
    return fixed.values()


def _notice_values(making: Making, wording: Wording, date: str, extra: Mapping[str, str]) -> dict[str, Any]:
    return {
        **GLOBALS,
        **extra,
        "goals": wording.goals,
        "date": date,
        **{variable("values", name): value for name, value in extra.items()},
        **of_root("signer", making.signer),
        **of_root("campaign", making.frame),
    }
