"""`hold` and `resume`: stop a lane, an office, a campaign, a relay or everything, and let it go on.

Each verb is one transaction with its audit row, and needs a reason. Resuming forgets the trouble too: the gate opens and
the fuse counts from nothing, so that the very next letter is tried. Resuming an office resumes its mailbox's lane with
it, because a refused mailbox holds the lane, and an operator thinks of the office.
"""

from dataclasses import dataclass
from typing import Literal, get_args

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from worker.domain.clock import from_us
from worker.domain.errors import BadInput, RefusedByState
from worker.domain.states import State
from worker.ledger import audit, counts, gates, holds
from worker.ledger.book import Ledger
from worker.ledger.holds import Scope
from worker.ledger.schema import campaigns, lanes, letters
from worker.operations.barriers import clock, relay_names
from worker.settings import Home

Kind = Literal["lane", "office", "campaign", "relay", "everything", "letter"]
KINDS: tuple[str, ...] = get_args(Kind)
REASON_LONGEST = 500


@dataclass(frozen=True, slots=True)
class Order:
    """Who does what to which thing, and why. Raises BadInput for a reason that is empty, too long or not printable."""

    scope: Scope
    target: str
    who: str
    reason: str

    def __post_init__(self) -> None:
        checked_reason(self.reason)


def checked_reason(reason: str) -> str:
    """The reason, if an audit can be read with it later. Raises BadInput."""
    if not reason.strip():
        raise BadInput("a reason is needed: whoever reads the audit later will want it")
    if len(reason) > REASON_LONGEST or not reason.isprintable():
        raise BadInput(f"the reason must be one printable line of at most {REASON_LONGEST} characters")
    return reason


@dataclass(frozen=True, slots=True)
class Resumed:
    """What a resume ended: how many holds it lifted, which gates it opened."""

    lifted: int
    opened: tuple[str, ...]


def waiting(ledger: Ledger, home: Home, scope: Scope, target: str) -> int:
    """How many letters a hold on the target would keep waiting now: those queued, and those in a round's hands.

    A relay's are all there are: any of them may take its way. Raises BadInput for an unknown target.
    """
    known = _known(ledger, home, scope, target)
    with ledger.read() as connection:
        if scope == "lane":
            return _waiting_in(connection, known)
        campaign = None
        if scope == "campaign":
            found = connection.execute(sa.select(campaigns.c.id).where(campaigns.c.slug == known)).scalar()
            campaign = found or 0
        cells = counts.read(connection, campaign)
    office = known if scope == "office" else ""
    return sum(n for cell, n in cells.items() if cell.state in _WAITING and office in {"", cell.addressee})


_WAITING = (State.QUEUED, State.CLAIMED)


def _waiting_in(connection: Connection, lane: str) -> int:
    number = connection.execute(sa.select(lanes.c.id).where(lanes.c.key == lane)).scalar_one()
    query = sa.select(sa.func.count()).select_from(letters).where(letters.c.lane_id == number)
    queued = query.where(letters.c.state == sa.literal_column("'queued'"))  # as the words of the index
    claimed = query.where(letters.c.state == State.CLAIMED, letters.c.claim.is_not(None))
    return sum(connection.execute(each).scalar_one() for each in (queued, claimed))


def hold(ledger: Ledger, home: Home, order: Order, until_us: int | None = None) -> int:
    """Place the hold, up to `until_us` where given; its id. Raises BadInput for an unknown target or a past end."""
    target = _known(ledger, home, order.scope, order.target)
    with ledger.write() as connection:
        at_us = ledger.now_us()
        if until_us is not None and until_us <= at_us:
            raise BadInput(f"the hold would end at {clock(from_us(until_us))}, which is past")
        number = holds.place(
            connection, at_us, order.scope, target, reason=order.reason, who=order.who, until_us=until_us
        )
        details = {"hold": number, "until_us": until_us}
        audit.append(connection, at_us, order.who, "hold", _name(order.scope, target), order.reason, details)
    return number


def resume(ledger: Ledger, home: Home, order: Order) -> Resumed:
    """Lift the holds on the target and open its gates. Raises RefusedByState where nothing was held or shut there."""
    target = _known(ledger, home, order.scope, order.target)
    with ledger.write() as connection:
        at_us = ledger.now_us()
        lifted, opened = _lift(connection, at_us, order.scope, target)
        if order.scope == "office":
            more, gates_too = _lift(connection, at_us, "lane", home.offices[target].lane)
            lifted, opened = lifted + more, opened + gates_too
        if not lifted and not opened:
            raise RefusedByState(f"{_name(order.scope, target)} is not held; `lettershop status` shows what is")
        details = {"lifted": lifted, "opened": list(opened)}
        audit.append(connection, at_us, order.who, "resume", _name(order.scope, target), order.reason, details)
    return Resumed(lifted, opened)


_GATES: dict[str, tuple[str, ...]] = {"lane": ("lane", "lane-fuse"), "relay": ("relay", "relay-fuse")}
"""What is forgotten with a hold. Gates of limits stay: a limit is no trouble, and ends by itself."""


def _lift(connection: Connection, at_us: int, scope: Scope, target: str) -> tuple[int, tuple[str, ...]]:
    lifted = holds.lift(connection, at_us, scope, target)
    opened: list[str] = []
    for kind in _GATES.get(scope, ()):
        gate = gates.read(connection, kind, target)
        if gate is not None and (gate.strikes or gate.shut(at_us)):
            gates.reopen(connection, at_us, kind, target)
            opened.append(f"{kind} {target}")
    if scope == "lane":
        opened += _open_domain(connection, at_us, target)
    return lifted, tuple(opened)


def _open_domain(connection: Connection, at_us: int, lane: str) -> list[str]:
    domain = connection.execute(sa.select(lanes.c.domain).where(lanes.c.key == lane)).scalar()
    gate = gates.read(connection, "domain", domain) if domain else None
    if gate is None or not gate.shut(at_us):
        return []
    gates.reopen(connection, at_us, "domain", gate.key)
    return [f"domain {gate.key}"]


def _known(ledger: Ledger, home: Home, scope: Scope, target: str) -> str:
    """The target as the ledger names it. Raises BadInput, naming those there are."""
    if scope == "everything":
        if target:
            raise BadInput(f'"everything" takes no name, and {target!r} was given')
        return ""
    if scope == "lane":
        return _lane(ledger, target)
    if scope == "sendout":
        raise BadInput("a yearly send-out is held and resumed by `lettershop sendouts hold` and `sendouts resume`")
    known = {
        "office": sorted(home.offices),
        "campaign": sorted(home.campaigns),
        "relay": list(relay_names(home)),
    }[scope]
    if target not in known:
        raise BadInput(f"there is no {scope} {target!r}; there are: {', '.join(known) or 'none'}")
    return target


def _lane(ledger: Ledger, target: str) -> str:
    """A lane's key; a bare mailbox address is taken for its lane."""
    with ledger.read() as connection:
        keys = list(connection.execute(sa.select(lanes.c.key).order_by(lanes.c.key)).scalars())
    for key in (target, f"mailbox:{target.lower()}"):
        if key in keys:
            return key
    raise BadInput(f"there is no lane {target!r}; there are: {', '.join(keys) or 'none yet'}")


def _name(scope: str, target: str) -> str:
    return f"{scope} {target}".strip()
