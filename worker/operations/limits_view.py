"""Limits as an operator sees them: those in force, how much of each is used, when it opens, and where it is set.

What a letter falls under is told by the rounds' own rule, and how much is used by the pacer: both are handed in as a
`Gauge`, so that nothing here can say another number than the one that letters wait for.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from worker.domain.clock import from_us
from worker.domain.errors import BadInput, LettershopError
from worker.domain.limits import Limit, Rate
from worker.domain.office import Office
from worker.ledger import limit_changes
from worker.ledger.book import Ledger
from worker.operations.barriers import Barriers, Share, clock, iso, read_barriers, relay_names
from worker.pacing import Pacer
from worker.settings import Home
from worker.settings.home import CAMPAIGNS, SETTINGS
from worker.settings.overlay import overlay
from worker.settings.toml import Document, Loc, read_toml

DAY_S = 86_400
PAGE = 500
"""Limits asked for in one call: some milliseconds of Redis's one thread."""
PATIENCE_S = 2.0

Used = Mapping[Limit, int]


LimitsOf = Callable[[str, str, str, str, str], tuple[Limit, ...]]
"""The rule of the rounds: every limit of letters on (relay, kind of lane, lane's key, mail domain, campaign)."""


@dataclass(frozen=True, slots=True)
class Gauge:
    """`limits_of` says what counts; `ask` how much of each is used now, and {} where pacing cannot tell."""

    limits_of: LimitsOf
    ask: Callable[[Sequence[Limit]], Used]

    def of_office(self, home: Home, office: Office, campaigns: Iterable[str]) -> list[Limit]:
        """What an office's letters of these campaigns fall under, but for the relays' limits, each once."""
        relay = relay_names(home)[0] if relay_names(home) else ""
        found: dict[Limit, None] = {}
        for slug in [*campaigns] or [""]:
            for limit in self.limits_of(relay, "office", office.lane, office.domain, slug):
                if not limit.key.startswith("relay:"):
                    found[limit] = None
        return list(found)

    def of_relay(self, relay: str) -> list[Limit]:
        """All that one relay takes, with the share that is kept for mail to signers."""
        return list(self.limits_of(relay, "signers", "", "", ""))


def days_of(home: Home, gauge: Gauge) -> dict[str, Limit]:
    """The day's limit in force of each relay that has one."""
    found = ((name, limit) for name in relay_names(home) for limit in gauge.of_relay(name))
    return {name: limit for name, limit in found if scope_of(limit) == "relay-day"}


def ask_used(open_pacer: Callable[[], Pacer], limits: Sequence[Limit]) -> Used:
    """How many letters count against each limit now; {} where pacing is away, settles or is not refilled yet."""

    async def ask() -> dict[Limit, int]:
        pacer = open_pacer()
        found: dict[Limit, int] = {}
        try:
            async with asyncio.timeout(PATIENCE_S):
                for page in range(0, len(limits), PAGE):
                    found |= {limit: n for n, limit in await pacer.used(limits[page : page + PAGE])}
        except (LettershopError, TimeoutError):
            return {}
        finally:
            await pacer.aclose()
        return found

    return asyncio.run(ask()) if limits else {}


def scope_of(limit: Limit) -> str:
    """What kind of limit it is, as a changed limit calls it: "mailbox", "mailbox-day", "campaign-office", ..."""
    kind = limit.key.partition(":")[0]
    if kind == "campaign":
        return "campaign-office"
    return f"{kind}-day" if kind in {"relay", "mailbox"} and limit.rate.window_s == DAY_S else kind


_GATES = {"mailbox": "lane-pace", "domain": "domain-pace", "campaign": "campaign-lane"}


def opens_at(barriers: Barriers, limit: Limit) -> int | None:
    """When the gate opens that this limit shut, in microseconds; None where it shut none."""
    kind, _, rest = limit.key.partition(":")
    if kind == "relay":
        shut = [barriers.gates.get(("relay-pace", f"{rest}:{share}")) for share in get_args(Share)]
    else:
        shut = [barriers.gates.get((_GATES.get(kind, kind), limit.key if kind == "mailbox" else rest))]
    return max((gate.opens_at_us for gate in shut if gate is not None), default=None)


def limit_body(barriers: Barriers, limit: Limit, used: Used) -> dict[str, Any]:
    """A limit as JSON. `used` and `left` are None where pacing cannot tell."""
    n, opens = used.get(limit), opens_at(barriers, limit)
    full = n is None or n >= limit.rate.count
    return {
        "key": limit.key,
        "scope": scope_of(limit),
        "count": limit.rate.count,
        "window_s": limit.rate.window_s,
        "used": n,
        "left": None if n is None else max(0, limit.rate.count - n),
        "opens_at": iso(from_us(opens)) if opens is not None and full else None,
    }


# -- `limits --office`: where each is set --------------------------------------------------------------------------------
def limits_of_office(
    home: Home, ledger: Ledger, gauge: Gauge, office_id: str, environ: Mapping[str, str]
) -> dict[str, Any]:
    """The limits of one office's letters, each with the line that sets it, how much is used, and when it opens.

    Raises BadInput where there is no such office.
    """
    office = find_office(home, office_id)
    slugs = [slug for slug, campaign in home.campaigns.items() if office.id in campaign.offices]
    limits = gauge.of_office(home, office, slugs)
    relays = [limit for name in relay_names(home) for limit in gauge.of_relay(name)]
    used = gauge.ask([*limits, *relays])
    with ledger.read() as connection:
        at_us = ledger.now_us()
        barriers = read_barriers(connection, at_us)
        changes: dict[tuple[str, str], limit_changes.Change] = {
            (each.scope, each.target): each for each in limit_changes.standing(connection, at_us)
        }
    places = _Places(home, environ, changes)
    shared = [other.id for other in home.offices.values() if other.lane == office.lane and other.id != office.id]
    return {
        "office": office.id,
        "mailbox": office.mailbox,
        "campaigns": slugs,
        "shares_mailbox_with": shared,
        "connections": home.settings.limits.mailbox_connections,
        "hours": str(office.hours),
        "time_zone": office.zone.key,
        "limits": [
            {**limit_body(barriers, limit, used), "rate": str(limit.rate), "set_by": places.of(limit)}
            for limit in [*limits, *relays]
        ],
        "pacing": bool(used) or not (limits or relays),
    }


def find_office(home: Home, office_id: str) -> Office:
    """The office of this id. Raises BadInput, naming the nearest."""
    from difflib import get_close_matches

    if office_id in home.offices:
        return home.offices[office_id]
    near = get_close_matches(office_id, list(home.offices), n=3, cutoff=0.3)
    raise BadInput(f"there is no office {office_id!r}; " + (f"did you mean {', '.join(near)}?" if near else
                   "`lettershop offices list` shows those there are"))  # fmt: skip


_KEYS = {
    "mailbox": ("limits", "mailbox"),
    "mailbox-day": ("limits", "mailbox_per_day"),
    "domain": ("limits", "domain"),
}


class _Places:
    """Which line, or which variable of the environment, sets a limit."""

    def __init__(
        self, home: Home, environ: Mapping[str, str], changes: Mapping[tuple[str, str], limit_changes.Change]
    ) -> None:
        self._home, self._changes = home, changes
        self._settings = read_toml(home.root / SETTINGS, SETTINGS)
        _, self._variables = overlay(self._settings.data, environ)

    def of(self, limit: Limit) -> str:
        """Like "config/lettershop.toml:38"; a variable's name; or that it is the default."""
        scope = scope_of(limit)
        if change := self._changes.get(
            (scope, limit.key if scope.startswith("mailbox") else limit.key.partition(":")[2])
        ):
            until = clock(from_us(change.until_us))
            return f"changed by {change.who} until {until}: {change.reason} (`lettershop limit list`)"
        if scope == "campaign-office":
            return self._of_campaign(limit.key.split(":")[1])
        if scope in _KEYS:
            return self._at(_KEYS[scope])
        name = limit.key.partition(":")[2]
        names = [relay.name for relay in self._home.settings.relays]
        key = "per_day" if scope == "relay-day" else "rate"
        return self._at(("relays", names.index(name), key)) if name in names else SETTINGS

    def _at(self, loc: Loc) -> str:
        for end in range(len(loc), 0, -1):
            if loc[:end] in self._variables:
                return self._variables[loc[:end]]
        if loc in self._settings.lines:
            return self._settings.place(loc)
        return f"the default of [{loc[0]}] {loc[-1]}"

    def _of_campaign(self, slug: str) -> str:
        name = f"{CAMPAIGNS}/{slug}.toml"
        document: Document = read_toml(self._home.root / name, name)
        return document.place(("per_office",))


def rate_text(rate: Rate) -> str:
    """The rate for a sentence: "30 an hour"."""
    words = {1: "a second", 60: "a minute", 3600: "an hour", DAY_S: "in 24 hours"}
    return f"{rate.count:,} {words.get(rate.window_s, f'in {rate.window_s} s')}"
