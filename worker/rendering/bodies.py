"""The words of a message: its templates run with what the making holds.

Which wording: the making's language, else the frame's default. What a template sees is listed in `words`; the signer's
address is not among it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC
from typing import Any

from worker.domain.campaign import Wording
from worker.domain.making import Making
from worker.rendering.dates import long_date
from worker.rendering.faults import Flaw, TemplateFault
from worker.rendering.sandbox import GLOBALS, compiled, run
from worker.rendering.words import NOTICE_VALUES, ROOTS, variable

_VARIABLES = {
    root: tuple((variable(root, attribute), attribute) for attribute in sorted(attributes))
    for root, attributes in ROOTS.items()
}


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
    values: dict[str, Any]

    def subject(self) -> str:
        return self._run("subject", self.wording.subject, html=False)

    def text(self) -> str:
        return self._run("text", self.wording.text, html=False)

    def html(self) -> str:
        return self._run("html", self.wording.html, html=True)

    def _run(self, part: str, source: str, *, html: bool) -> str:
        try:
            return run(compiled(source, html, self.names), self.values)
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
    extra = _extra(making)
    return Words(
        making.text.campaign, language, wording, tuple(sorted(extra)), _values(making, wording, language, extra)
    )


def _extra(making: Making) -> dict[str, str]:
    return {} if making.office else {**dict.fromkeys(NOTICE_VALUES, ""), **making.values}


def _values(making: Making, wording: Wording, language: str, extra: Mapping[str, str]) -> dict[str, Any]:
    signer, frame, office = making.signer, making.frame, making.office
    values: dict[str, Any] = {
        **GLOBALS,
        **extra,
        "goals": wording.goals,
        "date": long_date(making.date.astimezone(UTC).date(), language),
    }
    for name, value in extra.items():
        values[variable("values", name)] = value
    for root, source in (("signer", signer), ("campaign", frame), ("office", office)):
        if source is not None:
            for known, attribute in _VARIABLES[root]:
                values[known] = getattr(source, attribute)
    return values
