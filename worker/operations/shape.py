"""The shape of the backlog: which office's due letters have been due for how long.

The idea is Postfix's qshape(1): a row an office, a column an age, doubling from five minutes. A column far to the right
that fills is trouble with one office; a row that fills everywhere is a limit; a total that wanders right is an outage.
"""

from collections.abc import Sequence
from typing import Any

from worker.domain.clock import from_us
from worker.ledger import due as ledger_due
from worker.ledger.book import Ledger
from worker.operations.barriers import iso
from worker.operations.due import SIGNER, read_letters
from worker.settings import Home

AGES_MIN = (5, 10, 20, 40, 80, 160, 320, 640, 1280)
"""Upper ends of the columns, in minutes since a letter fell due; the last column is for older ones."""

_MINUTE_US = 60_000_000


def shape(ledger: Ledger, home: Home) -> dict[str, Any]:
    """The grid: `ages_min`, `offices` (each with id, title, due and `ages`, a number per column), `total` likewise.

    Offices with nothing due are left out; notices are the row "signer". The most letters stand on top. Exact, of one
    snapshot. Raises Failed.
    """
    with ledger.read() as connection:
        at_us = ledger.now_us()
        bounds = [at_us - minutes * _MINUTE_US for minutes in reversed(AGES_MIN)]
        found = ledger_due.spread(connection, [*bounds, at_us], read_letters(connection).queued)
    rows = [_row(home, addressee, spans[-2::-1]) for addressee, spans in found.items()]
    rows = sorted((row for row in rows if row["due"]), key=lambda row: (-row["due"], row["id"]))
    totals = [sum(column) for column in zip(*(row["ages"] for row in rows), strict=True)]
    return {
        "at": iso(from_us(at_us)),
        "ages_min": list(AGES_MIN),
        "offices": rows,
        "total": {"due": sum(totals), "ages": totals or [0] * (len(AGES_MIN) + 1)},
    }


def _row(home: Home, addressee: str, ages: Sequence[int]) -> dict[str, Any]:
    office = home.offices.get(addressee)
    title = "mail to signers" if addressee == SIGNER else office.title if office else ""
    return {"id": addressee, "title": title, "due": sum(ages), "ages": list(ages)}
