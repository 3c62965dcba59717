"""Writing out beforehand what every signer's letter to one office has in common.

Of a letter's hundred pieces only a few are the signer's. A template is folded once for one office, frame and day: each
piece that does not read `signer` is run, under the same budget, and kept as it will stand in the message. What remains
for each letter is to run the pieces between, its gaps. The output is the same text. A template that sets names of its own
is not folded, nor is one that cannot be: run whole, it tells the fault and its line.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from jinja2 import Template, nodes

from worker.domain.making import Frame, OfficeBlock
from worker.rendering.budget import MAX_OUTPUT
from worker.rendering.faults import Flaw
from worker.rendering.mime import Block, block, clean, part, part_of
from worker.rendering.sandbox import GLOBALS, compiled, made_from, parsed, run
from worker.rendering.words import ROOTS, variable

KEPT: Final = 512  # one for each office, campaign, language and day
SIGNER: Final = "signer"
_HERE: Final = "\0"  # stands in the gaps' output for a written piece; no text that is sent may hold one

_VARIABLES = {
    root: tuple((variable(root, attribute), attribute) for attribute in sorted(attributes))
    for root, attributes in ROOTS.items()
}


@dataclass(frozen=True, slots=True)
class Fixed:
    """What all letters of one office, campaign, language and day share."""

    office: OfficeBlock
    frame: Frame
    goals: tuple[str, ...]
    date: str

    def values(self) -> dict[str, Any]:
        """The values of its names."""
        return {
            **GLOBALS,
            "goals": self.goals,
            "date": self.date,
            **of_root("campaign", self.frame),
            **of_root("office", self.office),
        }


def of_root(root: str, source: object) -> dict[str, Any]:
    """The values of the names with attributes under `root`, read from `source`."""
    return {known: getattr(source, attribute) for known, attribute in _VARIABLES[root]}


class Letterhead:
    """The values of what is fixed, and its templates, folded as they are asked for."""

    def __init__(self, fixed: Fixed) -> None:
        self.values = fixed.values()
        self._folded: dict[tuple[str, bool], Folded] = {}

    def folded(self, source: str, html: bool) -> "Folded":
        """The template of `source`, folded. Raises Flaws with everything that is refused in it."""
        key = (source, html)
        if key not in self._folded:
            self._folded[key] = Folded(source, html, self.values)
        return self._folded[key]


@lru_cache(maxsize=KEPT)
def letterhead(fixed: Fixed) -> Letterhead:
    """The letterhead of what is fixed, kept from one letter to the next."""
    return Letterhead(fixed)


class Folded:
    """One template: `written` and the gaps around them, one more than `written`."""

    def __init__(self, source: str, html: bool, values: dict[str, Any]) -> None:
        self._whole = compiled(source, html)
        self._gaps: Template | None = None
        self._blocks: tuple[Block, ...] = ()  # `written` ready for a message
        self.written: tuple[str, ...] = ()
        tree = parsed(source, html)
        if tree.find(nodes.Assign) is None:
            try:
                self._fold(tree, html, values)
            except Flaw:
                self._gaps, self.written = None, ()
        self._length = sum(map(len, self.written))

    def run(self, values: dict[str, Any]) -> str:
        """The text with a signer's `values`. Raises Flaw with the line."""
        if not self.written:
            return run(self._whole, values)
        gaps = self._run_gaps(values)
        if gaps is None:
            return run(self._whole, values)
        return gaps[0] + "".join([text + gap for text, gap in zip(self.written, gaps[1:], strict=True)])

    def part(self, subtype: bytes, values: dict[str, Any]) -> bytes:
        """The text as a body part of a message: what `mime.part` makes of `run`. Raises Flaw with the line."""
        gaps = self._run_gaps(values) if self._blocks else None
        if gaps is None or any("\r" in gap for gap in gaps):
            return part(subtype, clean(self.run(values)))
        return part_of(subtype, self._blocks, gaps)

    def _run_gaps(self, values: dict[str, Any]) -> list[str] | None:
        """The gaps; None where the whole template must be run to know."""
        if self._gaps is None:
            return ["", ""]  # all of it is written
        found = run(self._gaps, values)
        gaps = found.split(_HERE)
        too_long = len(found) + self._length > MAX_OUTPUT
        return None if too_long or len(gaps) != len(self.written) + 1 else gaps

    def _fold(self, tree: nodes.Template, html: bool, values: dict[str, Any]) -> None:
        """Sort the pieces into those that are written now and those that read `signer`."""
        written: list[str] = []
        own: list[nodes.Node] = []
        waiting: list[nodes.Node] = []

        def write() -> None:
            if waiting:
                written.append(run(made_from(nodes.Template(list(waiting), lineno=1), html), values))
                own.append(nodes.Output([nodes.TemplateData(_HERE)], lineno=waiting[0].lineno))
                waiting.clear()

        for piece in _pieces(tree):
            if any(name.name == SIGNER for name in piece.find_all(nodes.Name)):
                write()
                own.append(piece)
            else:
                waiting.append(piece)
        open_end = bool(own) and not waiting  # a gap at the end, whose line ends would be cut
        write()
        self.written = tuple(written)
        if written and not open_end and written[-1].strip("\r\n"):
            self._blocks = tuple(block(text) for text in (*written[:-1], clean(written[-1])[:-1]))
        if len(own) > len(written):
            self._gaps = made_from(nodes.Template(own, lineno=1), html)


def _pieces(tree: nodes.Template) -> Iterator[nodes.Node]:
    """The top level, each text and each {{ ... }} by itself. Nothing there sets a name, so the pieces are independent."""
    for node in tree.body:
        if isinstance(node, nodes.Output):
            for child in node.nodes:
                yield nodes.Output([child], lineno=child.lineno or node.lineno)
        else:
            yield node
