"""Tokens for links: 160 random bits, known to the ledger by their SHA-256 alone.

The notice that carries a token is made later than the token, perhaps twice (a retry), so a copy stands beside the hash,
sealed with the signer's own key: the database without the key file confirms nothing, and erasing the signer destroys it.
"""

import re
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from worker.ledger.keys import Keys, token_aad
from worker.ledger.schema import campaigns, signatures, signers, tokens

CONFIRM = "confirm"
VALID_FOR = timedelta(days=30)
"""How long a confirmation link may be followed: a letter to a signer may itself wait days for a relay."""

_BYTES = 20
_FORM = re.compile(r"[A-Za-z0-9_-]{27}\Z")
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Token:
    """What the ledger knows of a token. `expires_at` is in microseconds since 1970."""

    hash: bytes
    signature_id: int
    expires_at: int


def issue(connection: Connection, keys: Keys, signature_id: int, wrapped_key: bytes, at_us: int) -> None:
    """Make a confirmation token for a signature. The token itself is not given out: only its notice carries it."""
    token = secrets.token_urlsafe(_BYTES)
    row = {
        "hash": keys.token_hash(token),
        "signature_id": signature_id,
        "kind": CONFIRM,
        "sealed": keys.seal(wrapped_key, {"token": token}, token_aad(signature_id)),
        "made_at": at_us,
        "expires_at": at_us + VALID_FOR // _MICROSECOND,
    }
    connection.execute(sa.insert(tokens), row)


def find(connection: Connection, keys: Keys, token: str) -> Token | None:
    """The token as recorded; None for one we never made, or that has not a token's form."""
    if not _FORM.match(token):
        return None
    wanted = sa.select(tokens.c.hash, tokens.c.signature_id, tokens.c.expires_at).where(
        tokens.c.hash == keys.token_hash(token), tokens.c.kind == CONFIRM
    )
    row = connection.execute(wanted).first()
    return Token(bytes(row.hash), row.signature_id, row.expires_at) if row else None


def use(connection: Connection, token: Token, at_us: int) -> None:
    """Record that the token was followed; the first time stays."""
    mine = sa.and_(tokens.c.hash == token.hash, tokens.c.used_at.is_(None))
    connection.execute(sa.update(tokens).where(mine).values(used_at=at_us))


def valid_for(connection: Connection, signature_ids: Collection[int], at_us: int) -> set[int]:
    """Those of the signatures that have a token which may still be followed."""
    wanted = sa.select(tokens.c.signature_id).where(
        tokens.c.signature_id.in_(signature_ids), tokens.c.expires_at > at_us
    )
    return set(connection.execute(wanted).scalars())


def for_notice(connection: Connection, keys: Keys, signature_id: int) -> str | None:
    """The newest confirmation token of a signature, to be written into its notice; None once its signer is erased."""
    wanted = (
        sa.select(tokens.c.sealed, signers.c.wrapped_key)
        .join(signatures, signatures.c.id == tokens.c.signature_id)
        .join(signers, signers.c.id == signatures.c.signer_id)
        .where(tokens.c.signature_id == signature_id, tokens.c.kind == CONFIRM)
        .order_by(tokens.c.made_at.desc())
        .limit(1)
    )
    row = connection.execute(wanted).first()
    if row is None or row.wrapped_key is None:
        return None
    return str(keys.unseal(row.wrapped_key, row.sealed, token_aad(signature_id))["token"])


def campaign_of(connection: Connection, keys: Keys, token: str) -> str | None:
    """The slug of the campaign that the token's signature belongs to; None where `find` would give None."""
    if not _FORM.match(token):
        return None
    wanted = (
        sa.select(campaigns.c.slug)
        .join(signatures, signatures.c.campaign_id == campaigns.c.id)
        .join(tokens, tokens.c.signature_id == signatures.c.id)
        .where(tokens.c.hash == keys.token_hash(token), tokens.c.kind == CONFIRM)
    )
    return connection.execute(wanted).scalar()
