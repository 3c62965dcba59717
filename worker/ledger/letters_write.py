"""Letters are made and taken back here: set-wise, with their MAC and their counts, in the caller's transaction.

A letter is made `queued`, due at once where nothing else is said; one that waits for an operator's look is made `held`.
`cancel` takes back what is not sent: queued, claimed and held letters. A letter in doubt may have reached its addressee
and stays as it is, so that nobody is written to twice; one that is being sent ends as its reply says. Should either be
put back into the queue, its `not_after` has passed and it is not sent.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from worker.domain.states import WAITING, WRITTEN, Event, State, sources
from worker.ledger import counts
from worker.ledger.bulk import insert_rows
from worker.ledger.keys import Keys
from worker.ledger.schema import campaigns, lanes, letters, sendouts, signatures
from worker.ledger.sql import insert

SIGNER = "signer"
"""The addressee of a notice."""

NOT_SENT = tuple(state for state in sources(Event.CANCEL) if state is not State.IN_DOUBT)
"""What the end of a signature takes back."""

_MAY_COME_BACK = (*sorted(WAITING), State.IN_DOUBT)

_COLUMNS = ("signature_id", "addressee", "lane_id", "mac", "due_at")

Row = tuple[int, str, int, bytes, int]
"""A letter as `make_due` takes it: signature, addressee, lane's id, seal, and when it is due (microseconds)."""


@dataclass(frozen=True, slots=True)
class Sendout:
    """A send-out as its letters need it. `not_after` is in microseconds, None for no end."""

    id: int
    campaign_id: int
    rank: int
    not_after: int | None


def ensure_campaign(connection: Connection, slug: str) -> int:
    """The campaign's id; the row is made when first asked for."""
    connection.execute(insert(connection, campaigns).values(slug=slug).on_conflict_do_nothing())
    found: int = connection.execute(sa.select(campaigns.c.id).where(campaigns.c.slug == slug)).scalar_one()
    return found


def ensure_sendout(connection: Connection, campaign_id: int, name: str, rank: int, at_us: int, **terms: Any) -> Sendout:
    """The send-out of this name; made with `rank` and `terms` when first asked for, and left as it is afterwards.

    `terms` are columns of its own: `not_after`, `text_id`, `consent`, `facts`.
    """
    row = {"campaign_id": campaign_id, "name": name, "rank": rank, "made_at": at_us, **terms}
    connection.execute(insert(connection, sendouts).values(row).on_conflict_do_nothing())
    return _sendout(connection, sendouts.c.campaign_id == campaign_id, sendouts.c.name == name)


def sendout_of(connection: Connection, number: int) -> Sendout:
    """The send-out of this number."""
    return _sendout(connection, sendouts.c.id == number)


def _sendout(connection: Connection, *mine: sa.ColumnElement[bool]) -> Sendout:
    columns = (sendouts.c.id, sendouts.c.campaign_id, sendouts.c.rank, sendouts.c.not_after)
    return Sendout(*connection.execute(sa.select(*columns).where(*mine)).one())


def sendout_id(connection: Connection, campaign_id: int, name: str) -> int | None:
    """The number of the send-out of this name, None where there is none."""
    mine = (sendouts.c.campaign_id == campaign_id, sendouts.c.name == name)
    return connection.execute(sa.select(sendouts.c.id).where(*mine)).scalar()


def written(connection: Connection, sendout: Sendout, person_keys: Collection[bytes]) -> Mapping[bytes, frozenset[str]]:
    """The addressees that may already have a letter of these persons in this send-out, from a signature of whatever state.

    A letter that was cancelled while in doubt counts: it may have arrived.
    """
    if not person_keys:
        return {}
    doubtful = sa.and_(letters.c.state == State.CANCELLED, letters.c.doubts > 0)
    found = (
        sa.select(signatures.c.person_key, letters.c.addressee)
        .join(letters, letters.c.signature_id == signatures.c.id)
        .where(
            signatures.c.person_key.in_(person_keys),
            letters.c.sendout_id == sendout.id,
            sa.or_(letters.c.state.in_(sorted(WRITTEN)), doubtful),
        )
    )
    gathered: dict[bytes, set[str]] = {}
    for person_key, addressee in connection.execute(found):
        gathered.setdefault(bytes(person_key), set()).add(addressee)
    return {key: frozenset(addressees) for key, addressees in gathered.items()}


@dataclass(frozen=True, slots=True)
class Making:
    """Letters to be made of one signature: `addressees` maps each one to its lane's id."""

    signature_id: int
    text_hash: str
    addressees: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Manner:
    """How letters are made: `due_us` ahead of their making, and `held` for the reason given ("": queued)."""

    due_us: int = 0
    held: str = ""
    reason: str = ""

    @property
    def state(self) -> State:
        return State.HELD if self.held else State.QUEUED


AT_ONCE = Manner()


def make(
    connection: Connection,
    keys: Keys,
    sendout: Sendout,
    makings: Sequence[Making],
    at_us: int,
    manner: Manner = AT_ONCE,
) -> int:
    """Make the letters. Returns how many. Raises IntegrityError where one exists already."""
    mac, due_at = keys.mac, at_us + manner.due_us
    rows = [
        (m.signature_id, addressee, lane_id, mac(m.signature_id, m.text_hash, addressee), due_at)
        for m in makings
        for addressee, lane_id in m.addressees.items()
    ]
    return make_due(connection, sendout, rows, at_us, manner)


def make_due(
    connection: Connection, sendout: Sendout, rows: Sequence[Row], at_us: int, manner: Manner = AT_ONCE
) -> int:
    """Make letters that are each due at a time of their own. Returns how many. Raises as `make` does."""
    insert_rows(
        connection,
        letters,
        _COLUMNS,
        rows,
        campaign_id=sendout.campaign_id,
        sendout_id=sendout.id,
        rank=sendout.rank,
        state=manner.state.value,
        made_at=at_us,
        not_after=sendout.not_after,
        attempts=0,
        life_us=0,
        suspect=0,
        doubts=0,
        reason=manner.held or manner.reason,
    )
    made = Counter(addressee for _, addressee, *_ in rows)
    counts.add(connection, {(sendout.campaign_id, sendout.id, a, manner.state): n for a, n in made.items()})
    return len(rows)


def cancel(connection: Connection, signature_ids: Collection[int], reason: str, at_us: int) -> int:
    """Cancel the letters of these signatures that are not sent, and clear their claims. Returns how many."""
    found = _locked(connection, letters.c.signature_id.in_(signature_ids), letters.c.state.in_(NOT_SENT))
    move_found(connection, found, State.CANCELLED, {"ended_at": at_us, "reason": reason})
    _last_moment(connection, at_us, letters.c.signature_id.in_(signature_ids))
    return len(found)


def cancel_notices(connection: Connection, signature_ids: Collection[int], reason: str, at_us: int) -> int:
    """Cancel the notices of these signatures that are not sent. Returns how many."""
    mine = (letters.c.signature_id.in_(signature_ids), letters.c.addressee == SIGNER)
    found = _locked(connection, *mine, letters.c.state.in_(NOT_SENT))
    move_found(connection, found, State.CANCELLED, {"ended_at": at_us, "reason": reason})
    return len(found)


def cancel_in(connection: Connection, signature_ids: Collection[int], consent: str, reason: str, at_us: int) -> int:
    """Cancel what these signatures have in send-outs that rest on this consent and is not sent. Returns how many.

    What is being sent now, or is in doubt, is too late to come back to the queue, as after `cancel`.
    """
    resting = sa.select(sendouts.c.id).where(sendouts.c.consent == consent)
    mine = (letters.c.signature_id.in_(signature_ids), letters.c.sendout_id.in_(resting))
    found = _locked(connection, *mine, letters.c.state.in_(NOT_SENT))
    move_found(connection, found, State.CANCELLED, {"ended_at": at_us, "reason": reason})
    _last_moment(connection, at_us, *mine)
    return len(found)


def unclaim(connection: Connection, signature_id: int) -> None:
    """Take claimed letters of a signature out of their rounds' hands: what they are made from has changed.

    Those that wait are locked with them, or a round could claim one before the change is committed, and read the old.
    """
    found = _locked(connection, letters.c.signature_id == signature_id, letters.c.state.in_(NOT_SENT))
    move_found(connection, [row for row in found if row.state == State.CLAIMED], State.QUEUED, {})


def hold(connection: Connection, signature_id: int, reason: str) -> int:
    """Set the letters of a signature to offices that wait aside for an operator. Returns how many."""
    mine = (letters.c.signature_id == signature_id, letters.c.addressee != SIGNER)
    found = _locked(connection, *mine, letters.c.state.in_(sources(Event.HOLD)))
    move_found(connection, found, State.HELD, {"reason": reason})
    return len(found)


def release(connection: Connection, signature_id: int, reason: str, due_us: int) -> int:
    """Queue the letters of a signature that are held for this very reason, due at `due_us` or as late as they were.

    Returns how many.
    """
    mine = (letters.c.signature_id == signature_id, letters.c.state == State.HELD, letters.c.reason == reason)
    found = _locked(connection, *mine)
    due = sa.case((letters.c.due_at > due_us, letters.c.due_at), else_=due_us)
    move_found(connection, found, State.QUEUED, {"reason": "looked at", "due_at": due})
    return len(found)


def _locked(connection: Connection, *where: sa.ColumnElement[bool]) -> Sequence[Any]:
    columns = (letters.c.id, letters.c.campaign_id, letters.c.sendout_id, letters.c.addressee, letters.c.state)
    return connection.execute(sa.select(*columns).where(*where).order_by(letters.c.id).with_for_update()).all()


def move_found(connection: Connection, found: Sequence[Any], to: State, values: Mapping[str, Any]) -> None:
    """Move locked rows, and with them their counts. Whoever had claimed them finds its claim gone."""
    if not found:
        return
    ids = [row.id for row in found]
    connection.execute(
        sa.update(letters).where(letters.c.id.in_(ids)).values(state=to.value, claim=None, **dict(values))
    )
    moves: Counter[tuple[int, int, str, str]] = Counter()
    for row in found:
        moves[row.campaign_id, row.sendout_id, row.addressee, row.state] -= 1
        moves[row.campaign_id, row.sendout_id, row.addressee, to.value] += 1
    counts.add(connection, moves)


def _last_moment(connection: Connection, at_us: int, *mine: sa.ColumnElement[bool]) -> None:
    """A letter that is being sent now, or is in doubt, may come back to the queue: then it is too late for it."""
    left = sa.and_(
        *mine,
        letters.c.state.in_(_MAY_COME_BACK),
        sa.or_(letters.c.not_after.is_(None), letters.c.not_after > at_us),
    )
    connection.execute(sa.update(letters).where(left).values(not_after=at_us))


def office_lanes(connection: Connection) -> Sequence[tuple[int, str]]:
    """The (id, key) of every office lane."""
    found = sa.select(lanes.c.id, lanes.c.key).where(lanes.c.kind == "office").order_by(lanes.c.id)
    return [(row.id, row.key) for row in connection.execute(found)]


def addressees_in(connection: Connection, lane_id: int) -> Sequence[str]:
    """The offices that have letters in this lane which are queued, or may be queued again."""
    found = {
        addressee
        for may_be_sent in (_is_queued(), _may_be_queued())
        for addressee in connection.execute(
            sa.select(letters.c.addressee).distinct().where(letters.c.lane_id == lane_id, may_be_sent)
        ).scalars()
    }
    return sorted(found)


def move_lane(connection: Connection, addressee: str, from_lane: int, to_lane: int, limit: int) -> int:
    """Move up to `limit` letters of an office to another lane. Returns how many were moved; 0 once there are none left.

    The queued ones first, in the order of the index of what is due, so that no page sorts those that are left; then those
    that are held or in doubt: nobody would look for them in the old lane when they come back.
    """
    mine = (letters.c.lane_id == from_lane, letters.c.addressee == addressee)
    due = (letters.c.campaign_id, letters.c.rank, letters.c.due_at, letters.c.id)
    for may_be_sent, order in ((_is_queued(), due), (_may_be_queued(), (letters.c.id,))):
        page = sa.select(letters.c.id).where(*mine, may_be_sent).order_by(*order).limit(limit).with_for_update()
        here = letters.c.id.in_(page.scalar_subquery())
        moved = connection.execute(sa.update(letters).where(here, may_be_sent).values(lane_id=to_lane)).rowcount
        if moved:
            return moved
    return 0


def _is_queued() -> sa.ColumnElement[bool]:
    # a literal, not a parameter: SQLite uses a partial index only where it can read the same words in the query
    return letters.c.state == sa.literal_column("'queued'")


def _may_be_queued() -> sa.ColumnElement[bool]:
    """Held or in doubt; said with the words of the index `letters_unusual` besides."""
    unusual = sa.literal_column("letters.state NOT IN ('queued', 'sent', 'claimed', 'sending')", sa.Boolean)
    return sa.and_(unusual, letters.c.state.in_([State.HELD, State.IN_DOUBT]))
