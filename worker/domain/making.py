"""What a message is made from: everything the bytes depend on, and nothing else.

`rendering` turns a `Making` into the same bytes whenever it is asked. The ledger records enough to build the same
`Making` again: ids and hashes of the pinned parts, the version of the signer's row, the Date, the renderer's number.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Final

from worker.domain.campaign import TextVersion
from worker.domain.person import Person

CONFIRM: Final = "confirm"
"""The kind of notice that asks to confirm, and of the token it carries."""
PAGE: Final = "page"
"""The kind of notice that gives the signer their own page, and of the token that opens it."""
ANNOUNCE: Final = "announce"
"""The kind of notice that shows what will be written on an anniversary, with the link of the signer's own page."""


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
    page_link: str = ""  # the signer's own page, likewise; frames pinned before there was one hold neither
    never_link: str = ""  # where an address asks never to be written to again, likewise

    def __hash__(self) -> int:
        return hash((self.campaign, self.sender, self.subject_tag))


@dataclass(frozen=True, slots=True)
class Making:
    """One message's ingredients. Without an `office` it is a notice: To: is the signer.

    `values` are further values for a notice's template, such as {"link": ..., "token": ...}. `enclosed` is the text that
    was signed, where the notice holds a copy of the letter: the renderer makes the value `copy` of it.
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
    enclosed: TextVersion | None = None


def notice_kind(sendout: str) -> str:
    """The kind of a send-out's notices: its name's first word, "confirm" of "confirm-2"."""
    return sendout.partition("-")[0]


def token_kind(kind: str) -> str:
    """The kind of token that a kind of notice carries: one to confirm with, or the one of the signer's own page."""
    return CONFIRM if kind == CONFIRM else PAGE


def notice_values(part: Frame, kind: str, token: str, facts: Mapping[str, str]) -> dict[str, str]:
    """What a notice may say of itself: the token, the links that carry it (or ""), and its send-out's own `facts`.

    A frame without `never_link` gives no value of that name, as when there was none: an earlier renderer knows it not.
    """
    link = part.confirm_link if kind == CONFIRM else part.page_link
    values = {**facts, "token": token, "link": link.replace("{token}", token)}
    return values | ({"never_link": part.never_link.replace("{token}", token)} if part.never_link else {})


def encloses(kind: str, signer: Person) -> bool:
    """Whether a notice of this kind holds a copy of a letter: an announcement always, none before confirming.

    Any other holds one where the signer wants it.
    """
    return kind == ANNOUNCE or (signer.copy and kind != CONFIRM)


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
