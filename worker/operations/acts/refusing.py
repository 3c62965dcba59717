"""Letters that fit and may not be moved: the reason of each, as SQL that a preview counts by and a page looks at."""

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from worker.domain.making import CONFIRM, notice_kind
from worker.domain.occurrence import Life
from worker.domain.states import Event, State
from worker.ledger import holds, occurrences, suppression
from worker.ledger.hot.database import DOUBT_REST_US
from worker.ledger.letters_write import SIGNER
from worker.ledger.occurrences import Occurrence
from worker.ledger.schema import attempts, letters, reviews, rounds, sendouts, signatures
from worker.operations.acts.wanted import Wanted

ARRIVED = "it was in doubt when it was cancelled: it may have arrived"
LATE = "its last day is past"
ENDED = "its signature has ended, or is not confirmed"
REVIEW = "its signature waits to be looked at"
BARRED = "its send-out is held"
CALLED_OFF = "its send-out was cancelled"
RESTS = "its reply may still come: 15 minutes must go by"


def refusal(connection: Connection, wanted: Wanted, at_us: int) -> sa.ColumnElement[str]:
    """Why a letter that fits is left alone, "" where it is not. What comes to the queue again must be fit to be sent."""
    verb = wanted.does
    if verb.to is not State.QUEUED:
        return sa.literal("")
    known = [(_under_review(), REVIEW)]
    if declining := suppression.declining(connection, at_us):
        known.append((letters.c.addressee.in_(sorted(declining)), suppression.DECLINED))
    if over := _called_off(connection):
        known.append((letters.c.sendout_id.in_(over), CALLED_OFF))
    if verb.event is Event.RESUME:
        barred = [int(hold.target) for hold in holds.standing(connection, at_us, "sendout") if hold.target.isdecimal()]
        known += [(letters.c.sendout_id.in_(barred), BARRED)] if barred else []
        return sa.case(*known, else_="")
    known += [(letters.c.not_after <= at_us, LATE), (_ended(connection), ENDED)]
    if verb.event is Event.RESOLVE:
        known.append((_alive_until() > at_us - DOUBT_REST_US, RESTS))
    else:
        known.append((sa.and_(letters.c.state == State.CANCELLED.value, letters.c.doubts > 0), ARRIVED))
    return sa.case(*known, else_="")


def _called_off(connection: Connection) -> list[int]:
    """Cancelled yearly send-outs with their announcements, and announcements of a text that was edited since."""
    seen = occurrences.listed(connection)
    own = [each.sendout_id for each in seen if each.state is Life.CANCELLED and each.sendout_id is not None]
    names = {(each.campaign_id, name) for each in seen for name in _void_announcements(each)}
    rows = connection.execute(sa.select(sendouts.c.id, sendouts.c.campaign_id, sendouts.c.name)).all() if names else []
    return sorted([*own, *(row.id for row in rows if (row.campaign_id, row.name) in names)])


def _void_announcements(occurrence: Occurrence) -> list[str]:
    """The names of their send-outs: the last edition's counts while it stands, or is being told."""
    stands = occurrence.told_to >= 0 and occurrence.state is not Life.CANCELLED
    names = [occurrence.announcement_of(edition) for edition in range(1, occurrence.edition + (not stands))]
    return [*names, *(f"{name}-ask" for name in names)]


def _under_review() -> sa.ColumnElement[bool]:
    open_case = (reviews.c.signature_id == letters.c.signature_id, reviews.c.decided_at.is_(None))
    return sa.and_(letters.c.addressee != SIGNER, sa.exists().where(*open_case).correlate(letters))


def _ended(connection: Connection) -> sa.ColumnElement[bool]:
    """A letter stands for a confirmed signature, and so does a notice, but for one that asks to confirm."""
    rows = connection.execute(sa.select(sendouts.c.id, sendouts.c.name)).all()
    asking = [number for number, name in rows if notice_kind(name) == CONFIRM]
    asks = sa.and_(letters.c.addressee == SIGNER, letters.c.sendout_id.in_(asking))
    wanted = signatures.c.state == sa.case((asks, "unconfirmed"), else_="confirmed")
    return ~sa.exists().where(signatures.c.id == letters.c.signature_id, wanted).correlate(letters)


def _alive_until() -> sa.ScalarSelect[int]:
    """When the round of the letter's last attempt was last renewed."""
    last = sa.select(sa.func.coalesce(sa.func.max(rounds.c.renewed_at), 0)).join(
        attempts, attempts.c.round_id == rounds.c.id
    )
    return last.where(attempts.c.letter_id == letters.c.id).correlate(letters).scalar_subquery()
