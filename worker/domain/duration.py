"""Lengths of time as people write them in config files: "5 d", "15 min", "30 s"."""

import re
from datetime import timedelta

UNITS = {
    "ms": timedelta(milliseconds=1),
    "s": timedelta(seconds=1),
    "min": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
}
_FORM = re.compile(r"(?P<number>\d{1,15}(?:\.\d{1,6})?) ?(?P<unit>[a-z]{1,7})")
_OTHER_NAMES = {"sec": "s", "m": "min", "minute": "min", "hour": "h", "hr": "h", "day": "d"}
LONGEST = timedelta(days=3660)


def parse_duration(text: str) -> timedelta:
    """Read "5 d", "15 min", "1.5h", "30 s". Raises ValueError with the form that is wanted."""
    found = _FORM.fullmatch(text.strip())
    if not found:
        raise ValueError(
            f'{text!r} is not a length of time; write a number and a unit, like "15 min" (ms, s, min, h, d)'
        )
    unit = found["unit"]
    if unit not in UNITS:
        short = unit.removesuffix("s")
        meant = _OTHER_NAMES.get(short)
        raise ValueError(f"{text!r}: the units are ms, s, min, h and d" + (f'; write "{meant}"' if meant else ""))
    if float(found["number"]) > LONGEST / UNITS[unit]:
        raise ValueError(f"{text!r} is more than ten years")
    return float(found["number"]) * UNITS[unit]


def duration_text(length: timedelta) -> str:
    """`length` as it would be written in a config file, in the largest unit that gives a whole number."""
    for unit in ("d", "h", "min", "s"):
        if length and not length % UNITS[unit]:
            return f"{length // UNITS[unit]} {unit}"
    return f"{length // UNITS['ms']} ms"
