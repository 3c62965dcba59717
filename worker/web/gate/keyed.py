"""Keyed hashes of the gate: one key, a sub-key for each use, so that no result of one can stand in for another."""

import base64
import hmac

SHORTEST_KEY = 16


def sub_key(key: bytes, use: str) -> bytes:
    """32 bytes for one use. Raises ValueError for a key that could be guessed."""
    if len(key) < SHORTEST_KEY:
        raise ValueError(f"a key of the gate has at least {SHORTEST_KEY} bytes")
    return hmac.digest(key, b"lettershop gate: " + use.encode(), "sha256")


def mac(key: bytes, *parts: str | bytes, size: int = 32) -> str:
    """HMAC-SHA256 over `parts`, each with its length in front, cut to `size` bytes, as URL-safe base64 without padding."""
    message = b"".join(len(part).to_bytes(4) + part for part in map(_bytes, parts))
    return base64.urlsafe_b64encode(hmac.digest(key, message, "sha256")[:size]).rstrip(b"=").decode()


def _bytes(part: str | bytes) -> bytes:
    return part if isinstance(part, bytes) else part.encode(errors="surrogatepass")
