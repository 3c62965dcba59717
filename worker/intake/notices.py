"""Mail to signers, made as letters like any other: which notices there are, and how few of them one address gets.

- `confirm-1` asks to confirm; `confirm-2` is a reminder, or what a second asking brings. There is no third.
- `page-1` brings the link of the signer's own page after confirming; `page-2`, ... bring it again, as asked.
- `imported-1` is `page-1` for who signed elsewhere and was entered from a list.

One address is sent at most one of these a day, over all campaigns: the next one is made due a day after the last. Only
`page-1` follows at once where its reader has just confirmed. An address that asked for quiet is sent none.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from worker.intake.ground import CONFIRM_RANK, PAGE_RANK, REMINDER
from worker.ledger import lapses, letters_write, notices, people, quiet, reviews, tokens
from worker.ledger.bulk import sent_together
from worker.ledger.letters_write import Making, Manner, Sendout, ensure_sendout, make
from worker.ledger.signatures import Recorded
from worker.ledger.standing import Standing

if TYPE_CHECKING:
    from worker.intake.desk import Desk, Floor

MICROSECOND = timedelta(microseconds=1)
DAY_US = notices.APART_US
PAGES_MOST = 10
"""The link of a page is sent again so often at most: after that its owner asks the campaign."""


def ask_to_confirm(desk: "Desk", floor: "Floor", new: Sequence[Recorded], hold: str) -> None:
    """The first notice of each new signature; `hold` says why it waits for an operator first, or ""."""
    connection, at_us = floor.connection, floor.at_us
    until_us = at_us + desk.terms.confirm_within // MICROSECOND
    remind_us = at_us + desk.terms.remind_after // MICROSECOND
    known = notices.latest(connection, [r.signer_id for r in new if not r.stranger])
    waits: defaultdict[int, list[Making]] = defaultdict(list)
    for r in new:
        making = Making(r.signature_id, floor.ground.text_hash, floor.ground.notices)
        waits[_wait_us(floor, known.get(r.signer_id))].append(making)
    with sent_together(connection):
        tokens.issue(
            connection, desk.keys, tokens.CONFIRM, [(r.signature_id, r.wrapped_key) for r in new], at_us, until_us
        )
        for due_us, makings in waits.items():
            make(connection, desk.keys, floor.ground.confirm, makings, at_us, Manner(due_us, hold))
        lapses.watch(connection, [r.signature_id for r in new], remind_us)
    if hold:
        for r in new:
            reviews.begin(connection, r.signature_id, hold, at_us)


def ask_again(desk: "Desk", floor: "Floor", found: Standing) -> bool:
    """The second notice of an unconfirmed signature, if there was none yet. Returns whether it was made."""
    if reviews.waiting(floor.connection, found.id) or REMINDER in notices.made(floor.connection, found.id):
        return False
    _send(desk, floor, found, REMINDER, floor.ground.notices)
    return True


def set_free(floor: "Floor", found: Standing, reason: str) -> int:
    """The notice of an unconfirmed signature that waited for an operator: a form that passed every gate asked for it."""
    connection = floor.connection
    reviews.decide(connection, [found.id], reviews.ENDED, floor.at_us)
    due_us = notices.free_at(connection, found.signer_id, floor.at_us)
    return letters_write.release(connection, found.id, reason, due_us)


@dataclass(frozen=True, slots=True)
class Newcomer:
    """A signature that has just been confirmed. `wrapped_key` is its signer's; `signer_id` 0: their link was followed."""

    signature_id: int
    text_hash: str
    wrapped_key: bytes
    signer_id: int = 0


def welcome(desk: "Desk", floor: "Floor", newcomers: Sequence[Newcomer], kind: str) -> None:
    """The link of their page for signatures that have just been confirmed: `kind` is "page" or "imported".

    At once for who has just followed the link in our own mail (no `signer_id`), else a day after the last notice.
    """
    if not floor.campaign.page_link or not newcomers:
        return
    give_pages(desk, floor, [(each.signature_id, each.wrapped_key) for each in newcomers])
    known = notices.latest(floor.connection, [each.signer_id for each in newcomers if each.signer_id])
    waits: defaultdict[int, list[Making]] = defaultdict(list)
    for each in newcomers:
        making = Making(each.signature_id, each.text_hash, floor.ground.pages)
        waits[_wait_us(floor, known.get(each.signer_id))].append(making)
    sendout = _sendout(floor, f"{kind}-1", PAGE_RANK)
    for due_us, makings in waits.items():
        make(floor.connection, desk.keys, sendout, makings, floor.at_us, Manner(due_us))


def page_again(desk: "Desk", floor: "Floor", found: Standing) -> bool:
    """The link of a page once more, unless one waits to be sent or there were too many. Returns whether it was made."""
    connection = floor.connection
    sent = [name for name in notices.made(connection, found.id) if not name.startswith("confirm-")]
    opened = people.opened(connection, desk.keys, found.id)
    if opened is None or not floor.campaign.page_link or len(sent) >= PAGES_MOST:
        return False
    if notices.waiting(connection, found.id) or quiet.among(connection, [opened.address_key]):
        return False
    give_pages(desk, floor, [(found.id, opened.wrapped_key)])
    number = max((int(name.rpartition("-")[2]) for name in sent if name.startswith("page-")), default=0) + 1
    _send(desk, floor, found, f"page-{number}", floor.ground.pages)
    return True


def give_pages(desk: "Desk", floor: "Floor", whose: Sequence[tuple[int, bytes]]) -> None:
    """A token for the signer's own page, for each signature that has none yet; `whose`: numbers and wrapped keys."""
    has = tokens.having(floor.connection, tokens.PAGE, [number for number, _ in whose])
    without = [each for each in whose if each[0] not in has]
    tokens.issue(floor.connection, desk.keys, tokens.PAGE, without, floor.at_us, tokens.FOR_GOOD_US)


def _send(desk: "Desk", floor: "Floor", found: Standing, name: str, lane: Mapping[str, int]) -> None:
    """One notice, a day after the last one."""
    last = notices.latest(floor.connection, [found.signer_id]).get(found.signer_id)
    rank = CONFIRM_RANK if lane is floor.ground.notices else PAGE_RANK
    makings = [Making(found.id, found.text_hash, lane)]
    make(floor.connection, desk.keys, _sendout(floor, name, rank), makings, floor.at_us, Manner(_wait_us(floor, last)))


def _wait_us(floor: "Floor", last_us: int | None) -> int:
    return 0 if last_us is None else max(0, last_us + DAY_US - floor.at_us)


def _sendout(floor: "Floor", name: str, rank: int) -> Sendout:
    return ensure_sendout(floor.connection, floor.ground.campaign_id, name, rank, floor.at_us)
