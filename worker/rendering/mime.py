"""The direct writer: header fields and two texts become one multipart/alternative message, in bytes that never vary.

No `email` package (it takes 4 ms a letter and its bytes depend on Python's version); tests read every output back with it.
Bodies are 7-bit whatever relay carries them: as they stand where they fit, else quoted-printable (RFC 2045 6.7), which is
written here rather than with `binascii` so that a letter can be rebuilt byte for byte by a later Python.
"""

import re
from hashlib import sha256
from typing import Final

QP_LINE: Final = 76

# Forbidden in any text: controls but tab and line feed (NUL among them), half characters. Each becomes U+FFFD.
_FORBIDDEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")
_FINE = bytes(octet for octet in range(256) if not _FORBIDDEN.match(chr(octet)))
_WIDE = re.compile(rb"[\x80-\xff]+")
# As much as fits before a soft break, ending neither inside an "=XX" nor where the next line would begin with "From ".
_LONG = re.compile(rb"^.{%d,}" % (QP_LINE + 1), re.MULTILINE)  # anchored: a short line is passed over at once
_PIECE = re.compile(rb".{1,75}(?<!=)(?<!=.)(?!From )")


def clean(text: str) -> str:
    """`text` with line ends as LF, exactly one at its end, and U+FFFD for what may not stand in a message."""
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    text = text.rstrip("\n") + "\n"
    try:
        if not text.encode().translate(None, _FINE):
            return text
    except UnicodeEncodeError:  # a surrogate
        pass
    return _FORBIDDEN.sub("\ufffd", text)


def part(subtype: bytes, text: str) -> bytes:
    """One body part with its header; `text` comes from `clean`."""
    if text.isascii() and _travels(text):
        way, body = b"7bit", text[:-1].encode().replace(b"\n", b"\r\n")
    else:
        way, body = b"quoted-printable", quoted_printable(text)
    head = b'Content-Type: text/%s; charset="utf-8"\r\nContent-Transfer-Encoding: %s\r\n\r\n' % (subtype, way)
    return b"%s%s\r\n" % (head, body)


def _travels(text: str) -> bool:
    """Whether ASCII text arrives as it stands: mbox software changes "From ", some relays cut white space at line ends."""
    fits = len(max(text.split("\n"), key=len)) <= QP_LINE
    return fits and not (" \n" in text or "\t\n" in text or "\nFrom " in text or text.startswith("From "))


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
