"""Choosing work and the life of a round: what waits in which lane, opening, claiming, renewing, closing.

Each function runs inside a committer's transaction and may be run again after a commit whose answer was lost. Which lane
is chosen is not decided here: the caller hands in a pure function of the `Survey`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from worker.domain.states import State
from worker.ledger.hot import sql
from worker.ledger.hot.database import Database
from worker.ledger.hot.rescue import take_back
from worker.ledger.hot.values import Candidate, Claimed, Place


@dataclass(frozen=True, slots=True)
class Front:
    """The earliest due letter of one lane, campaign and rank."""

    lane_id: int
    lane_key: str
    lane_kind: str
    domain: str
    served_at: int
    campaign_id: int
    campaign: str
    rank: int
    first_due: int


@dataclass(frozen=True, slots=True)
class Gate:
    """When a lane, domain, relay or campaign's part of a lane opens again, why it is shut, and its troubles in a row."""

    opens_at: int
    reason: str
    since: int
    strikes: int


@dataclass(frozen=True, slots=True)
class Survey:
    """All that the choice of a lane depends on, read in one transaction."""

    fronts: tuple[Front, ...]
    gates: dict[tuple[str, str], Gate]
    holds: frozenset[tuple[str, str]]
    open_rounds: tuple[tuple[int, int, str], ...]  # (lane_id, slot, relay)


@dataclass(frozen=True, slots=True)
class Choice:
    """A lane to open a round in, the slot to take and the relay to use."""

    lane_id: int
    lane_key: str
    slot: int
    relay: str
    fronts: tuple[Front, ...]


@dataclass(frozen=True, slots=True)
class Opened:
    """An open round: where it works, and the gates and holds as they were when it began."""

    place: Place
    choice: Choice
    gates: dict[tuple[str, str], Gate]
    holds: frozenset[tuple[str, str]]


def survey(database: Database, now_us: int) -> Survey:
    """Read what waits, what is shut, what is held, and which slots are taken."""
    fronts = [Front(*row) for row in database.rows(sql.FRONTS) if row[8] is not None]
    gates = {(kind, key): Gate(*rest) for kind, key, *rest in database.rows(sql.GATES)}
    holds = frozenset(database.standing_holds(now_us))
    rounds = tuple((lane, slot, relay) for lane, slot, relay in database.rows(sql.OPEN_ROUNDS))
    return Survey(tuple(fronts), gates, holds, rounds)


def open_round(
    database: Database, now_us: int, worker: str, choose: Callable[[Survey], Sequence[Choice]]
) -> Opened | None:
    """Open a round in the first chosen lane whose slot is still free; None where there is nothing to do.

    `rounds_slot` is unique: of two workers that take the same slot at once, one gets no row and tries its next choice.
    """
    seen = survey(database, now_us)
    for choice in choose(seen):
        parameters = (choice.lane_id, choice.slot, worker, choice.relay, False, now_us, now_us)
        made = database.rows(sql.OPEN_ROUND, parameters)
        if made:
            database.rows(sql.SERVED, (now_us, choice.lane_id))
            place = Place(made[0][0], choice.lane_id, choice.lane_key, choice.relay)
            return Opened(place, choice, seen.gates, seen.holds)
    return None


def candidates(
    database: Database, fronts: Sequence[Front], now_us: int, most: int, addressees: Sequence[str]
) -> list[Candidate]:
    """At most `most` due letters of a lane to these addressees: by rank, campaigns in turn, then by due time.

    Offices that share a mailbox share the lane: one that is closed or held must not stand before the other.
    """
    among, chosen = database.among("addressee", addressees)
    statement = sql.CANDIDATES.replace("{addressees}", among)
    found: list[Candidate] = []
    for rank in sorted({front.rank for front in fronts}):
        heaps = []
        for front in (each for each in fronts if each.rank == rank):
            parameters = (front.lane_id, front.campaign_id, rank, now_us, *chosen, most)
            heaps.append([Candidate._make(row) for row in database.rows(statement, parameters)])
        while any(heaps):
            found += [heap.pop(0) for heap in heaps if heap]
        if len(found) >= most:
            break
    return found[:most]


def claim(database: Database, place: Place, letters: Sequence[int], *, lone: bool = False) -> list[Claimed]:
    """Take those of `letters` that are still queued; what making them needs, in the order asked.

    Letters that this round already holds are given again, so that the call may be repeated.
    """
    if not letters:
        return []
    taken = database.claim_ids(place.round_id, letters)
    if lone:
        database.rows(sql.LONE, (True, place.round_id))
    among, parameters = database.among("l.id", letters)
    rows = {row[0]: Claimed._make(row) for row in database.rows(sql.CLAIMED + among, (place.round_id, *parameters))}
    for letter in taken:
        database.counted(rows[letter], State.QUEUED, State.CLAIMED)
    return [rows[letter] for letter in letters if letter in rows]


def renew(database: Database, rounds: Sequence[int], now_us: int) -> None:
    """Say that these rounds are alive."""
    among, parameters = database.among("id", rounds)
    database.rows(sql.RENEW + among, (now_us, *parameters))


def close_round(database: Database, place: Place, now_us: int, ended: str) -> None:
    """Give back the letters that were claimed and not tried, and close the round.

    A letter that is still `sending` then has lost its outcome to a fault of ours, and is in doubt.
    """
    for campaign_id, sendout_id, addressee in database.rows(sql.RELEASE, (place.round_id,)):
        database.counted_key((campaign_id, sendout_id, addressee), State.CLAIMED, State.QUEUED)
    for row in database.rows(sql.DEAD_CLAIMS, (place.round_id,)):
        take_back(database, row, place.round_id, now_us, lone=False)
    database.rows(sql.CLOSE_ROUND, (now_us, ended, place.round_id))
