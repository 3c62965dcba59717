"""Reading a template before it is compiled: what is refused, with its line, and what is put under the budget.

Allowed: text, variables, `if`, `for`, `set`, arithmetic, comparisons, `~`, slices, the filters and tests of
`worker.rendering.filters`, `range()`. Refused: everything that reaches other files (include, import, extends), that defines
code (macro, call, block, recursive loops), that buffers output (`filter` and `set` blocks: they grow without being
counted), attributes of anything but the names in `worker.rendering.words`, and calls of anything but `range`.
"""

import difflib
from collections.abc import Collection, Iterator

from jinja2 import nodes
from jinja2.visitor import NodeTransformer

from worker.rendering.faults import Flaws
from worker.rendering.filters import CONCAT, COUNTED, FLAT, PLAIN_FILTERS, TESTS
from worker.rendering.words import LOOP, PLAIN, ROOTS, is_reserved, variable

MAX_NODES = 5_000
MAX_DEPTH = 60

_Found = list[tuple[int, str]]

_ALLOWED = (
    *(nodes.Template, nodes.Output, nodes.TemplateData, nodes.If, nodes.For, nodes.Assign),
    *(nodes.Name, nodes.Getattr, nodes.Getitem, nodes.Const, nodes.List, nodes.Tuple, nodes.Slice, nodes.Call),
    *(nodes.Filter, nodes.Test, nodes.CondExpr, nodes.Compare, nodes.Operand, nodes.And, nodes.Or, nodes.Not),
    *(nodes.Add, nodes.Sub, nodes.Mul, nodes.Div, nodes.FloorDiv, nodes.Mod, nodes.Pow, nodes.Neg, nodes.Pos),
    nodes.Concat,
)

_REFUSED = {
    "Include": "include: a template is one text, signed as a whole",
    "Import": "import: a template is one text, signed as a whole",
    "FromImport": "import: a template is one text, signed as a whole",
    "Extends": "extends: a template is one text, signed as a whole",
    "Block": "block: there is nothing to extend",
    "Macro": "macro: write the text out",
    "CallBlock": "call: there are no macros",
    "FilterBlock": "a filter block: put the filter behind the variable",
    "AssignBlock": "a set block: use {% set name = ... %}",
    "Dict": "a {...} mapping: use a list",
}


def audit(tree: nodes.Template, names: Collection[str]) -> None:
    """Read `tree` (parsed, not yet compiled). `names` are known besides those of `words`. Raises Flaws with all found."""
    found: _Found = list(_size(tree))
    if not found:
        known = _Known(names, tree)
        for node, parent in _walk(tree):
            found.extend((_line(node, parent), text) for text in _look(node, parent, known))
    if found:
        raise Flaws(found)


def under_budget(tree: nodes.Template) -> nodes.Template:
    """`tree`, audited, with its loops, `~` and lists routed through the filters that count them, and without attributes."""
    changed = _Budgeted().visit(tree)
    assert isinstance(changed, nodes.Template)
    return changed


def _size(tree: nodes.Template) -> Iterator[tuple[int, str]]:
    """Bounds first, without recursion: what comes after may recurse."""
    waiting: list[tuple[nodes.Node, int]] = [(tree, 0)]
    count = 0
    while waiting:
        node, depth = waiting.pop()
        count += 1
        # An elif is written flat but nests in the Python it compiles to; so do the parts of one comparison or `~`.
        inner = depth + 1 + (len(node.elif_) if isinstance(node, nodes.If) else 0)
        if count > MAX_NODES or inner > MAX_DEPTH:
            yield node.lineno or 0, "the template is too large or too deeply nested"
            return
        waiting.extend((child, inner) for child in node.iter_child_nodes())


def _walk(tree: nodes.Node) -> Iterator[tuple[nodes.Node, nodes.Node]]:
    for child in tree.iter_child_nodes():
        yield child, tree
        yield from _walk(child)


def _line(node: nodes.Node, parent: nodes.Node) -> int:
    return node.lineno or parent.lineno or 0


class _Known:
    """The names that one template may read, and those that it sets itself."""

    def __init__(self, names: Collection[str], tree: nodes.Template) -> None:
        self.notice = bool(names)
        self.roots = {name: ROOTS[name] for name in ROOTS if not (self.notice and name == "office")}
        if names:
            self.roots["values"] = frozenset(names)
        self.given = PLAIN | set(names)
        self.plain = self.given | {node.name for node in tree.find_all(nodes.Name) if node.ctx == "store"}

    @property
    def fixed(self) -> set[str]:
        """Names that a template may not set: what they mean is settled."""
        return {*self.given, *self.roots, *ROOTS, "loop", "range", "values"}


def _look(node: nodes.Node, parent: nodes.Node, known: _Known) -> Iterator[str]:
    kind = type(node).__name__
    if kind in _REFUSED:
        yield f"{_REFUSED[kind]} (refused)"
    elif type(node) not in _ALLOWED:
        yield f"{kind} is not something a letter may use"
    elif isinstance(node, nodes.Name):
        yield from _name(node, parent, known)
    elif isinstance(node, nodes.Getattr):
        yield from _attribute(node, known)
    elif isinstance(node, nodes.Filter):
        yield from _listed("filter", node.name, PLAIN_FILTERS)
    elif isinstance(node, nodes.Test):
        yield from _listed("test", node.name, TESTS)
    elif isinstance(node, nodes.Call) and not (isinstance(node.node, nodes.Name) and node.node.name == "range"):
        yield "nothing may be called but range()"
    elif isinstance(node, nodes.For) and node.recursive:
        yield "a recursive for (refused)"
    elif isinstance(node, nodes.Getitem) and _text_key(node.arg):
        yield "a [...] takes a number; write a name after a dot"


def _text_key(key: nodes.Expr) -> bool:
    return isinstance(key, nodes.Const) and isinstance(key.value, str)


def _name(node: nodes.Name, parent: nodes.Node, known: _Known) -> Iterator[str]:
    name = node.name
    if is_reserved(name):
        yield f"unknown variable {name!r}"
    elif node.ctx != "load":
        if name in known.fixed:
            yield f"{name} cannot be set: it is one of the letter's own names"
    elif name == "range":
        if not (isinstance(parent, nodes.Call) and parent.node is node):
            yield "range is used as range(n)"
    elif name in known.roots or name == "loop":
        if not isinstance(parent, nodes.Getattr):
            yield f"{name} cannot be used itself, only its parts, such as {name}.{min(known.roots.get(name, LOOP))}"
    elif name not in known.plain:
        yield f"unknown variable {name!r}{_nearest(name, {*known.plain, *known.roots})}"


def _attribute(node: nodes.Getattr, known: _Known) -> Iterator[str]:
    root = node.node.name if isinstance(node.node, nodes.Name) else ""
    fields = LOOP if root == "loop" else known.roots.get(root)
    if fields is not None and node.attr not in fields:
        yield f"unknown variable '{root}.{node.attr}'{_nearest(node.attr, fields, root)}"
    elif fields is None and root not in ROOTS:
        yield f"the attribute .{node.attr} of this (refused): only {', '.join(sorted(known.roots))} and loop have parts"


def _listed(what: str, name: str, allowed: Collection[str]) -> Iterator[str]:
    if name not in allowed:
        yield f"the {what} {name!r} is not available{_nearest(name, allowed)}"


def _nearest(name: str, known: Collection[str], root: str = "") -> str:
    near = difflib.get_close_matches(name, sorted(known), n=1)
    prefix = f"{root}." if root else ""
    return f"; did you mean {prefix}{near[0]}?" if near else ""


class _Budgeted(NodeTransformer):
    def visit_For(self, node: nodes.For) -> nodes.Node:  # noqa: N802 - Jinja2's name
        weight = sum(1 for _ in _walk(node))
        self.generic_visit(node)
        node.iter = _through(COUNTED, node.iter, nodes.Const(weight, lineno=node.lineno))
        return node

    def visit_Getattr(self, node: nodes.Getattr) -> nodes.Node:  # noqa: N802
        assert isinstance(node.node, nodes.Name)  # the audit refuses any other
        if node.node.name == "loop":
            return node
        return nodes.Name(variable(node.node.name, node.attr), "load", lineno=node.lineno)

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        return _through(CONCAT, nodes.Tuple(node.nodes, "load", lineno=node.lineno))

    def visit_List(self, node: nodes.List) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        return _through(FLAT, node)

    def visit_Tuple(self, node: nodes.Tuple) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        return node if node.ctx == "store" else _through(FLAT, node)


def _through(name: str, value: nodes.Node, *further: nodes.Expr) -> nodes.Filter:
    assert isinstance(value, nodes.Expr)
    return nodes.Filter(value, name, list(further), [], None, None, lineno=value.lineno)
