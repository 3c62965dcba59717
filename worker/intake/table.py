"""Reading a CSV of signatures as a stream: UTF-8, commas, RFC 4180, one record after another in bounded memory.

Lines are put together to records by the parity of their quotes (2.6, 2.7 of the RFC), so that a record of any length
can be skipped without being kept, and nothing inside a quoted field is ever taken for a row of its own.
"""

import codecs
import csv
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from worker.domain.errors import BadInput
from worker.intake.bulk import Row
from worker.intake.consent import SEND, YEARLY
from worker.intake.validate import PersonInput

WANTED = ("name", "email", "country")
OPTIONAL = ("city", "comment", "language", "yearly")
OURS = ("line", "reason")  # columns of our own file of rejected rows, so that it can be mended and imported

RECORD_LONGEST = 64 * 1024  # bytes
_BLOCK = 256 * 1024
_YES, _NO = frozenset({"yes", "true", "1"}), frozenset({"", "no", "false", "0"})
_TOO_LONG = "longer than 64 KiB, or a quote in it is never closed; lines {first} to {last} were read as this one row"


@dataclass(frozen=True, slots=True, repr=False)
class Record:
    """One record: the number of its first line, the place in the file where it ends, its cells, or why it is none."""

    line: int
    end: int
    cells: tuple[str, ...]
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Survey:
    """What one reading of the whole file told: SHA-256 (hex), bytes, and the header's columns."""

    hash: str
    size: int
    columns: tuple[str, ...]


def survey(path: Path) -> Survey:
    """Read the file once: is it all UTF-8, has it the right header? Raises BadInput, naming the line or the columns."""
    digest, decoder = hashlib.sha256(), codecs.getincrementaldecoder("utf-8")()
    size, lines = 0, 1
    with _opened(path) as file:
        while block := file.read(_BLOCK):
            digest.update(block)
            lines = _decodes(path, decoder, block, lines, final=False)
            size += len(block)
        _decodes(path, decoder, b"", lines, final=True)
    header = next(records(path), Record(1, 0, ()))
    return Survey(digest.hexdigest(), size, _columns(path, header))


def _decodes(path: Path, decoder: codecs.IncrementalDecoder, block: bytes, lines: int, *, final: bool) -> int:
    """The number of the line that the next block begins in."""
    try:
        decoder.decode(block, final)
    except UnicodeDecodeError as exc:
        line = lines + exc.object[: exc.start].count(b"\n")
        raise BadInput(f'{path}: line {line} is not UTF-8; save the file as "CSV UTF-8"') from exc
    return lines + block.count(b"\n")


def _columns(path: Path, header: Record) -> tuple[str, ...]:
    columns = tuple(cell.strip().lower() for cell in header.cells)
    known = set(WANTED + OPTIONAL + OURS)
    if not set(WANTED) <= set(columns) <= known or len(set(columns)) < len(columns):
        found = ", ".join(cell.strip()[:40] for cell in header.cells[:20]) or "nothing"
        raise BadInput(
            f"{path}: the first line must name the columns {', '.join(WANTED)} and may name {', '.join(OPTIONAL)},"
            f" separated by commas; found: {found}"
        )
    return columns


def records(path: Path) -> Iterator[Record]:
    """Every record that is not blank, the header first. The file must be UTF-8, as `survey` makes sure."""
    with _opened(path) as file:
        if file.read(3) != codecs.BOM_UTF8:
            file.seek(0)
        line = 0
        while True:
            first, (kept, number) = line + 1, _gather(file, line)
            if number == line:
                return
            line = number
            if kept is None:
                yield Record(first, file.tell(), (), _TOO_LONG.format(first=first, last=line))
            elif kept.strip():
                yield _parsed(first, file.tell(), kept)


def _gather(file: BinaryIO, line: int) -> tuple[bytes | None, int]:
    """The next record's bytes, None where it is too long to keep, and the number of its last line."""
    kept: list[bytes] = []
    size, quotes, started = 0, 0, False
    while piece := file.readline(_BLOCK):
        line += not started
        size += len(piece)
        quotes += piece.count(b'"')
        if size <= RECORD_LONGEST:
            kept.append(piece)
        else:
            kept.clear()
        started = not piece.endswith(b"\n")  # a line longer than a block comes in pieces
        if not started and quotes % 2 == 0:
            break
    return (b"".join(kept) if size <= RECORD_LONGEST else None), line


def _parsed(line: int, end: int, kept: bytes) -> Record:
    try:
        rows = list(csv.reader(kept.decode().splitlines(keepends=True), strict=True))
    except csv.Error:
        rows = []
    if len(rows) != 1:
        return Record(line, end, (), "not a row of a CSV file: look at its quotes")
    return Record(line, end, tuple(rows[0]))


def _opened(path: Path) -> BinaryIO:
    if path.exists() and not path.is_file():
        raise BadInput(f"{path} is not a file; it is read more than once, so it cannot be a pipe")
    try:
        return path.open("rb")
    except OSError as exc:
        raise BadInput(f"{path} cannot be read: {exc.strerror}") from exc


def row(columns: tuple[str, ...], record: Record) -> Row:
    """The record as a signing, or as a row that is rejected."""
    fault = record.fault
    if not fault and len(record.cells) != len(columns):
        fault = f"has {len(record.cells)} cells where the first line names {len(columns)}"
    values = dict(zip(columns, record.cells, strict=False))
    yearly = values.get("yearly", "").strip().lower()
    if not fault and yearly not in _YES | _NO:
        fault = "yearly: write yes or no"
    person = PersonInput(**{name: values.get(name, "") for name in (*WANTED, *OPTIONAL[:3])})
    return Row(person, (SEND, YEARLY) if yearly in _YES else (SEND,), rejected=fault)
