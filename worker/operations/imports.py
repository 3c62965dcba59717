"""Imports, looked at and stopped: a list that was wrong is taken back as far as nothing has gone out.

Stopping one ends every signature that came with it and still stands, page by page, so that no other writer waits for
long. It can be said again: what had been ended stays ended. No more rows of a stopped import are read, not even by a run
that is under way.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from worker.domain.clock import from_us
from worker.domain.errors import BadInput
from worker.domain.states import WRITTEN
from worker.ledger import audit, imports, standing
from worker.ledger.book import Ledger
from worker.ledger.letters_write import SIGNER
from worker.ledger.schema import letters, signatures
from worker.ledger.sql import now_us
from worker.ledger.standing import STANDING, WITHDRAWN
from worker.ledger.transact import transact
from worker.operations.barriers import iso
from worker.operations.holds import checked_reason

PAGE = 25  # on SQLite a transaction keeps every other writer waiting
ENDED = "import stopped"
"""Why its letters were cancelled, in their `reason`."""


@dataclass(frozen=True, slots=True)
class Stopped:
    """What a stop came to. `cancelled` letters and `notices` were not sent; `gone` letters had been, or may have been."""

    signatures: int = 0
    cancelled: int = 0
    notices: int = 0
    gone: int = 0

    def __add__(self, other: "Stopped") -> "Stopped":
        return Stopped(
            self.signatures + other.signatures,
            self.cancelled + other.cancelled,
            self.notices + other.notices,
            self.gone + other.gone,
        )


def list_imports(ledger: Ledger, limit: int = 50, before: int | None = None) -> list[dict[str, Any]]:
    """Up to `limit` imports, the newest first; `before` is the last one seen."""
    with ledger.read() as connection:
        return [_body(row) for row in imports.listed(connection, limit, before)]


def _body(row: Any) -> dict[str, Any]:
    return {
        "import": row.id,
        "campaign": row.slug,
        "evidence": row.evidence,
        "rows": row.rows_done,
        "accepted": row.accepted,
        "repeated": row.repeated,
        "rejected": row.rejected,
        "began_at": iso(from_us(row.made_at)),
        "ended_at": iso(from_us(row.finished_at)) if row.finished_at else None,
    }


def standing_of(ledger: Ledger, number: int) -> int:
    """How many signatures came with import `number` and still stand. Raises BadInput for an import that is not known."""
    mine = (signatures.c.source == imports.source(number), signatures.c.state.in_(STANDING))
    with ledger.read() as connection:
        if not imports.exists(connection, number):
            raise _unknown(number)
        return connection.execute(sa.select(sa.func.count()).select_from(signatures).where(*mine)).scalar_one()


def stop_import(
    ledger: Ledger, number: int, who: str, reason: str, progress: Callable[[Stopped], None] | None = None
) -> Stopped:
    """End all that came with import `number` and still stands. `progress` is called after each page was committed.

    Raises BadInput for an import that is not known. After Failed make the same call again: it goes on.
    """
    checked_reason(reason)
    transact(ledger, lambda connection: _close(connection, number, who, reason))
    done, after = Stopped(), 0
    while ids := _standing(ledger, number, after):
        after = ids[-1]
        done += transact(ledger, partial(_end, number=number, ids=ids, by=(who, reason)))
        if progress:
            progress(done)
    return done


# -- the steps ---------------------------------------------------------------------------------------------------------
def _unknown(number: int) -> BadInput:
    return BadInput(f"there is no import {number}; `lettershop imports list` shows those there are")


def _close(connection: Connection, number: int, who: str, reason: str) -> None:
    """No more rows are read from now on."""
    if not imports.exists(connection, number):
        raise _unknown(number)
    at_us = now_us(connection)
    if imports.finish(connection, number, at_us):
        audit.append(connection, at_us, who, "stop", f"import {number}", reason, {"unfinished": True})


def _standing(ledger: Ledger, number: int, after: int) -> Sequence[int]:
    mine = (signatures.c.source == imports.source(number), signatures.c.state.in_(STANDING), signatures.c.id > after)
    wanted = sa.select(signatures.c.id).where(*mine).order_by(signatures.c.id).limit(PAGE)
    with ledger.read() as connection:
        return connection.execute(wanted).scalars().all()


def _end(connection: Connection, number: int, ids: Sequence[int], by: tuple[str, str]) -> Stopped:
    """One page: signers, signatures, letters are locked in this order."""
    ended = [each.id for each in standing.lock_many(connection, ids) if each.stands]
    if not ended:
        return Stopped()
    at_us = now_us(connection)
    total = standing.end(connection, ended, WITHDRAWN, ENDED, at_us)
    to_signers = _count(connection, ended, letters.c.addressee == SIGNER, letters.c.reason == ENDED)
    gone = _count(connection, ended, letters.c.addressee != SIGNER, letters.c.state.in_(sorted(WRITTEN)))
    details = {"signatures": ended, "cancelled": total, "gone": gone}
    audit.append(connection, at_us, by[0], "stop", f"import {number}", by[1], details)
    return Stopped(len(ended), total - to_signers, to_signers, gone)


def _count(connection: Connection, ids: Sequence[int], *where: sa.ColumnElement[bool]) -> int:
    query = sa.select(sa.func.count()).select_from(letters).where(letters.c.signature_id.in_(ids), *where)
    found: int = connection.execute(query).scalar_one()
    return found
