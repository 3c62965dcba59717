"""What a round is handed: its parts and the plan it works to. Nothing here opens anything."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from worker.domain.campaign import Campaign
from worker.domain.clock import Clock, from_us
from worker.domain.drip import ClosedDays, never_closed
from worker.domain.limits import Rate
from worker.domain.office import Office
from worker.domain.retry import Retry
from worker.domain.tallying import UNTOLD, Tally

if TYPE_CHECKING:
    from worker.delivery import Rules
    from worker.ledger.hot import Committer
    from worker.ledger.keys import Keys
    from worker.pacing import Pacer
    from worker.rendering import Renderer
    from worker.rounds.relays import Connections
    from worker.rounds.upkeep import Leases

Kind = Literal["office", "signers"]


@dataclass(frozen=True, slots=True)
class RelayPlan:
    """One relay: its limits, and how many connections the fleet may keep to it."""

    name: str
    rate: Rate | None = None
    per_day: int | None = None
    connections: int = 20


@dataclass(frozen=True, slots=True)
class Plan:
    """The rules a round works to, from settings and config."""

    mode: Literal["rehearsal", "live"]
    campaigns: Mapping[str, Campaign]
    offices: Mapping[str, Office]
    relays: tuple[RelayPlan, ...]
    mailbox: Rate
    mailbox_per_day: int
    mailbox_connections: int = 1
    domain: Rate | None = None
    retry: Retry = field(default_factory=Retry)
    observe_hours: bool = True
    announce: Rate | None = None  # announcements of yearly send-outs, over all campaigns
    closed: ClosedDays = never_closed  # public holidays, where hours are observed
    most: int = 100  # letters in a round
    longest_s: float = 60.0  # no new letter is started after this
    by_lane: Mapping[str, tuple[Office, ...]] = field(init=False)

    def __post_init__(self) -> None:
        lanes: dict[str, tuple[Office, ...]] = {}
        for office in self.offices.values():
            lanes[office.lane] = (*lanes.get(office.lane, ()), office)
        object.__setattr__(self, "by_lane", lanes)

    def relay(self, name: str) -> RelayPlan:
        return next(relay for relay in self.relays if relay.name == name)


@dataclass(frozen=True, slots=True)
class House:
    """The parts of one process, shared by its rounds. `now_us` is the ledger's clock, `clock` measures durations."""

    plan: Plan
    ledger_id: str
    committer: "Committer"
    now_us: Callable[[], int]
    clock: Clock
    keys: "Keys"
    renderer: "Renderer"
    pacer: "Pacer"
    relays: "Connections"
    rules: "Rules"
    leases: "Leases"
    worker: str  # a name for this process
    random: Callable[[], float]
    draining: Callable[[], bool]
    tally: Tally = UNTOLD  # what is counted for /metrics

    def now(self) -> datetime:
        """The ledger's present moment."""
        return from_us(self.now_us())
