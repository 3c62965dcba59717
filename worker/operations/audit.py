"""The audit, read: pages of it with filters, and the proof that no row was altered, removed or slipped in.

Rows that were cut off at the end leave a sound chain. So `proof` names the head: noted elsewhere, it shows later whether
that row is still there as it was.
"""

import json
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from worker.domain.clock import from_us
from worker.domain.errors import BadInput
from worker.ledger import audit
from worker.ledger.book import Ledger
from worker.ledger.schema import audit as rows
from worker.operations.barriers import iso

PAGE = 50
LONGEST_PAGE = 1_000
_HEX = 64


@dataclass(frozen=True, slots=True)
class Sought:
    """Which rows: each exactly, but for `target`, of which the beginning is enough. `before`: an id, 0 for the newest."""

    target: str = ""
    verb: str = ""
    who: str = ""
    before: int = 0


@dataclass(frozen=True, slots=True)
class Proof:
    """What a look through the whole chain found: how many rows, the last one's id and hash, and what is wrong."""

    rows: int
    head: int
    hash: str
    problems: tuple[str, ...]

    def body(self) -> dict[str, Any]:
        """The JSON form."""
        return {
            "sound": not self.problems, "rows": self.rows, "head": self.head, "hash": self.hash,
            "problems": list(self.problems),
        }  # fmt: skip


def entries(ledger: Ledger, sought: Sought, limit: int = PAGE) -> list[dict[str, Any]]:
    """The rows that fit, newest first. Raises BadInput for a limit that is not from 1 to `LONGEST_PAGE`."""
    if not 1 <= limit <= LONGEST_PAGE + 1:
        raise BadInput(f"the limit must be from 1 to {LONGEST_PAGE}")
    query = sa.select(rows).order_by(rows.c.id.desc()).limit(limit)
    if sought.target:
        query = query.where(rows.c.target.startswith(sought.target, autoescape=True))
    for column, wanted in ((rows.c.verb, sought.verb), (rows.c.who, sought.who)):
        if wanted:
            query = query.where(column == wanted)
    if sought.before:
        query = query.where(rows.c.id < sought.before)
    with ledger.read() as connection:
        return [_body(row) for row in connection.execute(query)]


def proof(ledger: Ledger, noted: str = "") -> Proof:
    """Look through the whole chain. `noted`: the hash of a head that was noted before, which must still be there.

    Raises BadInput where `noted` is no hash.
    """
    if noted and (len(noted) != _HEX or not set(noted.lower()) <= set("0123456789abcdef")):
        raise BadInput(f"a head is {_HEX} hex digits, as `lettershop audit verify` prints them")
    with ledger.read() as connection:
        problems = audit.verify(connection)
        number, digest = audit.head(connection)
        count: int = connection.execute(sa.select(sa.func.count()).select_from(rows)).scalar_one()
        there = not noted or connection.execute(sa.select(rows.c.id).where(rows.c.hash == noted.lower())).first()
    if not there:
        problems.append("the head that was noted is not there: rows were cut off at the end, or it is another ledger's")
    return Proof(count, number, digest, tuple(problems))


def _body(row: Any) -> dict[str, Any]:
    return {
        "id": row.id,
        "at": iso(from_us(row.at)),
        "who": row.who,
        "verb": row.verb,
        "target": row.target,
        "reason": row.reason,
        "details": json.loads(row.details),
    }
