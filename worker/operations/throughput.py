"""How many letters relays accept a minute: told from the samples, of which any process takes one a minute."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from sqlalchemy.engine import Connection

from worker.domain.clock import from_us
from worker.ledger import samples
from worker.ledger.book import Ledger
from worker.ledger.samples import MINUTE_US, Sample
from worker.operations.barriers import iso
from worker.operations.due import due_now, read_letters

MINUTES = 60
_PRUNE_EVERY = 60


def sample(ledger: Ledger) -> bool:
    """Take this minute's sample, if nobody has yet. Any number of processes may try. Raises Failed."""
    with ledger.read() as connection:
        at_us = ledger.now_us()
        if samples.taken(connection, at_us):
            return False
        letters = read_letters(connection)
        due = due_now(connection, at_us, letters)
    oldest = min((each.first_us for each in due.values()), default=None)
    with ledger.write() as connection:
        took = samples.take(connection, at_us, sum(each.n for each in due.values()), oldest, letters.all)
        if took and at_us // MINUTE_US % _PRUNE_EVERY == 0:
            samples.prune(connection, at_us)
    return took


def throughput(connection: Connection, at_us: int, accepted: int) -> dict[str, Any]:
    """Letters accepted lately; `accepted` is how many there are at `at_us`, by the same snapshot's counts.

    `now_per_min`: since the newest sample that is a minute old, None before there is one; `hour`: in the last hour, or
    since the ledger was made or first sampled; `per_min`: [{"at", "sent"}], the oldest first. Where samples are missing,
    what came between is taken to have come evenly.
    """
    start_us = at_us - MINUTES * MINUTE_US
    found = [*_earliest(connection, start_us, at_us), *samples.since(connection, start_us)]
    return {
        "now_per_min": _now(found, at_us, accepted),
        "hour": max(0, accepted - _accepted_by(found, start_us)) if found else None,
        "per_min": _minutes(found)[-MINUTES:],
    }


def _earliest(connection: Connection, start_us: int, at_us: int) -> list[Sample]:
    """Where to count from: the newest sample before `start_us`, or the birth of a ledger that is younger.

    Of an older ledger without samples nobody knows when its letters went: it has been moved to this step of its schema.
    """
    if (sample := samples.before(connection, start_us)) is not None:
        return [sample]
    birth = samples.birth(connection)
    return [birth] if start_us < birth.taken_us <= at_us else []


def _now(found: Sequence[Sample], at_us: int, accepted: int) -> float | None:
    old = [each for each in found if at_us - each.taken_us >= MINUTE_US]
    if not old or at_us - old[-1].taken_us > 5 * MINUTE_US:  # what happened since would be an average, not "now"
        return None
    return round(max(0, accepted - old[-1].accepted) * MINUTE_US / (at_us - old[-1].taken_us), 1)


def _accepted_by(found: Sequence[Sample], at_us: int) -> int:
    """How many were accepted by then, between the samples around that moment."""
    for one, two in pairwise(found):
        if one.taken_us <= at_us < two.taken_us:
            share = (at_us - one.taken_us) / (two.taken_us - one.taken_us)
            return one.accepted + round(share * (two.accepted - one.accepted))
    return found[0].accepted if at_us < found[0].taken_us else found[-1].accepted


def _minutes(found: Sequence[Sample]) -> list[dict[str, Any]]:
    """What each minute brought. Where samples are missing, their letters are spread over the minutes between."""
    bars: list[dict[str, Any]] = []
    for one, two in pairwise(found):
        gap = max(1, (two.at_us - one.at_us) // MINUTE_US)
        sent = max(0, two.accepted - one.accepted)
        for k in range(gap):
            share = sent * (k + 1) // gap - sent * k // gap
            bars.append({"at": iso(from_us(one.at_us + (k + 1) * MINUTE_US)), "sent": share})
    return bars
