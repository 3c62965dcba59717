"""Read TOML so that a complaint can name the file, the line and the key.

`tomllib` forgets where a key stood. `lines` finds it again by reading headers and keys line by line: right for every
file written one key to a line, silent (never wrong about the file) for keys inside inline tables.
"""

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from worker.domain.errors import BadInput

Loc = tuple[str | int, ...]
"""Where a value stands: ("relays", 0, "host")."""

_AT = re.compile(r" \(at (?:line (?P<line>\d+), column \d+|end of document)\)$")
_HEADER = re.compile(r"^\s*(?P<open>\[\[?)\s*(?P<path>[^\[\]]+?)\s*\]\]?\s*(?:#.*)?$")
_KEY = re.compile(r"""^\s*(?P<path>(?:[\w-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[\w-]+|"[^"]*"|'[^']*'))*)\s*=""")
_TWICE = ("Cannot overwrite", "Cannot declare", "Cannot redefine", "Cannot mutate", "Duplicate")


@dataclass(frozen=True)
class Document:
    """One TOML file: its name as shown to people, its text, and what it says."""

    name: str
    text: str
    data: dict[str, Any]

    @cached_property
    def lines(self) -> dict[Loc, int]:
        """Every key and table header with the line on which it first stands."""
        found: dict[Loc, int] = {}
        for loc, number in _walk(self.text):
            found.setdefault(loc, number)
        return found

    def place(self, loc: Loc) -> str:
        """The file, with the line of `loc` or of what it stands in: "config/offices.toml:12"."""
        for end in range(len(loc), 0, -1):
            if loc[:end] in self.lines:
                return f"{self.name}:{self.lines[loc[:end]]}"
        return self.name


def read_text(path: Path, name: str) -> str:
    """The file's text, with bare line feeds. Raises BadInput where it is missing, not readable or not UTF-8."""
    try:
        return path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n")
    except FileNotFoundError as exc:
        raise BadInput(f"{name} is missing; `lettershop init DIR` lays out a home with all its files") from exc
    except UnicodeDecodeError as exc:
        raise BadInput(f"{name} is not UTF-8 (byte {exc.start}); save it as UTF-8") from exc
    except OSError as exc:
        raise BadInput(f"{name} cannot be read: {exc.strerror}") from exc


def read_toml(path: Path, name: str) -> Document:
    """Parse one file; `name` is how messages call it. Raises BadInput with file and line."""
    text = read_text(path, name)
    try:
        return Document(name, text, tomllib.loads(text))
    except tomllib.TOMLDecodeError as exc:
        raise BadInput(_explain(name, text, str(exc))) from exc
    except RecursionError as exc:
        raise BadInput(f"{name} nests its values too deeply") from exc


def _explain(name: str, text: str, message: str) -> str:
    at = _AT.search(message)
    rows = text.splitlines() or [""]
    last = max((n for n, row in enumerate(rows, 1) if row.strip()), default=1)
    number = int(at["line"]) if at and at["line"] else last
    what = message[: at.start()] if at else message
    if not what.startswith(_TWICE):
        return f"{name}:{number}: this is not TOML: {what[:1].lower()}{what[1:]}"
    row = rows[min(number, len(rows)) - 1]
    key = _KEY.match(row) or _HEADER.match(row)
    return f"{name}:{number}: {key['path'] if key else 'a key'} is given twice; keep one of the two"


def _parts(path: str) -> tuple[str, ...]:
    return tuple(p.strip().strip("\"'") for p in path.split("."))


def _walk(text: str) -> Iterator[tuple[Loc, int]]:
    table: Loc = ()
    counted: dict[Loc, int] = {}  # arrays of tables, and the index of each one's latest entry
    for number, row in enumerate(text.splitlines(), 1):
        if header := _HEADER.match(row):
            *outer, last = _parts(header["path"])
            table = (*_enter(outer, counted), last)
            if header["open"] == "[[":
                yield table, number
                counted[table] = counted.get(table, -1) + 1
                table = (*table, counted[table])
            yield table, number
        elif key := _KEY.match(row):
            yield (*table, *_parts(key["path"])), number


def _enter(names: list[str], counted: dict[Loc, int]) -> Loc:
    loc: Loc = ()
    for name in names:
        loc = (*loc, name)
        if loc in counted:
            loc = (*loc, counted[loc])
    return loc
