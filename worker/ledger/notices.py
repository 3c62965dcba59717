"""What signers were last written: the reading behind "at most one such notice a day, over all campaigns"."""

from collections.abc import Collection
from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from worker.domain.states import State
from worker.ledger.letters_write import SIGNER
from worker.ledger.schema import letters, sendouts, signatures

APART_US = timedelta(days=1) // timedelta(microseconds=1)
"""One address is sent its notices so far apart."""

_MOMENT = sa.case((letters.c.ended_at > letters.c.due_at, letters.c.ended_at), else_=letters.c.due_at)


def latest(connection: Connection, signer_ids: Collection[int]) -> dict[int, int]:
    """When each of these signers was last sent a notice, or will be (microseconds). Who never was is left out.

    A notice that was taken back before anything of it was written does not count.
    """
    if not signer_ids:
        return {}
    wanted = (
        sa.select(signatures.c.signer_id, sa.func.max(_MOMENT))
        .join(letters, letters.c.signature_id == signatures.c.id)
        .where(
            signatures.c.signer_id.in_(signer_ids),
            letters.c.addressee == SIGNER,
            sa.or_(letters.c.state != State.CANCELLED, letters.c.attempts > 0),
        )
        .group_by(signatures.c.signer_id)
    )
    return dict(connection.execute(wanted).all())


def free_at(connection: Connection, signer_id: int, at_us: int) -> int:
    """From when on a notice that is held may be sent: now, or a day after this signer's last one that is not held."""
    mine = sa.and_(signatures.c.signer_id == signer_id, letters.c.addressee == SIGNER, letters.c.state != State.HELD)
    counts = sa.or_(letters.c.state != State.CANCELLED, letters.c.attempts > 0)
    joined = letters.join(signatures, signatures.c.id == letters.c.signature_id)
    last = connection.execute(sa.select(sa.func.max(_MOMENT)).select_from(joined).where(mine, counts)).scalar()
    return at_us if last is None else max(at_us, last + APART_US)


def made(connection: Connection, signature_id: int) -> list[str]:
    """The names of the send-outs in which this signature's signer has a notice, in the order of their making."""
    wanted = (
        sa.select(sendouts.c.name)
        .join(letters, letters.c.sendout_id == sendouts.c.id)
        .where(letters.c.signature_id == signature_id, letters.c.addressee == SIGNER)
        .order_by(letters.c.id)
    )
    return list(connection.execute(wanted).scalars())


def waiting(connection: Connection, signature_id: int) -> bool:
    """Whether a notice to this signature's signer is still to be sent."""
    wanted = sa.select(letters.c.id).where(
        letters.c.signature_id == signature_id,
        letters.c.addressee == SIGNER,
        letters.c.state.in_([State.QUEUED, State.CLAIMED, State.SENDING, State.HELD]),
    )
    return connection.execute(wanted.limit(1)).first() is not None
