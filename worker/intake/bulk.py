"""Many signatures that were confirmed elsewhere: streamed in, written in chunks, one transaction and one ring each.

A chunk is small on SQLite, where its transaction keeps every other writer waiting (the house allows 20 ms), and larger
on PostgreSQL, where it does not. Checking and hashing happen before the transaction begins.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from worker.domain.campaign import Campaign
from worker.domain.errors import BadInput
from worker.intake.bell import Bell
from worker.intake.consent import SEND, Consent
from worker.intake.desk import Asked, Desk, Floor, Made, Origin, Prepared
from worker.intake.receipt import Outcome, Tally
from worker.intake.validate import PersonInput

Seen = Callable[[int, Outcome], None]

_LETTERS = {"sqlite": 800, "postgresql": 8_000}  # worth of work in one transaction
_SIGNATURE = 6  # a signature by itself is as much work as so many letters
_CLASH = "request_key: was used for another person before"


@dataclass(frozen=True, slots=True, repr=False)
class Row:
    """One of many. `rejected` is a reason known before the person was even read (a CSV row that is no row)."""

    person: PersonInput
    consents: tuple[Consent, ...] = (SEND,)
    request_key: str | None = None
    rejected: str = ""


def chunk_size(desk: Desk, campaign: Campaign) -> int:
    """How many signatures of this campaign make one transaction."""
    return max(10, _LETTERS[desk.ledger.dialect] // (_SIGNATURE + len(campaign.offices)))


def chunks(rows: Iterable[PersonInput | Row], size: int) -> Iterator[list[Row]]:
    """`rows` in lists of `size`, the last one shorter."""
    stream = (row if isinstance(row, Row) else Row(row) for row in rows)
    while chunk := list(itertools.islice(stream, size)):
        yield chunk


def submit_rows(
    desk: Desk, bell: Bell, campaign: Campaign, rows: Iterable[PersonInput | Row], *, origin: Origin, seen: Seen | None
) -> Tally:
    """See `Intake.submit_many`."""
    total = Tally()
    for chunk in chunks(rows, chunk_size(desk, campaign)):
        outcomes, tally = submit_chunk(desk, campaign, chunk, origin)
        if tally.letters:
            bell.ring()
        for number, outcome in enumerate(outcomes, total.rows):
            if seen:
                seen(number, outcome)
        total += tally
    return total


def submit_chunk(
    desk: Desk,
    campaign: Campaign,
    rows: Sequence[Row],
    origin: Origin,
    checkpoint: Callable[[Floor, Tally], None] | None = None,
) -> tuple[list[Outcome], Tally]:
    """One transaction. `checkpoint` writes, as part of it, how far the caller has come."""
    checked = [prepare(desk, campaign, row) for row in rows]
    people = [item for item in checked if isinstance(item, Prepared)]

    def work(floor: Floor) -> tuple[list[Outcome], Tally]:
        made = iter(desk.take(floor, people, origin) if people else ())
        results = [(next(made) if isinstance(item, Prepared) else item) for item in checked]
        outcomes = [_outcome(result) if isinstance(result, Made) else result for result in results]
        tally = _tally(outcomes, sum(result.letters for result in results if isinstance(result, Made)))
        if checkpoint:
            checkpoint(floor, tally)
        return outcomes, tally

    return desk.transact(campaign, work)


def prepare(desk: Desk, campaign: Campaign, row: Row) -> Prepared | Outcome:
    """The row ready for the ledger, or its rejection. Says the same whenever it is asked."""
    if row.rejected:
        return Outcome("rejected", reason=row.rejected)
    try:
        return desk.prepared(campaign, row.person, Asked(row.consents, (), row.request_key))
    except BadInput as exc:
        return Outcome("rejected", reason=str(exc))


def _outcome(made: Made) -> Outcome:
    if made.recorded.clash:
        return Outcome("rejected", reason=_CLASH)
    return Outcome("repeated" if made.recorded.repeated else "accepted", made.recorded.signature_id)


def _tally(outcomes: Sequence[Outcome], letters: int) -> Tally:
    kinds = [outcome.kind for outcome in outcomes]
    return Tally(kinds.count("accepted"), kinds.count("repeated"), kinds.count("rejected"), letters)
