"""The expansion: an approved occurrence's letters are made, each due at a moment of its own in the window.

Made in pages, each one transaction that also moves the occurrence's mark: after a kill in any page the next begins where the
last committed one ended. The letters of a page are unique per (signature, addressee, send-out) besides.

Who is written for is settled when it begins, but for those who take their consent back: each page looks anew.
"""

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy.engine import Connection

from worker.domain.campaign import canonical
from worker.domain.occasion import Occasion
from worker.domain.occurrence import Life, Step
from worker.ledger import audience, lanes, letters_write, occurrences, pins
from worker.ledger.audience import Supporter
from worker.ledger.bulk import sent_together
from worker.ledger.keys import Keys
from worker.ledger.letters_write import Row
from worker.ledger.occurrences import Occurrence
from worker.ledger.sql import now_us
from worker.schedule.audience import from_countries, left_out_by, terms_of
from worker.schedule.board import MICROSECOND, Board

RANK = 3
"""After fresh signatures (2), which go after notices."""

PAGE_LETTERS = {"sqlite": 600, "postgresql": 5_000}
"""Letters of one page: some 20 ms of SQLite's one writer."""


def count(board: Board, seen: Occurrence, occasion: Occasion, at_us: int) -> int:
    """How many are written for if it begins at `at_us`. A reading of its own: it takes seconds where they are a million."""
    with board.ledger.read() as connection:
        terms = terms_of(connection, seen, occasion, told_by=at_us - board.leads.announced_for_us)
        return audience.numbers(connection, terms).get("", 0)


def begin(connection: Connection, seen: Occurrence, occasion: Occasion, supporters: int, at_us: int) -> bool:
    """Open the send-out for so many, counted at `at_us`. Returns whether it fell to this call."""
    sendout = letters_write.ensure_sendout(
        connection,
        seen.campaign_id,
        seen.name,
        RANK,
        at_us,
        not_after=max(at_us, seen.start_us) + occasion.not_after // MICROSECOND,
        text_id=seen.text_id,
        consent=occasion.consent,
        facts=canonical({"occasion": occasion.name, "period": str(seen.period)}),
    )
    return occurrences.take(
        connection,
        seen,
        Step.BEGIN,
        begun_at=at_us,
        sendout_id=sendout.id,
        audience=supporters,
    )


class Expansion:
    """One occurrence's pages, with what they share. Raises ValueError where an office has no opening (see `Board`)."""

    def __init__(self, connection: Connection, board: Board, seen: Occurrence, occasion: Occasion) -> None:
        assert seen.begun_at is not None
        assert seen.state is Life.EXPANDING
        self._board, self._occasion = board, occasion
        self._most = max(1, seen.audience or 0)
        self._drips = board.drips(seen, max(seen.begun_at, seen.start_us), self._most)
        self._lanes = {
            office.id: lanes.ensure(connection, lanes.office_key(office.mailbox), "office", office.domain)
            for office in board.addressees(seen)
        }
        self._text = pins.hash_of(connection, seen.text_id) if seen.text_id is not None else ""
        self._sendout = letters_write.sendout_of(connection, seen.sendout_id or 0)
        size = PAGE_LETTERS[connection.dialect.name]
        self._page = max(1, size // max(1, len(self._lanes)))
        self._terms = terms_of(connection, seen, occasion, told_by=seen.begun_at - board.leads.announced_for_us)

    def next_page(self, connection: Connection, keys: Keys, seen: Occurrence) -> bool:
        """Make the next supporters' letters, and end it with the last of them. Returns whether it fell to this call."""
        page = audience.page(connection, self._terms, after=seen.written_to, limit=self._page)
        chosen = from_countries(keys, self._occasion, page.found)
        mark: dict[str, Any] = {"written_to": page.up_to, "written": seen.written + len(chosen)}
        if page.last:
            moved = occurrences.take(connection, seen, Step.EXPANDED, **mark)
        else:
            moved = occurrences.change(connection, seen, **mark)
        if moved and chosen:
            rows = self._rows(keys.mac, seen.written, chosen)
            with sent_together(connection):
                letters_write.make_due(connection, self._sendout, rows, now_us(connection))
        return moved

    def _rows(self, mac: Callable[[int, str, str], bytes], done: int, supporters: Sequence[Supporter]) -> list[Row]:
        """A letter of each supporter to each office; the `done` before them have theirs."""
        # consents given since it began may make them a few more than were counted: those go with the last one
        places = [min(done + n, self._most - 1) for n in range(len(supporters))]
        due = {office: [drip.at(place) for place in places] for office, drip in self._drips.items()}
        rows: list[Row] = []
        for place, each in enumerate(supporters):
            text, out = self._text or each.text_hash, left_out_by(each)
            rows += [
                (each.signature, office, lane, mac(each.signature, text, office), due[office][place])
                for office, lane in self._lanes.items()
                if office not in out
            ]
        return rows
