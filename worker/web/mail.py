"""A stored message as a person can look at it, whatever its bytes are. Pure: bytes in, text out; nothing here raises.

What arrives at the sink is mostly ours, but anybody on this machine may hand it anything, and what we send holds words
of signers. Python's parser reads it (policy `default`: RFC 5322, 2045, 2047, 6532); where it gives up, the raw words are
shown instead. Text that comes out of here holds no lone surrogate and, but for line ends and tabs, no control character.
"""

import email.errors
import email.parser
import email.policy
import re
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import EmailMessage
from typing import cast

MOST_READ = 1024 * 1024
"""Bytes of a message that are shown; the rest can be had raw."""

HEAD_READ = 64 * 1024
"""Bytes in which a message's header is looked for."""

_MOST_PARTS = 200
_MOST_HEADERS = 500
_MOST_DECODED = 2000  # characters of a header's value: the parser's time grows with the square of it
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")
# What Python's email package raises on hostile bytes: charsets that are none (LookupError, which holds IndexError and
# KeyError too), dates and addresses that cannot be (ValueError, which holds UnicodeError), holes in its own values
# (AttributeError, TypeError, AssertionError), its own errors, and messages nested deeper than Python's stack.
_GIVES_UP = (
    ValueError, LookupError, AttributeError, TypeError, AssertionError, RecursionError, email.errors.MessageError
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Heading:
    """What a list of letters shows of one. `sender` is the name where there is one, else the address."""

    subject: str
    sender: str
    to: str


@dataclass(frozen=True, slots=True)
class Mail:
    """A message, read. `text` and `html` are "" where there is no such part; `others`: the content types of the rest."""

    heading: Heading
    headers: tuple[tuple[str, str], ...]
    text: str
    html: str
    others: tuple[str, ...]


def read_heading(content: bytes) -> Heading:
    """The heading of a message; its first `HEAD_READ` bytes are enough."""
    return _heading(_parsed(content[:HEAD_READ], headers_only=True))


def read_mail(content: bytes) -> Mail:
    """All of a message that can be shown, out of its first `MOST_READ` bytes."""
    message = _parsed(content[:MOST_READ])
    text, html, others = "", "", []
    for part in _leaves(message):
        kind = _kind(part)
        if kind == "text/plain" and not text and not _attached(part):
            text = _text(part)
        elif kind == "text/html" and not html and not _attached(part):
            html = _text(part)
        else:
            others.append(kind)
    return Mail(_heading(message), tuple(_headers(message)), text, html, tuple(others))


def clean(text: str) -> str:
    """`text` with LF line ends; what cannot be shown or encoded is U+FFFD."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    try:
        data = text.encode("utf-8", "surrogateescape")  # as Python's parser leaves bytes that it could not read
    except UnicodeEncodeError:
        data = text.encode("utf-8", "replace")
    return _CONTROLS.sub("\ufffd", data.decode("utf-8", "replace"))


def _parsed(content: bytes, *, headers_only: bool = False) -> EmailMessage:
    try:
        parser = email.parser.BytesParser(policy=email.policy.default)
        return parser.parsebytes(content, headersonly=headers_only)
    except _GIVES_UP:
        return _as_it_is(content)


def _as_it_is(content: bytes) -> EmailMessage:
    """A message whose text is all of `content`."""
    message = EmailMessage()
    message.set_payload(content.decode("utf-8", "replace"))
    return message


def _heading(message: EmailMessage) -> Heading:
    return Heading(_header(message, "subject"), _name(_header(message, "from")), _header(message, "to"))


def _headers(message: EmailMessage) -> Iterator[tuple[str, str]]:
    for place, (name, value) in enumerate(message.raw_items()):
        if place == _MOST_HEADERS:
            return
        yield clean(str(name)), _decoded(message, name, value)


def _header(message: EmailMessage, wanted: str) -> str:
    for name, value in message.raw_items():
        if str(name).lower() == wanted:
            return _decoded(message, name, value)
    return ""


def _decoded(message: EmailMessage, name: str, value: str) -> str:
    if len(value) > _MOST_DECODED:
        return " ".join(clean(value[:_MOST_DECODED]).split()) + " …"
    try:
        decoded = str(message.policy.header_fetch_parse(name, value))
    except _GIVES_UP:
        decoded = str(value)
    return " ".join(clean(decoded).split())


def _name(sender: str) -> str:
    """`Sample Signer <one@mail.example>` -> `Sample Signer`."""
    name, bracket, _ = sender.rpartition(" <")
    return (name.strip().strip('"').replace('\\"', '"') or sender) if bracket else sender


def _leaves(message: EmailMessage) -> Iterator[EmailMessage]:
    """The parts that hold no parts, in order, without recursion and up to `_MOST_PARTS` of them."""
    waiting, seen = [message], 0
    while waiting and seen < _MOST_PARTS:
        seen += 1
        part = waiting.pop(0)
        inside = part.get_payload() if part.is_multipart() else None
        if isinstance(inside, list):
            waiting[:0] = cast("list[EmailMessage]", inside)
        else:
            yield part


def _kind(part: EmailMessage) -> str:
    try:
        return clean(part.get_content_type())
    except _GIVES_UP:
        return "application/octet-stream"


def _attached(part: EmailMessage) -> bool:
    try:
        return part.get_content_disposition() == "attachment"
    except _GIVES_UP:
        return True


def _text(part: EmailMessage) -> str:
    try:
        data = part.get_payload(decode=True)
        charset = str(part.get_content_charset("utf-8"))
    except _GIVES_UP:
        return clean(str(part.get_payload()))
    if not isinstance(data, bytes):
        return ""
    try:
        return clean(data.decode(charset, "replace"))
    except _GIVES_UP:  # no such charset, or a codec that is none of text
        return clean(data.decode("utf-8", "replace"))
