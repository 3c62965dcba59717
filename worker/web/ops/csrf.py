"""What the forms of a session bring along, and what is signed into pages and addresses.

The session's `csrf` field stands in every form and is compared in constant time; it comes on top of the Origin check of
`worker.web.hygiene` and of the cookie's SameSite. A form whose session ended is kept in the login page, signed, so that
after logging in it can be shown again: nothing that somebody else's page made up gets there. It is shown to the user whose
session it was alone; where that cannot be known any more, no signer's address is kept with it.
"""

import base64
import binascii
import hmac
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

FIELD = "csrf"
ADDRESS = "address"
"""The field that holds a signer's address, in whatever form."""

MOST_KEPT = 24_000
"""Bytes of a form that is kept. It must fit into the login form, which may have 64 KiB."""

KEPT_S = 24 * 3_600
_SAID_MOST = 300


def field(csrf: str) -> Markup:
    """The hidden field."""
    return Markup('<input type="hidden" name="csrf" value="{}">').format(csrf)


def same(expected: str, given: str) -> bool:
    """Whether the field is the session's."""
    return bool(expected) and hmac.compare_digest(expected.encode(), given.encode("utf-8", "replace"))


@dataclass(frozen=True, slots=True)
class Kept:
    """A form that was sent without a good session: where to, and its fields in order, but for passwords.

    `user_id` is whose session it was, 0 where nobody knows. `secrets` names the fields whose values are not kept.
    """

    path: str
    fields: tuple[tuple[str, str], ...]
    secrets: tuple[str, ...] = ()
    user_id: int = 0

    @classmethod
    def of(cls, path: str, fields: Sequence[tuple[str, str]], user_id: int = 0) -> "Kept":
        """Leave out what is not kept: the old session's field, and passwords, of which only the names stay.

        The same goes for a signer's address, where nobody knows whose form it was.
        """
        secret = tuple(name for name, _ in fields if "password" in name.lower() or (name == ADDRESS and not user_id))
        rest = tuple((name, value) for name, value in fields if name not in {FIELD, *secret})
        return cls(path, rest, secret, user_id)

    def is_for(self, user_id: int) -> bool:
        """Whether this user may see it again."""
        return self.user_id in {0, user_id}


class Signer:
    """Signs with a key of the ledger's. `key` is 32 bytes."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def keep(self, kept: Kept, at_s: int) -> str:
        """The form as one field; "" where it is too long."""
        body = json.dumps([at_s, kept.path, kept.fields, kept.secrets, kept.user_id], separators=(",", ":")).encode()
        return self._signed("kept", body) if len(body) <= MOST_KEPT else ""

    def kept(self, text: str, at_s: int) -> Kept | None:
        """The form again, None where we did not sign it within a day."""
        body = self._opened("kept", text)
        if body is None:
            return None
        made_s, path, fields, secret, user_id = json.loads(body)
        if not 0 <= at_s - made_s <= KEPT_S:
            return None
        return Kept(path, tuple((name, value) for name, value in fields), tuple(secret), user_id)

    def say(self, csrf: str, words: str) -> str:
        """Words for the next page of this session, for its address."""
        return self._signed(f"said {csrf}", words[:_SAID_MOST].encode())

    def said(self, csrf: str, text: str) -> str:
        """The words, "" where they are not ours for this session."""
        body = self._opened(f"said {csrf}", text) if text else None
        return body.decode() if body else ""

    def _signed(self, use: str, body: bytes) -> str:
        return f"{_b64(body)}.{_b64(self._mac(use, body))}"

    def _opened(self, use: str, text: str) -> Any:
        coded, _, mac = text.partition(".")
        try:
            body, given = _unb64(coded), _unb64(mac)
        except (binascii.Error, ValueError):
            return None
        return body if hmac.compare_digest(self._mac(use, body), given) else None

    def _mac(self, use: str, body: bytes) -> bytes:
        return hmac.digest(self._key, b"ops %b\0%b" % (use.encode(), body), "sha256")


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _unb64(text: str) -> bytes:
    return base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
