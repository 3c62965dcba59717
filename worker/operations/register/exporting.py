"""The register written out: as a table for a spreadsheet, or as it stands."""

import csv
import io
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from worker.domain.errors import BadInput
from worker.domain.office import Office
from worker.operations.register.columns import COLUMNS, cells, guarded
from worker.operations.register.file import RegisterFile


def as_csv(register: RegisterFile, offices: Mapping[str, Office], now: datetime) -> str:
    """A row for each office with the holder in office on the day of `now`, by RFC 4180; no cell begins like a formula."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, COLUMNS)
    writer.writeheader()
    for name, entry in register.entries.items():
        row = cells(entry, _in_office(entry, offices[name], now))
        writer.writerow({column: guarded(cell) for column, cell in row.items()})
    return text.getvalue()


def _in_office(entry: Mapping[str, Any], office: Office, now: datetime) -> Mapping[str, Any]:
    """The holder whose entry covers the day, the one verified last where there are several; {} where nobody is."""
    day = now.astimezone(office.zone).date()
    there = office.present(day)
    return entry["holders"][office.holders.index(there)] if there else {}


def write_new(path: Path, text: str) -> None:
    """Write a file that is not there yet. Raises BadInput where one is."""
    try:
        with path.open("x", encoding="utf-8", newline="") as file:
            file.write(text)
    except FileExistsError as exc:
        raise BadInput(f"{path} is there already; nothing was written: choose another name") from exc
