"""Say what is wrong with a config file so that it can be mended at once: file, line, key, and the nearest known key."""

import types
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from worker.domain.errors import BadInput
from worker.settings.toml import Document, Loc

M = TypeVar("M", bound=BaseModel)
_WORDS = {
    "too_short": "is empty; at least one is needed",
    "string_too_short": "is empty",
    "timezone_aware": "needs a time zone, like 2026-01-31T09:00:00Z or +01:00",
    "model_type": "is a table of keys, not a single value",
    "dict_type": "is a table of keys, not a single value",
    "tuple_type": "is a list: write it in square brackets",
    "string_type": "is a text: write it in quotes",
    "bool_parsing": "is either true or false",
    "bool_type": "is either true or false",
    "int_parsing": "is a whole number",
    "int_type": "is a whole number",
    "int_from_float": "is a whole number",
}
"""Our own words where pydantic's are not for operators."""


def nearest(word: str, known: Iterator[str] | list[str] | tuple[str, ...]) -> str:
    """A question naming the known word most like `word`, to end a message with; "" where none is like it."""
    close = get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f'; did you mean "{close[0]}"?' if close else ""


def validated(
    model: type[M],
    document: Document,
    *,
    variables: Mapping[Loc, str] | None = None,
    context: Mapping[str, Any] | None = None,
) -> M:
    """`document` as a `model`. `variables` name the environment variables that set values.

    Raises BadInput with one line for every fault.
    """
    try:
        return model.model_validate(document.data, context=dict(context or {}))
    except ValidationError as exc:
        faults = exc.errors(include_url=False, include_input=False)
        faults.sort(
            key=lambda fault: fault["type"] != "extra_forbidden"
        )  # a key misspelt may be the one that is missing
        lines = [_fault(model, document, dict(f), variables or {}) for f in faults if not _echo(f["loc"], faults)]
        raise BadInput("\n".join(dict.fromkeys(lines))) from None


def _echo(loc: Loc, faults: list[ErrorDetails]) -> bool:
    """Whether entries of this very list are at fault: it then only seems too short."""
    return any(len(f["loc"]) > len(loc) and f["loc"][: len(loc)] == loc for f in faults if loc)


def _fault(model: type[BaseModel], document: Document, fault: dict[str, Any], variables: Mapping[Loc, str]) -> str:
    loc: Loc = tuple(fault["loc"])
    place = _place(loc, document, variables)
    key = dotted(loc)
    if fault["type"] == "extra_forbidden":
        return f"{place}: {key} is not a known key{_suggest(model, loc)}"
    if fault["type"] == "missing":
        return f"{place}: {key} is missing"
    message = _WORDS.get(fault["type"]) or str(fault["msg"]).removeprefix("Value error, ")
    return f"{place}: {key}: {message}" if key else f"{place}: {message}"


def _place(loc: Loc, document: Document, variables: Mapping[Loc, str]) -> str:
    """The variable that set it, else its line, else a variable that set something in it, else the file."""
    for end in range(len(loc), 0, -1):
        if loc[:end] in variables:
            return variables[loc[:end]]
    place = document.place(loc)
    if place != document.name:
        return place
    return next((name for inner, name in variables.items() if loc and inner[: len(loc)] == loc), place)


def dotted(loc: Loc) -> str:
    """("relays", 0, "host") as "relays[0].host"."""
    text = ""
    for part in loc:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text.removeprefix(".")


def _suggest(model: type[BaseModel], loc: Loc) -> str:
    """The nearest key: of the same table, else of the whole file."""
    table = tuple("[]" if isinstance(p, int) else p for p in loc[:-1])
    keys = list(known_keys(model))
    beside = [k[-1] for k in keys if k[:-1] == table]
    found = nearest(str(loc[-1]), beside)
    if found:
        return found
    elsewhere = {k[-1]: ".".join(k).replace(".[]", "[]") for k in keys}
    close = get_close_matches(str(loc[-1]), list(elsewhere), n=1, cutoff=0.8)
    if close:
        return f'; did you mean "{elsewhere[close[0]]}"?'
    return f"; known here: {', '.join(sorted(beside))}" if beside else ""


def known_keys(model: type[BaseModel], prefix: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every key of `model` and of what it holds: ("relays", "[]", "host"). Values kept for the program are left out."""
    for name, field in model.model_fields.items():
        if field.exclude:
            continue
        path = (*prefix, field.alias or name)
        yield path
        inner, many = section_in(field.annotation)
        if inner:
            yield from known_keys(inner, (*path, "[]") if many else path)


def section_in(annotation: Any) -> tuple[type[BaseModel] | None, bool]:
    """The table type inside an annotation, and whether there may be several of it."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation, False
    origin = get_origin(annotation)
    if origin in {Union, types.UnionType, Annotated, tuple, list}:
        for part in get_args(annotation):
            inner, many = section_in(part)
            if inner:
                return inner, many or origin in {tuple, list}
    return None, False
