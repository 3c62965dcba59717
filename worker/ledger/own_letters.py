"""The letters of one signature, as its signer may see them: where each stands, and what the receiving server said."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from worker.domain.campaign import SIGNING
from worker.domain.clock import from_us
from worker.ledger.letters_write import NOT_SENT, SIGNER
from worker.ledger.schema import attempts, letters, sendouts


@dataclass(frozen=True, slots=True)
class OwnLetter:
    """One letter to an office. `reply` is "250 2.0.0 Ok ...", "" where no reply is known; `hash` names the bytes sent."""

    letter: int
    office: str
    sendout: str
    state: str
    due: datetime
    ended: datetime | None
    reason: str
    reply: str
    hash: str

    def body(self) -> dict[str, Any]:
        """The JSON form."""
        return {
            "letter": self.letter,
            "office": self.office,
            "sendout": self.sendout,
            "state": self.state,
            "ended_at": self.ended.isoformat() if self.ended else None,
            "reply": self.reply,
            "sha256_salted": self.hash,
        }


def offices(connection: Connection, signature_id: int, sendout: str = SIGNING) -> tuple[OwnLetter, ...]:
    """The letters to offices in one send-out, in the order of their making."""
    last = sa.and_(attempts.c.letter_id == letters.c.id, attempts.c.number == letters.c.attempts)
    names = ("id", "addressee", "state", "due_at", "ended_at", "reason")
    wanted = (
        sa.select(
            *(letters.c[name] for name in names),
            sendouts.c.name,
            *(attempts.c[name] for name in ("code", "enhanced", "text", "hash")),
        )
        .join(sendouts, sendouts.c.id == letters.c.sendout_id)
        .join(attempts, last, isouter=True)
        .where(letters.c.signature_id == signature_id, letters.c.addressee != SIGNER, sendouts.c.name == sendout)
        .order_by(letters.c.id)
    )
    return tuple(_own(row) for row in connection.execute(wanted))


def _own(row: Any) -> OwnLetter:
    reply = " ".join(str(part) for part in (row.code, row.enhanced, row.text) if part)
    return OwnLetter(
        letter=row.id,
        office=row.addressee,
        sendout=row.name,
        state=row.state,
        due=from_us(row.due_at),
        ended=from_us(row.ended_at) if row.ended_at else None,
        reason=row.reason,
        reply=reply if row.code else "",
        hash=bytes(row.hash).hex() if row.hash else "",
    )


def notices(connection: Connection, signature_id: int) -> list[dict[str, Any]]:
    """Mail to the signer under this signature: which, and what became of it."""
    wanted = (
        sa.select(sendouts.c.name, letters.c.state, letters.c.made_at, letters.c.ended_at)
        .join(sendouts, sendouts.c.id == letters.c.sendout_id)
        .where(letters.c.signature_id == signature_id, letters.c.addressee == SIGNER)
        .order_by(letters.c.id)
    )
    return [
        {
            "notice": row.name,
            "state": row.state,
            "made_at": from_us(row.made_at).isoformat(),
            "ended_at": from_us(row.ended_at).isoformat() if row.ended_at else None,
        }
        for row in connection.execute(wanted)
    ]


def any_unsent(connection: Connection, signature_id: int) -> bool:
    """Whether a letter to an office may still be corrected: none of its content has been written."""
    wanted = sa.select(letters.c.id).where(
        letters.c.signature_id == signature_id,
        letters.c.addressee != SIGNER,
        letters.c.state.in_(NOT_SENT),
    )
    return connection.execute(wanted.limit(1)).first() is not None
