"""What the schedule of a home works on."""

from collections.abc import Callable
from functools import partial

from worker.domain.campaign import Campaign
from worker.domain.limits import Rate
from worker.domain.office import Office
from worker.ledger import gates
from worker.ledger.book import Ledger
from worker.operations.check import check
from worker.rounds import Plan, RelayPlan
from worker.rounds.pace import limits_of
from worker.schedule import Board, Fault, Leads
from worker.settings import Home
from worker.wiring.plan import plan_of


def open_board(home: Home, ledger: Ledger, draining: Callable[[], bool] = lambda: False) -> Board:
    """What the schedule of this home works on."""
    settings, plan = home.settings, plan_of(home)
    leads = settings.sendouts
    quotas = [relay.per_day for relay in plan.relays]
    return Board(
        ledger=ledger,
        campaigns=home.campaigns,
        offices=home.offices,
        leads=Leads(leads.preflight, leads.announce, leads.announced_for),
        closed=plan.closed,
        rates=partial(_rates, plan),
        look_over=partial(_look_over, home, ledger),
        relay_per_day=sum(n for n in quotas if n is not None) if None not in quotas else None,
        observe_hours=plan.observe_hours,
        draining=draining,
    )


def _rates(plan: Plan, campaign: Campaign, office: Office) -> list[Rate]:
    """The limits of a campaign's letters to one office, but for those that it shares with other offices."""
    limits = limits_of(plan, RelayPlan(""), "office", office.lane, office.domain, campaign.slug)
    return [limit.rate for limit in limits]


def _look_over(home: Home, ledger: Ledger, campaign: Campaign) -> list[Fault]:
    """What `check` finds wrong, and relays that do not answer."""
    report = check(home, ask_dns=home.settings.mode == "live")
    found = [Fault(finding.place, finding.message) for finding in report.errors]
    with ledger.read() as connection:
        shut = gates.shut(connection, ledger.now_us(), ["relay"])
    del campaign  # a home's faults are every campaign's
    return [*found, *(Fault(f"relay {gate.key}", f"it is in trouble: {gate.reason}") for gate in shut)]
