"""What the doors of this room answer."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Receipt:
    """A signature as it stands after the call.

    `state` is "unconfirmed", "confirmed", "withdrawn" or "erased", or "quiet" where nothing was recorded (`signature` is
    0) because the address asked never to be written to again. `letters` were made by this very call (a notice counts);
    `skipped` offices take no letters; `written` offices had one of this person in this send-out before. `repeated` says
    that no signature was recorded by the call, because the same had been done already; a notice may still be due.
    """

    signature: int
    state: str
    letters: int = 0
    repeated: bool = False
    skipped: int = 0
    written: int = 0


@dataclass(frozen=True, slots=True)
class Ended:
    """`signatures` ended by the call (empty if they had ended before), and how many letters were cancelled."""

    signatures: tuple[int, ...]
    cancelled: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one row of many. `signature` is None and `reason` says why where it was rejected."""

    kind: Literal["accepted", "repeated", "rejected"]
    signature: int | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Tally:
    """Sums of a bulk call."""

    accepted: int = 0
    repeated: int = 0
    rejected: int = 0
    letters: int = 0

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(
            self.accepted + other.accepted,
            self.repeated + other.repeated,
            self.rejected + other.rejected,
            self.letters + other.letters,
        )

    @property
    def rows(self) -> int:
        return self.accepted + self.repeated + self.rejected
