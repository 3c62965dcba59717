"""Writing out beforehand what every signer's letter to one office has in common.

Of a letter's hundred pieces only a few are the signer's. A template is folded once for one office, frame and day: each
piece that does not read `signer` is run, under the same budget, and its output put in its place. What remains per letter
is a handful of pieces, and the output is the same text. A template that sets names of its own is left as it is, and so is
one that cannot be folded: run whole, it tells the fault and its line.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from jinja2 import Template, nodes

from worker.domain.making import Frame, OfficeBlock
from worker.rendering.faults import Flaw
from worker.rendering.sandbox import GLOBALS, compiled, made_from, parsed, run
from worker.rendering.words import ROOTS, variable

KEPT: Final = 1024  # three for each office, campaign, language and day
SIGNER: Final = "signer"

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


@lru_cache(maxsize=KEPT)
def folded(source: str, html: bool, fixed: Fixed) -> Template:
    """The template of `source`, folded. Raises Flaws with everything that is refused in it."""
    whole = compiled(source, html)
    tree = parsed(source, html)
    if tree.find(nodes.Assign) is not None:
        return whole
    try:
        pieces = list(_fold(tree, html, fixed.values()))
    except Flaw:
        return whole
    return made_from(nodes.Template(pieces, lineno=1), html)


def _fold(tree: nodes.Template, html: bool, values: dict[str, Any]) -> Iterator[nodes.Node]:
    waiting: list[nodes.Node] = []
    for piece in _pieces(tree):
        if any(name.name == SIGNER for name in piece.find_all(nodes.Name)):
            yield from _written(waiting, html, values)
            waiting = []
            yield piece
        else:
            waiting.append(piece)
    yield from _written(waiting, html, values)


def _pieces(tree: nodes.Template) -> Iterator[nodes.Node]:
    """The top level, each text and each {{ ... }} by itself. Nothing there sets a name, so the pieces are independent."""
    for node in tree.body:
        if isinstance(node, nodes.Output):
            for child in node.nodes:
                yield nodes.Output([child], lineno=child.lineno or node.lineno)
        else:
            yield node


def _written(waiting: list[nodes.Node], html: bool, values: dict[str, Any]) -> Iterator[nodes.Node]:
    if waiting:
        text = run(made_from(nodes.Template(waiting, lineno=1), html), values)
        yield nodes.Output([nodes.TemplateData(text)], lineno=waiting[0].lineno)
