"""A making becomes a message: the same bytes from the same making, on every machine and in every later release.

The bytes are pinned by `NUMBER`: where a change here, in `headers`, `mime` or `sandbox` alters a byte of any message,
NUMBER rises, the old way stays callable beside the new one in `_RENDERERS`, and a letter recorded under the old number is
rebuilt by it. The golden files of the tests show when that is so.

Number 2: To: of a notice is the bare address, so that nothing which a visitor typed into the form stands in the mail that
asks whether it was them; a letter whose signer lets the office answer has their address in Reply-To; a notice may enclose
the letter (`bodies`).

Headers, and why no others: From names signer and campaign at the campaign's own address, so that SPF, DKIM and DMARC can
agree with it; replies go to the campaign's desk, or to the signer who asked for it. List-Id (RFC 2919) and the subject's
tag let an office filter. A letter to an office carries no Auto-Submitted, because a person wrote it by signing (RFC 3834
section 5); a notice does, so that no holiday reply answers it, and has no List-Id, because it belongs to no list.
"""

import re
from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from hashlib import sha256
from typing import Final

from worker.domain.making import Making
from worker.rendering import addresses, headers, mime
from worker.rendering.bodies import Words, words
from worker.rendering.dates import header_date
from worker.rendering.faults import Flaw, TemplateFault
from worker.rendering.folding import SIGNER

NUMBER: Final = 2

_SHORT: Final = 2047
"""hashlib lets go of the interpreter for more: to get it back takes three times as long as the hash of a whole letter."""

_PLACE = re.compile(r"\{(?:signer|campaign)\}")


class Renderer:
    """Renders makings. Holds nothing but the number that new letters are recorded under; safe in any thread."""

    number: int = NUMBER

    def render(self, making: Making) -> bytes:
        """The message: CRLF lines of at most 998 octets, 7-bit, not dot-stuffed.

        Only a recipient, sender or Reply-To whose local part is not ASCII stands there in UTF-8 (see `needs_smtputf8`).
        Raises TemplateFault, whose text names the place and quotes no personal data.
        """
        known = _RENDERERS.get(making.renderer)
        if known is None:
            text = f"made by renderer {making.renderer}, and this release has up to {NUMBER}; install a newer one"
            raise TemplateFault("renderer", 0, text)
        return known(making)


def digest(salt: bytes, data: bytes) -> bytes:
    """SHA-256 of salt + data: what `start` records of a message. Without the salt it tells nothing about its reader."""
    made = sha256(salt)
    for start in range(0, len(data), _SHORT):
        made.update(data[start : start + _SHORT])
    return made.digest()


def needs_smtputf8(making: Making) -> bool:
    """Whether a header holds an address that only SMTPUTF8 can carry (RFC 6531 3.2), whoever the envelope is for."""
    to = making.office.mailbox if making.office else making.signer.email
    answers = making.signer.email if making.renderer > 1 and _to_the_signer(making) else making.frame.reply_to
    return any(addresses.is_wide(address) for address in (to, making.frame.sender, answers) if address)


def subject_line(making: Making) -> str:
    """The whole subject with the campaign's tag, on one line. Raises TemplateFault."""
    try:
        return _subject(making, words(making))
    except Flaw as flaw:
        raise TemplateFault("header Subject", 0, flaw.message) from None


def body_text(making: Making) -> str:
    """The plain text as its reader sees it, LF lines. Raises TemplateFault."""
    return mime.clean(words(making).text())


def body_html(making: Making) -> str:
    """The HTML as its reader's program sees it, LF lines. Raises TemplateFault."""
    return mime.clean(words(making).html())


def _render_1(making: Making) -> bytes:
    return _rendered(making, _FIELDS_1)


def _render_2(making: Making) -> bytes:
    return _rendered(making, _FIELDS)


_RENDERERS: Final[dict[int, Callable[[Making], bytes]]] = {1: _render_1, 2: _render_2}


def _rendered(making: Making, wanted: "_Fields") -> bytes:
    used = words(making)
    text, html = used.parts()
    return mime.message(_fields(making, used, wanted), text, html, making.message_id)


def _subject(making: Making, used: Words) -> str:
    own, tag = headers.one_line(used.subject()), headers.one_line(making.frame.subject_tag)
    if not own:
        raise Flaw("the subject is empty")
    return own if tag in own else headers.one_line(f"{tag} {own}")


_Fields = tuple[tuple[str, Callable[[Making, Words], bytes]], ...]


def _fields(making: Making, used: Words, wanted: _Fields) -> list[bytes]:
    fields: list[bytes] = []
    for name, write in wanted:
        try:
            fields.append(write(making, used))
        except Flaw as flaw:
            raise TemplateFault(f"header {name}", 0, flaw.message) from None
    return fields


# Fields that thousands of letters share are written once; none of these holds a signer's data.
_shared = lru_cache(maxsize=1024)


@_shared
def _date_field(moment: datetime) -> bytes:
    return headers.folded("Date", [header_date(moment)])


@_shared
def _office_field(shown: str, mailbox: str) -> bytes:
    return headers.mailbox("To", headers.one_line(shown), addresses.wire_address(mailbox))


@_shared
def _reply_to_field(desk: str) -> bytes:
    return headers.folded("Reply-To", [addresses.wire_address(desk)])


@_shared
def _list_id_field(given: str) -> bytes:
    return headers.folded("List-Id", [addresses.list_id(given)])


@_shared
def _sender(address: str) -> str:
    return addresses.wire_address(address)


def _date(making: Making, _: Words) -> bytes:
    return _date_field(making.date)


def _from(making: Making, _: Words) -> bytes:
    frame = making.frame
    known = {"{signer}": making.signer.name, "{campaign}": frame.name}
    # One pass, so that a signer who is called "{campaign}" stays called so.
    shown = _PLACE.sub(lambda place: known[place[0]], frame.sender_pattern) if making.office else frame.name
    return headers.mailbox("From", headers.one_line(shown), _sender(frame.sender))


def _to_the_signer(making: Making) -> bool:
    """Whether an office's answer goes to the signer."""
    return making.signer.answer and making.office is not None


def _reply_to(making: Making, used: Words) -> bytes:
    if _to_the_signer(making):
        return headers.folded("Reply-To", [addresses.wire_address(making.signer.email)])
    return _reply_to_1(making, used)


def _reply_to_1(making: Making, _: Words) -> bytes:
    return _reply_to_field(making.frame.reply_to) if making.frame.reply_to else b""


def _to(making: Making, _: Words) -> bytes:
    office = making.office
    if office is None:
        return headers.mailbox("To", "", addresses.wire_address(making.signer.email))
    shown = office.holder or ", ".join(filter(None, (office.title, office.organisation)))
    return _office_field(shown, office.mailbox)


def _to_1(making: Making, used: Words) -> bytes:
    signer = making.signer
    if making.office is None:
        return headers.mailbox("To", headers.one_line(signer.name), addresses.wire_address(signer.email))
    return _to(making, used)


@_shared
def _common_subject_field(subject: str) -> bytes:
    return headers.unstructured("Subject", subject)


def _subject_field(making: Making, used: Words) -> bytes:
    subject = _subject(making, used)
    own = SIGNER in used.wording.subject
    return headers.unstructured("Subject", subject) if own else _common_subject_field(subject)


def _message_id(making: Making, _: Words) -> bytes:
    return headers.folded("Message-ID", [addresses.message_id(making.message_id)])


def _list_id(making: Making, _: Words) -> bytes:
    given = making.frame.list_id
    return _list_id_field(given) if given and making.office else b""


def _auto_submitted(making: Making, _: Words) -> bytes:
    return b"" if making.office else b"Auto-Submitted: auto-generated\r\n"


_FIELDS: Final[_Fields] = (
    ("Date", _date),
    ("From", _from),
    ("Reply-To", _reply_to),
    ("To", _to),
    ("Subject", _subject_field),
    ("Message-ID", _message_id),
    ("List-Id", _list_id),
    ("Auto-Submitted", _auto_submitted),
)

_FIELDS_1: Final[_Fields] = tuple(
    (name, {"Reply-To": _reply_to_1, "To": _to_1}.get(name, write)) for name, write in _FIELDS
)
