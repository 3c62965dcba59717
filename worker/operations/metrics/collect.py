"""What a scrape is told: one reading of the ledger, what the processes counted, and what the other parts answered.

The reading costs the same with ten letters or ten million: letters by state come from the counts, what is due from the
queue's own index, the counters from one small table.
"""

import json
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

import sqlalchemy as sa
from prometheus_client import Metric
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from sqlalchemy.engine import Connection

from worker.domain.states import State
from worker.ledger import gates, occurrences, tallies
from worker.ledger.book import Ledger
from worker.ledger.lanes import CONFIRMATIONS
from worker.operations.barriers import Barriers, read_barriers, relay_names, why_office
from worker.operations.due import due_now, read_letters
from worker.operations.metrics.asking import Answers
from worker.operations.metrics.families import FAMILIES, LE, SECOND_US, TALLIED
from worker.operations.status import _sendout
from worker.operations.workers import ALIVE_US
from worker.settings import Home

KINDS = ("worker", "express", "web", "watchdog")
RELAY_STATES = ("open", "probing", "shut", "held")

_WHY = {
    "lane": "trouble",
    "domain": "domain trouble",
    "lane-pace": "limit",
    "domain-pace": "limit",
    "campaign-lane": "limit",
}
_WHYS = ("trouble", "domain trouble", "limit", "held")

_FIRST_CONFIRMATION = sa.text("""
SELECT min(due_at) FROM letters
WHERE state = 'queued' AND due_at <= :now AND lane_id = (SELECT id FROM lanes WHERE key = :lane)
""")
_ALIVE = sa.text("SELECT kind, count(*) FROM processes WHERE stopped_at IS NULL AND seen_at > :since GROUP BY kind")

Samples = dict[tuple[str, ...], float]


@dataclass(slots=True)
class _Told:
    """The samples by metric, each by the values of its labels; of histograms the buckets and sums."""

    samples: defaultdict[str, Samples] = field(default_factory=lambda: defaultdict(dict))
    buckets: defaultdict[tuple[str, ...], dict[str, int]] = field(default_factory=lambda: defaultdict(dict))
    sums: dict[tuple[str, ...], float] = field(default_factory=dict)

    def say(self, name: str, value: float, *labels: str) -> None:
        self.samples[name][labels] = value

    def count(self, name: str, counted: Mapping[str, float]) -> None:
        self.samples[name] |= {(label,): value for label, value in counted.items()}


def collect(home: Home, ledger: Ledger, answers: Answers) -> list[Metric]:
    """Every metric, with its samples, in the order of `FAMILIES`. Raises Failed where the ledger is away."""
    told = _Told()
    told.say("lettershop_info", 1, home.settings.mode, version("lettershop"))
    _say_answers(told, answers)
    began = time.perf_counter()
    with ledger.read() as connection:
        connection.execute(sa.select(sa.literal(1)))
        told.say("lettershop_part_answer_seconds", time.perf_counter() - began, "ledger")
        told.say("lettershop_part_up", 1, "ledger")
        at_us = ledger.now_us()
        barriers = read_barriers(connection, at_us)
        _say_letters(told, connection, home, barriers)
        _say_barriers(told, connection, home, barriers)
        _say_processes(told, connection, at_us)
        told.say("lettershop_sendouts_waiting", _sendouts_waiting(connection, home))
        for name, labels, n in tallies.read(connection):
            _say_tally(told, name, json.loads(labels), n)
    return [_metric(told, name) for name in FAMILIES]


# -- the readings --------------------------------------------------------------------------------------------------------
def _say_answers(told: _Told, answers: Answers) -> None:
    for part, seconds in answers.parts.items():
        told.say("lettershop_part_up", float(seconds is not None), part)
        if seconds is not None:
            told.say("lettershop_part_answer_seconds", seconds, part)
    for each in answers.quotas:
        labels = (each.relay, str(each.window_s))
        told.say("lettershop_relay_quota", each.most, *labels)
        if each.used is not None:
            told.say("lettershop_relay_quota_used", each.used, *labels)
            told.say("lettershop_relay_quota_remaining", max(0, each.most - each.used), *labels)


def _say_letters(told: _Told, connection: Connection, home: Home, barriers: Barriers) -> None:
    at_us, unhindered = barriers.at_us, 0
    letters = read_letters(connection)
    for office, by_state in letters.by_addressee.items():
        for state, n in by_state.items():
            if n:
                told.say("lettershop_letters", n, office, state)
    told.say("lettershop_letters_in_doubt", letters.all[State.IN_DOUBT])
    for office, due in due_now(connection, at_us, letters).items():
        told.say("lettershop_letters_due", due.n, office)
        told.say("lettershop_oldest_due_seconds", _age(due.first_us, at_us), office)
        unhindered += due.n * _unhindered(home, barriers, office)
    told.say("lettershop_letters_unhindered", unhindered)
    first = connection.execute(_FIRST_CONFIRMATION, {"now": at_us, "lane": CONFIRMATIONS}).scalar()
    told.say("lettershop_oldest_confirmation_seconds", _age(at_us if first is None else first, at_us))


def _unhindered(home: Home, barriers: Barriers, office: str) -> bool:
    """Whether nothing keeps the office's letters; one that is not in the register keeps them by itself."""
    entry = home.offices.get(office)
    slugs = [slug for slug, campaign in home.campaigns.items() if office in campaign.offices]
    return entry is not None and not why_office(barriers, home, entry, slugs)


def _age(since_us: int, at_us: int) -> float:
    return max(0, at_us - since_us) / SECOND_US


def _say_barriers(told: _Told, connection: Connection, home: Home, barriers: Barriers) -> None:
    """Gates and holds: relays by name, lanes by number alone, for their keys are addresses."""
    held = {(hold.scope, hold.target) for hold in barriers.holds}
    whys = Counter(_WHY[kind] for kind, _ in barriers.gates if kind in _WHY)
    whys["held"] = sum(scope == "lane" for scope, _ in held)
    told.count("lettershop_lanes_shut", {why: whys[why] for why in _WHYS})
    for relay in relay_names(home):
        now = _relay_state(connection, relay, barriers.at_us, held)
        for state in RELAY_STATES:
            told.say("lettershop_relay_state", float(state == now), relay, state)


def _relay_state(connection: Connection, relay: str, at_us: int, held: Iterable[tuple[str, str]]) -> str:
    if {("relay", relay), ("everything", "")} & set(held):
        return "held"
    gate = gates.read(connection, "relay", relay)
    if gate is None or not gate.strikes:
        return "open"
    return "shut" if gate.shut(at_us) else "probing"


def _say_processes(told: _Told, connection: Connection, at_us: int) -> None:
    alive = dict.fromkeys(KINDS, 0)
    for kind, n in connection.execute(_ALIVE, {"since": at_us - ALIVE_US}):
        alive[kind] = n
    told.count("lettershop_processes", alive)


def _sendouts_waiting(connection: Connection, home: Home) -> int:
    """Held, missed, or announced and not approved: as `status` says it."""
    return sum(bool(_sendout(home, each)["needs"]) for each in occurrences.open_ones(connection))


# -- what the processes counted --------------------------------------------------------------------------------------------
def _say_tally(told: _Told, name: str, labels: dict[str, str], n: int) -> None:
    """One row. What an older or newer version counted, and this one does not know, is left out."""
    summed = FAMILIES.get(name.removesuffix("_sum"))
    family = FAMILIES.get(name) or summed
    le = labels.pop("le", None)
    if family is None or family.name not in TALLIED or set(labels) != set(family.labels):
        return
    values = tuple(labels[label] for label in family.labels)
    if family.kind != "histogram":
        told.say(name, n / family.scale, *values)
    elif name == family.name:
        told.buckets[name, *values][le or "+Inf"] = n
    else:
        told.sums[family.name, *values] = n / family.scale


# -- as prometheus_client has it -------------------------------------------------------------------------------------------
def _metric(told: _Told, name: str) -> Metric:
    family = FAMILIES[name]
    samples = told.samples[name]
    if family.kind == "counter":
        counter = CounterMetricFamily(name, family.meaning, labels=family.labels)
        for values, value in (samples or _nothing(family.labels)).items():
            counter.add_metric(values, value)
        return counter
    if family.kind == "histogram":
        return _histogram(told, name)
    gauge = GaugeMetricFamily(name, family.meaning, labels=family.labels)
    for values, value in samples.items():
        gauge.add_metric(values, value)
    return gauge


def _nothing(labels: tuple[str, ...]) -> Samples:
    """A counter without labels is there from the start: a rise from nothing would not be seen."""
    return {} if labels else {(): 0}


def _histogram(told: _Told, name: str) -> Metric:
    family = FAMILIES[name]
    metric: Any = HistogramMetricFamily(name, family.meaning, labels=family.labels)
    for (of, *values), found in told.buckets.items():
        if of == name:
            metric.add_metric(values, _cumulative(found), told.sums.get((of, *values), 0.0))
    return metric  # type: ignore[no-any-return]


def _cumulative(found: Mapping[str, int]) -> list[tuple[str, float]]:
    """Every bucket, each with all that lies below, as Prometheus wants it; there may be bounds of another version."""
    total, buckets = 0, []
    for le in sorted({*found, *LE}, key=float):
        total += found.get(le, 0)
        buckets.append((le, float(total)))
    return buckets
