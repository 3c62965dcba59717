"""What the watchdog's mails say: plain text, no signer's data, the verb that mends it below each need."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from worker.domain.clock import from_us
from worker.ledger.alarms import Alarm
from worker.operations.needs import Need

_SUBJECT = 70
"""Characters of a cause in a subject."""


@dataclass(frozen=True, slots=True)
class Telling:
    """All there is to say at one look. `since` of a need is its alarm's: what was there before the need was seen anew."""

    new: Sequence[tuple[Need, datetime]] = field(default=())
    still: Sequence[tuple[Need, datetime]] = field(default=())
    over: Sequence[Alarm] = field(default=())
    watch: Sequence[Need] = field(default=())

    def __bool__(self) -> bool:
        return bool(self.new or self.still or self.over)


def subject(mode: str, telling: Telling) -> str:
    """The mail's subject: the worst of it, and how much there is."""
    fresh = [need for need, _ in (*telling.new, *telling.still)]
    if not fresh:
        n = len(telling.over)
        return f"[lettershop {mode}] over: {_short(telling.over[0].text)}" + (f" (and {n - 1} more)" if n > 1 else "")
    word = "needs you" if telling.new else "still needs you"
    more = f" (and {len(fresh) - 1} more)" if len(fresh) > 1 else ""
    return f"[lettershop {mode}] {word}: {_short(fresh[0].text)}{more}"


def _short(text: str) -> str:
    """The cause alone, without the relay's words behind it, and no half words."""
    return textwrap.shorten(text.partition(" (")[0].partition(". ")[0], _SUBJECT, placeholder=" ...")


def body(home: str, telling: Telling, now: datetime, pages: str = "") -> str:
    """The mail's text."""
    parts: list[str] = []
    for title, needs in (("Needs you now", telling.new), ("Still needs you", telling.still)):
        if needs:
            parts.append("\n\n".join([title, *(_need(need, since) for need, since in needs)]))
    if telling.over:
        lines = [f"- {alarm.text}\n  since {_clock(from_us(alarm.since_us))}" for alarm in telling.over]
        parts.append("\n\n".join(["Over", *lines]))
    if telling.watch:
        parts.append("\n\n".join(["Worth a look too", *(f"- {need.text}" for need in telling.watch)]))
    return "\n\n\n".join([*parts, foot(home, now, pages)])


def foot(home: str, now: datetime, pages: str = "") -> str:
    """Where it comes from, and where to look."""
    look = "`lettershop status` shows everything" + (f", as do the pages: {pages}/ops" if pages else "")
    return f"-- \n{look}.\nWritten {_clock(now)} by the watchdog of {home}\n"


def _need(need: Need, since: datetime) -> str:
    lines = [f"- {need.text}", f"  since   {_clock(since)}"]
    if need.letters:
        lines.append(f"  letters {need.letters:,}")
    return "\n".join([*lines, f"  mend it {need.mend}"])


def _clock(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
