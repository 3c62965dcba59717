"""Header fields: one line of any Unicode becomes ASCII that every reader decodes to the same line.

Text is cleaned first (`one_line`), so no data can end a field: header injection has no way in. What ASCII cannot say goes
into RFC 2047 encoded-words of at most 75 characters, each whole in itself (section 5: no character is split), in lines of
at most 76 where folding is possible and never over 998 (RFC 5322 2.1.1). Plain words stay readable, so that an office
can filter for the subject's tag without decoding.
"""

import re
from base64 import b64encode
from collections.abc import Callable
from typing import Final

from worker.rendering.faults import Flaw

LINE: Final = 76
MAX_TEXT: Final = 1_000  # characters of a subject or display name; intake allows far less
_ROOM: Final = 75 - len("=?utf-8?q??=")

# White space of every kind, controls (C0, DEL, C1, line and paragraph separators) and the signs that turn writing
# direction around: a name must not be able to rewrite what stands beside it.
_BLANK = re.compile(r"[\s\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]+")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\-]+(?: [A-Za-z0-9!#$%&'*+/=?^_`{|}~\-]+)*")
# RFC 2047 5 (3): what may stand in a phrase; and the space, which Q writes as "_".
_Q_PLAIN = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!*+-/ "
_Q = [chr(octet) if octet in _Q_PLAIN else f"={octet:02X}" for octet in range(256)]
_Q[0x20] = "_"


def one_line(text: str) -> str:
    """`text` on one line: runs of blanks and controls are one space, half characters (surrogates) are U+FFFD.

    Raises Flaw beyond `MAX_TEXT` characters.
    """
    if len(text) > MAX_TEXT:
        raise Flaw(f"a header of more than {MAX_TEXT:,} characters")
    if text.isascii() and text.isprintable() and "  " not in text:
        return text.strip(" ")
    return _SURROGATE.sub("\ufffd", _BLANK.sub(" ", text)).strip(" ")


def unstructured(name: str, text: str) -> bytes:
    """The field `name` with free text, such as Subject, cleaned by `one_line`."""
    words = text.split(" ")
    odd = [number for number, word in enumerate(words) if not _readable(word)]
    pieces = words
    if odd:
        first, last = odd[0], odd[-1] + 1
        pieces = [*words[:first], *encoded_words(" ".join(words[first:last])), *words[last:]]
    return folded(name, pieces)


def _readable(word: str) -> bool:
    return len(word) <= LINE - 12 and word.isascii() and "=?" not in word


def phrase(text: str) -> list[str]:
    """A display name (cleaned by `one_line`) as atoms, a quoted string or encoded-words (RFC 5322 3.2.5)."""
    if len(text) > LINE - 12 or not text.isascii() or not text.isprintable() or "=?" in text:
        return encoded_words(text)
    if text.replace(" ", "").isalnum() or _ATOMS.fullmatch(text):
        return text.split(" ")
    return ['"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"']


def mailbox(name: str, display: str, address: str) -> bytes:
    """The field `name` with one mailbox; `address` comes from `wire_address` and may be UTF-8 (RFC 6532)."""
    if not display:
        return folded(name, [address])
    return folded(name, [*phrase(display), f"<{address}>"])


def folded(name: str, pieces: list[str]) -> bytes:
    """`name: pieces`, parted by one space each, a new line (RFC 5322 2.2.3) where the line would pass 76 characters."""
    whole = f"{name}: {' '.join(pieces)}"
    if len(whole) <= LINE:
        return f"{whole}\r\n".encode()
    lines = [f"{name}:"]
    for piece in pieces:
        # Never right behind the colon: some readers take "Subject:" alone on its line for an empty field.
        if len(lines[-1]) + 1 + len(piece) > LINE and not lines[-1].endswith(":"):
            lines.append(f" {piece}")
        else:
            lines[-1] += f" {piece}"
    return ("\r\n".join(lines) + "\r\n").encode()


def encoded_words(text: str) -> list[str]:
    """`text` as RFC 2047 encoded-words in UTF-8, by Q where that is no longer, else by B."""
    raw = text.encode()
    by_q = len(raw) + 2 * len(raw.translate(None, _Q_PLAIN))
    by_b = (len(raw) + 2) // 3 * 4
    if by_q <= by_b:
        parts = [text] if by_q <= _ROOM else _split(text, _ROOM, _q_size)
        return [f"=?utf-8?q?{''.join([_Q[octet] for octet in part.encode()])}?=" for part in parts]
    parts = [text] if by_b <= _ROOM else _split(text, _ROOM // 4 * 3, _octets)
    return [f"=?utf-8?b?{b64encode(part.encode()).decode()}?=" for part in parts]


def _octets(character: str) -> int:
    return len(character.encode())


def _q_size(character: str) -> int:
    return sum(len(_Q[octet]) for octet in character.encode())


def _split(text: str, room: int, size: Callable[[str], int]) -> list[str]:
    """`text` in parts of at most `room` each, never inside a character (RFC 2047 section 5)."""
    parts: list[str] = []
    start = used = 0
    for place, character in enumerate(text):
        needed = size(character)
        if used + needed > room:
            parts.append(text[start:place])
            start, used = place, 0
        used += needed
    return [*parts, text[start:]]
