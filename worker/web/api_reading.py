"""A signature as the holder of the key that it came with may see it: where it and its letters stand.

Nothing of what its signer said. Signatures are numbered one after the other, so a number proves nothing: what came from
elsewhere is not there.
"""

import sqlalchemy as sa

from worker.domain.clock import from_us
from worker.ledger import own_letters, reviews
from worker.ledger.book import Ledger
from worker.ledger.own_letters import OwnLetter
from worker.ledger.schema import campaigns, signatures
from worker.web.api_models import LetterOut, SignatureOut


def came_from(ledger: Ledger, number: int, source: str) -> bool:
    """Whether the signature of this number was recorded from `source`. Raises Failed."""
    wanted = sa.select(signatures.c.id).where(signatures.c.id == number, signatures.c.source == source)
    with ledger.read() as connection:
        return connection.execute(wanted).first() is not None


def read_signature(ledger: Ledger, number: int, source: str) -> SignatureOut | None:
    """The signature, None where there is none of this number that came from `source`. Raises Failed."""
    names = ("id", "state", "made_at", "confirmed_at", "ended_at")
    wanted = (
        sa.select(*(signatures.c[name] for name in names), campaigns.c.slug)
        .join(campaigns, campaigns.c.id == signatures.c.campaign_id)
        .where(signatures.c.id == number, signatures.c.source == source)
    )
    with ledger.read() as connection:
        row = connection.execute(wanted).first()
        if row is None:
            return None
        return SignatureOut(
            id=row.id,
            campaign=row.slug,
            state=row.state,
            signed_at=from_us(row.made_at),
            confirmed_at=from_us(row.confirmed_at) if row.confirmed_at else None,
            ended_at=from_us(row.ended_at) if row.ended_at else None,
            held=reviews.waiting(connection, number),
            letters=[_letter(each) for each in own_letters.offices(connection, number)],
        )


def _letter(own: OwnLetter) -> LetterOut:
    return LetterOut(office=own.office, sendout=own.sendout, state=own.state, ended_at=own.ended, reply=own.reply)
