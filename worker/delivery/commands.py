"""Commands, written purely: what goes over the wire for an envelope and its content, and what EHLO offered.

Nothing that comes from an address can end a line: an address that does not fit into a command is declined here, with
a reply of code 0 that says the relay was not asked.
"""

import re
from collections.abc import Sequence

from worker.delivery.replies import Raw
from worker.delivery.values import Declined, Envelope, Extensions
from worker.domain.verdict import Reply, Stage

# One address in angle brackets (RFC 5321 section 4.1.2, RFC 6531 section 3.3) without quoted local parts.
_ADDRESS = re.compile(r"[^\x00-\x20\x7f<>@\"\ud800-\udfff]{1,255}@[^\x00-\x20\x7f<>@\"\ud800-\udfff]{1,255}")
_LONGEST = 320  # 64 for the local part, "@", 255 for the domain (RFC 3696, erratum 1690)

DOT = b".\r\n"


def extensions(raw: Raw) -> Extensions:
    """What an EHLO reply offers (RFC 5321 section 4.1.1.1); unknown keywords are passed over."""
    words: dict[str, list[str]] = {}
    for line in raw.lines[1:]:
        keyword, *values = line.decode("ascii", "replace").replace("=", " ").upper().split() or [""]
        words.setdefault(keyword, []).extend(values)
    return Extensions(
        pipelining="PIPELINING" in words,
        starttls="STARTTLS" in words,
        smtputf8="SMTPUTF8" in words,
        size=_size(words["SIZE"]) if "SIZE" in words else None,
        auth=tuple(words.get("AUTH", ())),
    )


def _size(values: Sequence[str]) -> int:
    first = values[0] if values else ""
    return int(first) if first.isascii() and first.isdigit() and len(first) <= 20 else 0  # noqa: PLR2004 - RFC 1870: 1*20DIGIT


def unfit(envelope: Envelope, offered: Extensions) -> Declined | None:
    """Why this envelope cannot be offered over this connection at all, as an honest reply of our own, or None."""
    if envelope.sender and not _writable(envelope.sender):
        return Declined(Stage.MAIL, Reply(0, "5.1.7", "not asked: the sender's address does not fit into a command"))
    if not _writable(envelope.recipient):
        return Declined(Stage.RCPT, Reply(0, "5.1.3", "not asked: the recipient's address does not fit into a command"))
    if needs_smtputf8(envelope) and not offered.smtputf8:
        return Declined(
            Stage.MAIL, Reply(0, "5.6.7", "not asked: this letter needs SMTPUTF8, which the relay offers not")
        )
    return None


def _writable(address: str) -> bool:
    return len(address) <= _LONGEST and _ADDRESS.fullmatch(address) is not None


def needs_smtputf8(envelope: Envelope) -> bool:
    """Whether this letter can only go where SMTPUTF8 is offered (RFC 6531)."""
    return envelope.smtputf8 or not (envelope.recipient.isascii() and envelope.sender.isascii())


def mail(envelope: Envelope, offered: Extensions) -> bytes:
    """MAIL with SIZE (RFC 1870) and SMTPUTF8 (RFC 6531) as offered and needed.

    Who offers SMTPUTF8 takes 8-bit content too, and is told of it (RFC 6531 sections 3.1 and 3.6).
    """
    size = f" SIZE={envelope.size}" if offered.size is not None else ""
    utf8 = " BODY=8BITMIME SMTPUTF8" if needs_smtputf8(envelope) else ""
    return f"MAIL FROM:<{envelope.sender}>{size}{utf8}\r\n".encode()


def rcpt(envelope: Envelope) -> bytes:
    return f"RCPT TO:<{envelope.recipient}>\r\n".encode()


def group(envelope: Envelope, offered: Extensions) -> bytes:
    """MAIL, RCPT and DATA in one write; DATA is the last of its group (RFC 2920 section 3.1)."""
    return mail(envelope, offered) + rcpt(envelope) + b"DATA\r\n"


def unfit_content(data: bytes, *, utf8: bool = False) -> str:
    """Why these bytes must not be written as content, or "".

    A bare CR or LF is read as a line end by some servers and not by others: what follows "LF . LF" would be commands
    to one of them (SMTP smuggling). We promise lines ended by CRLF, and 7-bit content but for a message that was
    offered as SMTPUTF8 (`utf8`), whose headers may hold addresses in UTF-8 (RFC 6531 section 3.2, RFC 6532).
    """
    lines = data.splitlines()  # at CR, LF and CRLF: only where every line ends by two octets is every end a CRLF
    if len(data) != sum(map(len, lines)) + 2 * len(lines) or not lines:
        return "a line of the content does not end with CRLF"
    return "" if utf8 or data.isascii() else "the content is not 7-bit"


def stuff(data: bytes) -> bytes:
    """Dot-stuffing (RFC 5321 section 4.5.2). Gives `data` itself where no line begins with a dot."""
    stuffed = data.replace(b"\r\n.", b"\r\n..")
    return b"." + stuffed if stuffed.startswith(b".") else stuffed
