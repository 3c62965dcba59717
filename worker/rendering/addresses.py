"""E-mail addresses as they stand in a header and on the wire.

Addresses were validated long before (settings, intake); here they are looked at once more, because one with a line break
in it would write headers of its own. Python 3.11's `email` lets NUL through and turns a non-ASCII local part into an
encoded-word, which RFC 2047 section 5 forbids: so nothing of it is used.
"""

import re
from functools import lru_cache
from typing import Final

import idna

from worker.rendering.faults import Flaw

# RFC 5322 3.2.3 dot-atom; RFC 6532 3.2 adds characters beyond ASCII, here without blanks, signs of writing direction and
# surrogates. Quoted local parts are refused: no office has one.
_ATEXT: Final = r"A-Za-z0-9!#$%&'*+/=?^_`{|}~\-"
_ATOM: Final = rf"[{_ATEXT}]+"
_UNWANTED: Final = r"\x00-\xa0\u1680\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\ud800-\udfff\ufeff"
_WIDE_ATOM: Final = rf"(?:[{_ATEXT}]|[^{_UNWANTED}])+"
_LABEL: Final = r"[A-Za-z0-9](?:[A-Za-z0-9\-]{0,61}[A-Za-z0-9])?"
_LOCAL = re.compile(rf"{_ATOM}(?:\.{_ATOM})*")
_WIDE_LOCAL = re.compile(rf"{_WIDE_ATOM}(?:\.{_WIDE_ATOM})*")
_DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_MESSAGE_ID = re.compile(rf"{_ATOM}(?:\.{_ATOM})*@{_ATOM}(?:\.{_ATOM})*")
_LIST_ID = re.compile(rf"{_ATOM}(?:\.{_ATOM})*")

MAX_LOCAL: Final = 64  # octets, RFC 5321 4.5.3.1.1
MAX_DOMAIN: Final = 253
MAX_ID: Final = 250


def wire_address(address: str) -> str:
    """`address` with its domain as A-labels (RFC 5890). Only its local part may be other than ASCII.

    Raises Flaw for anything that is not one plain mailbox.
    """
    local, at, domain = address.rpartition("@")
    if not at or not (_LOCAL if local.isascii() else _WIDE_LOCAL).fullmatch(local):
        raise Flaw("not a usable e-mail address: its part before the @")
    if len(local.encode()) > MAX_LOCAL:
        raise Flaw("not a usable e-mail address: its part before the @ is too long")
    return f"{local}@{domain if domain.isascii() and _plain(domain) else _a_labels(domain)}"


def _plain(domain: str) -> bool:
    if not _DOMAIN.fullmatch(domain) or len(domain) > MAX_DOMAIN:
        raise Flaw("not a usable e-mail address: its domain")
    return True


@lru_cache(maxsize=1024)
def _a_labels(domain: str) -> str:
    try:
        encoded = idna.encode(domain, uts46=True).decode()
    except (idna.IDNAError, UnicodeError):
        raise Flaw("not a usable e-mail address: its domain") from None
    _plain(encoded)
    return encoded


def is_wide(address: str) -> bool:
    """Whether the local part is not ASCII, so that only SMTPUTF8 (RFC 6531) can carry it."""
    return not address.rpartition("@")[0].isascii()


def message_id(given: str) -> str:
    """In angle brackets (RFC 5322 3.6.4). Raises Flaw where it could be misread."""
    if len(given) > MAX_ID or not _MESSAGE_ID.fullmatch(given):
        raise Flaw("not a usable Message-ID")
    return f"<{given}>"


def list_id(given: str) -> str:
    """In angle brackets (RFC 2919 section 2). Raises Flaw where it could be misread."""
    if len(given) > MAX_ID or not _LIST_ID.fullmatch(given):
        raise Flaw("not a usable List-Id: letters, digits, dots and hyphens")
    return f"<{given}>"
