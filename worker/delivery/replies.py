"""Replies, read purely: bytes in, values out (RFC 5321 section 4.2, RFC 2034, RFC 3463).

`ReplyParser.feed` takes bytes in any chunks and gives the replies they complete. Whatever is no reply ends the parser
with one `Malformed`: a line without a code, codes that disagree within a reply, a line or a reply without end. It
forgives a bare LF. `to_reply` makes the value that may be kept: at most 1,000 bytes of printable ASCII, with the local
part of every address masked.
"""

import re
from dataclasses import dataclass
from typing import NamedTuple

from worker.domain.verdict import Reply

MAX_LINE = 4_096
"""Octets in one line of a reply; RFC 5321 section 4.5.3.1.5 asks for no more than 512."""
MAX_REPLY = 32_768
"""Octets in all lines of one reply."""
MAX_TEXT = 1_000
"""Octets of a reply that are kept."""

MASK = "***"
_KNOWN = 16

_CODES = {b"%d" % code: code for code in range(200, 600)}
_PRINTABLE = bytes(ord(" ") if b == ord("\t") else b if b in range(0x20, 0x7F) else ord("?") for b in range(256))
_ENHANCED = re.compile(rb"([245]\.\d{1,3}\.\d{1,3})(?:\s|$)")
# What may stand in the local part of an address. Wide on purpose: better a word too much masked than a name kept.
_LOCAL = "".join(chr(c) for c in range(0x21, 0x7F) if chr(c) not in '<>()[]",;:@')


class Raw(NamedTuple):
    """A reply as it came: its code, and its lines without code and line end."""

    code: int
    lines: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Malformed:
    """Not a reply. `reason` says what was wrong and quotes nothing of it."""

    reason: str


class ReplyParser:
    """Turns a stream of bytes into replies. After a `Malformed` it swallows everything."""

    __slots__ = ("_code", "_dead", "_known", "_lines", "_rest", "_size")

    def __init__(self) -> None:
        self._rest = b""
        self._known: dict[bytes, Raw | Malformed] = {}  # a relay says the same few lines again and again
        self._lines: list[bytes] = []
        self._code = 0
        self._size = 0
        self._dead = False

    @property
    def idle(self) -> bool:
        """Whether no part of a further reply has come."""
        return not (self._rest or self._lines or self._dead)

    def feed(self, data: bytes) -> list[Raw | Malformed]:
        """The replies that `data` completes, in order; a `Malformed` is the last there will be."""
        if self._dead:
            return []
        found: list[Raw | Malformed] = []
        *lines, self._rest = (self._rest + data if self._rest else data).split(b"\n")
        for line in lines:
            reply = self._known.get(line) if not self._lines else None
            if reply is None:
                reply = self._line(line.removesuffix(b"\r"))
                if type(reply) is Raw and len(reply.lines) == 1 and len(self._known) < _KNOWN:
                    self._known[line] = reply
            if reply is not None:
                found.append(reply)
                if isinstance(reply, Malformed):
                    return found
        if len(self._rest) > MAX_LINE + 1:  # + 1: the CR that may stand before the LF
            found.append(self._die("a line without end"))
        return found

    def _line(self, line: bytes) -> Raw | Malformed | None:
        code = _CODES.get(line[:3])
        mark = line[3:4]
        if len(line) > MAX_LINE:
            return self._die("a line without end")
        if code is None or mark not in (b" ", b"-", b""):
            return self._die("a line without a reply code")
        if not self._lines:
            if mark != b"-":
                return Raw(code, (line[4:],))
            self._code, self._size = code, 0
        if code != self._code:
            return self._die("codes that disagree within one reply")
        return self._collect(line, last=mark != b"-")

    def _collect(self, line: bytes, *, last: bool) -> Raw | Malformed | None:
        self._size += len(line)
        if self._size > MAX_REPLY:
            return self._die("a reply without end")
        self._lines.append(line[4:])
        if not last:
            return None
        lines, self._lines = tuple(self._lines), []
        return Raw(self._code, lines)

    def _die(self, reason: str) -> Malformed:
        self._dead, self._rest, self._lines = True, b"", []
        return Malformed(reason)


def to_reply(raw: Raw) -> Reply:
    """The value that is kept of a reply: code, enhanced code, text cut to 1,000 bytes of printable ASCII and masked.

    An enhanced code counts only where its class is that of the reply's code (RFC 2034 section 4); repeated in
    further lines it is left out there.
    """
    found = _ENHANCED.match(raw.lines[0])
    if found is None or (raw.code and found[1][0] - 0x30 != raw.code // 100):
        return Reply(raw.code, "", printable(b" ".join(raw.lines)))
    enhanced = found[1]
    text = b" ".join([line.removeprefix(enhanced).lstrip() for line in raw.lines])
    return Reply(raw.code, enhanced.decode(), printable(text))


def printable(text: bytes) -> str:
    """`text` as at most 1,000 printable ASCII characters, addresses masked. Linear in its length."""
    # Masked before it is cut: a cut just before an "@" would leave a name that nobody knows for one.
    return mask(text.translate(_PRINTABLE).decode("ascii"))[:MAX_TEXT].strip()


def mask(text: str) -> str:
    """`text` with the local part of everything that looks like an address replaced by "***"."""
    if "@" not in text:
        return text
    *befores, last = text.split("@")
    return "@".join([_without_local(part) for part in befores] + [last])


def _without_local(part: str) -> str:
    if part.endswith('"'):  # a quoted local part (RFC 5321 section 4.1.2)
        opening = part.rfind('"', 0, -1)
        return part[: max(opening, 0)] + MASK
    return part.rstrip(_LOCAL) + MASK


def hide(reply: Reply, recipient: str) -> Reply:
    """`reply` with the recipient's local part masked where it stands alone ("User jane.doe unknown")."""
    local = recipient.rpartition("@")[0]
    if len(local) < _NAME or local.lower() not in reply.text.lower():
        return reply
    alone = re.compile(rf"(?<![\w.+-]){re.escape(local)}(?![\w+-])", re.IGNORECASE)
    return Reply(reply.code, reply.enhanced, alone.sub(MASK, reply.text)[:MAX_TEXT])


_NAME = 3  # shorter local parts are no names, and stand in many words
