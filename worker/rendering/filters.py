"""The filters and tests that templates may use: an allow-list, each bounded in what it makes.

Left out on purpose: `safe` (would undo the escaping of what signers write), `attr`, `map`, `select` and their kin (reach
attributes), `format` and `%` on text (format strings are a language of their own), `random` (bytes must not vary),
`xmlattr`, `tojson`, `pprint`, `urlize`, `striptags` (nothing a letter needs).
"""

import textwrap
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, Final

from jinja2 import Undefined, pass_context
from jinja2 import filters as stock
from jinja2.tests import TESTS as STOCK_TESTS
from markupsafe import Markup, escape

from worker.rendering.budget import MAX_VALUE, BoundedContext
from worker.rendering.faults import Flaw

MAX_WIDTH: Final = 1_000


def _too_large() -> Flaw:
    return Flaw(f"a filter would make more than {MAX_VALUE:,} characters")


def _text(value: Any) -> str:
    """`value` as text; a missing variable stays an error, an escaped text stays escaped."""
    if isinstance(value, str):
        return value
    if isinstance(value, Undefined):
        str(value)  # raises: the message names the variable
    return str(value)


def _width(width: Any) -> int:
    if not isinstance(width, int) or not 0 <= width <= MAX_WIDTH:
        raise Flaw(f"a width must be a whole number from 0 to {MAX_WIDTH:,}")
    return width


def _replace(value: Any, old: Any, new: Any) -> str:
    text, old, new = _text(value), _text(old), _text(new)
    # Escaped text is cut as it stands, and what is put in is escaped, so that no tag can be made from two halves.
    if isinstance(text, Markup):
        old, new = escape(old), escape(new)
    # A zero-length `old` matches between all characters, so it is counted like any other.
    if len(text) + text.count(old) * len(new) > MAX_VALUE:
        raise _too_large()
    return text.replace(old, new)


def _center(value: Any, width: Any = 72) -> str:
    return _text(value).center(_width(width))


def _indent(value: Any, width: Any = 4, first: Any = False) -> str:
    text, pad = _text(value), " " * _width(width)
    lines = text.split("\n")
    if len(text) + len(lines) * len(pad) > MAX_VALUE:
        raise _too_large()
    joined = ("\n" + pad).join(lines)
    return type(text)(pad + joined) if first else type(text)(joined)


def _join(value: Any, between: Any = "") -> Any:
    parts, between = [_text(part) for part in value], _text(between)
    if sum(map(len, parts)) + len(between) * len(parts) > MAX_VALUE:
        raise _too_large()
    if any(isinstance(part, Markup) for part in (between, *parts)):
        return escape(between).join(parts)
    return between.join(parts)


def _wordwrap(value: Any, width: Any = 72) -> str:
    width = max(_width(width), 1)
    return "\n".join(
        "\n".join(textwrap.wrap(line, width, expand_tabs=False, replace_whitespace=False, break_long_words=False))
        for line in _text(value).splitlines()
    )


def _quote(value: Any) -> str:
    """Each line after "> ", so that a signer's words cannot pass for the letter's own."""
    text = _text(value)
    lines = text.splitlines()
    if len(text) + 2 * len(lines) > MAX_VALUE:
        raise _too_large()
    return "\n".join(f"> {line}".rstrip() for line in lines)


def _br(value: Any) -> Markup:
    """For HTML: the text escaped, its line breaks as <br>."""
    lines = escape(_text(value)).splitlines()
    if sum(map(len, lines)) + 5 * len(lines) > MAX_VALUE:
        raise _too_large()
    return Markup("<br>\n").join(lines)


def _length(value: Any) -> int:
    return len(value)


def _list(value: Any) -> list[Any]:
    return list(value)


def _reverse(value: Any) -> Any:
    return value[::-1]


def _first(value: Any) -> Any:
    if not value:
        raise Flaw("the first of nothing")
    return value[0]


def _last(value: Any) -> Any:
    if not value:
        raise Flaw("the last of nothing")
    return value[-1]


def _int(value: Any) -> int:
    return int(_text(value)[:20]) if isinstance(value, str) else int(value)


def _default(value: Any, other: Any = "", falsy: Any = False) -> Any:
    return other if isinstance(value, Undefined) or (falsy and not value) else value


def _truncate(value: Any, length: Any = 255, end: Any = "...") -> str:
    text, end, length = _text(value), _text(end), _width(length)
    return text if len(text) <= length else text[: max(length - len(end), 0)].rstrip() + end


PLAIN_FILTERS: Final[Mapping[str, Callable[..., Any]]] = {
    "br": _br,
    "capitalize": lambda value: _text(value).capitalize(),
    "center": _center,
    "count": _length,
    "d": _default,
    "default": _default,
    "e": lambda value: escape(_text(value)),
    "escape": lambda value: escape(_text(value)),
    "first": _first,
    "indent": _indent,
    "int": _int,
    "join": _join,
    "last": _last,
    "length": _length,
    "list": _list,
    "lower": lambda value: _text(value).lower(),
    "quote": _quote,
    "replace": _replace,
    "reverse": _reverse,
    "string": _text,
    "title": lambda value: stock.do_title(_text(value)),
    "trim": lambda value: _text(value).strip(),
    "truncate": _truncate,
    "upper": lambda value: _text(value).upper(),
    "wordwrap": _wordwrap,
}

_WORDS = ("defined", "undefined", "none", "number", "string", "true", "false", "odd", "even", "divisibleby", "in")
_SIGNS = ("eq", "equalto", "==", "ne", "!=", "lt", "lessthan", "<", "le", "<=", "gt", "greaterthan", ">", "ge", ">=")
TESTS: Final[Mapping[str, Any]] = {name: STOCK_TESTS[name] for name in _WORDS + _SIGNS}

CONCAT: Final = "concat values"
COUNTED: Final = "counted turns"
FLAT: Final = "flat list"
"""Filters that only the compiler puts in; their names cannot be written in a template."""


def _charged(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function` with what it takes and makes on the rendering's bill; it can therefore never run at compile time."""

    @pass_context
    @wraps(function)
    def run(context: BoundedContext, value: Any, *args: Any, **kwargs: Any) -> Any:
        if not isinstance(value, Undefined):
            context.handled(value)
        return context.handled(function(value, *args, **kwargs))

    return run


@pass_context
def _concat(context: BoundedContext, parts: Any) -> Any:
    """The `~` operator: text of all parts, escaped where one of them is."""
    return context.handled(_join(parts))


@pass_context
def _flat(context: BoundedContext, items: Any) -> Any:
    """A list as a template writes it. Lists in lists are refused: `[a, a]` thirty times over holds 2**30 items."""
    for item in items:
        if isinstance(item, Undefined):
            str(item)  # raises: the message names the variable
        if not isinstance(item, str | int | float | None):
            raise Flaw("a list holds texts and numbers only")
    return context.handled(items)


@pass_context
def _counted(context: BoundedContext, value: Any, weight: int) -> Any:
    """What a `for` runs over: every turn is paid before the first, `weight` units each."""
    if isinstance(value, Undefined):
        iter(value)  # raises: the message names the variable
    if not isinstance(value, list | tuple | range | str):
        raise Flaw("a for loop runs over a list, a range or a text, not over this")
    context.spend(len(value) * weight)
    return value


def filters() -> dict[str, Callable[..., Any]]:
    """All filters by name, ready for an environment."""
    charged = {name: _charged(function) for name, function in PLAIN_FILTERS.items()}
    return {**charged, CONCAT: _concat, COUNTED: _counted, FLAT: _flat}
