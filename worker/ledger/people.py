"""What a signer said of themselves, as one signature has it: opened, and written anew.

A version is never overwritten: a correction adds one, and letters already written keep the number of theirs.
"""

import secrets
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from worker.domain.person import Person
from worker.ledger import letters_write
from worker.ledger.keys import Keys, person_aad
from worker.ledger.schema import signatures, signer_versions, signers

SALT_BYTES = 16


@dataclass(frozen=True, slots=True, repr=False)
class Opened:
    """A signature's person. `wrapped_key` is their own key, still wrapped; `address_key` finds their address."""

    person: Person
    signer_id: int
    wrapped_key: bytes
    address_key: bytes


def sealed(keys: Keys, wrapped_key: bytes, person: Person, signer_id: int, version: int) -> bytes:
    """A version's row: the person and a fresh salt, sealed to its place."""
    body = {"person": person.body(), "salt": secrets.token_hex(SALT_BYTES)}
    return keys.seal(wrapped_key, body, person_aad(signer_id, version))


def opened(connection: Connection, keys: Keys, signature_id: int) -> Opened | None:
    """The person as this signature has them; None where they were erased. Raises SealBroken."""
    version = signatures.c.signer_version
    wanted = (
        sa.select(signers.c.id, signers.c.wrapped_key, signers.c.address_key, version, signer_versions.c.sealed)
        .join(signers, signers.c.id == signatures.c.signer_id)
        .join(
            signer_versions,
            sa.and_(signer_versions.c.signer_id == signers.c.id, signer_versions.c.version == version),
        )
        .where(signatures.c.id == signature_id)
    )
    row = connection.execute(wanted).first()
    if row is None or row.wrapped_key is None:
        return None
    body = keys.unseal(row.wrapped_key, row.sealed, person_aad(row.id, row.signer_version))
    return Opened(Person(**body["person"]), row.id, bytes(row.wrapped_key), bytes(row.address_key))


def rewrite(connection: Connection, keys: Keys, signature_id: int, was: Opened, person: Person, at_us: int) -> None:
    """Give the signature a new version of its person. The caller holds the locks of signer and signature.

    Letters that a round has claimed go back to the queue: they would be written from the old one.
    """
    mine = signers.c.id == was.signer_id
    connection.execute(sa.update(signers).where(mine).values(version=signers.c.version + 1))
    version: int = connection.execute(sa.select(signers.c.version).where(mine)).scalar_one()
    body = sealed(keys, was.wrapped_key, person, was.signer_id, version)
    row = {"signer_id": was.signer_id, "version": version, "made_at": at_us, "sealed": body}
    connection.execute(sa.insert(signer_versions), row)
    connection.execute(sa.update(signatures).where(signatures.c.id == signature_id).values(signer_version=version))
    letters_write.unclaim(connection, signature_id)
