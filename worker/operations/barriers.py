"""What keeps letters waiting: holds, gates and office hours, read at one moment and said in sentences.

The first answer to "why is this letter still here": `status` shows it for offices, `letters show` for one letter. Nothing
here decides anything; rounds choose their work by the same rows.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal, get_args

from sqlalchemy.engine import Connection

from worker.domain.clock import from_us
from worker.domain.drip import calendar_of
from worker.domain.drip import next_opening as opens_next
from worker.domain.office import Office
from worker.ledger import gates, holds
from worker.ledger.gates import Gate
from worker.ledger.holds import Hold
from worker.ledger.lanes import ANNOUNCEMENTS
from worker.operations.relay_words import trouble_of
from worker.settings import Home

Share = Literal["office", "signers"]
"""Part of a relay's limits is kept for mail to signers: each share has a gate of its own."""

SINK = "rehearsal"
"""The name of the only relay in rehearsal."""

_GATES = {
    "lane": "a break after trouble with its mailbox",
    "domain": "a break after trouble with its mail domain",
}

REFUSED = "the mailbox was refused"
"""How the reason begins of a hold that a refused recipient placed on an office's lane."""

WITH_REASON = '--reason "what was mended"'

_MENDED = ("lane", "relay")
"""Troubles that an operator may end before their time, once the cause is mended."""


@dataclass(frozen=True, slots=True)
class Reason:
    """One thing in the way. `kind` is hold, gate, hours or register; `until` is None where only somebody can end it.

    `mend` is the one verb that mends it, "" where it mends itself. `about` names the hold or gate that it is.
    """

    kind: str
    text: str
    until: datetime | None = None
    mend: str = ""
    about: tuple[str, str] = ("", "")

    def body(self) -> dict[str, str | None]:
        """The JSON form."""
        return {"kind": self.kind, "text": self.text, "until": iso(self.until), "mend": self.mend}


@dataclass(frozen=True, slots=True)
class Barriers:
    """Every hold in force and every gate that is shut at `at_us`."""

    at_us: int
    holds: tuple[Hold, ...]
    gates: Mapping[tuple[str, str], Gate]

    @property
    def now(self) -> datetime:
        return from_us(self.at_us)

    def held(self, scope: str, target: str) -> Iterator[Reason]:
        """The holds on one target, oldest first."""
        for hold in self.holds:
            if (hold.scope, hold.target) == (scope, target):
                until = from_us(hold.until_us) if hold.until_us else None
                mend = " ".join(filter(None, ("lettershop resume", scope, target, WITH_REASON)))
                yield Reason("hold", hold_sentence(hold), until, mend, (scope, target))

    def shut(self, kind: str, key: str) -> Iterator[Reason]:
        """The gate of this name, where it is shut."""
        gate = self.gates.get((kind, key))
        if gate is not None:
            opens = from_us(gate.opens_at_us)
            mend = f"lettershop resume {kind} {key} {WITH_REASON}" if kind in _MENDED else ""
            yield Reason("gate", _gate_sentence(gate), opens, mend, (kind, key))


def read_barriers(connection: Connection, at_us: int) -> Barriers:
    """Read them in the caller's transaction."""
    shut = {(gate.kind, gate.key): gate for gate in gates.shut(connection, at_us)}
    return Barriers(at_us, tuple(holds.standing(connection, at_us)), shut)


def why_lane(barriers: Barriers, home: Home, key: str, domain: str, campaigns: Iterable[str] = ()) -> list[Reason]:
    """What keeps a whole lane waiting, the widest reason first."""
    found = [*barriers.held("everything", ""), *_relays(barriers, home, share_of(key)), *barriers.held("lane", key)]
    for kind, name in (("lane", key), ("lane-pace", key), ("domain", domain), ("domain-pace", domain)):
        found += barriers.shut(kind, name)
    for slug in campaigns:
        found += [*barriers.held("campaign", slug), *barriers.shut("campaign-lane", f"{slug}:{key}")]
    return found


def share_of(lane: str) -> Share:
    """Whose share of a relay the letters of a lane take (as `rounds.choose.share_of`): announcements go as letters do."""
    return "signers" if lane.startswith("signers:") and lane != ANNOUNCEMENTS else "office"


def why_relay(barriers: Barriers, name: str, shares: Sequence[Share] = get_args(Share)) -> list[Reason]:
    """What keeps letters that take these shares from one relay."""
    paces = {each.text: each for share in shares for each in barriers.shut("relay-pace", f"{name}:{share}")}
    return [*barriers.held("relay", name), *barriers.shut("relay", name), *paces.values()]


def why_office(barriers: Barriers, home: Home, office: Office, campaigns: Iterable[str] = ()) -> list[Reason]:
    """What keeps an office's letters waiting."""
    lane = why_lane(barriers, home, office.lane, office.domain, campaigns)
    found = [_refused(reason, office) for reason in lane] + [*barriers.held("office", office.id)]
    if not office.accepts_letters:
        found.append(Reason("register", f"the office takes no letters ({office.refusal})"))
    today = barriers.now.astimezone(office.zone).date()
    if waits := office.standstill(today):
        found.append(Reason("register", f"{waits}, and its letters wait until the register is kept up"))
    opens = next_opening(home, office, barriers.now)
    if opens > barriers.now:
        holiday = home.closed(calendar_of(office), today)
        why = f"a public holiday ({holiday})" if holiday else f"outside its hours ({office.hours}, {office.zone.key})"
        found.append(Reason("hours", why, opens))
    return found


def _refused(reason: Reason, office: Office) -> Reason:
    """A hold because its mailbox was refused, in words: not the lane is to be resumed, the address is wrong."""
    _, refused, said = reason.text.partition(REFUSED)
    if reason.about != ("lane", office.lane) or not refused:
        return reason
    text = f"its mailbox {office.mailbox} is refused{said}. The address is wrong, or no longer there"
    mend = f'lettershop redirect {office.id} NEW-ADDRESS --resume --reason "where it was found"'
    return replace(reason, text=text, mend=mend)


def next_opening(home: Home, office: Office, now: datetime) -> datetime:
    """`now` where the office may be written to by its hours and holidays, else when it opens next (UTC)."""
    return now if home.settings.limits.office_hours == "ignore" else opens_next(office, now, home.closed)


def relay_names(home: Home) -> Sequence[str]:
    """The relays that the home's mode uses, in order."""
    return [relay.name for relay in home.settings.relays] if home.settings.mode == "live" else [SINK]


def hold_sentence(hold: Hold) -> str:
    """A hold in one line: who, why, since when."""
    what = " ".join(filter(None, (hold.scope, hold.target)))
    return f"{what} is held since {clock(from_us(hold.since_us))} by {hold.who}: {hold.reason}"


def iso(moment: datetime | None) -> str | None:
    """A moment in JSON: ISO 8601, UTC, whole seconds."""
    return None if moment is None else moment.isoformat(timespec="seconds").replace("+00:00", "Z")


def clock(moment: datetime) -> str:
    """A moment in a sentence, UTC."""
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def _gate_sentence(gate: Gate) -> str:
    """A gate in words. A limit that is used up says so itself."""
    if gate.kind == "relay":
        return trouble_of(gate.key, gate.reason)
    return f"{_GATES[gate.kind]}: {gate.reason}" if gate.kind in _GATES else gate.reason


def _relays(barriers: Barriers, home: Home, share: Share) -> list[Reason]:
    """Reasons only where no relay is left: with one still open letters move."""
    found: list[Reason] = []
    for name in relay_names(home):
        here = why_relay(barriers, name, (share,))
        if not here:
            return []
        found += here
    return found
