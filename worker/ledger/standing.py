"""The life of a signature after it was made: locked, confirmed, ended, its signer erased.

    unconfirmed -confirm-> confirmed        unconfirmed | confirmed -withdraw-> withdrawn
    unconfirmed | confirmed | withdrawn -erase-> erased

A signature **stands** while it is unconfirmed or confirmed. Ending one takes back its letters that are not sent and its
consents, in the same transaction. Erasing destroys the signer's key, and with it every version of their data, every
token and every salt; what stays are ids, keyed hashes, moments and the hashes of what was sent.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from worker.ledger import lapses, letters_write, reviews
from worker.ledger.schema import campaigns, choices, consents, pins, signatures, signer_versions, signers, tokens

UNCONFIRMED, CONFIRMED, WITHDRAWN, ERASED = "unconfirmed", "confirmed", "withdrawn", "erased"
STANDING = (UNCONFIRMED, CONFIRMED)


@dataclass(frozen=True, slots=True)
class Standing:
    """A signature, locked until the transaction ends."""

    id: int
    campaign_id: int
    campaign: str  # slug
    signer_id: int
    person_key: bytes
    text_hash: str
    state: str
    language: str

    @property
    def stands(self) -> bool:
        return self.state in STANDING


def lock(connection: Connection, signature_id: int) -> Standing | None:
    """Lock the signature and its signer, signer first; None where there is no such signature."""
    return next(iter(lock_many(connection, [signature_id])), None)


def lock_many(connection: Connection, signature_ids: Collection[int]) -> Sequence[Standing]:
    """Lock these signatures and their signers, signers first; those that there are, by rising id."""
    mine = signatures.c.id.in_(signature_ids)
    theirs = signers.c.id.in_(sa.select(signatures.c.signer_id).where(mine))
    connection.execute(sa.select(signers.c.id).where(theirs).order_by(signers.c.id).with_for_update()).all()
    wanted = (
        sa.select(
            signatures.c.id,
            signatures.c.campaign_id,
            campaigns.c.slug,
            signatures.c.signer_id,
            signatures.c.person_key,
            pins.c.hash,
            signatures.c.state,
            signatures.c.language,
        )
        .join(campaigns, campaigns.c.id == signatures.c.campaign_id)
        .join(pins, pins.c.id == signatures.c.text_id)
        .where(mine)
        .order_by(signatures.c.id)
        .with_for_update(of=signatures)
    )
    return [
        Standing(r.id, r.campaign_id, r.slug, r.signer_id, bytes(r.person_key), r.hash, r.state, r.language)
        for r in connection.execute(wanted)
    ]


def campaign_slug(connection: Connection, campaign_id: int) -> str:
    """The slug of a campaign by its id."""
    found: str = connection.execute(sa.select(campaigns.c.slug).where(campaigns.c.id == campaign_id)).scalar_one()
    return found


def campaign_id(connection: Connection, slug: str) -> int | None:
    """The id of a campaign that the ledger has heard of."""
    return connection.execute(sa.select(campaigns.c.id).where(campaigns.c.slug == slug)).scalar()


def confirmed(connection: Connection, campaign_id: int) -> int:
    """How many confirmed signatures a campaign has, by a full count of its index."""
    # a literal, not a parameter: SQLite uses a partial index only where it can read the same words in the query
    mine = sa.and_(signatures.c.campaign_id == campaign_id, signatures.c.state == sa.literal_column("'confirmed'"))
    found: int = connection.execute(sa.select(sa.func.count()).select_from(signatures).where(mine)).scalar_one()
    return found


def confirmed_instead(connection: Connection, ended: Standing) -> int | None:
    """The confirmed signature that the same person has in the same campaign, where this one has ended."""
    wanted = sa.select(signatures.c.id).where(
        signatures.c.campaign_id == ended.campaign_id,
        signatures.c.person_key == ended.person_key,
        signatures.c.state == CONFIRMED,
    )
    return connection.execute(wanted).scalar()


def confirm(connection: Connection, signature_id: int, evidence: str, at_us: int) -> bool:
    """Confirm an unconfirmed signature; False where it is not unconfirmed. Its unsent notice is taken back."""
    mine = sa.and_(signatures.c.id == signature_id, signatures.c.state == UNCONFIRMED)
    values = {"state": CONFIRMED, "confirmed_at": at_us, "evidence": evidence}
    if connection.execute(sa.update(signatures).where(mine).values(values)).rowcount != 1:
        return False
    letters_write.cancel(connection, [signature_id], "confirmed", at_us)
    lapses.forget(connection, [signature_id])
    return True


def end(connection: Connection, signature_ids: Collection[int], state: str, reason: str, at_us: int) -> int:
    """End standing signatures: `state` is `WITHDRAWN` or `ERASED`. Returns how many letters were cancelled.

    The caller holds their locks. Consents end with them. A signature that stands no longer is left as it is. One that was
    never confirmed is still watched (see `lapses`), so that in time its signer is erased.
    """
    if not signature_ids:
        return 0
    mine = sa.and_(signatures.c.id.in_(signature_ids), signatures.c.state.in_(STANDING))
    connection.execute(sa.update(signatures).where(mine).values(state=state, ended_at=at_us))
    given = sa.and_(consents.c.signature_id.in_(signature_ids), consents.c.withdrawn_at.is_(None))
    connection.execute(sa.update(consents).where(given).values(withdrawn_at=at_us))
    if state == ERASED:
        lapses.forget(connection, signature_ids)
    reviews.decide(connection, signature_ids, reviews.ENDED, at_us)
    return letters_write.cancel(connection, signature_ids, reason, at_us)


def others(connection: Connection, found: Standing) -> bool:
    """Whether this signature's signer has another one that stands, or was confirmed once."""
    mine = sa.and_(signatures.c.signer_id == found.signer_id, signatures.c.id != found.id)
    counts = sa.or_(signatures.c.state.in_(STANDING), signatures.c.confirmed_at.is_not(None))
    return connection.execute(sa.select(signatures.c.id).where(mine, counts).limit(1)).first() is not None


def erase(connection: Connection, signer_id: int, at_us: int) -> tuple[Sequence[int], int] | None:
    """Destroy what is known of a signer. Returns the ids of the signatures they had and how many letters were cancelled.

    None where there is no such signer or they are erased already.
    """
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("PRAGMA secure_delete = ON")  # the old bytes are overwritten in the file, too
    if not _lock_signer(connection, signer_id):
        return None
    mine = signatures.c.signer_id == signer_id
    wanted = sa.select(signatures.c.id).where(mine).order_by(signatures.c.id).with_for_update()
    ids = connection.execute(wanted).scalars().all()
    cancelled = end(connection, ids, ERASED, "erased", at_us)
    connection.execute(sa.update(signatures).where(mine).values(state=ERASED))
    gone = {"wrapped_key": None, "address_key": None, "erased_at": at_us}
    connection.execute(sa.update(signers).where(signers.c.id == signer_id).values(gone))
    _blank(connection, signer_id, ids)
    return ids, cancelled


def _blank(connection: Connection, signer_id: int, signature_ids: Sequence[int]) -> None:
    """Without its key nothing sealed can be read; that it is gone too leaves nothing to a key found somewhere."""
    theirs = signer_versions.c.signer_id == signer_id
    connection.execute(sa.update(signer_versions).where(theirs).values(sealed=b""))
    connection.execute(sa.update(tokens).where(tokens.c.signature_id.in_(signature_ids)).values(sealed=b""))
    connection.execute(sa.update(signatures).where(signatures.c.id.in_(signature_ids)).values(evidence=""))
    connection.execute(sa.delete(choices).where(choices.c.signature_id.in_(signature_ids)))


def signer_of(connection: Connection, address_key: bytes) -> int | None:
    """The signer with this address, by its keyed hash."""
    return connection.execute(sa.select(signers.c.id).where(signers.c.address_key == address_key)).scalar()


def _lock_signer(connection: Connection, signer_id: int) -> bool:
    """Lock the signer's row; False where there is none or it is erased."""
    wanted = sa.select(signers.c.erased_at).where(signers.c.id == signer_id).with_for_update()
    row = connection.execute(wanted).first()
    return row is not None and row.erased_at is None
