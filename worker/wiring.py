"""Composition: opens the parts of a home and puts them together. The only place that knows them all.

Each function opens what its name says when it is called; nothing is opened or read at import. `embedded` URLs resolve to
the private server's socket under the home's `var/`, so that every verb finds the stack that `lettershop up` started.
"""

import asyncio
import contextlib
import os
import random
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from worker.delivery import Target, Timeouts, load_rules
from worker.domain.campaign import Campaign
from worker.domain.clock import Clock, SystemClock, from_us
from worker.domain.errors import Failed, LettershopError
from worker.domain.limits import Limit, Rate
from worker.domain.office import Office
from worker.domain.tallying import UNTOLD, Tally
from worker.embedded.server import RedisServer
from worker.ledger.book import Ledger
from worker.ledger.engine import raw_connection
from worker.ledger.hot import Committer
from worker.ledger.hot.database import Database
from worker.ledger.keys import Keys
from worker.ledger.turn import LedgerConnection
from worker.pacing import Pacer, connect
from worker.rendering import Renderer
from worker.rounds import House, Leases, Plan, RelayPlan
from worker.rounds.pace import limits_of
from worker.rounds.relays import Connections
from worker.schedule import Board, Fault, Leads
from worker.settings import Home, Relay, load_as_far, load_home

if TYPE_CHECKING:
    from worker.intake import Intake
    from worker.operations.limits_view import Gauge
    from worker.operations.needs import Parts
    from worker.operations.watchdog import Mailer, Watchdog

SINK = "rehearsal"
"""The name of the only relay in rehearsal."""

SINK_CONNECTIONS = 100


def read_home(path: Path, environ: Mapping[str, str] | None = None) -> Home:
    """Read the home at `path`, with the environment laid over its settings. Raises BadInput."""
    return load_home(path, os.environ if environ is None else environ)


def read_as_far(path: Path) -> tuple[Home, str]:
    """What can be read of the home at `path`, and what is wrong with the rest, or "". Raises BadInput for its settings."""
    home, trouble = load_as_far(path, os.environ)
    return home, str(trouble or "")


# -- the ledger --------------------------------------------------------------------------------------------------------
def open_keys(home: Home) -> Keys:
    """The home's keys. Raises BadInput."""
    files = home.settings.keys
    return Keys.load(files.data, files.lookup, files.seal)


def open_ledger(home: Home, clock: Clock | None = None) -> Ledger:
    """The home's ledger, in the home's mode. Raises Failed, RefusedByState, BadInput."""
    return Ledger.open(home.settings.ledger.url, open_keys(home), home.settings.mode, clock=clock)


def connect_hot(url: str) -> Database:
    """A connection for the hot path on either database. Raises Failed."""
    connection = raw_connection(url)
    if isinstance(connection, LedgerConnection):
        from worker.ledger.hot.sqlite import SqliteDatabase

        return SqliteDatabase(connection)
    from worker.ledger.hot.postgresql import PostgresDatabase

    return PostgresDatabase(connection)


@contextlib.contextmanager
def hot_database(home: Home) -> Iterator[Database]:
    """The home's ledger as the rounds see it, for one reading."""
    database = connect_hot(home.settings.ledger.url)
    try:
        yield database
    finally:
        database.close()


def open_intake(
    home: Home, ledger: Ledger, wake: Callable[[], None] | None = None, *, ring_s: float | None = None
) -> "Intake":
    """The producers' door to this home's ledger. `ring_s`: how long a call may wait for its ring (see `Intake`)."""
    from worker.intake import Intake, Terms
    from worker.intake.bell import LONGEST_S

    signing = home.settings.signing
    return Intake(
        ledger,
        ledger.keys,
        home.campaigns,
        home.offices,
        SystemClock(),
        wake,
        allow_test_domains=home.settings.allow_test_domains,
        terms=Terms(signing.confirm_within, signing.remind_after),
        ring_s=LONGEST_S if ring_s is None else ring_s,
    )


# -- broker and pacing -------------------------------------------------------------------------------------------------
def private_server(home: Home) -> RedisServer:
    """The home's own Redis-compatible server, started or not."""
    return RedisServer(home.var / "redis")


def broker_url(home: Home) -> str:
    """Where Celery's wake-ups go, as kombu writes it."""
    url = home.settings.broker.url
    return private_server(home).broker_url if url == "embedded" else url


def pacing_url(home: Home) -> str:
    """The Redis that counts for every limit."""
    url = home.settings.pacing.url
    return private_server(home).url if url == "embedded" else url


def open_pacer(home: Home, ledger: Ledger) -> Pacer:
    """The pacer of this home's ledger. Belongs to the event loop that first uses it."""
    return Pacer(connect(pacing_url(home)), ledger.ledger_id, SystemClock())


def forget_windows(home: Home, ledger: Ledger) -> None:
    """Let the pacer count from the ledger anew: for seconds nobody is granted anything. Raises Failed where it is away."""

    async def forget() -> None:
        pacer = open_pacer(home, ledger)
        try:
            await pacer.forget()
        finally:
            await pacer.aclose()

    asyncio.run(forget())


def open_gauge(home: Home, ledger: Ledger) -> "Gauge":
    """What letters fall under in this home, with the limits that operators changed, and how much of it is used."""
    from worker.ledger import limit_changes
    from worker.operations.limits_view import Gauge, ask_used

    plan = plan_of(home)
    with ledger.read() as connection:
        changed = {(each.scope, each.target): each.rate for each in limit_changes.standing(connection, ledger.now_us())}

    def limits(relay: str, kind: str, lane_key: str, domain: str, campaign: str) -> tuple[Limit, ...]:
        return limits_of(plan, plan.relay(relay), kind, lane_key, domain, campaign, changed)

    return Gauge(limits, partial(ask_used, partial(open_pacer, home, ledger)))


# -- relays ------------------------------------------------------------------------------------------------------------
def sink_port_file(home: Home) -> Path:
    """Where the embedded sink says which port it has."""
    return home.var / "sink.port"


def relay_targets(home: Home) -> dict[str, Target]:
    """The relays that letters go to in the home's mode. Raises Failed where the embedded sink has not been started."""
    if home.settings.mode == "live":
        return {relay.name: _target(relay) for relay in home.settings.relays}
    rehearsal = home.settings.rehearsal
    if rehearsal.embedded:
        return {SINK: Target(SINK, "127.0.0.1", _sink_port(home))}
    return {SINK: Target(SINK, rehearsal.host, rehearsal.port or 25)}


def live_targets(home: Home) -> dict[str, Target]:
    """The configured relays, in any mode: for the operator's own test letter."""
    return {relay.name: _target(relay) for relay in home.settings.relays}


def alarm_targets(home: Home) -> list[Target]:
    """Where mail to operators goes, in order: in rehearsal the sink alone, else the alarms' own relay, then the others.

    Raises Failed where the embedded sink has not been started.
    """
    if home.settings.mode != "live":
        return list(relay_targets(home).values())
    own = home.settings.alarms.relay
    return [*([_target(own)] if own else []), *live_targets(home).values()]


def _sink_port(home: Home) -> int:
    try:
        return int(sink_port_file(home).read_text())
    except (OSError, ValueError) as exc:
        raise Failed("the embedded sink is not running: start the stack with `lettershop up`") from exc


def _target(relay: Relay) -> Target:
    tls = ssl.create_default_context(cafile=str(relay.ca_file)) if relay.ca_file else None
    password = relay.password.get_secret_value() if relay.password else ""
    return Target(relay.name, relay.host, relay.port, relay.security, relay.username, password, relay.helo, tls)


# -- the house of a worker -----------------------------------------------------------------------------------------------
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


# -- the schedule ------------------------------------------------------------------------------------------------------
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
    from worker.ledger import gates
    from worker.operations.check import check

    report = check(home, ask_dns=home.settings.mode == "live")
    found = [Fault(finding.place, finding.message) for finding in report.errors]
    with ledger.read() as connection:
        shut = gates.shut(connection, ledger.now_us(), ["relay"])
    del campaign  # a home's faults are every campaign's
    return [*found, *(Fault(f"relay {gate.key}", f"it is in trouble: {gate.reason}") for gate in shut)]


# -- the watchdog ------------------------------------------------------------------------------------------------------
def open_watchdog(home: Home, look_s: float, environ: Mapping[str, str] | None = None) -> "Watchdog":
    """The watchdog of a home; it opens the ledger when it looks. Raises BadInput for settings it cannot follow."""
    from worker.operations.limits_view import days_of
    from worker.operations.reload import Reloading
    from worker.operations.watchdog import Plan, Watchdog, ask_parts

    Plan.of(home.settings.alarms)

    def ask(of: Home, ledger: Ledger | None) -> "Parts":
        pacer, days = None, {}
        if ledger is not None:
            with contextlib.suppress(LettershopError):  # the ledger has gone since, which the next reading says
                days = days_of(of, open_gauge(of, ledger))
                pacer = partial(open_pacer, of, ledger)
        return ask_parts(broker_url(of), pacer, days, of.var)

    return Watchdog(
        home=home,
        open_ledger=partial(open_ledger, home),
        ask=ask,
        mailer_of=mailer_of,
        clock=SystemClock(),
        look_s=look_s,
        config=Reloading(home, partial(read_home, home.root, environ)),
        foresee=_foresee,
    )


def _foresee(home: Home, ledger: Ledger) -> str:
    """Until when what waits will be done, in a sentence."""
    from worker.operations.forecast import forecast

    return str(forecast(home, ledger, open_gauge(home, ledger), from_us(ledger.now_us()))["sentence"])


def mailer_of(home: Home) -> "Mailer | None":
    """Who writes to the operators of a home; None where nobody is to be told."""
    from worker.operations.watchdog import Mailer

    keys, mode = home.settings.alarms, home.settings.mode
    if not keys.to:
        return None
    return Mailer(mode, keys.sender or "lettershop@rehearsal.invalid", keys.to, partial(alarm_targets, home))


def build_house(home: Home, ledger: Ledger, draining: Callable[[], bool], tally: Tally = UNTOLD) -> House:
    """All that the rounds of one process share; `tally` counts their work. Call it on the event loop that will run them."""
    clock = SystemClock()
    url = home.settings.ledger.url
    return House(
        plan=plan_of(home),
        ledger_id=ledger.ledger_id,
        committer=Committer(lambda: connect_hot(url)),
        now_us=ledger.now_us,
        clock=clock,
        keys=ledger.keys,
        renderer=Renderer(),
        pacer=open_pacer(home, ledger),
        relays=Connections(relay_targets(home), Timeouts()),
        rules=load_rules(home.rules_text),
        leases=Leases(clock),
        worker=f"{socket.gethostname()}:{os.getpid()}",
        random=random.random,
        draining=draining,
        tally=tally,
    )


def house_anew(house: House, home: Home) -> House:
    """`house` for a home that was read again: what a process has open stays; rounds under way keep the old one.

    Raises Failed and BadInput as `build_house` does.
    """
    relays = Connections(relay_targets(home), Timeouts())
    return replace(house, plan=plan_of(home), relays=relays, rules=load_rules(home.rules_text))
