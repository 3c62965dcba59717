"""Tokens for links: 160 random bits, known to the ledger by their SHA-256 alone.

The notice that carries a token is made later than the token, perhaps twice (a retry, a reminder), so a copy stands beside
the hash, sealed with the signer's own key: the database without the key file opens nothing, and erasing the signer
destroys it. A signature has at most one token of each kind:

- `confirm`: carried by the notice that asks to confirm. It may be followed for a time.
- `page`: opens the signer's own page. It is theirs for good.

A token belongs to one signature, and so to one address, one campaign and one text version.
"""

import re
import secrets
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from worker.ledger.bulk import insert_rows
from worker.ledger.keys import Keys, token_aad
from worker.ledger.schema import campaigns, signatures, signers, tokens

Kind = Literal["confirm", "page"]
CONFIRM: Kind = "confirm"
PAGE: Kind = "page"
VALID_FOR = timedelta(days=7)
"""How long a confirmation link may be followed where the settings say nothing else."""

FOR_GOOD_US = 2**62
_COLUMNS = ("hash", "signature_id", "sealed")
_BYTES = 20
_FORM = re.compile(r"[A-Za-z0-9_-]{27}\Z")


@dataclass(frozen=True, slots=True)
class Token:
    """What the ledger knows of a token. `expires_at` is in microseconds since 1970."""

    hash: bytes
    signature_id: int
    expires_at: int
    kind: str
    campaign: str  # slug


def issue(
    connection: Connection, keys: Keys, kind: Kind, whose: Sequence[tuple[int, bytes]], at_us: int, until_us: int
) -> None:
    """Make a token for each signature; `whose` are their numbers, each with its signer's wrapped key.

    Tokens are not given out here: a notice carries each, `reveal` opens the sealed copy.
    """
    rows = [
        (keys.token_hash(token), number, _seal(keys, wrapped, token, number)) for number, wrapped, token in _made(whose)
    ]
    insert_rows(connection, tokens, _COLUMNS, rows, kind=kind, made_at=at_us, expires_at=until_us)


def _made(whose: Sequence[tuple[int, bytes]]) -> Iterator[tuple[int, bytes, str]]:
    for number, wrapped in whose:
        yield number, wrapped, secrets.token_urlsafe(_BYTES)


def _seal(keys: Keys, wrapped: bytes, token: str, number: int) -> bytes:
    return keys.seal(wrapped, {"token": token}, token_aad(number))


def find(connection: Connection, keys: Keys, token: str, kinds: Collection[Kind] = (CONFIRM,)) -> Token | None:
    """The token as recorded; None for one we never made, of another kind, or that has not a token's form."""
    if not _FORM.match(token):
        return None
    wanted = (
        sa.select(tokens.c.hash, tokens.c.signature_id, tokens.c.expires_at, tokens.c.kind, campaigns.c.slug)
        .join(signatures, signatures.c.id == tokens.c.signature_id)
        .join(campaigns, campaigns.c.id == signatures.c.campaign_id)
        .where(tokens.c.hash == keys.token_hash(token), tokens.c.kind.in_(kinds))
    )
    row = connection.execute(wanted).first()
    return Token(bytes(row.hash), row.signature_id, row.expires_at, row.kind, row.slug) if row else None


def renew(connection: Connection, signature_ids: Collection[int], until_us: int) -> None:
    """Let the confirmation tokens of these signatures be followed until then: they were held back until now."""
    mine = sa.and_(tokens.c.signature_id.in_(signature_ids), tokens.c.kind == CONFIRM)
    connection.execute(sa.update(tokens).where(mine).values(expires_at=until_us))


def use(connection: Connection, token: Token, at_us: int) -> None:
    """Record that the token was followed; the first time stays."""
    mine = sa.and_(tokens.c.hash == token.hash, tokens.c.used_at.is_(None))
    connection.execute(sa.update(tokens).where(mine).values(used_at=at_us))


def valid_for(connection: Connection, signature_ids: Collection[int], at_us: int) -> set[int]:
    """Those of the signatures that have a confirmation token which may still be followed."""
    wanted = sa.select(tokens.c.signature_id).where(
        tokens.c.signature_id.in_(signature_ids), tokens.c.kind == CONFIRM, tokens.c.expires_at > at_us
    )
    return set(connection.execute(wanted).scalars())


def having(connection: Connection, kind: Kind, signature_ids: Collection[int]) -> set[int]:
    """Those of the signatures that have a token of this kind."""
    wanted = sa.select(tokens.c.signature_id).where(tokens.c.signature_id.in_(signature_ids), tokens.c.kind == kind)
    return set(connection.execute(wanted).scalars())


def reveal(connection: Connection, keys: Keys, signature_id: int, kind: Kind = CONFIRM) -> str | None:
    """The newest token of a signature, for the link that is to carry it; None where it has none or was erased."""
    wanted = (
        sa.select(tokens.c.sealed, signers.c.wrapped_key)
        .join(signatures, signatures.c.id == tokens.c.signature_id)
        .join(signers, signers.c.id == signatures.c.signer_id)
        .where(tokens.c.signature_id == signature_id, tokens.c.kind == kind)
        .order_by(tokens.c.made_at.desc())
        .limit(1)
    )
    row = connection.execute(wanted).first()
    if row is None or row.wrapped_key is None:
        return None
    return str(keys.unseal(row.wrapped_key, row.sealed, token_aad(signature_id))["token"])
