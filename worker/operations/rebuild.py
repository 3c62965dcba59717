"""`letters show --eml`: make a letter's message again from what was recorded, and hold it against the recorded hash.

The message holds a signer's data: that somebody looked stands in the audit before it is shown.
"""

import hmac
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from worker.domain.errors import BadInput, Failed, RefusedByState
from worker.domain.making import Making
from worker.ledger import audit
from worker.ledger.book import Ledger
from worker.ledger.hot.database import Database
from worker.ledger.hot.recorded import TokenGone, recorded
from worker.ledger.keys import Keys, SealBroken
from worker.ledger.schema import attempts, letters
from worker.ledger.sql import now_us
from worker.ledger.transact import transact
from worker.operations.holds import checked_reason
from worker.rendering import Renderer, digest


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """The bytes as they can be made today, and whether they are those that were recorded. Hashes are hex."""

    letter: int
    attempt: int
    data: bytes
    making: Making
    recorded_hash: str
    hash: str

    @property
    def same(self) -> bool:
        """Whether this is byte for byte the message of that attempt."""
        return hmac.compare_digest(self.recorded_hash, self.hash)


def rebuild(ledger: Ledger, database: Database, keys: Keys, letter: int, attempt: int | None = None) -> Rebuilt:
    """Rebuild the message of an attempt, by default the last one whose content was started.

    Raises BadInput for an unknown letter; RefusedByState where no content was started, or the signer is erased or a
    notice's link was deleted (the message names the hash that remains); Failed where the personal data do not open.
    """
    number, kept = _which(ledger, letter, attempt)
    try:
        found = recorded(database, keys, letter, number)
    except SealBroken as exc:
        raise Failed(f"letter {letter}: its signer's data do not open: run `lettershop ledger verify`") from exc
    except TokenGone as exc:
        raise RefusedByState(
            f"letter {letter} cannot be made again: {exc}. The hash that remains of attempt {number} is {kept}"
        ) from exc
    if found is None:
        raise RefusedByState(
            f"letter {letter} cannot be made again: its signer was erased, and the salt with them."
            f" The hash that remains of attempt {number} is {kept}"
        )
    data = Renderer().render(found.making)
    return Rebuilt(letter, number, data, found.making, kept, digest(found.salt, data).hex())


def show_message(
    ledger: Ledger, database: Database, letter: int, attempt: int | None, who: str, reason: str
) -> Rebuilt:
    """The same for an operator's eyes, with an audit row. Raises BadInput too for a reason that is none."""
    checked_reason(reason)
    made = rebuild(ledger, database, ledger.keys, letter, attempt)

    def look(connection: Connection) -> None:
        audit.append(connection, now_us(connection), who, "look", f"letter {letter}", reason)

    transact(ledger, look)
    return made


def _which(ledger: Ledger, letter: int, attempt: int | None) -> tuple[int, str]:
    """The attempt to rebuild and its recorded hash."""
    started = (
        sa.select(attempts.c.number, attempts.c.hash)
        .where(attempts.c.letter_id == letter, attempts.c.hash.is_not(None))
        .order_by(attempts.c.number.desc())
    )
    if attempt is not None:
        started = started.where(attempts.c.number == attempt)
    with ledger.read() as connection:
        if connection.execute(sa.select(letters.c.id).where(letters.c.id == letter)).first() is None:
            raise BadInput(f"there is no letter {letter}")
        row = connection.execute(started).first()
    if row is None:
        which = "no content of it was ever started" if attempt is None else f"attempt {attempt} wrote no content"
        raise RefusedByState(f"letter {letter}: {which}; `lettershop preview` shows what such a letter looks like")
    return row.number, bytes(row.hash).hex()
