"""`limit set`, `limit lift`, `limit list`: an operator changes a limit for a while.

A change holds for the whole fleet from the next ask for leave on, and ends by itself. Of one limit one change stands at
most: a second one is refused unless it is said to replace the first. A mailbox is a person's: it may be given at most
`MOST_TIMES` of what is configured, counted over the window of the configured limit; whoever needs more edits the config.

A limit on what had none before has no counts yet. Then `forget` is called, before and after: for some seconds nothing is
granted to anybody, and the counts are read from the ledger's attempts.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from math import ceil
from typing import Any

from sqlalchemy.engine import Connection

from worker.domain.clock import from_us
from worker.domain.duration import duration_text
from worker.domain.errors import BadInput, RefusedByState
from worker.domain.limits import Rate, parse_rate
from worker.ledger import audit, limit_changes
from worker.ledger.book import Ledger
from worker.ledger.limit_changes import SCOPES, Change, Scope
from worker.ledger.transact import transact
from worker.operations.barriers import clock, iso, relay_names
from worker.operations.holds import checked_reason
from worker.settings import Home

MOST_TIMES = 10
"""No mailbox is given more than so many times its configured limit."""

LONGEST = timedelta(days=31)
"""What is to hold for longer belongs in the config."""

DAY_S = 86_400
_MICROSECOND = timedelta(microseconds=1)
_PER_DAY = ("relay-day", "mailbox-day")


@dataclass(frozen=True, slots=True)
class Wish:
    """A change as an operator asks for it. `rate` is text like "60/h".

    `name` is an office's id, a mail domain, a relay's name, or "CAMPAIGN:OFFICE"; for an office its mailbox or its lane
    will do.
    """

    scope: str
    name: str
    rate: str
    length: timedelta
    who: str
    reason: str
    replace: bool = False


@dataclass(frozen=True, slots=True)
class Target:
    """A limit that can be changed: its scope, its target as the ledger names it, and what is configured."""

    scope: Scope
    target: str
    configured: Rate | None

    def __str__(self) -> str:
        return f"{self.scope} {self.target}"


def find_target(home: Home, scope: str, name: str) -> Target:
    """The limit of this scope and name. Raises BadInput, naming what there is."""
    if scope not in SCOPES:
        raise BadInput(f"there is no limit {scope!r}; there are: {', '.join(SCOPES)}")
    known: Scope = scope  # type: ignore[assignment]  # it is one of them
    if known in ("relay", "relay-day"):
        return _relay(home, known, name)
    if known == "domain":
        return _domain(home, name)
    if known == "campaign-office":
        return _campaign_office(home, name)
    limits, lane = home.settings.limits, _lane(home, name)
    if known == "mailbox":
        return Target("mailbox", lane, limits.mailbox)
    return Target("mailbox-day", lane, Rate(limits.mailbox_per_day, DAY_S))


def set_limit(ledger: Ledger, home: Home, wish: Wish, forget: Callable[[], None]) -> Change:
    """Change a limit for a while.

    `forget` drops the pacer's windows (`wiring.servers.forget_windows`); it is called where the limit had no counts. Raises
    BadInput for an unknown limit or a rate that may not be, RefusedByState where a change stands and `replace` is not
    said; Failed, with nothing changed, where the ledger or Redis is away.
    """
    checked_reason(wish.reason)
    target = find_target(home, wish.scope, wish.name)
    rate = checked_rate(target, wish.rate)
    if not timedelta(seconds=1) <= wish.length <= LONGEST:
        raise BadInput(
            f"a limit is changed for 1 s to {duration_text(LONGEST)}; what holds for longer stands in the config"
        )
    uncounted = not _counted(ledger, home, target)
    if uncounted:
        forget()
    changed = transact(ledger, lambda connection: _set(connection, ledger.now_us(), target, rate, wish))
    if uncounted:
        forget()
    return changed


def lift_limit(ledger: Ledger, home: Home, scope: str, name: str, who: str, reason: str) -> Change:
    """End a change before its time; the change that stood. Raises BadInput, and RefusedByState where none stands."""
    checked_reason(reason)
    return transact(ledger, lambda connection: _lift(connection, ledger.now_us(), home, (scope, name), who, reason))


def listing(ledger: Ledger) -> list[Change]:
    """The changes in force, the oldest first."""
    with ledger.read() as connection:
        return limit_changes.standing(connection, ledger.now_us())


def body(change: Change) -> dict[str, Any]:
    """The JSON form."""
    return {
        "id": change.id,
        "scope": change.scope,
        "target": change.target,
        "rate": str(change.rate),
        "since": iso(from_us(change.since_us)),
        "until": iso(from_us(change.until_us)),
        "who": change.who,
        "reason": change.reason,
    }


def checked_rate(target: Target, text: str) -> Rate:
    """The rate that is wished for. Raises BadInput, naming the bound where an office would be flooded."""
    try:
        rate = parse_rate(text)
    except ValueError as exc:
        raise BadInput(str(exc)) from exc
    if target.scope in _PER_DAY and rate.window_s != DAY_S:
        raise BadInput(f'{target.scope} counts days: write it as "{rate.count}/day"')
    if target.scope in ("mailbox", "mailbox-day") and target.configured is not None:
        _refuse_flood(target.configured, rate)
    return rate


def _refuse_flood(configured: Rate, rate: Rate) -> None:
    """`rate` must not let more through in the configured limit's window than so many times as much."""
    most = configured.count * MOST_TIMES
    let_through = rate.count * max(1, ceil(configured.window_s / rate.window_s))
    if let_through > most:
        bound = Rate(most, configured.window_s)
        raise BadInput(
            f"{rate} would flood the office: a mailbox is given at most {MOST_TIMES} times its configured {configured}, "
            f"which is {bound}"
        )


# -- in the transaction ------------------------------------------------------------------------------------------------
def _set(connection: Connection, at_us: int, target: Target, rate: Rate, wish: Wish) -> Change:
    limit_changes.alone(connection)
    before = limit_changes.find(connection, at_us, target.scope, target.target)
    if before is not None and not wish.replace:
        until = clock(from_us(before.until_us))
        raise RefusedByState(
            f"{target} is changed already, to {before.rate} until {until} by {before.who}: {before.reason}. "
            "Lift it first, or say --replace"
        )
    until_us = at_us + wish.length // _MICROSECOND
    number = limit_changes.set_one(
        connection, at_us, target.scope, target.target, rate, until_us=until_us, who=wish.who, reason=wish.reason
    )
    was = before.rate if before else target.configured
    details = {"change": number, "rate": str(rate), "was": str(was) if was else "", "until_us": until_us}
    audit.append(connection, at_us, wish.who, "limit set", str(target), wish.reason, details)
    return Change(number, target.scope, target.target, rate, wish.reason, wish.who, at_us, until_us)


def _lift(connection: Connection, at_us: int, home: Home, named: tuple[str, str], who: str, reason: str) -> Change:
    limit_changes.alone(connection)
    stood = _standing(connection, at_us, home, *named)
    limit_changes.lift(connection, at_us, stood.scope, stood.target)
    details = {"change": stood.id, "rate": str(stood.rate)}
    audit.append(connection, at_us, who, "limit lift", f"{stood.scope} {stood.target}", reason, details)
    return stood


def _standing(connection: Connection, at_us: int, home: Home, scope: str, name: str) -> Change:
    """The change that is meant. It may stand on what is configured no longer, and is then named as `limit list` does."""
    changes = {(change.scope, change.target): change for change in limit_changes.standing(connection, at_us)}
    for (of_scope, target), change in changes.items():
        if (of_scope, target) == (scope, name):
            return change
    found = find_target(home, scope, name)
    if (found.scope, found.target) not in changes:
        raise RefusedByState(f"{found} is as configured; `lettershop limit list` shows what is changed")
    return changes[found.scope, found.target]


def _counted(ledger: Ledger, home: Home, target: Target) -> bool:
    """Whether the pacer has been counting for this limit: another on the same key will do."""
    with ledger.read() as connection:
        changed = {(change.scope, change.target) for change in limit_changes.standing(connection, ledger.now_us())}
    scopes: tuple[Scope, ...] = (target.scope,)
    if target.scope in ("relay", "relay-day"):
        scopes = ("relay", "relay-day")
        configured = any(find_target(home, scope, target.target).configured for scope in scopes)
    else:
        configured = target.configured is not None
    return configured or any((scope, target.target) in changed for scope in scopes)


# -- what there is -----------------------------------------------------------------------------------------------------
def _relay(home: Home, scope: Scope, name: str) -> Target:
    names = relay_names(home)
    if name not in names:
        raise BadInput(f"there is no relay {name!r}; there are: {', '.join(names) or 'none'}")
    relay = next((r for r in home.settings.relays if r.name == name), None) if home.settings.mode == "live" else None
    if relay is None:
        return Target(scope, name, None)
    per_day = Rate(relay.per_day, DAY_S) if relay.per_day else None
    return Target(scope, name, per_day if scope == "relay-day" else relay.rate)


def _domain(home: Home, name: str) -> Target:
    domains = sorted({office.domain for office in home.offices.values()})
    if name.lower() not in domains:
        raise BadInput(f"no office has a mailbox at {name!r}; there are: {_some(domains)}")
    return Target("domain", name.lower(), home.settings.limits.domain)


def _campaign_office(home: Home, name: str) -> Target:
    slug, _, office = name.partition(":")
    campaign = home.campaigns.get(slug)
    if campaign is None:
        raise BadInput(
            f"there is no campaign {slug!r}; write CAMPAIGN:OFFICE, with one of {_some(sorted(home.campaigns))}"
        )
    lane = _lane(home, office)
    if lane not in {home.offices[each].lane for each in campaign.offices}:
        raise BadInput(f"campaign {slug} does not write to {office}; it writes to {_some(sorted(campaign.offices))}")
    return Target("campaign-office", f"{slug}:{lane}", parse_rate(campaign.per_office) if campaign.per_office else None)


def _lane(home: Home, name: str) -> str:
    """An office's lane, by its id, its mailbox or the lane itself."""
    if name in home.offices:
        return home.offices[name].lane
    lanes = {office.lane for office in home.offices.values()}
    for key in (name, f"mailbox:{name.lower()}"):
        if key in lanes:
            return key
    raise BadInput(f"there is no office {name!r}; there are: {_some(sorted(home.offices))}")


def _some(names: list[str], most: int = 8) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return (", ".join(names[:most]) or "none") + more
