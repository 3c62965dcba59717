"""Offices from a file: a CSV with a row for each, or a TOML file like the register itself.

What a row or entry says is taken, what it does not say stays as it is. The whole file is looked at before anything is
proposed: faults are told with file, line and column.
"""

import csv
import io
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from worker.domain.errors import BadInput
from worker.operations.register.columns import COLUMNS, HOLDER, NEEDED, REFUSAL, unguarded, value_of
from worker.operations.register.entries import Entry
from worker.operations.register.verbs import HolderChange, set_holder
from worker.settings.problems import nearest
from worker.settings.toml import Loc, read_toml

BYTES_MOST = 8 << 20
"""The largest file that is read: some 20,000 offices."""

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def read_entries(path: Path, there: Mapping[str, Mapping[str, Any]]) -> list[Entry]:
    """The file's entries; `there` are those of the register, by id. Raises BadInput."""
    _refuse_large(path)
    read = _from_toml if path.suffix.lower() == ".toml" else _from_csv
    entries = read(path, there)
    if not entries:
        raise BadInput(f"{path} names no office")
    seen: dict[str, str] = {}
    for entry in entries:
        place = entry.place(("id",))
        if entry.id in seen:
            raise BadInput(f"{place}: office {entry.id!r} is given twice, first in {seen[entry.id]}; keep one")
        seen[entry.id] = place
    return entries


def _refuse_large(path: Path) -> None:
    try:
        size = path.stat().st_size
    except OSError as exc:
        raise BadInput(f"{path} cannot be read: {exc.strerror}") from exc
    if not path.is_file():
        raise BadInput(f"{path} is not a file")
    if size > BYTES_MOST:
        raise BadInput(
            f"{path} has {size:,} bytes, more than a register ever has ({BYTES_MOST:,}); is it the right file?"
        )


# -- TOML --------------------------------------------------------------------------------------------------------------
def _from_toml(path: Path, _: Mapping[str, Mapping[str, Any]]) -> list[Entry]:
    document = read_toml(path, str(path))
    offices = document.data.get("offices")
    others = sorted(set(document.data) - {"offices"})
    if others or not isinstance(offices, list) or not all(isinstance(each, dict) for each in offices):
        raise BadInput(f"{path} must hold [[offices]] tables, and nothing else{': not ' + others[0] if others else ''}")
    entries = []
    for number, office in enumerate(offices):
        if not isinstance(office.get("id"), str):
            raise BadInput(f"{document.place(('offices', number))}: offices[{number}] has no id")
        place = partial(_in_document, document.place, number)
        entries.append(Entry(office["id"], {key: value for key, value in office.items() if key != "id"}, place))
    return entries


def _in_document(place: Callable[[Loc], str], number: int, loc: Loc) -> str:
    return place(("offices", number, *loc))


# -- CSV ---------------------------------------------------------------------------------------------------------------
def _from_csv(path: Path, there: Mapping[str, Mapping[str, Any]]) -> list[Entry]:
    rows = _rows(path, _text(path))
    _, header = next(rows, (1, []))
    columns = _columns(path, header)
    return [_entry(f"{path}:{line}", columns, row, there) for line, row in rows if any(row)]


def _text(path: Path) -> str:
    data = path.read_bytes()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        line = data[: exc.start].count(b"\n") + 1
        raise BadInput(f'{path}:{line}: not UTF-8; save the file as "CSV UTF-8"') from exc
    found = _CONTROL.search(text)
    if found:
        before = text[: found.start()]
        line, at = before.count("\n") + 1, found.start() - (before.rfind("\n") + 1) + 1
        raise BadInput(f"{path}:{line}: the character {at} of the line is a control character; take it out")
    return text


def _rows(path: Path, text: str) -> Iterator[tuple[int, list[str]]]:
    """Each row with the number of its first line; cells without outer white space and guards."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    while True:
        line = reader.line_num + 1
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as exc:
            raise BadInput(f"{path}:{line}: not a row of a CSV file ({exc}); look at its quotes") from exc
        yield line, [unguarded(cell.strip()) for cell in row]


def _columns(path: Path, header: Sequence[str]) -> list[str]:
    columns = [cell.lower() for cell in header]
    for number, column in enumerate(columns, 1):
        if column not in COLUMNS:
            guess = nearest(column, list(COLUMNS))
            raise BadInput(f"{path}:1: column {number} is called {column[:40]!r}, which no office has{guess}")
        if column in columns[: number - 1]:
            raise BadInput(f"{path}:1: column {number}: {column} is named twice; keep one")
    if not set(NEEDED) <= set(columns):
        raise BadInput(f"{path}:1: the first line must name the columns, id among them: {', '.join(COLUMNS)}")
    return columns


def _entry(line: str, columns: Sequence[str], row: Sequence[str], there: Mapping[str, Mapping[str, Any]]) -> Entry:
    if len(row) != len(columns):
        raise BadInput(f"{line}: the row has {len(row)} cells where the first line names {len(columns)} columns")
    said: dict[str, Any] = {}
    for column, cell in zip(columns, row, strict=True):
        try:
            said[column] = value_of(column, cell)
        except ValueError as exc:
            raise BadInput(f"{line}: column {column}: {exc}") from exc
    place = partial(_in_row, line)
    if not said["id"]:
        raise BadInput(f"{place(('id',))}: is empty")
    values = {key: value for key, value in said.items() if key not in {"id", *REFUSAL, *HOLDER}}
    values |= _refusal(said)
    values |= _holders(line, said, there.get(said["id"], {}))
    return Entry(said["id"], values, place)


def _in_row(line: str, loc: Loc) -> str:
    """The cell of a key: ("holders", 1, "name") stands in holder_name."""
    match [str(part) for part in loc]:
        case []:
            return line
        case ["holders" | "refusal" as table, *_, key] if not key.isdecimal():
            prefix = "holder_" if table == "holders" else "refusal_"
            return f"{line}: column {prefix}{key}"
        case [key, *_]:
            return f"{line}: column {key}"
    raise AssertionError(loc)


def _refusal(said: Mapping[str, Any]) -> dict[str, Any]:
    told = {key: said[column] for column, key in REFUSAL.items() if said.get(column) is not None}
    return {"refusal": told or None} if set(REFUSAL) & set(said) else {}


def _holders(line: str, said: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    """The holder that the row names, as `set-holder` would take it."""
    given = {key: said[column] for column, key in HOLDER.items() if said.get(column) is not None}
    if not given:
        return {}
    if "name" not in given:
        raise BadInput(f"{line}: column holder_name: is empty, though the row says more of a holder")
    change = HolderChange(**{"since" if key == "from" else key: value for key, value in given.items()})
    try:
        return dict(set_holder({"id": said["id"], **before}, change).values)
    except BadInput as exc:
        raise BadInput(f"{line}: column holder_from: {str(exc).removeprefix('--from: ')}") from exc
