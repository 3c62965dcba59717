"""Which lane a round takes: a pure reading of the ledger's survey, the plan and the time.

A lane is ready when a letter in it is due, no hold and no gate stands in the way, one of its offices is open, a slot is
free and a relay takes connections. Notices go first, then the lane that was served longest ago.
"""

from collections.abc import Container, Sequence
from datetime import datetime
from typing import get_args

from worker.domain.clock import to_us
from worker.domain.drip import is_open
from worker.domain.office import Office
from worker.ledger.hot.lanes import Choice, Front, Survey
from worker.ledger.lanes import ANNOUNCEMENTS
from worker.rounds.house import Kind, Plan, RelayPlan

SIGNERS_CONNECTIONS = 4


def choose(seen: Survey, plan: Plan, now: datetime, kinds: Sequence[Kind], *, all_slots: bool = False) -> list[Choice]:
    """The lanes that are ready for a round of these kinds, best first; with `all_slots` once for every free slot."""
    if ("everything", "") in seen.holds:
        return []
    relays = {kind: pick_relay(seen, plan, now, kind) for kind in get_args(Kind)}
    fronts = ready_fronts(seen, plan, now, kinds)
    lanes: dict[int, list[Front]] = {}
    for front in fronts:
        lanes.setdefault(front.lane_id, []).append(front)
    ordered = sorted(lanes.values(), key=lambda f: (share_of(f[0]) != "signers", f[0].served_at, f[0].lane_id))
    room = {relay.name: room_on(seen, relay) for relay in relays.values() if relay is not None}
    choices = []
    for lane in ordered:
        relay = relays[share_of(lane[0])]
        for slot in free_slots(seen, plan, lane[0])[: None if all_slots else 1]:
            if relay is not None and room[relay.name] > 0:
                room[relay.name] -= 1
                choices.append(Choice(lane[0].lane_id, lane[0].lane_key, slot, relay.name, tuple(lane)))
    return choices


def share_of(front: Front) -> Kind:
    """Whose share of a relay its letters take. Announcements, which are many and can wait, go as letters to offices do."""
    ahead = front.lane_kind == "signers" and front.lane_key != ANNOUNCEMENTS
    return "signers" if ahead else "office"


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
            share_of(front) in kinds  # announcements are no express work
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
    """The offices of a lane that may be written to at `now`: accepting letters, not held, open by hours and holidays.

    An office that waits by its own policy (vacant, or unverified for long) is left out too.
    """
    return [
        office
        for office in plan.by_lane.get(lane_key, ())
        if office.accepts_letters
        and not office.standstill(now.astimezone(office.zone).date())
        and ("office", office.id) not in holds
        and (not plan.observe_hours or is_open(office, now, plan.closed))
    ]


def pick_relay(seen: Survey, plan: Plan, now: datetime, kind: Kind) -> RelayPlan | None:
    """The first relay in order that is neither held nor shut for this kind of lane and has a connection left.

    Letters that used up their share of a relay leave the kept share to mail to signers: each has a gate of its own. A
    relay in trouble whose gate has opened again is tried by one round at a time.
    """
    now_us = to_us(now)
    for relay in plan.relays:
        pace = pace_key(relay.name, kind)
        closed = shut(seen, "relay", relay.name, now_us) or shut(seen, "relay-pace", pace, now_us)
        if not closed and ("relay", relay.name) not in seen.holds and room_on(seen, relay) > 0:
            return relay
    return None


def pace_key(relay: str, kind: str) -> str:
    """The key of the gate that a relay's used-up limit shuts for one kind of lane."""
    return f"{relay}:{kind}"


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
