"""Templates: read, compiled once per source, run under a budget.

Jinja2's sandbox stops attribute tricks, not work, so three fences stand one behind the other: `audit` refuses at compile
time what no letter needs; the environment here reads attributes of `loop` only and checks every operator;
`BoundedContext` counts loops, values and output. What signers write reaches a template as a value and is never parsed.

Whatever goes wrong leaves as a `Flaw` with the template's line. Its message never repeats a value.
"""

import operator
from collections.abc import Callable, Mapping
from functools import lru_cache
from types import CodeType, TracebackType
from typing import Any, Final

from jinja2 import StrictUndefined, Template, TemplateSyntaxError, nodes
from jinja2.exceptions import SecurityError, UndefinedError
from jinja2.runtime import Context, LoopContext, Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

from worker.rendering.audit import audit, under_budget
from worker.rendering.budget import MAX_NUMBER, MAX_OUTPUT, MAX_RANGE, MAX_VALUE, BoundedContext, size_of
from worker.rendering.faults import Flaw, Flaws
from worker.rendering.filters import TESTS, filters
from worker.rendering.words import LOOP

MAX_SOURCE: Final = 100_000  # characters
KEPT: Final = 512  # compiled templates; a campaign has three per language


def _range(*bounds: Any) -> range:
    if not all(isinstance(bound, int) for bound in bounds):
        raise Flaw("range() takes whole numbers")
    numbers = range(*bounds)
    if len(numbers) > MAX_RANGE:
        raise Flaw(f"range() gives at most {MAX_RANGE:,} numbers")
    return numbers


def _add(left: Any, right: Any) -> Any:
    if size_of(left) + size_of(right) > MAX_VALUE and not isinstance(left, int | float):
        raise Flaw(f"+ makes more than {MAX_VALUE:,} characters or items")
    return left + right


def _multiply(left: Any, right: Any) -> Any:
    for value, times in ((left, right), (right, left)):
        if isinstance(value, str | list | tuple):
            if not isinstance(times, int) or size_of(value) * times > MAX_VALUE:
                raise Flaw(f"* makes more than {MAX_VALUE:,} characters or items")
            return value * times
    return _number("*", left) * _number("*", right)


def _power(left: Any, right: Any) -> Any:
    if abs(_number("**", left)) > MAX_RANGE or not 0 <= _number("**", right) <= 10:  # noqa: PLR2004
        raise Flaw("** takes a base up to 1,000 and an exponent up to 10")
    return left**right


def _number(sign: str, value: Any) -> Any:
    if isinstance(value, Undefined):
        str(value)  # raises: the message names the variable
    if not isinstance(value, int | float) or not -MAX_NUMBER <= value <= MAX_NUMBER:
        raise Flaw(f"{sign} takes numbers, and not too large ones")  # so "%" formats no text
    return value


def _numeric(sign: str, function: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    return lambda left, right: function(_number(sign, left), _number(sign, right))


_OPERATORS: Final[Mapping[str, Callable[[Any, Any], Any]]] = {
    "+": _add,
    "*": _multiply,
    "**": _power,
    "-": _numeric("-", operator.sub),
    "/": _numeric("/", operator.truediv),
    "//": _numeric("//", operator.floordiv),
    "%": _numeric("%", operator.mod),
}


class LetterEnvironment(ImmutableSandboxedEnvironment):
    """The environment of all letters: allow-listed filters and tests, one global (`range`), no loader."""

    intercepted_binops = frozenset(_OPERATORS)
    context_class = BoundedContext

    def __init__(self, *, html: bool) -> None:
        # The cache of Jinja2 is for loaders, and there is none; `compiled` keeps what was made.
        super().__init__(undefined=StrictUndefined, autoescape=html, loader=None, cache_size=0)
        self.filters = filters()
        self.tests = dict(TESTS)
        self.globals = {"range": _range}

    def getattr(self, obj: Any, attribute: str) -> Any:
        """An attribute of `loop`; anything else is refused, whatever the audit let through."""
        if isinstance(obj, LoopContext) and attribute in LOOP:
            return getattr(obj, attribute)
        if isinstance(obj, Undefined):
            str(obj)  # raises: the message names the variable
        raise SecurityError(f"the attribute .{attribute} may not be read")

    def getitem(self, obj: Any, argument: Any) -> Any:
        """An item or slice of a list or text, by number."""
        if isinstance(obj, Undefined):
            str(obj)  # raises: the message names the variable
        if not isinstance(obj, str | list | tuple | range) or not isinstance(argument, int | slice):
            raise SecurityError("a [...] takes a number, of a list or text")
        try:
            return obj[argument]
        except IndexError:
            return self.undefined(hint=f"item {argument} is not there")

    def call(self, context: Context, obj: Any, *args: Any, **kwargs: Any) -> Any:
        """Only `range` is called."""
        if obj is not _range:
            raise SecurityError("nothing may be called but range()")
        return context.call(obj, *args, **kwargs)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """An operator with its bounds, its result on the bill."""
        assert isinstance(context, BoundedContext)
        return context.handled(_OPERATORS[operator](left, right))


_ENTITIES: Final = (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("'", "&#39;"), ('"', "&#34;"))
_TEXT, _HTML = LetterEnvironment(html=False), LetterEnvironment(html=True)


def _escaped(value: Any) -> str:
    """As `markupsafe.escape`, four times as fast: it makes a `Markup` object for every value."""
    if hasattr(value, "__html__"):
        return str(value.__html__())
    text = str(value)
    for sign, written in _ENTITIES:
        text = text.replace(sign, written)
    return text


def compiled(source: str, html: bool, names: tuple[str, ...] = ()) -> Template:
    """The template of `source`. Raises Flaws with everything that is refused in it.

    Kept by the source itself: a text version is named by the hash of its sources, so the key is as good and cannot be
    mistaken. `names` are a notice's further names; none are given for a letter.
    """
    made = _made(source, html, names)
    if isinstance(made, Flaws):
        raise Flaws(made.found)
    return made


@lru_cache(maxsize=KEPT)
def _made(source: str, html: bool, names: tuple[str, ...]) -> Template | Flaws:
    """The template, or what is wrong with it: a bad one is read once too, not once a letter."""
    environment = _HTML if html else _TEXT
    if len(source) > MAX_SOURCE:
        return Flaws([(0, f"the template is longer than {MAX_SOURCE:,} characters")])
    try:
        tree = environment.parse(source)
        audit(tree, names)
        code = environment.compile(under_budget(tree))
    except Flaws as flaws:
        return Flaws(flaws.found)
    except TemplateSyntaxError as exc:
        return Flaws([(exc.lineno, exc.message or "it cannot be read")])
    # Python's own limits, for what is nested deeper than any letter; and numbers too long to read.
    except (RecursionError, MemoryError, SyntaxError, OverflowError, ValueError):
        return Flaws([(0, "the template cannot be compiled: too deeply nested, or a number too long")])
    return _template(environment, code)


def _template(environment: LetterEnvironment, code: CodeType) -> Template:
    template = Template.from_code(environment, code, environment.globals)
    # The compiled code writes what `escape` gives and keeps it nowhere, so that plain text does as well as `Markup`.
    template.root_render_func.__globals__["escape"] = _escaped
    return template


def parsed(source: str, html: bool) -> nodes.Template:
    """The tree of a source that `compiled` takes."""
    return (_HTML if html else _TEXT).parse(source)


def made_from(tree: nodes.Template, html: bool) -> Template:
    """The template of a tree that is made of pieces of an audited one."""
    environment = _HTML if html else _TEXT
    tree.set_environment(environment)
    return _template(environment, environment.compile(under_budget(tree)))


GLOBALS: Final[Mapping[str, Any]] = {"range": _range}
"""What `values` must hold besides the names of `words`: all three templates of a letter share one mapping."""


def run(template: Template, values: dict[str, Any]) -> str:
    """What `template` writes with `values`, which include `GLOBALS` and stay as they are. Raises Flaw with the line."""
    context = template.new_context(values, shared=True)
    parts: list[str] = []
    size = 0
    try:
        for part in template.root_render_func(context):
            size += len(part)
            if size > MAX_OUTPUT:
                raise Flaw(f"the template writes more than {MAX_OUTPUT:,} characters")  # noqa: TRY301
            parts.append(part)
    except Flaw as exc:
        raise Flaw(exc.message, _line_of(template, exc.__traceback__)) from None
    except (UndefinedError, SecurityError) as exc:
        raise Flaw(exc.message or "refused", _line_of(template, exc.__traceback__)) from None
    except Exception as exc:  # noqa: BLE001 - whatever an expression does, the letter is at fault and no signer is quoted
        raise Flaw(f"an expression fails ({type(exc).__name__})", _line_of(template, exc.__traceback__)) from None
    return "".join(parts)


def _line_of(template: Template, trace: TracebackType | None) -> int:
    line = 0
    while trace is not None:
        if trace.tb_frame.f_globals.get("debug_info") is not None:
            line = template.get_corresponding_lineno(trace.tb_lineno)
        trace = trace.tb_next
    return line
