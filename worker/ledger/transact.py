"""One transaction, run again where it lost a race: for writes that read first and then decide.

Two processes may record the same person at the same instant. Each reads "not there", both insert, and the unique
indexes let one through. The other's transaction is undone and run anew; now it reads what the first one wrote. The same
is done after a deadlock. SQLite has one writer at a time, so there it does not happen.
"""

import random
import time
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError

from worker.domain.errors import Failed
from worker.ledger.book import Ledger
from worker.ledger.driver_errors import driver_errors, is_of_postgresql

T = TypeVar("T")

_RACES = frozenset({"23505", "40001", "40P01"})  # unique_violation, serialization_failure, deadlock_detected
_TRIES = 8
_LONGEST_REST_S = 0.05


def transact(ledger: Ledger, work: Callable[[Connection], T]) -> T:
    """Run `work` in one write transaction and give its result once that is committed.

    `work` may be run several times and must change nothing outside the ledger. Raises Failed where the ledger is away,
    full, or busy for too long; whether the commit then happened is not known, and the same call may be made again.
    """
    errors: tuple[type[Exception], ...] = (Failed, *driver_errors())
    for _ in range(_TRIES - 1):
        try:
            with ledger.write() as connection:
                return work(connection)
        except errors as exc:
            if _sqlstate(exc) not in _RACES:
                raise
        time.sleep(random.uniform(0, _LONGEST_REST_S))  # noqa: S311 - only so that the two do not meet again
    with ledger.write() as connection:
        return work(connection)


def _sqlstate(exc: BaseException | None) -> str:
    """PostgreSQL's code for what went wrong, found along the chain of causes; "" where there is none."""
    while exc is not None:
        if is_of_postgresql(exc):
            return exc.sqlstate or ""
        exc = exc.orig if isinstance(exc, DBAPIError) else exc.__cause__
    return ""
