"""An office as a row of a table: which columns there are, and how a key of the register is written in a cell.

A cell that begins like a formula carries an apostrophe in front, so that no spreadsheet runs it; reading takes it off
again. A table names one holder of each office, the one in office on the day; a row without one leaves the holders be.
"""

import unicodedata
from collections.abc import Mapping
from datetime import date
from typing import Any

PLAIN = (
    *("id", "title", "organisation", "country", "time_zone", "language", "mailbox", "source", "as_of", "hours"),
    *("salutation", "holidays", "vacancy", "stale"),
)
REFUSAL = {"refusal_date": "date", "refusal_reason": "reason", "refusal_evidence": "evidence"}
HOLDER = {
    "holder_name": "name",
    "holder_form": "form",
    "holder_salutation": "salutation",
    "holder_from": "from",
    "holder_until": "until",
    "holder_verified": "verified",
}
COLUMNS = (*PLAIN, "tags", "accepts_letters", *REFUSAL, *HOLDER)
NEEDED = ("id",)

_DATES = frozenset({"as_of", "refusal_date", "holder_from", "holder_until", "holder_verified"})
_RISKY = frozenset("=+-@\t\r\n")
_YES, _NO = frozenset({"yes", "true", "1", ""}), frozenset({"no", "false", "0"})


def guarded(cell: str) -> str:
    """The cell as it may stand in a spreadsheet. `unguarded` gives it back."""
    return f"'{cell}" if _risky(cell) or (cell.startswith("'") and _marked(cell)) else cell


def unguarded(cell: str) -> str:
    """The cell as it was before `guarded`; an apostrophe that guards nothing stays."""
    return cell[1:] if cell.startswith("'") and _marked(cell) else cell


def _marked(cell: str) -> bool:
    return cell[1:2] == "'" or _risky(cell[1:])


def _risky(cell: str) -> bool:
    """Whether it begins with what makes a formula, also in its wide form."""
    return bool(cell) and unicodedata.normalize("NFKC", cell[0]) in _RISKY


def cells(entry: Mapping[str, Any], holder: Mapping[str, Any]) -> dict[str, str]:
    """The row of an office and of the holder that it names, {} for none."""
    refusal = entry.get("refusal", {})
    row = {key: _text(entry.get(key, "")) for key in PLAIN}
    row |= {"tags": " ".join(entry.get("tags", ()))}
    row |= {"accepts_letters": "yes" if entry.get("accepts_letters", True) else "no"}
    row |= {column: _text(refusal.get(key, "")) for column, key in REFUSAL.items()}
    row |= {column: _text(holder.get(key, "")) for column, key in HOLDER.items()}
    return row


def _text(value: Any) -> str:
    return value.isoformat() if isinstance(value, date) else str(value)


def value_of(column: str, cell: str) -> Any:
    """What a cell says; None for an empty one. Raises ValueError with the form that is wanted."""
    if column == "tags":
        return cell.split() or None
    if column == "accepts_letters":
        return _yes(cell)
    if column in _DATES and cell:
        return _date(cell)
    return cell or None


def _yes(cell: str) -> bool | None:
    if cell.lower() in _YES:
        return None  # it does where the register says nothing
    if cell.lower() in _NO:
        return False
    raise ValueError(f"{cell[:40]!r} is neither yes nor no")


def _date(cell: str) -> date:
    try:
        return date.fromisoformat(cell)
    except ValueError as exc:
        raise ValueError(f"{cell[:40]!r} is not a day; write it like 2027-01-31") from exc
