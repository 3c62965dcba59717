"""Which lane a round takes: a pure reading of the ledger's survey, the plan and the time.

A lane is ready when a letter in it is due, no hold and no gate stands in the way, one of its offices is open, a slot is
free and a relay takes connections. Notices go first, then the lane that was served longest ago.
"""

from collections.abc import Container, Sequence
from datetime import datetime

from worker.domain.clock import to_us
from worker.domain.office import Office
from worker.ledger.hot.lanes import Choice, Front, Survey
from worker.rounds.house import Kind, Plan, RelayPlan

SIGNERS_CONNECTIONS = 4


def choose(seen: Survey, plan: Plan, now: datetime, kinds: Sequence[Kind], *, all_slots: bool = False) -> list[Choice]:
    """The lanes that are ready for a round of these kinds, best first; with `all_slots` once for every free slot."""
    relay = pick_relay(seen, plan, now)
    if relay is None or ("everything", "") in seen.holds:
        return []
    fronts = ready_fronts(seen, plan, now, kinds)
    lanes: dict[int, list[Front]] = {}
    for front in fronts:
        lanes.setdefault(front.lane_id, []).append(front)
    ordered = sorted(lanes.values(), key=lambda f: (f[0].lane_kind != "signers", f[0].served_at, f[0].lane_id))
    choices = [
        Choice(lane[0].lane_id, lane[0].lane_key, slot, relay.name, tuple(lane))
        for lane in ordered
        for slot in free_slots(seen, plan, lane[0])[: None if all_slots else 1]
    ]
    return choices[: room_on(seen, relay)]


def ready_fronts(seen: Survey, plan: Plan, now: datetime, kinds: Sequence[Kind]) -> list[Front]:
    """The fronts that are due and that nothing but slots and relays can keep waiting."""
    now_us = to_us(now)
    ready = []
    for front in seen.fronts:
        gates = (
            ("lane", front.lane_key),
            ("lane-pace", front.lane_key),
            ("domain", front.domain),
            ("domain-pace", front.domain),
            ("campaign-lane", f"{front.campaign}:{front.lane_key}"),
        )
        if (
            front.lane_kind in kinds
            and front.first_due <= now_us
            and front.campaign in plan.campaigns
            and not {("lane", front.lane_key), ("campaign", front.campaign)} & seen.holds
            and not any(shut(seen, kind, key, now_us) for kind, key in gates)
            and (front.lane_kind == "signers" or open_offices(seen.holds, plan, front.lane_key, now))
        ):
            ready.append(front)
    return ready


def shut(seen: Survey, kind: str, key: str, now_us: int) -> bool:
    """Whether the gate is closed now."""
    gate = seen.gates.get((kind, key))
    return gate is not None and gate.opens_at > now_us


def open_offices(holds: Container[tuple[str, str]], plan: Plan, lane_key: str, now: datetime) -> list[Office]:
    """The offices of a lane that may be written to at `now`: accepting letters, within their hours, not held."""
    return [
        office
        for office in plan.by_lane.get(lane_key, ())
        if office.accepts_letters
        and ("office", office.id) not in holds
        and (not plan.observe_hours or office.hours.is_open(now, office.zone))
    ]


def pick_relay(seen: Survey, plan: Plan, now: datetime) -> RelayPlan | None:
    """The first relay in order that is neither held nor shut and has a connection left.

    A relay in trouble whose gate has opened again is tried by one round at a time.
    """
    now_us = to_us(now)
    for relay in plan.relays:
        closed = shut(seen, "relay", relay.name, now_us) or shut(seen, "relay-pace", relay.name, now_us)
        if not closed and ("relay", relay.name) not in seen.holds and room_on(seen, relay) > 0:
            return relay
    return None


def room_on(seen: Survey, relay: RelayPlan) -> int:
    """How many more rounds may use the relay now."""
    used = sum(name == relay.name for _, _, name in seen.open_rounds)
    gate = seen.gates.get(("relay", relay.name))
    most = 1 if gate is not None and gate.strikes > 0 else relay.connections
    return max(0, most - used)


def free_slots(seen: Survey, plan: Plan, front: Front) -> list[int]:
    """The lane's slots that no open round has."""
    most = plan.mailbox_connections if front.lane_kind == "office" else SIGNERS_CONNECTIONS
    taken = {slot for lane, slot, _ in seen.open_rounds if lane == front.lane_id}
    return [slot for slot in range(most) if slot not in taken]
