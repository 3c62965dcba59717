"""Trying a text version on everybody it will be written to, before anybody is.

First each template is read as it is compiled (all that is refused or unknown, with lines); where nothing was found, whole
messages are made for every wording and every office block with sample signers, among them an awkward one: so a variable
that is missing only in one branch, or a mailbox that no header can hold, is found here and not by a round.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from jinja2 import nodes

from worker.domain.campaign import TextVersion, Wording
from worker.domain.making import Frame, Making, OfficeBlock
from worker.domain.person import Person
from worker.rendering.bodies import template_name
from worker.rendering.faults import Flaws, Problem, TemplateFault
from worker.rendering.folding import SIGNER
from worker.rendering.renderer import NUMBER, Renderer
from worker.rendering.sandbox import compiled, parsed
from worker.rendering.words import NOTICE_VALUES

_DAY: Final = datetime(2027, 2, 26, 12, tzinfo=UTC)
_TYPED: Final = (
    "signer: who gets this has not confirmed that they wrote it; anybody may have typed it, to be read by them"
)

_SIGNERS: Final = (
    Person(
        name="Sample Signer 01", email="signer.01@people.example", country="NL", city="Utrecht", comment="My words."
    ),
    Person(name="Ə", email="signer.02@people.example", country="AZ"),
    Person(
        name='Élodie "O\'Neill", <Ж字> ' + "x" * 60,
        email="signer.03@people.example",
        country="FR",
        city="{{ goals }} & <b>",
        comment="{% include 'x' %}\r\n\r\n.\r\nFrom a line & <i>another</i>\n" * 20,
        answer=True,
    ),
)


def check_text(
    text: TextVersion,
    frame: Frame,
    blocks: Sequence[OfficeBlock],
    values: Mapping[str, str] | None = None,
    *,
    name: Callable[[str, str, str], str] = template_name,
    typed: bool = True,
) -> list[Problem]:
    """All that is wrong with `text` in `frame` for `blocks`, each finding once; empty where letters can be made.

    Without `blocks` the text is a notice's: it is written to signers, with `values` (made up where none are given).
    `name(campaign, language, part)` names a template in the findings; part is "subject", "text" or "html". Without
    `typed`, nothing that somebody typed into the form may stand in it: it goes to an address that nobody has confirmed.
    """
    found = [*_read(text, () if blocks else tuple(sorted({*NOTICE_VALUES, *(values or {})})), name)]
    if not found and not typed:
        found = [*_typed(text, name)]
    if not found:
        found = [*_tried(text, frame, blocks, values, name)]
    return list(dict.fromkeys(found))


def _read(text: TextVersion, names: tuple[str, ...], name: Callable[[str, str, str], str]) -> Iterator[Problem]:
    for language, wording in text.wordings.items():
        for part, source in _sources(wording):
            try:
                compiled(source, part == "html", names)
            except Flaws as flaws:
                for line, message in flaws.found:
                    yield Problem(name(text.campaign, language, part), line, message)


def _typed(text: TextVersion, name: Callable[[str, str, str], str]) -> Iterator[Problem]:
    for language, wording in text.wordings.items():
        for part, source in _sources(wording):
            for used in parsed(source, part == "html").find_all(nodes.Name):
                if used.name == SIGNER:
                    yield Problem(name(text.campaign, language, part), used.lineno, _TYPED)


def _sources(wording: Wording) -> tuple[tuple[str, str], ...]:
    return ("subject", wording.subject), ("text", wording.text), ("html", wording.html)


def _tried(
    text: TextVersion,
    frame: Frame,
    blocks: Sequence[OfficeBlock],
    values: Mapping[str, str] | None,
    name: Callable[[str, str, str], str],
) -> Iterator[Problem]:
    if frame.default_language not in text.wordings:
        yield Problem(name(text.campaign, frame.default_language, "text"), 0, "the default language has no wording")
        return
    given = {each: f"https://site.example/{each}" for each in NOTICE_VALUES} if values is None else values
    renderer = Renderer()
    for language in text.wordings:
        for block in blocks or (None,):
            making = Making(
                letter=0,
                message_id="check.1@check.invalid",
                date=_DAY,
                renderer=NUMBER,
                text=text,
                text_hash="",
                frame=frame,
                office=block,
                signer=_SIGNERS[0],
                language=language,
                values={} if block else given,
            )
            for signer in _SIGNERS:
                try:
                    renderer.render(replace(making, signer=signer))
                except TemplateFault as fault:
                    yield _placed(fault, text, block, name)


def _placed(
    fault: TemplateFault, text: TextVersion, block: OfficeBlock | None, name: Callable[[str, str, str], str]
) -> Problem:
    """The fault under the caller's name for the template; a header's fault says for which office."""
    for language, wording in text.wordings.items():
        for part, _ in _sources(wording):
            if fault.template == template_name(text.campaign, language, part):
                return Problem(name(text.campaign, language, part), fault.line, fault.message)
    place = f"{text.campaign}, office {block.office}" if block else f"{text.campaign}, notice"
    return Problem(place, 0, f"{fault.template}: {fault.message}")
