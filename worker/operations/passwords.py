"""Passwords: which are good enough, and how they are kept.

Kept as Argon2id hashes (RFC 9106) with the parameters of its section 4, second choice: 64 MiB, three passes, four lanes;
100 to 300 ms of one processor. Older parameters are replaced at the next login.
A password has 12 characters at least, and is none that is guessed first (NIST SP 800-63B-4, 3.1.1.2: length and a list, no
rules about digits and signs). It is compared in NFKC, so that two keyboards' ways of writing it are one.
"""

import functools
import unicodedata

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.profiles import RFC_9106_LOW_MEMORY

from worker.domain.errors import BadInput

SHORTEST = 12
LONGEST = 500
_DIFFERENT = 5
"""Fewer different characters than this are a pattern."""

_OBVIOUS = (
    *("password", "passwort", "motdepasse", "contrasena", "passphrase", "lettershop", "letterpress", "administrator"),
    *("qwertyuiop", "qwertzuiop", "azertyuiop", "asdfghjkl", "letmein", "welcome", "changeme", "iloveyou", "monkey"),
    *("dragon", "football", "baseball", "sunshine", "princess", "superman", "trustno", "secret", "master", "admin"),
    *("operator", "viewer", "login", "correcthorsebatterystaple", "abcdefghijklmnopqrstuvwxyz", "test", "letters"),
)
_ROWS = (
    "01234567890123456789",
    "abcdefghijklmnopqrstuvwxyz",
    "qwertyuiopasdfghjklzxcvbnm",
    "qwertzuiopasdfghjklyxcvbnm",
)
_LEET = str.maketrans("013457@$!", "oieastasi")


def checked(password: str, name: str = "") -> str:
    """The password, if it is good enough for the user `name`. Raises BadInput, which never holds the password."""
    said = plain(password)
    if len(said) < SHORTEST:
        raise BadInput(f"the password is too short: at least {SHORTEST} characters, like four words picked at random")
    if len(said) > LONGEST:
        raise BadInput(f"the password is too long: at most {LONGEST} characters")
    if any(unicodedata.category(character) == "Cc" for character in said):
        raise BadInput("the password holds a control character: leave it out")
    if len(set(said.casefold())) < _DIFFERENT or _obvious(said.casefold(), name.casefold()):
        raise BadInput(
            "the password is one of those that are tried first: take several words that do not belong together"
        )
    return password


def _obvious(said: str, name: str) -> bool:
    """Whether little is left once known words, the user's name, rows of keys and digits are taken out."""
    folded, spelt = _letters(said), _letters(said.translate(_LEET))
    if any(folded in row * 3 or folded in (row * 3)[::-1] for row in _ROWS):
        return True
    left = min((_without(each, name) for each in (folded, spelt)), key=len)
    halves = [folded[:n] for n in range(1, len(folded) // 2 + 1) if len(folded) % n == 0]
    return len(left) < _DIFFERENT or any(half * (len(folded) // len(half)) == folded for half in halves)


def _letters(said: str) -> str:
    return "".join(character for character in said if character.isalnum())


def _without(said: str, name: str) -> str:
    parts = [each for each in (name, *name.replace("-", ".").replace("_", ".").split(".")) if len(each) > 2]  # noqa: PLR2004 - shorter ones are in anything
    for word in sorted({*_OBVIOUS, *parts}, key=len, reverse=True):
        said = said.replace(word, "")
    return "".join(character for character in said if not character.isdigit())


def plain(password: str) -> str:
    """The form in which it is hashed and compared."""
    return unicodedata.normalize("NFKC", password)


@functools.cache
def hasher() -> PasswordHasher:
    """The one way in which passwords are hashed."""
    return PasswordHasher.from_parameters(RFC_9106_LOW_MEMORY)


@functools.cache
def nobodys() -> str:
    """A hash that no password fits: checking against it takes as long as against a real one."""
    return hasher().hash("nobody has this password\0")


def hashed(password: str) -> str:
    """The hash to keep. Takes 0.1 to 0.3 s and 64 MiB."""
    return hasher().hash(plain(password))


def fits(kept: str, password: str) -> bool:
    """Whether it is the password of this hash. Takes as long as `hashed`; a password that is far too long is none."""
    try:
        return hasher().verify(kept, plain(password[: LONGEST * 2]))
    except (VerificationError, InvalidHashError):
        return False


def is_old(kept: str) -> bool:
    """Whether the hash was made with other parameters than are used today."""
    return hasher().check_needs_rehash(kept)
