"""Occurrences: one row for each year of an occasion, and its compare-and-set life (`domain.occurrence`).

A row is unique on (campaign, occasion, period): whoever plans it again finds it there. Every step names the state that
it leaves, so that of many who take the same step at once one takes it and the others see that it was taken.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from worker.domain.errors import BadInput
from worker.domain.occurrence import OVER, Life, Step, step_from
from worker.ledger.schema import campaigns, occurrences
from worker.ledger.sql import insert


@dataclass(frozen=True, slots=True)
class Occurrence:
    """A row, with its campaign's slug. Moments are microseconds since 1970."""

    id: int
    campaign_id: int
    campaign: str
    occasion: str
    period: int
    state: Life
    was: str
    reason: str
    starts_at: int
    run_at: int | None
    ends_at: int | None
    text_id: int | None
    edition: int
    told_to: int
    announced_at: int | None
    approved_at: int | None
    approved_by: str
    begun_at: int | None
    sendout_id: int | None
    audience: int | None
    written_to: int
    written: int
    done_at: int | None

    @property
    def name(self) -> str:
        """The name of its send-out: "anniversary-2027"."""
        return f"{self.occasion}-{self.period}"

    @property
    def start_us(self) -> int:
        """When it begins: on its day, or when an operator said."""
        return self.starts_at if self.run_at is None else self.run_at

    @property
    def announcement(self) -> str:
        """The name of the send-out of its announcements: "announce-anniversary-2027-1"."""
        return self.announcement_of(self.edition)

    def announcement_of(self, edition: int) -> str:
        """The name of the send-out of the announcements of one edition, from 1."""
        return f"announce-{self.name}-{edition}"


MOST = 2**63 - 1

_COLUMNS = [occurrences.c[f.name] for f in fields(Occurrence) if f.name != "campaign"]


def ensure(connection: Connection, campaign_id: int, occasion: str, period: int, starts_at: int, at_us: int) -> bool:
    """Plan the occurrence if there is none of its period. Returns whether it was made now."""
    row = {
        "campaign_id": campaign_id,
        "occasion": occasion,
        "period": period,
        "state": Life.PLANNED,
        "was": "",
        "reason": "",
        "starts_at": starts_at,
        "edition": 0,
        "told_to": -1,
        "approved_by": "",
        "written_to": 0,
        "written": 0,
        "made_at": at_us,
    }
    made = insert(connection, occurrences).values(row).on_conflict_do_nothing().returning(occurrences.c.id)
    return connection.execute(made).first() is not None


def find(connection: Connection, number: int) -> Occurrence:
    """The occurrence of this number. Raises BadInput where there is none."""
    return _found(connection, _select().where(occurrences.c.id == number), number)


def locked(connection: Connection, number: int) -> Occurrence:
    """`find`, and nobody moves it before this transaction has ended: an order must not lose to page after page."""
    wanted = _select().where(occurrences.c.id == number).with_for_update(of=occurrences)
    return _found(connection, wanted, number)


def state_of(connection: Connection, number: int) -> Life:
    """Where the occurrence of this number stands. Nobody moves it before this transaction has ended."""
    wanted = sa.select(occurrences.c.state).where(occurrences.c.id == number)
    return Life(connection.execute(wanted.with_for_update(read=True)).scalar_one())


def of_period(connection: Connection, campaign: str, occasion: str, period: int) -> Occurrence | None:
    """The occurrence of this year, if it was planned."""
    mine = (campaigns.c.slug == campaign, occurrences.c.occasion == occasion, occurrences.c.period == period)
    return next(iter(_read(connection, _select().where(*mine))), None)


def open_ones(connection: Connection) -> Sequence[Occurrence]:
    """Those that are not over, the next to start first."""
    still = occurrences.c.state.not_in([life.value for life in OVER])
    return _read(connection, _select().where(still).order_by(occurrences.c.starts_at, occurrences.c.id))


def listed(connection: Connection, campaign: str = "") -> Sequence[Occurrence]:
    """All of them, or a campaign's, the next to start first."""
    wanted = _select().order_by(occurrences.c.starts_at, occurrences.c.id)
    return _read(connection, wanted.where(campaigns.c.slug == campaign) if campaign else wanted)


def take(
    connection: Connection, seen: Occurrence, step: Step, *, to: Life | None = None, reason: str = "", **values: Any
) -> bool:
    """Take a step, and set `values` with it; False where somebody else has moved it since it was `seen`.

    Raises RefusedByState for a step that its state does not allow.
    """
    reached = step_from(seen.state, step, to)
    return change(connection, seen, state=reached, reason=reason, **values)


def change(connection: Connection, seen: Occurrence, **values: Any) -> bool:
    """Set `values`; False where the row has moved since it was `seen`: its state, its text, or how far it has come."""
    unmoved = [
        occurrences.c[name] == getattr(seen, name)
        for name in ("id", "state", "was", "edition", "told_to", "written_to", "starts_at")
    ]
    return connection.execute(sa.update(occurrences).where(*unmoved).values(values)).rowcount == 1


def _select() -> sa.Select[Any]:
    return sa.select(*_COLUMNS, campaigns.c.slug.label("campaign")).join(
        campaigns, campaigns.c.id == occurrences.c.campaign_id
    )


def _found(connection: Connection, wanted: sa.Select[Any], number: int) -> Occurrence:
    found = _read(connection, wanted) if 0 < number <= MOST else []  # more is no number to a database
    if not found:
        raise BadInput(f"there is no send-out {number}; `lettershop sendouts list` shows them")
    return found[0]


def _read(connection: Connection, wanted: sa.Select[Any]) -> list[Occurrence]:
    rows = connection.execute(wanted).mappings()
    return [Occurrence(**{**row, "state": Life(row["state"])}) for row in rows]
