"""A proof of work: what a visitor's device computes where a form is sent unusually often (ALTCHA, no third party).

The protocol is ALTCHA's version 1 with SHA-256: find the number, `maxnumber` at most, whose decimal digits appended to the
salt have the given hash. Version 2 puts a key derivation (PBKDF2, scrypt, Argon2) in the hash's place, which needs
WebAssembly or `crypto.subtle`, and browsers give the latter to no page at a plain `http://` address. SHA-256 is a few dozen
lines of JavaScript of our own (`worker/web/static/challenge-solver.js`) and runs wherever there are Web Workers.

What it buys: a price on every signature, no proof that there is a person. A GPU pays next to nothing. It is for floods from
rented or hijacked machines, and stands behind the limits, never instead of them. A visitor whose browser runs no scripts
sends the field empty; the signature is then held for an operator.

**Difficulty.** `LARGEST` = 250,000, so 125,000 hashes on average. The solver does about 900,000 a second on one core of a
small server (Node 20, measured); phones of 2015 to 2017 (Cortex-A53) run such code at about a tenth of that: 1.4 s on
average, 2.8 s at most. It starts when the visitor touches the form, so nearly always it is done before the typing is.

A solution counts once, for 10 minutes after its challenge was given out: spent ones are remembered in Redis for all
processes (`SET NX`) and in each process beside it, which is all there is while Redis is away.
"""

import base64
import binascii
import json
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from hmac import compare_digest

from altcha.v1 import SHA256, ChallengeOptions, create_challenge, hash_hex, hmac_hex

from worker.domain.clock import Clock, aware
from worker.web.gate.door import Away, Door
from worker.web.gate.keyed import sub_key
from worker.web.gate.memory import Seen

FIELD = "altcha"
"""The form's field that carries the solution."""

LARGEST = 250_000
LIFE = timedelta(minutes=10)

_LONGEST = 1_024  # characters of a payload; an honest one has about 380
_SALT_BYTES = 12  # salt, expiry and digits stay within one block of SHA-256 (55 bytes)
_SALT = re.compile(r"[0-9a-f]{24}\?expires=([0-9]{1,12})&", re.ASCII)
_HEX = re.compile(r"[0-9a-f]{64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class _Solution:
    """A payload whose every part has the right form; nothing about it is proved yet."""

    challenge: str
    number: int
    salt: str
    signature: str
    expires: int  # seconds since 1970


class Challenges:
    """`key`: at least 16 random bytes, the same in all processes. Belongs to one event loop."""

    def __init__(self, key: bytes, door: Door, clock: Clock) -> None:
        self._key = sub_key(key, "challenges")
        self._door = door
        self._spent = Seen(clock, _life_s())

    def issue(self, now: datetime) -> dict[str, str | int]:
        """A challenge as JSON for the widget: algorithm, challenge, maxnumber, salt, signature. Keeps nothing."""
        made = create_challenge(
            ChallengeOptions(max_number=LARGEST, salt_length=_SALT_BYTES, hmac_key=self._key, expires=aware(now) + LIFE)
        )
        return {
            "algorithm": made.algorithm,
            "challenge": made.challenge,
            "maxnumber": made.max_number,
            "salt": made.salt,
            "signature": made.signature,
        }

    async def solved(self, payload: str, now: datetime) -> bool:
        """Whether `payload` (base64 of JSON, as the widget sends it) solves a challenge of ours, for the first time.

        True spends it. Never raises, whatever it is given.
        """
        solution = _read(payload)
        if solution is None or not self._proved(solution) or solution.expires <= aware(now).timestamp():
            return False
        return await self._first(solution.challenge)

    def _proved(self, solution: _Solution) -> bool:
        """As altcha's `verify_solution`, but in constant time and with nothing lenient about its input."""
        challenge = hash_hex(SHA256, f"{solution.salt}{solution.number}".encode())
        signature = hmac_hex(SHA256, challenge.encode(), self._key)
        return compare_digest(challenge, solution.challenge) & compare_digest(signature, solution.signature)

    async def _first(self, challenge: str) -> bool:
        if not self._spent.first(challenge):
            return False
        try:
            return await self._door.through(lambda pacer: pacer.ring_once(f"altcha:{challenge}", _life_s()))
        except Away:
            return True


def _life_s() -> float:
    return LIFE.total_seconds() + 60  # longer than any solution: clocks of two machines differ


def _read(payload: str) -> _Solution | None:
    given = _json(payload)
    if not isinstance(given, dict) or given.get("algorithm") != SHA256:
        return None
    challenge, number, salt, signature = (given.get(name) for name in ("challenge", "number", "salt", "signature"))
    if type(number) is not int or not 0 <= number <= LARGEST:
        return None
    if not (isinstance(challenge, str) and isinstance(salt, str) and isinstance(signature, str)):
        return None
    shape = _SALT.fullmatch(salt)
    if shape is None or not _HEX.fullmatch(challenge) or not _HEX.fullmatch(signature):
        return None
    return _Solution(challenge, number, salt, signature, int(shape[1]))


def _json(payload: str) -> object:
    if len(payload) > _LONGEST:
        return None
    try:
        return json.loads(base64.b64decode(payload, validate=True))
    except (binascii.Error, ValueError, RecursionError):  # not ASCII, not base64, not UTF-8, not JSON, nested too deep
        return None
