"""Limits: at most `count` letters whose content is written in any window of `window_s` seconds."""

from dataclasses import dataclass

UNITS_S = {"s": 1, "min": 60, "h": 3600, "day": 86400, "d": 86400}
MOST = 10_000_000
"""The largest count that a rate may have: beyond it somebody's finger slipped."""


@dataclass(frozen=True, slots=True)
class Rate:
    """`count` in any window of `window_s` seconds. Prints as it is written in the config: "30/h"."""

    count: int
    window_s: int

    def __str__(self) -> str:
        unit = next((u for u, s in UNITS_S.items() if s == self.window_s), f"{self.window_s}s")
        return f"{self.count}/{unit}"


def parse_rate(text: str) -> Rate:
    """Read "30/h", "5/s", "240/day". Raises ValueError with the form that is wanted."""
    count, _, unit = text.replace(" ", "").partition("/")
    if not (count.isascii() and count.isdigit()) or unit not in UNITS_S or not 1 <= int(count) <= MOST:
        raise ValueError(f'{text!r} is not a rate; write a number of letters and a unit, like "30/h" (s, min, h, day)')
    return Rate(int(count), UNITS_S[unit])


@dataclass(frozen=True, slots=True)
class Limit:
    """A rate on one named thing.

    `key` is "mailbox:<lane>", "domain:un.example", "relay:main" or "campaign:<slug>:<lane>".
    """

    key: str
    rate: Rate
