"""Whom a yearly send-out writes for, and whom not, with the reason: one expression, read set-wise in pages.

The audience is asked for by its `Terms`. Who signed the campaign, is confirmed and stands belongs to it; the reason why one
of them is not written for is `why`, "" where they are.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from worker.ledger.schema import (
    agreements,
    choices,
    consents,
    letters,
    pins,
    quiet,
    signatures,
    signer_versions,
    signers,
)

SCANNED = 1_000
"""Signatures that one page looks at: some milliseconds."""

NO_CONSENT = "did not agree to anniversaries"
LANGUAGE = "signed in another language"
QUIET = "asked never to be written to again"
NEW_TEXT = "has not agreed to the text, which is new to them"
NOT_TOLD = "was not told in time"


@dataclass(frozen=True, slots=True)
class Terms:
    """Who belongs to an audience.

    `text_id` is the pin of a text that must have been shown or agreed to, None where each gets the text that they signed;
    `wordings` are the pinned consents beside which it was shown. `announcements` are the send-outs of which a notice must
    have been accepted by `told_by` (microseconds).
    """

    campaign_id: int
    consent: str
    languages: tuple[str, ...] = ()
    text_id: int | None = None
    wordings: tuple[str, ...] = ()
    announcements: tuple[int, ...] = ()
    told_by: int = 0


@dataclass(frozen=True, slots=True, repr=False)
class Supporter:
    """One signature: what making a letter or a notice for it needs.

    `left_out` is JSON, "" for none; `text_hash` is of the text that was signed.
    """

    signature: int
    signer: int
    wrapped_key: bytes
    version: int
    sealed: bytes
    left_out: str
    text_hash: str


def shown_beside(connection: Connection, text_hash: str) -> tuple[str, ...]:
    """The pinned wordings of consent beside which the text of this hash was shown."""
    mentions = (pins.c.kind == "consent", pins.c.body.contains(f'"{text_hash}"', autoescape=True))
    return tuple(connection.execute(sa.select(pins.c.hash).where(*mentions)).scalars())


class Page(NamedTuple):
    """Those of a page, the number up to which everybody was looked at, and whether nobody was left behind them."""

    found: Sequence[Supporter]
    up_to: int
    last: bool


def page(connection: Connection, terms: Terms, *, after: int, limit: int, told: bool = True) -> Page:
    """The next of those who are written for, by rising number; without `told`, of those who are to be told.

    At most `SCANNED` are looked at, so that a page costs the same however few of them are written for. People go on signing
    meanwhile: who comes after the last page has come too late, or it would never end.
    """
    up_to, scanned = _scanned(connection, terms, after)
    columns = (
        signatures.c.id,
        signatures.c.signer_id,
        signers.c.wrapped_key,
        signatures.c.signer_version,
        signer_versions.c.sealed,
        sa.func.coalesce(choices.c.left_out, ""),
        pins.c.hash,
    )
    version = sa.and_(
        signer_versions.c.signer_id == signatures.c.signer_id, signer_versions.c.version == signatures.c.signer_version
    )
    wanted = (
        sa.select(*columns)
        .select_from(
            _joined()
            .join(signer_versions, version)
            .join(pins, pins.c.id == signatures.c.text_id)
            .outerjoin(choices, choices.c.signature_id == _number)
        )
        .where(*_signed(terms), _number > after, _number <= up_to, _why(terms, told=told) == "")
        .order_by(_number)
        .limit(limit)
    )
    found = [Supporter(*row) for row in connection.execute(wanted)]
    if len(found) == limit and found[-1].signature < up_to:
        return Page(found, found[-1].signature, last=False)
    return Page(found, up_to, last=scanned < SCANNED)


def _scanned(connection: Connection, terms: Terms, after: int) -> tuple[int, int]:
    """The number of the last of the next `SCANNED` signatures, and how many they are."""
    ahead = sa.select(_number).where(*_signed(terms), _number > after).order_by(_number).limit(SCANNED).subquery()
    found = connection.execute(sa.select(sa.func.max(ahead.c.id), sa.func.count()).select_from(ahead)).one()
    return found[0] or after, found[1]


def know_the_text(connection: Connection, terms: Terms, signature_ids: Sequence[int]) -> set[int]:
    """Those for whom silence is enough: the text is what they signed, was shown then, or was agreed to since."""
    if terms.text_id is None:
        return set(signature_ids)
    wanted = sa.select(signatures.c.id).where(signatures.c.id.in_(signature_ids), _knows_the_text(terms))
    return set(connection.execute(wanted).scalars())


def numbers(connection: Connection, terms: Terms, *, told: bool = True) -> dict[str, int]:
    """How many are written for ("") and how many are not, by reason; `told` as for `page`."""
    why = _why(terms, told=told).label("why")
    wanted = sa.select(why, sa.func.count()).select_from(_joined()).where(*_signed(terms)).group_by(why)
    return dict(connection.execute(wanted).all())


def left_out(connection: Connection, terms: Terms, *, after: int = 0, limit: int = 100) -> list[tuple[int, str]]:
    """The signatures that are not written for although they agreed to be, each with the reason; by rising number."""
    why = _why(terms, told=True)
    wanted = (
        sa.select(signatures.c.id, why)
        .select_from(_joined())
        .where(*_signed(terms), signatures.c.id > after, why.not_in(["", NO_CONSENT]))
        .order_by(signatures.c.id)
        .limit(limit)
    )
    return [(number, reason) for number, reason in connection.execute(wanted)]


_number = signatures.c.id


def _joined() -> sa.Join:
    return signatures.join(signers, signers.c.id == signatures.c.signer_id)


def _signed(terms: Terms) -> tuple[sa.ColumnElement[bool], ...]:
    return (signatures.c.campaign_id == terms.campaign_id, signatures.c.state == "confirmed")


def _why(terms: Terms, *, told: bool) -> sa.ColumnElement[str]:
    """The first reason that holds, "" for none."""
    reasons: list[tuple[Any, str]] = [(~_consents(terms), NO_CONSENT)]
    if terms.languages:
        reasons.append((signatures.c.language.not_in(terms.languages), LANGUAGE))
    reasons.append((sa.exists().where(quiet.c.address_key == signers.c.address_key), QUIET))
    if told and terms.text_id is not None:
        reasons.append((~_knows_the_text(terms), NEW_TEXT))
    if told:
        reasons.append((~_told(terms), NOT_TOLD))
    return sa.case(*((holds, sa.literal(reason)) for holds, reason in reasons), else_=sa.literal(""))


def _consents(terms: Terms, *more: sa.ColumnElement[bool]) -> sa.Exists:
    mine = (consents.c.signature_id == _number, consents.c.kind == terms.consent, consents.c.withdrawn_at.is_(None))
    return sa.exists().where(*mine, *more)


def _knows_the_text(terms: Terms) -> sa.ColumnElement[bool]:
    """It was shown when they signed, or they agreed to it since."""
    agreed = sa.exists().where(agreements.c.signature_id == _number, agreements.c.text_id == terms.text_id)
    return sa.or_(_consents(terms, consents.c.wording_hash.in_(terms.wordings)), agreed)


def _told(terms: Terms) -> sa.ColumnElement[bool]:
    """Their announcement was accepted in time."""
    mine = (
        letters.c.signature_id == _number,
        letters.c.addressee == "signer",
        letters.c.sendout_id.in_(terms.announcements),
        letters.c.state == "sent",
        letters.c.ended_at <= terms.told_by,
    )
    return sa.exists().where(*mine)
