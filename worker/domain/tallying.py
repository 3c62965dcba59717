"""What running parts count as they work: the names, and labels that nobody outside can multiply. Pure.

Whoever counts is handed a `Tally` and says what happened; where the numbers are kept, and how they are shown, is
`worker/operations/metrics/`. A label is an office's id, a relay's name, a campaign's slug or one of a fixed list: never
an address, a name or a word that somebody wrote.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Protocol

Labels = tuple[str, ...]
"""The values of a name's labels, in the order in which `docs/monitoring.md` names them."""

ATTEMPTS = "lettershop_attempts_total"  # office, relay, result
REPLIES = "lettershop_replies_total"  # code, enhanced
STAGE = "lettershop_stage_seconds"  # stage, lane
DENIALS = "lettershop_throttle_denials_total"  # scope
THROTTLED = "lettershop_throttle_wait_seconds_total"  # scope
LEASES_EXPIRED = "lettershop_leases_expired_total"
LAST_STAGE = "lettershop_last_stage_timestamp_seconds"  # lane
FORMS = "lettershop_forms_total"  # campaign, result
ASKED = "lettershop_asked_to_confirm_total"  # mail
CONFIRMED = "lettershop_confirmations_total"  # campaign, mail

_CODES = frozenset(
    {
        # RFC 5321 (4.2.3), 3207, 4954, 7504 and what large receivers add
        *(211, 214, 220, 221, 235, 250, 251, 252, 334, 354, 421, 422, 430, 431, 432, 441, 442, 446, 447, 450, 451, 452),
        *(453, 454, 455, 458, 459, 471, 500, 501, 502, 503, 504, 510, 511, 512, 513, 521, 523, 530, 534, 535, 538, 541),
        *(550, 551, 552, 553, 554, 555, 556, 557),
    }
)
_ENHANCED = re.compile(r"([245])\.([0-7])\.(\d|[1-3]\d)\Z", re.ASCII)


class Tally(Protocol):
    """Where to say what happened. Safe to call from any thread; never raises, never waits for anything outside."""

    def add(self, name: str, labels: Labels = (), n: int = 1) -> None:
        """`n` more of it. Of a name in seconds, `n` is microseconds."""

    def took(self, name: str, labels: Labels, each_us: Sequence[int]) -> None:
        """It took so many microseconds, once for each."""

    def latest(self, name: str, at_us: int, labels: Labels = ()) -> None:
        """It happened at `at_us`, microseconds since 1970; the latest moment is kept."""


class Untold:
    """A tally that forgets all it is told."""

    def add(self, name: str, labels: Labels = (), n: int = 1) -> None:
        """Nothing."""

    def took(self, name: str, labels: Labels, each_us: Sequence[int]) -> None:
        """Nothing."""

    def latest(self, name: str, at_us: int, labels: Labels = ()) -> None:
        """Nothing."""


UNTOLD = Untold()


@lru_cache(maxsize=256)
def reply_labels(code: int, enhanced: str) -> Labels:
    """A reply's code and enhanced code as labels: digits, of a set that no relay can widen.

    ("none", "") where the relay said nothing; "other" for a code that no document names; of the enhanced code (RFC 3463)
    "other" too where it is out of the ordinary or does not go with the code (RFC 2034, 4), "" where there is none.
    """
    if not code:
        return ("none", "")
    known = str(code) if code in _CODES else "other"
    if not enhanced:
        return (known, "")
    found = _ENHANCED.match(enhanced)
    return (known, enhanced if found and known[0] == found[1] else "other")
