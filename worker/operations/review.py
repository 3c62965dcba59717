"""Signatures that wait for an operator's look: who they are, what they say, and what is decided.

An unconfirmed signature waits with its notice (the form was sent too often, say), a confirmed one with its letters (they
carry the signer's own words). `approve` queues what was held; `reject` ends the signature. Each is decided once, in one
transaction with its audit row, and may be said again. Only what waits is shown, without the address, and the look stands
in the audit.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, Literal

from sqlalchemy.engine import Connection

from worker.domain.clock import from_us
from worker.domain.errors import BadInput, RefusedByState
from worker.ledger import audit, lapses, letters_write, notices, people, quiet, reviews, standing, tokens
from worker.ledger.book import Ledger
from worker.ledger.reviews import APPROVED, ENDED, REJECTED
from worker.ledger.sql import now_us
from worker.ledger.standing import UNCONFIRMED, WITHDRAWN, Standing
from worker.ledger.transact import transact
from worker.operations.barriers import iso
from worker.operations.holds import checked_reason

Decision = Literal["approved", "rejected"]
Progress = Callable[[int], None]

PAGE = 25  # on SQLite a transaction keeps every other writer waiting
_VERBS: dict[Decision, str] = {"approved": "approve", "rejected": "reject"}
_MICROSECOND = timedelta(microseconds=1)
_KEPT = 100  # audit rows of one signature that are read back


@dataclass(frozen=True, slots=True)
class Order:
    """What is decided, by whom, why; and how long a link that goes out only now may be followed, and is reminded of.

    Raises BadInput for a reason that is empty, too long or not printable.
    """

    decision: Decision
    who: str
    reason: str
    confirm_within: timedelta = tokens.VALID_FOR
    remind_after: timedelta = timedelta(days=3)

    def __post_init__(self) -> None:
        checked_reason(self.reason)


@dataclass(frozen=True, slots=True)
class Decided:
    """How many signatures were decided now, and how many letters (notices too) were queued or cancelled by it."""

    signatures: int
    letters: int


def held(ledger: Ledger, limit: int = 50, after: int = 0) -> list[dict[str, Any]]:
    """Up to `limit` signatures that wait, longest first; `after` is the last one seen. Raises BadInput for a wrong one."""
    with ledger.read() as connection:
        begin = (0, 0)
        if after:
            case = reviews.find(connection, after)
            if case is None:
                raise BadInput(f"signature {after} never waited for a look; begin without it")
            begin = (case.since, after)
        found = reviews.page(connection, limit, begin)
    return [
        {
            "signature": each.signature_id,
            "campaign": each.campaign,
            "state": each.state,
            "why": each.reason,
            "since": iso(from_us(each.since)),
        }
        for each in found
    ]


def look(ledger: Ledger, signature: int, who: str, reason: str = "") -> dict[str, Any]:
    """What a signature that waits says, and who says it; the address is not among it. Leaves an audit row.

    Raises BadInput for an unknown signature, RefusedByState for one that does not wait.
    """
    if reason:
        checked_reason(reason)

    def work(connection: Connection) -> dict[str, Any]:
        found, case = _waiting(connection, signature)
        if case.decision:
            raise _decided_before(signature, case.decision)
        opened = people.opened(connection, ledger.keys, signature)
        assert opened is not None, "a signature that waits stands"
        audit.append(connection, now_us(connection), who, "look", f"signature {signature}", reason)
        person = opened.person
        return {
            "signature": signature,
            "campaign": found.campaign,
            "state": found.state,
            "why": case.reason,
            "since": iso(from_us(case.since)),
            "name": person.name,
            "country": person.country,
            "city": person.city,
            "comment": person.comment,
        }

    return transact(ledger, work)


def decide(ledger: Ledger, signature: int, order: Order) -> Decided:
    """Decide on one signature; `Decided(0, 0)` where the same had been decided before.

    Raises BadInput for an unknown signature; RefusedByState where it does not wait, where the opposite was decided, and
    where its signer changed it after it was looked at.
    """

    def work(connection: Connection) -> Decided:
        found, case = _waiting(connection, signature)
        if case.decision == order.decision:
            return Decided(0, 0)
        if case.decision:
            raise _decided_before(signature, case.decision)
        if order.decision == APPROVED:
            _refuse_unseen(connection, signature, case.since)
        return _decide(connection, [found], case.reason, order)

    return transact(ledger, work)


def decide_all(ledger: Ledger, reason_was: str, order: Order, progress: Progress | None = None) -> Decided:
    """Decide on all that wait for this very reason, page by page; `progress` is told how many are done."""
    done, letters, after = 0, 0, (0, 0)
    while page := _page(ledger, reason_was, after):
        after = (page[-1].since, page[-1].signature_id)
        ids = [each.signature_id for each in page]
        decided = transact(ledger, partial(_decide_page, ids=ids, reason_was=reason_was, order=order))
        done, letters = done + decided.signatures, letters + decided.letters
        if progress:
            progress(done)
    return Decided(done, letters)


def waiting_for(ledger: Ledger, reason_was: str) -> int:
    """How many signatures wait for this very reason: what `decide_all` would decide on."""
    with ledger.read() as connection:
        return reviews.count(connection, reason_was)


def write_again(ledger: Ledger, address_key: bytes, who: str, reason: str) -> bool:
    """Lift the quiet of an address, as its owner asked; False where there was none. The audit names a signer's number."""
    checked_reason(reason)

    def work(connection: Connection) -> bool:
        if not quiet.lift(connection, address_key):
            return False
        signer = standing.signer_of(connection, address_key)
        target = f"signer {signer}" if signer else "an address"
        audit.append(connection, now_us(connection), who, "write-again", target, reason)
        return True

    return transact(ledger, work)


# -- the steps ---------------------------------------------------------------------------------------------------------
def _waiting(connection: Connection, signature: int) -> tuple[Standing, reviews.Case]:
    found = standing.lock(connection, signature)
    case = reviews.find(connection, signature) if found else None
    if found is None:
        raise BadInput(f"there is no signature {signature}; `lettershop signatures held` lists those that wait")
    if case is None:
        raise RefusedByState(f"signature {signature} does not wait for a look")
    return found, case


def _decided_before(signature: int, decision: str) -> RefusedByState:
    word = {ENDED: "has ended", APPROVED: "was approved before", REJECTED: "was rejected before"}[decision]
    more = f"; `lettershop withdraw {signature}` ends it" if decision == APPROVED else ""
    return RefusedByState(f"signature {signature} {word}{more}")


def _refuse_unseen(connection: Connection, signature: int, since_us: int) -> None:
    """Who looked must have seen what they approve: a signer may change their words at any time."""
    looks = [e.at_us for e in audit.latest(connection, _KEPT, f"signature {signature}") if e.verb == "look"]
    if looks and max(looks) < since_us:
        raise RefusedByState(f"signature {signature} was changed by its signer after the last look: look again")


def _page(ledger: Ledger, reason_was: str, after: tuple[int, int]) -> Sequence[reviews.Review]:
    with ledger.read() as connection:
        return reviews.page(connection, PAGE, after, reason_was)


def _decide_page(connection: Connection, ids: Collection[int], reason_was: str, order: Order) -> Decided:
    locked = standing.lock_many(connection, ids)
    left = reviews.waiting_among(connection, ids, reason_was)
    return _decide(connection, [each for each in locked if each.id in left], reason_was, order)


def _decide(connection: Connection, found: Sequence[Standing], case: str, order: Order) -> Decided:
    at_us = now_us(connection)
    ids = [each.id for each in found]
    reviews.decide(connection, ids, order.decision, at_us)
    if order.decision == APPROVED:
        letters = sum(_free(connection, each, case, at_us) for each in found)
        _begin_anew(connection, [each.id for each in found if each.state == UNCONFIRMED], order, at_us)
    else:
        letters = standing.end(connection, ids, WITHDRAWN, REJECTED, at_us)
    for number in ids:
        verb, details = _VERBS[order.decision], {"was": case}
        audit.append(connection, at_us, order.who, verb, f"signature {number}", order.reason, details)
    return Decided(len(ids), letters)


def _free(connection: Connection, each: Standing, case: str, at_us: int) -> int:
    """Queue what waits; a notice still keeps its day from the signer's other ones."""
    due_us = notices.free_at(connection, each.signer_id, at_us) if each.state == UNCONFIRMED else at_us
    return letters_write.release(connection, each.id, case, due_us)


def _begin_anew(connection: Connection, ids: Collection[int], order: Order, at_us: int) -> None:
    """The time to confirm begins when the notice may go out."""
    tokens.renew(connection, ids, at_us + order.confirm_within // _MICROSECOND)
    lapses.again(connection, ids, at_us + order.remind_after // _MICROSECOND)
