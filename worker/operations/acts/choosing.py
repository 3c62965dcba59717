"""Finding an act's letters: counted for a preview, then page by page as it goes. Nothing is written here.

A page looks at a stretch of letters by number, so that a million of them are gone through once, not once for each page.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from worker.domain.errors import BadInput
from worker.domain.states import State
from worker.ledger import counts
from worker.ledger.book import Ledger
from worker.ledger.letters_write import SIGNER
from worker.ledger.schema import campaigns, letters, sendouts
from worker.operations.acts.refusing import refusal
from worker.operations.acts.verbs import cannot, held_mark
from worker.operations.acts.wanted import Wanted
from worker.operations.letters import replied
from worker.settings import Home
from worker.settings.problems import nearest

_USUAL = {State.QUEUED, State.SENT, State.CLAIMED, State.SENDING}
# SQLite takes a partial index only where it reads the index's own words
_UNUSUAL: sa.ColumnElement[bool] = sa.literal_column("letters.state NOT IN ('queued', 'sent', 'claimed', 'sending')")


@dataclass(frozen=True, slots=True)
class Preview:
    """What an act would do. `wanted` is as asked, up to the highest letter that there was: begin the act with it.

    `count` letters would be moved, given by state and by office; `not_allowed` are others that fit, by the reason why they
    are left alone.
    """

    wanted: Wanted
    count: int
    by_state: dict[str, int]
    by_office: dict[str, int]
    up_to: int
    not_allowed: dict[str, int]

    def body(self) -> dict[str, Any]:
        """The JSON form."""
        return {
            "verb": self.wanted.verb,
            "count": self.count,
            "by_state": self.by_state,
            "by_office": self.by_office,
            "up_to": self.up_to,
            "not_allowed": self.not_allowed,
        }


def preview(ledger: Ledger, home: Home, wanted: Wanted) -> Preview:
    """Count what the act would move. Raises BadInput for an office, campaign, send-out or letter that does not exist."""
    found = count(ledger, wanted)
    if not found.count and not found.not_allowed and wanted.office not in {"", SIGNER, *home.offices}:
        hint = nearest(wanted.office, list(home.offices))
        raise BadInput(f"there is no office {wanted.office!r}{hint}; `lettershop offices list` shows all")
    return found


def count(ledger: Ledger, wanted: Wanted) -> Preview:
    """The same without a look at the register."""
    with ledger.read() as connection:
        at_us = ledger.now_us()
        highest: int = connection.execute(sa.select(sa.func.coalesce(sa.func.max(letters.c.id), 0))).scalar_one()
        up_to = highest if wanted.up_to is None else min(wanted.up_to, highest)
        mine = [*_conditions(connection, wanted), letters.c.id <= up_to]
        _refuse_unknown(connection, wanted)
        why = refusal(connection, wanted, at_us)
        by_state, by_office, left = Counter[str](), Counter[str](), Counter[str]()
        for state in wanted.chosen:
            for addressee, refused, n in connection.execute(_tally(state, mine, why)):
                if refused:
                    left[refused] += n
                else:
                    by_state[state.value] += n
                    by_office[addressee] += n
        left.update(_left_out(connection, wanted, mine))
    offices = dict(sorted(by_office.items(), key=lambda each: (-each[1], each[0])))
    moved = sum(by_state.values())
    return Preview(replace(wanted, up_to=up_to), moved, dict(by_state), offices, up_to, dict(+left))


def _left_out(connection: Connection, wanted: Wanted, mine: Sequence[sa.ColumnElement[bool]]) -> dict[str, int]:
    """Letters that fit and whose state does not allow it; from the counts where these tell it, without counting."""
    if wanted.mark or wanted.mark_starts:
        return {}
    left = Counter[str]()
    if not any((wanted.ids, wanted.code, wanted.signature, wanted.older_us, wanted.newer_us)):
        sendout_ids = _sendouts(connection, wanted) if wanted.sendout else []
        for cell, n in counts.read(
            connection, _campaign(connection, wanted.campaign) if wanted.campaign else None
        ).items():
            among = not sendout_ids or cell.sendout_id in sendout_ids
            if cell.state in wanted.left_out and wanted.office in {"", cell.addressee} and among:
                left[cannot(cell.state, wanted.does)] += n
        return left
    for state in wanted.left_out:
        query = sa.select(sa.func.count()).select_from(letters).where(_in_state(state), *mine)
        left[cannot(state.value, wanted.does)] += connection.execute(query).scalar_one()
    return left


def _tally(state: State, mine: Sequence[sa.ColumnElement[bool]], why: sa.ColumnElement[str]) -> sa.Select[Any]:
    rows = sa.select(letters.c.addressee, why.label("why")).where(_in_state(state), *mine).subquery()
    return sa.select(rows.c.addressee, rows.c.why, sa.func.count()).group_by(rows.c.addressee, rows.c.why)


def _in_state(state: State) -> sa.ColumnElement[bool]:
    """In words by which either database finds its index."""
    same = letters.c.state == sa.literal_column(f"'{state.value}'")
    if state not in _USUAL:
        return sa.and_(same, _UNUSUAL)
    return sa.and_(same, letters.c.claim.is_not(None)) if state in (State.CLAIMED, State.SENDING) else same


# -- page by page --------------------------------------------------------------------------------------------------------
class Finder:
    """The numbers of an act's letters, some at a time; reads apart from any write, so that no writer waits for it."""

    NARROW, WIDE = 5_000, 100_000
    """How many letters it looks through at once, at least and at most."""

    def __init__(self, ledger: Ledger, wanted: Wanted, up_to: int, page: int) -> None:
        self._ledger, self._wanted, self._up_to, self._page = ledger, wanted, up_to, page
        self._span = self.NARROW
        self._given, self._looked = -1, 0

    def behind(self, mark: int) -> list[int]:
        """The next letters above the number `mark`, at most a page; none where there are no more."""
        place = self._looked if mark == self._given else mark
        for last in self._stretches(place):
            found = self._between(place, last)
            full = len(found) == self._page
            self._span = max(self.NARROW, 2 * (found[-1] - place)) if full else min(2 * self._span, self.WIDE)
            if found:
                self._given, self._looked = found[-1], found[-1] if full else last
                return found
            place = last
        return []

    def _stretches(self, place: int) -> Iterator[int]:
        """Where each stretch ends. One is enough where letters are named one by one, or found by their signature."""
        if self._wanted.ids or self._wanted.signature is not None:
            yield from [self._up_to] if place < self._up_to else []
            return
        while place < self._up_to:
            place = min(place + self._span, self._up_to)
            yield place

    def _between(self, place: int, last: int) -> list[int]:
        wanted = self._wanted
        with self._ledger.read() as connection:
            mine = [*_conditions(connection, wanted, counting=False), letters.c.id > place, letters.c.id <= last]
            if not any(state in _USUAL for state in wanted.chosen):
                mine.append(_UNUSUAL)
            states = letters.c.state.in_([state.value for state in wanted.chosen])
            query = sa.select(letters.c.id).where(states, *mine).order_by(letters.c.id).limit(self._page)
            return list(connection.execute(query).scalars())


def look(connection: Connection, wanted: Wanted, ids: Sequence[int], at_us: int) -> Sequence[Any]:
    """The letters of a page, locked, with `why`: the reason why one may not be moved, "" where it may."""
    columns = [letters.c[name] for name in ("id", "campaign_id", "sendout_id", "addressee", "state", "reason")]
    query = (
        sa.select(*columns, refusal(connection, wanted, at_us).label("why"))
        .where(letters.c.id.in_(ids), *_marked(wanted))
        .order_by(letters.c.id)
        .with_for_update(of=letters)
    )
    return connection.execute(query).all()


# -- what fits -----------------------------------------------------------------------------------------------------------
def _conditions(connection: Connection, wanted: Wanted, *, counting: bool = True) -> list[sa.ColumnElement[bool]]:
    mine = _marked(wanted)
    if wanted.ids:
        mine.append(letters.c.id.in_(wanted.ids))
    if wanted.office:
        # a page goes by number: an index of one office's letters would be sorted anew for each
        addressee = letters.c.addressee if counting else letters.c.addressee + ""
        mine.append(addressee == wanted.office)
    if wanted.campaign:
        mine.append(letters.c.campaign_id == _campaign(connection, wanted.campaign))
    if wanted.sendout:
        mine.append(letters.c.sendout_id.in_(_sendouts(connection, wanted)))
    if wanted.code:
        mine.append(replied(wanted.code))
    if wanted.signature is not None:
        mine.append(letters.c.signature_id == wanted.signature)
    if wanted.older_us is not None:
        mine.append(letters.c.made_at < wanted.older_us)
    if wanted.newer_us is not None:
        mine.append(letters.c.made_at > wanted.newer_us)
    return mine


def _marked(wanted: Wanted) -> list[sa.ColumnElement[bool]]:
    mine: list[sa.ColumnElement[bool]] = []
    if wanted.mark:
        held = letters.c.reason.startswith(held_mark(wanted.mark), autoescape=True)
        mine.append(sa.or_(letters.c.reason == wanted.mark, held))
    if wanted.mark_starts:
        mine.append(letters.c.reason.startswith(wanted.mark_starts, autoescape=True))
    if wanted.ended_from_us is not None:
        mine.append(letters.c.ended_at >= wanted.ended_from_us)
    return mine


def _campaign(connection: Connection, slug: str) -> int:
    found: int | None = connection.execute(sa.select(campaigns.c.id).where(campaigns.c.slug == slug)).scalar()
    if found is None:
        known = connection.execute(sa.select(campaigns.c.slug).order_by(campaigns.c.slug)).scalars().all()
        raise BadInput(f"no letter is of a campaign {slug!r}; there are: {', '.join(known) or 'none'}")
    return found


def _sendouts(connection: Connection, wanted: Wanted) -> list[int]:
    query = sa.select(sendouts.c.id).where(sendouts.c.name == wanted.sendout)
    if wanted.campaign:
        query = query.where(sendouts.c.campaign_id == _campaign(connection, wanted.campaign))
    found = list(connection.execute(query).scalars())
    if not found:
        known = connection.execute(sa.select(sendouts.c.name).distinct().order_by(sendouts.c.name)).scalars().all()
        raise BadInput(f"there is no send-out {wanted.sendout!r}; there are: {', '.join(known) or 'none'}")
    return found


def _refuse_unknown(connection: Connection, wanted: Wanted) -> None:
    if wanted.ids:
        there = set(connection.execute(sa.select(letters.c.id).where(letters.c.id.in_(wanted.ids))).scalars())
        unknown = [number for number in wanted.ids if number not in there]
        if unknown:
            raise BadInput(f"there is no letter {unknown[0]}; `lettershop letters list` shows those there are")
