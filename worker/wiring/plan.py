"""What letters of a home fall under: the plan that rounds work to, and how much of its limits is used."""

from functools import partial

from worker.domain.limits import Limit
from worker.ledger import limit_changes
from worker.ledger.book import Ledger
from worker.operations.limits_view import Gauge, ask_used
from worker.rounds import Plan, RelayPlan
from worker.rounds.pace import limits_of
from worker.settings import Home
from worker.wiring.relays import SINK
from worker.wiring.servers import open_pacer

SINK_CONNECTIONS = 100


def plan_of(home: Home) -> Plan:
    """The rules that rounds work to."""
    settings = home.settings
    limits = settings.limits
    if settings.mode == "live":
        relays = tuple(RelayPlan(r.name, r.rate, r.per_day, r.connections) for r in settings.relays)
    else:
        relays = (RelayPlan(SINK, connections=SINK_CONNECTIONS),)
    return Plan(
        mode=settings.mode,
        campaigns=home.campaigns,
        offices=home.offices,
        relays=relays,
        mailbox=limits.mailbox,
        mailbox_per_day=limits.mailbox_per_day,
        mailbox_connections=limits.mailbox_connections,
        domain=limits.domain,
        retry=settings.retry,
        observe_hours=limits.office_hours == "observe",
        announce=settings.sendouts.announce_rate,
        closed=home.closed,
    )


def open_gauge(home: Home, ledger: Ledger) -> Gauge:
    """What letters fall under in this home, with the limits that operators changed, and how much of it is used."""
    plan = plan_of(home)
    with ledger.read() as connection:
        changed = {(each.scope, each.target): each.rate for each in limit_changes.standing(connection, ledger.now_us())}

    def limits(relay: str, kind: str, lane_key: str, domain: str, campaign: str) -> tuple[Limit, ...]:
        return limits_of(plan, plan.relay(relay), kind, lane_key, domain, campaign, changed)

    return Gauge(limits, partial(ask_used, partial(open_pacer, home, ledger)))
