"""A need: one thing that an operator should know or do now, in a sentence, with the verb that mends it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

Severity = Literal["act", "watch"]
"""`act`: somebody must do something, and is told at once. `watch`: it is shown, and stands in the daily summary."""

WORST_FIRST = (
    "ledger", "restored", "audit", "stalled", "pacing", "broker", "relay", "disk", "clock", "mailbox", "in-doubt",
    "confirmations", "stuck", "past-life", "slow", "too-late", "faulty", "sendout", "bulk-act", "process", "config",
    "set-aside", "refused", "review", "quota", "alarms",
)  # fmt: skip
"""Every kind there is, in the order in which they are shown within one severity."""


@dataclass(frozen=True, slots=True)
class Need:
    """`target` is what it is about, "" where there is only one; (kind, target) names the need as long as it lasts.

    `mend` is a command line. `letters` is how many letters are concerned, 0 where none or nobody knows. `since` is None
    where only whoever looks again and again can tell.
    """

    kind: str
    target: str
    text: str
    since: datetime | None
    severity: Severity
    mend: str
    letters: int = 0

    @property
    def key(self) -> tuple[str, str]:
        """What tells one need from another."""
        return self.kind, self.target

    def body(self) -> dict[str, Any]:
        """The JSON form."""
        since = self.since.isoformat(timespec="seconds").replace("+00:00", "Z") if self.since else None
        return {
            "kind": self.kind,
            "target": self.target,
            "text": self.text,
            "since": since,
            "severity": self.severity,
            "mend": self.mend,
            "letters": self.letters,
        }


@dataclass(frozen=True, slots=True)
class Quota:
    """How much of a relay's day is used: `used` letters of `most` in the last 24 hours."""

    relay: str
    used: int
    most: int


def quotas_of(relays: Iterable[Mapping[str, Any]]) -> tuple[Quota, ...]:
    """How much of each relay's day is used, as `status` says; those of which it is not known are left out."""
    days = ((relay["name"], relay["day"]) for relay in relays)
    return tuple(Quota(name, day["used"], day["count"]) for name, day in days if day and day["used"] is not None)


@dataclass(frozen=True, slots=True)
class Disk:
    """What is left of the disk of one machine, in bytes."""

    host: str
    free: int
    size: int


@dataclass(frozen=True, slots=True)
class Parts:
    """What whoever asks found out about the other parts: a sentence of trouble, or ""; what is used; what is left.

    `config`: what is wrong with the home's files, of which the asker has read what can be read.
    """

    broker: str = ""
    pacing: str = ""
    config: str = ""
    quotas: tuple[Quota, ...] = field(default=())
    disk: Disk | None = None


def in_order(found: Iterable[Need]) -> list[Need]:
    """The worst first: what must be acted on, by kind, the oldest of a kind before the others."""
    rank = {kind: place for place, kind in enumerate(WORST_FIRST)}
    return sorted(
        found,
        key=lambda need: (
            need.severity != "act",
            rank[need.kind],
            need.since is None,
            need.since.timestamp() if need.since else 0.0,
            need.target,
        ),
    )


def count(n: int, thing: str, most: int | None = None) -> str:
    """Like "1 letter", "3 letters", or "1,000 letters or more" where `most` were counted and no further."""
    words = f"{n:,} {thing}{'' if n == 1 else 's'}"
    return f"{words} or more" if most is not None and n >= most else words
