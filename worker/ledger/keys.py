"""The ledger's keys: three files of 32 random bytes, and everything that is done with them.

- The **data key** wraps each signer's own random key. Personal data is sealed with the signer's key (AES-256-GCM), so
  destroying the wrapped key erases the person, in every backup that is made afterwards.
- The **lookup key** makes the keyed hashes by which an address is found again without being stored.
- The **seal key** makes the MAC that shows a letter was made by us.

A key file holds 64 hex digits or the base64 of 32 bytes, and is readable by its owner alone. The files are not in the
ledger and not in its backups: without the data key nothing personal can be read, so keep copies of them elsewhere.

Every use has a sub-key of its own (HMAC-SHA256 of its name), so that no result of one can stand in for another.
Nonces are random: 96 bits under a key that seals a handful of rows, far below the 2**32 of NIST SP 800-38D, 8.3; the
data key stays below it for as long as fewer than four thousand million signers sign.
"""

import base64
import binascii
import contextlib
import hashlib
import hmac
import json
import os
import secrets
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from worker.domain.errors import BadInput, Failed

KEY_BYTES = 32
_NONCE_BYTES = 12
_OVERHEAD_BYTES = 1 + _NONCE_BYTES + 16  # form, nonce, tag
_FORM = b"\x01"  # of wrapped keys and sealed rows: says how to read them, should that ever change
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_json = json.JSONEncoder(separators=(",", ":")).encode  # made once: json.dumps would make one at every call


class SealBroken(Failed):
    """A sealed value does not open: it was altered, moved to another row, or sealed with another key."""


class Keys:
    """The three keys, ready for use. Holds nothing about any signer; safe to share between threads."""

    def __init__(self, data: bytes, lookup: bytes, seal: bytes, files: Mapping[str, str] | None = None) -> None:
        """Take keys of 32 bytes each. `files` are their paths, by "data", "lookup", "seal", for messages only."""
        self._parts = {"data": data, "lookup": lookup, "seal": seal}
        if any(len(part) != KEY_BYTES for part in self._parts.values()):
            raise BadInput(f"each key must have {KEY_BYTES} bytes")
        self._files = dict(files or {name: f"the {name} key" for name in self._parts})
        self._wrapping = AESGCM(_derived(data, "signer keys"))
        self._address = _derived(lookup, "address")
        self._person = _derived(lookup, "person")
        self._mac = _Hmac(_derived(seal, "letter"))
        self.form_key = _derived(lookup, "form")
        """For the stamps and limits of the public form: 32 bytes, the same in all processes."""

    def __repr__(self) -> str:
        return "Keys(...)"

    @classmethod
    def load(cls, data: Path, lookup: Path, seal: Path) -> "Keys":
        """Read the three files. Raises BadInput for one that is missing, too short, or readable by others."""
        files = {"data": data, "lookup": lookup, "seal": seal}
        parts = {name: _read(path) for name, path in files.items()}
        if len(set(parts.values())) < len(parts):
            raise BadInput(f"two of the key files {data}, {lookup}, {seal} hold the same key: each needs its own")
        return cls(**parts, files={name: str(path) for name, path in files.items()})

    # -- finding people without storing them

    def address_key(self, canonical: str) -> bytes:
        """The keyed hash (32 bytes) of a canonical address: finds a signer."""
        return hmac.digest(self._address, canonical.encode(), "sha256")

    def person_key(self, campaign: str, canonical: str) -> bytes:
        """The keyed hash (32 bytes) of (campaign's slug, canonical address): survives erasing, tells campaigns apart."""
        return hmac.digest(self._person, _framed(campaign, canonical), "sha256")

    @staticmethod
    def token_hash(token: str) -> bytes:
        """SHA-256 of a token. Tokens are long and random, so no key is needed."""
        return hashlib.sha256(token.encode()).digest()

    # -- what was signed is what is sent

    def mac(self, signature_id: int, text_hash: str, addressee: str) -> bytes:
        """The MAC (32 bytes) stored with a letter and checked before it is rendered."""
        return self._mac.digest(_framed(str(signature_id), text_hash, addressee))

    # -- personal data

    def new_signer_key(self) -> bytes:
        """A new random key, wrapped by the data key: what `signers.wrapped_key` holds. Destroying it erases the person."""
        return _encrypt(self._wrapping, secrets.token_bytes(KEY_BYTES), b"")

    def seal(self, wrapped: bytes, body: Mapping[str, Any], aad: bytes) -> bytes:
        """`body` as JSON, encrypted with the signer's key. `aad` ties it to its row: see `person_aad` and `token_aad`."""
        return _encrypt(self._signer(wrapped), _json(body).encode(), aad)

    def unseal(self, wrapped: bytes, sealed: bytes, aad: bytes) -> dict[str, Any]:
        """The reverse of `seal`. Raises `SealBroken` where anything was altered or `aad` is another row's."""
        body: dict[str, Any] = json.loads(_decrypt(self._signer(wrapped), sealed, aad))
        return body

    def _signer(self, wrapped: bytes) -> AESGCM:
        return AESGCM(_decrypt(self._wrapping, wrapped, b""))

    # -- telling a wrong file

    def checks(self) -> str:
        """JSON: a MAC of a constant under each key. Stored in the ledger; tells nothing about the keys."""
        return json.dumps({name: _derived(part, "check").hex() for name, part in self._parts.items()}, sort_keys=True)

    def wrong_files(self, checks: str) -> list[str]:
        """The key files (paths) that are not those with which `checks` was made."""
        stored, mine = json.loads(checks), json.loads(self.checks())
        return [self._files[name] for name in self._parts if stored.get(name) != mine[name]]


def person_aad(signer_id: int, version: int) -> bytes:
    """Ties a row of `signer_versions` to its place."""
    return b"person %d %d" % (signer_id, version)


def token_aad(signature_id: int) -> bytes:
    """Ties a row of `tokens` to its signature."""
    return b"token %d" % signature_id


def make_key_files(paths: Iterable[Path]) -> list[Path]:
    """Make the key files that do not exist yet (hex, mode 0600, directory 0700). Returns those made.

    An existing file is never touched: it may be the only copy of a key in use.
    """
    return [path for path in paths if _make(path)]


def _make(path: Path) -> bool:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "w") as file:
            file.write(secrets.token_hex(KEY_BYTES) + "\n")
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)  # unlike rename, this never replaces a key
            return True
        return False
    finally:
        draft.unlink()


def _read(path: Path) -> bytes:
    try:
        mode = path.stat().st_mode
        text = path.read_text("ascii", errors="replace").strip()
    except FileNotFoundError as exc:
        raise BadInput(
            f"there is no key file {path}: run `lettershop init` to make one, or put the one of this ledger back"
        ) from exc
    except OSError as exc:
        raise BadInput(f"the key file {path} cannot be read ({exc.strerror}): it must belong to this user") from exc
    if mode & _OTHERS:
        raise BadInput(f"the key file {path} is open to others (mode {stat.S_IMODE(mode):04o}): run `chmod 600 {path}`")
    key = _decoded(text)
    if len(key) != KEY_BYTES:
        raise BadInput(
            f"the key file {path} must hold {KEY_BYTES} bytes as {2 * KEY_BYTES} hex digits or as base64:"
            " put the right file back (a key that is in use cannot be made anew)"
        )
    return key


def _decoded(text: str) -> bytes:
    with contextlib.suppress(ValueError):
        return bytes.fromhex(text)
    with contextlib.suppress(binascii.Error, ValueError):
        return base64.b64decode(text, validate=True)
    return b""


class _Hmac:
    """HMAC-SHA256 (RFC 2104) with the key's two blocks hashed ahead: bulk intake makes tens of thousands a second."""

    def __init__(self, key: bytes) -> None:
        block = key.ljust(64, b"\0")
        self._inner = hashlib.sha256(bytes(b ^ 0x36 for b in block))
        self._outer = hashlib.sha256(bytes(b ^ 0x5C for b in block))

    def digest(self, message: bytes) -> bytes:
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(message)
        outer.update(inner.digest())
        return outer.digest()


def _derived(key: bytes, use: str) -> bytes:
    return hmac.digest(key, b"lettershop 1 " + use.encode(), "sha256")


def _framed(*parts: str) -> bytes:
    """The parts with their lengths, so that ("ab", "c") and ("a", "bc") differ."""
    return b"".join([len(coded).to_bytes(4, "big") + coded for coded in map(str.encode, parts)])


def _encrypt(cipher: AESGCM, plain: bytes, aad: bytes) -> bytes:
    nonce = os.urandom(_NONCE_BYTES)
    return _FORM + nonce + cipher.encrypt(nonce, plain, aad)


def _decrypt(cipher: AESGCM, coded: bytes, aad: bytes) -> bytes:
    if coded[:1] != _FORM or len(coded) < _OVERHEAD_BYTES:
        raise SealBroken("a sealed value is damaged: run `lettershop ledger verify`")
    try:
        return cipher.decrypt(coded[1 : 1 + _NONCE_BYTES], coded[1 + _NONCE_BYTES :], aad)
    except InvalidTag as exc:
        raise SealBroken("a sealed value does not open with its key: run `lettershop ledger verify`") from exc
