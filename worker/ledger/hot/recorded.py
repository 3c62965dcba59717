"""Pinned values, and a message's ingredients as an attempt recorded them: enough to make the same bytes again."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from worker.domain.campaign import TextVersion, canonical, content_hash
from worker.domain.clock import from_us
from worker.domain.errors import Failed
from worker.domain.making import (
    Frame,
    Making,
    OfficeBlock,
    encloses,
    frame,
    message_id,
    notice_kind,
    notice_values,
    office_block,
    token_kind,
)
from worker.domain.person import Person
from worker.ledger.hot import sql
from worker.ledger.hot.database import Database
from worker.ledger.keys import Keys, person_aad, token_aad

SIGNER = "signer"
"""The addressee of a notice."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """One attempt's ingredients, its salt, the hash recorded with them, and the pins they came from."""

    making: Making
    salt: bytes
    hash: bytes
    addressee_pin: int
    frame_pin: int
    signer_version: int


def pin(database: Database, kind: str, body: Mapping[str, Any], now_us: int) -> int:
    """Pin `body` under its content hash; its id, the same for the same body."""
    name = content_hash(body)
    database.rows(sql.PIN, (name, kind, canonical(body), now_us))
    number: int = database.rows(sql.PIN_ID, (name,))[0][0]
    return number


def pinned(database: Database, number: int) -> tuple[str, dict[str, Any]]:
    """The hash and body of a pinned value."""
    ((name, body),) = database.rows(sql.PIN_BODY, (number,))
    return name, json.loads(body)


def open_person(keys: Keys, wrapped: bytes, sealed: bytes, signer: int, version: int) -> tuple[Person, bytes]:
    """A signer's data and salt. Raises `SealBroken` where the row was altered or moved."""
    body = keys.unseal(wrapped, sealed, person_aad(signer, version))
    return Person(**body["person"]), bytes.fromhex(body["salt"])


class TokenGone(Failed):
    """A notice cannot be made, or made again: its token was deleted, as when its signature ended."""


@dataclass(frozen=True, slots=True)
class Notice:
    """Which notice: its signature, its kind, and when it was queued (microseconds)."""

    signature: int
    kind: str
    made_at: int


def token_of(database: Database, keys: Keys, wrapped: bytes, notice: Notice) -> str:
    """The token that a notice carries: the newest of its kind that there was when the notice was queued.

    Raises `TokenGone` where there is none, `SealBroken` where it does not open.
    """
    parameters = (notice.signature, token_kind(notice.kind), notice.made_at, notice.made_at)
    found = database.rows(sql.SEALED_FOR_NOTICE, parameters)
    if not found:
        raise TokenGone("the link that this notice carries was deleted")
    token: str = keys.unseal(wrapped, found[0][0], token_aad(notice.signature))["token"]
    return token


def waits_for_a_look(database: Database, signature: int) -> bool:
    """Whether an operator is still to look at this signature: whatever put a letter of it into the queue."""
    return bool(database.rows(sql.OPEN_REVIEW, (signature,)))


def recorded(database: Database, keys: Keys, letter: int, number: int) -> Recorded | None:
    """What attempt `number` of a letter was made from; None where it never started, or its signer is erased.

    Raises `SealBroken`, and `TokenGone` for a notice whose link was deleted.
    """
    rows = database.rows(sql.RECORDED, (letter, number))
    if not rows or rows[0][4] is None or rows[0][12] is None:
        return None
    (addressee_pin, frame_pin, version, date_us, renderer, stored, addressee, mac, *_) = rows[0]
    (signature, text_id, language, signer, wrapped, sealed, sendout, made_at, facts) = rows[0][8:]
    person, salt = open_person(keys, wrapped, sealed, signer, version)
    pinned_frame = frame(pinned(database, frame_pin)[1])
    block: OfficeBlock | None = None
    values: dict[str, str] = {}
    enclosed: TextVersion | None = None
    if addressee == SIGNER:
        text_hash, text = _text(database, addressee_pin)
        notice = Notice(signature, notice_kind(sendout), made_at)
        token = token_of(database, keys, wrapped, notice)
        values = notice_values(pinned_frame, notice.kind, token, json.loads(facts))
        enclosed = _text(database, text_id)[1] if encloses(notice.kind, person) else None
    else:
        text_hash, text = _text(database, text_id)
        block = office_block(pinned(database, addressee_pin)[1])
    making = Making(
        letter=letter,
        message_id=message_id(letter, mac, pinned_frame.sender),
        date=from_us(date_us),
        renderer=renderer,
        text=text,
        text_hash=text_hash,
        frame=pinned_frame,
        office=block,
        signer=person,
        language=language_of(pinned_frame, block, language, text),
        values=values,
        enclosed=enclosed,
    )
    return Recorded(making, salt, bytes(stored), addressee_pin, frame_pin, version)


def _text(database: Database, number: int) -> tuple[str, TextVersion]:
    name, body = pinned(database, number)
    return name, TextVersion.from_body(body)


def language_of(part: Frame, block: OfficeBlock | None, signed_in: str, text: TextVersion) -> str:
    """The language of a message: the office's where the text has it, the signer's own for a notice, else the default."""
    wanted = signed_in if block is None else block.language
    for language in (wanted, wanted.split("-", maxsplit=1)[0]):
        if language in text.wordings:
            return language
    return part.default_language
