"""Slips of the pen in an address's domain: "gmial.com" is asked back as "gmail.com".

It is a question to the visitor, never a correction of ours: the form shows it beside the field, and an address sent again
as it was is taken. So the aim is to ask rarely and nearly always rightly:

1. an ending that no domain can have (`.con`) is mended whatever stands before it;
2. a missing dot or a comma for a dot is mended where that makes a common domain;
3. of a common domain that exists under one ending, an ending nearly right is mended ("yahoo.co", not "yahoo.co.uk");
4. a name one slip away from a common one with the same ending is mended: a letter more, less, other, or two neighbours
   changed over (Damerau 1964: four in five slips are one of these). The first letter must be right, or changed over with
   the second: people rarely miss the first letter, and other people's domains differ in it (ymail.com, email.com).

Domains known to be real are left alone, as are short names, where a guess is as likely wrong, and names reserved for
tests (RFC 2606). Nothing is asked of the DNS.
"""

import re
from functools import lru_cache

from worker.web.gate.mail_domains import COMMON, NEARLY_COM, NO_TLD, REAL, SHORT

_LONGEST = 254  # RFC 5321, 4.5.3.1.3
_RESERVED = frozenset({"example", "test", "invalid", "localhost"})
_KNOWN = frozenset(COMMON + SHORT + REAL)
_UNDOTTED = {domain.replace(".", ""): domain for domain in reversed(COMMON + SHORT)}
_COM_NAMES = frozenset(domain.removesuffix(".com") for domain in COMMON if domain.endswith(".com")) | {
    "aol",
    "msn",
    "live",
}
_SHAPE = re.compile(r"[a-z0-9.,-]{1,40}", re.ASCII)  # no common domain and no slip of one is longer


def suggestion(email: str) -> str:
    """The whole address with its domain mended, or "" if nothing looks like a slip. Never raises."""
    local, _, domain = email.strip().rpartition("@")
    domain = domain.lower()
    if not local or len(email) > _LONGEST or not _SHAPE.fullmatch(domain):
        return ""
    better = _better(domain)
    return f"{local}@{better}" if better else ""


@lru_cache(maxsize=10_000)
def _better(domain: str) -> str:
    if domain in _KNOWN or domain.rpartition(".")[2] in _RESERVED:
        return ""
    dotted = _dotted(domain)
    name, _, ending = dotted.partition(".")
    mended = _ending(name, ending)
    if f"{name}.{mended}" in _KNOWN:
        better = f"{name}.{mended}"
    else:
        better = _common_near(name, mended) or (f"{name}.{mended}" if _impossible(ending) else "")
    return better if better != domain else ""


def _dotted(domain: str) -> str:
    """The domain with a dot where there was a comma, two, or none."""
    dotted = ".".join(filter(None, domain.replace(",", ".").split(".")))
    return _UNDOTTED.get(dotted, dotted)


def _impossible(ending: str) -> bool:
    return ending.rpartition(".")[2] in NO_TLD


def _ending(name: str, ending: str) -> str:
    before, dot, last = ending.rpartition(".")
    mended = f"{before}{dot}{NO_TLD.get(last, last)}"
    is_com = mended in NEARLY_COM and any(_alike(name, known) for known in _COM_NAMES)
    return "com" if is_com else mended


def _common_near(name: str, ending: str) -> str:
    for common in COMMON:
        known, _, end = common.partition(".")
        if end == ending and _alike(name, known):
            return common
    return ""


def _alike(name: str, known: str) -> bool:
    """Whether `name` is `known`, or one slip from it with the first letter right. Short names must be the same."""
    if name == known:
        return True
    if len(known) < 5 or not name:  # noqa: PLR2004 - five letters: the shortest that is guessed at is "gmail"
        return False
    start_right = name[0] == known[0] or name[:2] == known[1::-1]
    return start_right and _one_slip(name, known)


def _one_slip(a: str, b: str) -> bool:
    """Whether one letter inserted, left out or replaced, or two neighbours changed over, makes `b` of `a`."""
    if abs(len(a) - len(b)) > 1:
        return False
    start = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
    rest_a, rest_b = a[start:], b[start:]
    changed_over = len(rest_a) > 1 and rest_a[:2] == rest_b[1::-1] and rest_a[2:] == rest_b[2:]
    return changed_over or rest_a[1:] == rest_b[1:] or rest_a[1:] == rest_b or rest_a == rest_b[1:]
