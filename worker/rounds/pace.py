"""Which limits a letter falls under, and what a refusal of the pacer means for the lane.

A denied letter is not touched: the gate of the limit that denied it moves by its wait, so that ten thousand letters
behind one mailbox limit cost one row, and `why` finds the reason in one place.

What operators have changed for a while stands in the ledger, and is handed in as `changed` (see `ledger/limit_changes`).
"""

from collections.abc import Iterable
from dataclasses import replace

from worker.domain.limits import Limit, Rate, parse_rate
from worker.ledger import limit_changes
from worker.ledger.hot import sql
from worker.ledger.hot.database import Database
from worker.ledger.hot.lanes import Front
from worker.ledger.hot.values import Effect
from worker.ledger.lanes import ANNOUNCEMENTS
from worker.ledger.limit_changes import Standing
from worker.rounds.choose import pace_key, share_of
from worker.rounds.house import House, Plan, RelayPlan

DAY_S = 86_400
REMEMBERED_S = DAY_S + 1800
KEPT_FOR_NOTICES = 10
"""One part in so many of each relay's rate and day quota is kept for mail to signers."""

_GATE = {
    "relay": "relay-pace",
    "domain": "domain-pace",
    "mailbox": "lane-pace",
    "campaign": "campaign-lane",
    "announce": "lane-pace",
}


UNCHANGED: Standing = {}


def limits_of(
    plan: Plan, relay: RelayPlan, kind: str, lane_key: str, domain: str, campaign: str, changed: Standing = UNCHANGED
) -> tuple[Limit, ...]:
    """Every limit that a letter's content counts against. Mail to signers has the relay's alone, and all of it.

    But for announcements: they leave confirmations their share, and have a pace of their own. `changed` limits hold in
    place of those that are configured.
    """
    of_relay = [Limit(f"relay:{relay.name}", rate) for rate in _relay_rates(relay, changed)]
    if kind == "signers" and lane_key != ANNOUNCEMENTS:
        return tuple(of_relay)
    limits = [Limit(limit.key, _ordinary(limit.rate)) for limit in of_relay]
    if kind == "signers":
        return (*limits, *([Limit("announce:all", plan.announce)] if plan.announce else []))
    if (of_domain := changed.get(("domain", domain), plan.domain)) is not None:
        limits.append(Limit(f"domain:{domain}", of_domain))
    limits.append(Limit(lane_key, changed.get(("mailbox", lane_key), plan.mailbox)))
    limits.append(Limit(lane_key, changed.get(("mailbox-day", lane_key), Rate(plan.mailbox_per_day, DAY_S))))
    configured = plan.campaigns[campaign].per_office if campaign in plan.campaigns else ""
    per_office = changed.get(
        ("campaign-office", f"{campaign}:{lane_key}"), parse_rate(configured) if configured else None
    )
    if per_office is not None:
        limits.append(Limit(f"campaign:{campaign}:{lane_key}", per_office))
    return tuple(limits)


def _relay_rates(relay: RelayPlan, changed: Standing) -> Iterable[Rate]:
    per_day = None if relay.per_day is None else Rate(relay.per_day, DAY_S)
    rates = changed.get(("relay", relay.name), relay.rate), changed.get(("relay-day", relay.name), per_day)
    yield from (rate for rate in rates if rate is not None)


def _ordinary(rate: Rate) -> Rate:
    return replace(rate, count=max(1, rate.count - rate.count // KEPT_FOR_NOTICES))


def gate_of(key: str, front: Front, relay: str) -> tuple[str, str]:
    """The gate that a limit's refusal moves."""
    kind, _, rest = key.partition(":")
    names = {
        "relay": pace_key(relay, share_of(front)),
        "domain": front.domain,
        "mailbox": front.lane_key,
        "campaign": rest,
        "announce": front.lane_key,
    }
    return _GATE[kind], names[kind]


def denied(key: str, wait_s: float, front: Front, relay: str, now_us: int) -> Effect:
    """Close the gate of the limit `key` for `wait_s` seconds."""
    kind, name = gate_of(key, front, relay)
    return Effect(kind, name, now_us + int(wait_s * 1_000_000), f"limit {key} is used up", now_us, strike=False)


def shut(database: Database, effect: Effect, asked: Standing) -> bool:
    """After `effect`, in its transaction: the gate stays shut no longer than the limits that shut it hold.

    `asked` are the changed limits that leave was asked under. Whether the gate stays shut at all.
    """
    gate = (effect.kind, effect.key)
    if limit_changes.refute(database, asked, gate, effect.at_us):
        return False
    if asked:
        limit_changes.open_by_next_end(database, gate, effect.at_us)
    return True


async def history(house: House, now_us: int) -> list[tuple[str, int, int]]:
    """What was written in the longest window, for a pacer that has lost its memory: (key, microseconds, how many).

    A key that is limited by an operator's change alone is named too.
    """
    since = now_us - REMEMBERED_S * 1_000_000
    rows, changed = await house.committer.call(
        lambda database: (database.rows(sql.STARTED_SINCE, (since,)), limit_changes.in_force(database, now_us))
    )
    relays = {relay.name: relay for relay in house.plan.relays}
    return [
        (key, second * 1_000_000, n)
        for relay, lane_key, kind, domain, campaign, second, n in rows
        for key in _keys(house.plan, relays.get(relay, RelayPlan(relay)), changed, (kind, lane_key, domain, campaign))
    ]


def _keys(plan: Plan, relay: RelayPlan, changed: Standing, lane: tuple[str, str, str, str]) -> set[str]:
    return {limit.key for limit in limits_of(plan, relay, *lane, changed)}
