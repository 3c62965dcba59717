"""The announcement: each standing supporter is told what will be written in their name, and how to say no.

Made in pages, each a transaction that also moves the occurrence's mark: after a crash, or with a second process at it, the
next page begins where the last committed one ended, and nobody is told twice.
"""

from collections import defaultdict
from collections.abc import Sequence

from sqlalchemy.engine import Connection

from worker.domain.campaign import canonical
from worker.domain.occasion import Occasion
from worker.domain.occurrence import Step
from worker.ledger import audience, lanes, letters_write, notices, occurrences, pins, tokens
from worker.ledger.audience import Supporter
from worker.ledger.keys import Keys
from worker.ledger.letters_write import SIGNER, Making, Manner, Sendout
from worker.ledger.occurrences import Occurrence
from worker.ledger.sql import now_us
from worker.schedule.audience import announcements_of, from_countries, terms_of, text_of
from worker.schedule.board import MICROSECOND

RANK = 1
PAGE_SIZE = 100


def begin(connection: Connection, seen: Occurrence, occasion: Occasion) -> bool:
    """Settle the text that is announced, and begin with the first supporter. Returns whether it fell to this call."""
    text_id = text_of(connection, occasion, now_us(connection))
    return occurrences.change(connection, seen, text_id=text_id, edition=seen.edition + 1, told_to=0, reason="")


def next_page(connection: Connection, keys: Keys, seen: Occurrence, occasion: Occasion) -> bool:
    """Tell the next supporters, and end the announcement with the last. Returns whether it fell to this call."""
    at_us = now_us(connection)
    terms = terms_of(connection, seen, occasion)
    page = audience.page(connection, terms, after=seen.told_to, limit=PAGE_SIZE, told=False)
    if page.last:
        moved = occurrences.take(connection, seen, Step.ANNOUNCE, announced_at=at_us, told_to=page.up_to)
    else:
        moved = occurrences.change(connection, seen, told_to=page.up_to)
    if not moved:
        return False
    know = audience.know_the_text(connection, terms, [each.signature for each in page.found])
    told = from_countries(keys, occasion, page.found)
    for name, asked in zip(announcements_of(seen), (False, True), strict=True):
        sendout = _sendout(connection, seen, occasion, name, asked=asked)
        _tell(connection, keys, seen, sendout, [each for each in told if (each.signature not in know) is asked], at_us)
    return True


def _sendout(connection: Connection, seen: Occurrence, occasion: Occasion, name: str, *, asked: bool) -> Sendout:
    """The send-out of the notices; `asked`: of those who must agree. None of them goes once the letters may have begun."""
    facts = {
        "occasion": occasion.name,
        "day": occasion.day_in(seen.period).isoformat(),
        "consent_needed": "yes" if asked else "",
    }
    return letters_write.ensure_sendout(
        connection,
        seen.campaign_id,
        name,
        RANK,
        now_us(connection),
        text_id=seen.text_id,
        consent=occasion.consent,
        facts=canonical(facts),
        not_after=seen.start_us + occasion.grace // MICROSECOND,
    )


def _tell(
    connection: Connection,
    keys: Keys,
    seen: Occurrence,
    sendout: Sendout,
    told: Sequence[Supporter],
    at_us: int,
) -> None:
    """A notice to each, with the link of their own page, a day after their last one at the soonest."""
    if not told:
        return
    has = tokens.having(connection, tokens.PAGE, [each.signature for each in told])
    without = [(each.signature, bytes(each.wrapped_key)) for each in told if each.signature not in has]
    tokens.issue(connection, keys, tokens.PAGE, without, at_us, tokens.FOR_GOOD_US)
    text_hash = pins.hash_of(connection, seen.text_id) if seen.text_id is not None else ""
    lane = {SIGNER: lanes.ensure(connection, lanes.ANNOUNCEMENTS, "signers", "")}
    last = notices.latest(connection, [each.signer for each in told])
    waits: defaultdict[int, list[Making]] = defaultdict(list)
    for each in told:
        due_us = max(0, last[each.signer] + notices.APART_US - at_us) if each.signer in last else 0
        waits[due_us].append(Making(each.signature, text_hash or each.text_hash, lane))
    for due_us, makings in waits.items():
        letters_write.make(connection, keys, sendout, makings, at_us, Manner(due_us))
