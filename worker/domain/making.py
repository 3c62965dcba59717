"""What a message is made from: everything the bytes depend on, and nothing else.

`rendering` turns a `Making` into the same bytes whenever it is asked. The ledger records enough to build the same
`Making` again: ids and hashes of the pinned parts, the version of the signer's row, the Date, the renderer's number.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from worker.domain.campaign import TextVersion
from worker.domain.person import Person


@dataclass(frozen=True, slots=True)
class OfficeBlock:
    """The address block as written on the day: it follows the register until content is written, then is recorded."""

    office: str
    title: str
    organisation: str
    country: str
    holder: str  # "" where nobody is named
    form: str
    salutation: str  # the whole line, without the comma
    mailbox: str  # To:
    language: str


@dataclass(frozen=True, slots=True)
class Frame:
    """The campaign's part of a letter that is not signed: names, headers, and the list of all addressees."""

    campaign: str
    name: str
    site: str
    controller: str
    contact: str
    sender: str
    sender_pattern: str
    reply_to: str
    subject_tag: str
    list_id: str
    default_language: str
    addressees: tuple[str, ...]  # "Secretary General, Council of Europe", in order
    confirm_link: str = ""  # with {token}: what a notice offers to follow

    def __hash__(self) -> int:
        return hash((self.campaign, self.sender, self.subject_tag))


@dataclass(frozen=True, slots=True)
class Making:
    """One message's ingredients. `to_signer` makes it a notice: To: is the signer, `office` is None.

    `values` are further values for a notice's template, such as {"link": ..., "token": ...}.
    """

    letter: int
    message_id: str  # without angle brackets
    date: datetime
    renderer: int
    text: TextVersion
    text_hash: str
    frame: Frame
    office: OfficeBlock | None
    signer: Person
    language: str
    values: Mapping[str, str] = field(default_factory=dict)


def notice_values(part: Frame, token: str) -> dict[str, str]:
    """What a confirmation notice may say besides the signer's name: the token, and the link that carries it, or ""."""
    return {"token": token, "link": part.confirm_link.replace("{token}", token)}


def message_id(letter: int, mac: bytes, sender: str) -> str:
    """The letter's Message-ID, without angle brackets: the same for every attempt, and not to be guessed.

    `mac` is the letter's own, so that no other ledger makes the same one; its hash gives nothing of it away.
    """
    secret = hashlib.sha256(mac + b"message-id").hexdigest()[:20]
    return f"{letter}.{secret}@{sender.rpartition('@')[2]}"


def pin_body(value: OfficeBlock | Frame) -> dict[str, Any]:
    """The JSON form in which an office block or a frame is pinned in the ledger."""
    body = asdict(value)
    return {k: list(v) if isinstance(v, tuple) else v for k, v in body.items()}


def office_block(body: Mapping[str, Any]) -> OfficeBlock:
    """The reverse of `pin_body` for an office block."""
    return OfficeBlock(**body)


def frame(body: Mapping[str, Any]) -> Frame:
    """The reverse of `pin_body` for a frame."""
    return Frame(**{**body, "addressees": tuple(body["addressees"])})
