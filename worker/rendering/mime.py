"""The direct writer: header fields and two texts become one multipart/alternative message, in bytes that never vary.

No `email` package (it takes 4 ms a letter and its bytes depend on Python's version); tests read every output back with it.
Bodies are 7-bit whatever relay carries them: as they stand where they fit, else quoted-printable (RFC 2045 6.7), which is
written here rather than with `binascii` so that a letter can be rebuilt byte for byte by a later Python.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

QP_LINE: Final = 76

# Forbidden in any text: controls but tab and line feed (NUL among them), half characters. Each becomes U+FFFD.
_FORBIDDEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")
_FINE = bytes(octet for octet in range(256) if not _FORBIDDEN.match(chr(octet)))
_MARK: Final = "\0"  # stands in no text
_WIDE = re.compile(rb"[\x80-\xff]+")
# As much as fits before a soft break, ending neither inside an "=XX" nor where the next line would begin with "From ".
_LONG = re.compile(rb"^.{%d,}" % (QP_LINE + 1), re.MULTILINE)  # anchored: a short line is passed over at once
_PIECE = re.compile(rb".{1,75}(?<!=)(?<!=.)(?!From )")


def clean(text: str) -> str:
    """`text` with line ends as LF, exactly one at its end, and U+FFFD for what may not stand in a message."""
    return _writable(_lines(text).rstrip("\n") + "\n")


def _lines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def _writable(text: str) -> str:
    try:
        if not text.encode().translate(None, _FINE):
            return text
    except UnicodeEncodeError:  # a surrogate
        pass
    return _FORBIDDEN.sub("\ufffd", text)


def part(subtype: bytes, text: str) -> bytes:
    """One body part with its header; `text` comes from `clean`."""
    if _travels(text):
        return _part(subtype, b"7bit", _plain(text))
    return _part(subtype, b"quoted-printable", quoted_printable(text))


def _part(subtype: bytes, way: bytes, body: bytes) -> bytes:
    head = b'Content-Type: text/%s; charset="utf-8"\r\nContent-Transfer-Encoding: %s\r\n\r\n' % (subtype, way)
    return b"%s%s\r\n" % (head, body)


def _plain(text: str) -> bytes:
    return text[:-1].encode().replace(b"\n", b"\r\n")


def _travels(text: str) -> bool:
    """Whether a text arrives as it stands: mbox software changes "From ", some relays cut white space at line ends."""
    if not text.isascii() or " \n" in text or "\t\n" in text or "\nFrom " in text or text.startswith("From "):
        return False
    return len(text) <= QP_LINE or len(max(text.split("\n"), key=len)) <= QP_LINE


@dataclass(frozen=True, slots=True)
class Block:
    """A text that many messages share: the ends of lines that others begin and finish, and the whole lines between.

    `plain` is None where the lines cannot travel as they stand. A text without a line end is all `head`: `lines` is 0.
    """

    head: str
    tail: str
    lines: int
    plain: bytes | None
    quoted: bytes


def block(text: str) -> Block:
    """`text` made ready to stand in messages of `part_of`."""
    head, *between = _writable(_lines(text)).split("\n")
    if not between:
        return Block(head, "", 0, b"", b"")
    *whole, tail = between
    if not whole:
        return Block(head, tail, 1, b"", b"")
    lines = "\n".join(whole) + "\n"
    plain = _plain(lines) + b"\r\n" if _travels(lines) else None
    return Block(head, tail, len(between), plain, quoted_printable(lines) + b"\r\n")


def part_of(subtype: bytes, blocks: Sequence[Block], gaps: Sequence[str]) -> bytes:
    """What `part` makes of the blocks with the gaps before, between and after them; LF line ends, none at the end, no NUL.

    Lines are coded one by one (RFC 2045 6.7), so those that no gap touches are as they were.
    """
    own: list[str] = []  # the lines that a gap touches, each with what stands after it
    after: list[Block] = []
    line = gaps[0]
    for each, gap in zip(blocks, gaps[1:], strict=True):
        if each.lines:
            own.append(f"{line}{each.head}\n")
            after.append(each)
            line = each.tail + gap
        else:
            line += each.head + gap
    own.append(line + "\n")
    text = "".join(own)
    if _writable(text) is not text:
        own = [_writable(each) for each in own]
        text = "".join(own)
    fits = _travels(text) and not any(each.plain is None for each in after)
    marked = (_MARK + "\n").join(own)  # coded in one go, then taken apart again
    coded = (_plain(marked) if fits else quoted_printable(marked)).split(_MARK.encode() + b"\r\n")
    between = [(each.plain or b"") if fits else each.quoted for each in after]
    body = b"".join([piece for pair in zip(coded, [*between, b""], strict=True) for piece in pair])
    return _part(subtype, b"7bit" if fits else b"quoted-printable", body)


def quoted_printable(text: str) -> bytes:
    """RFC 2045 6.7: lines of at most 76, every octet recoverable, none that software on the way likes to change."""
    raw = b"\n" + text.encode().replace(b"=", b"=3D")
    if not text.isascii():
        raw = _WIDE.sub(_hex, raw)
    # Rule 3: white space at a line's end does not survive the way.
    raw = raw.replace(b" \n", b"=20\n").replace(b"\t\n", b"=09\n").replace(b"\nFrom ", b"\n=46rom ")
    return _LONG.sub(_broken, raw[1:-1]).replace(b"\n", b"\r\n")


def _broken(line: re.Match[bytes]) -> bytes:
    return b"=\n".join(_PIECE.findall(line[0]))


def _hex(run: re.Match[bytes]) -> bytes:
    return b"=" + run[0].hex("=").upper().encode()


def boundary(seed: str, bodies: tuple[bytes, ...]) -> bytes:
    """A delimiter made from `seed` that stands in none of `bodies`. "=_" cannot occur in quoted-printable (RFC 2045 6.7)."""
    count = 0
    while True:
        made = b"=_" + sha256(f"{seed} {count}".encode()).hexdigest()[:32].encode()
        if not any(made in body for body in bodies):
            return made
        count += 1


def message(fields: list[bytes], text: bytes, html: bytes, seed: str) -> bytes:
    """The whole message: `fields` each with its CRLF, then both parts, the plainer first (RFC 2046 5.1.4)."""
    mark = boundary(seed, (text, html))
    return b"".join(
        (
            *fields,
            b'MIME-Version: 1.0\r\nContent-Type: multipart/alternative;\r\n boundary="%s"\r\n\r\n' % mark,
            b"--%s\r\n%s\r\n--%s\r\n%s\r\n--%s--\r\n" % (mark, text, mark, html, mark),
        )
    )
