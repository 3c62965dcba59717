"""A signer's anniversaries: what is written for them on which day, whether they must agree to its text, what has left.

An occasion concerns a signature where its filters let it in and its consent was given or is offered by the campaign. Its
**next** one is an occurrence that has not begun, or where none is planned yet the next day of the occasion.

A signer need not agree where they were shown the text beside their consent, or agreed to it since. Until it is announced
the text is the campaign's present one; then it is the announced one, whatever the campaign's files say.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from worker.domain.campaign import Campaign, TextVersion
from worker.domain.clock import from_us
from worker.domain.occasion import Occasion
from worker.domain.occurrence import BEFORE, BEGUN, Life
from worker.domain.person import Person
from worker.domain.states import State
from worker.ledger import agreements, occurrences, own_letters, pins
from worker.ledger.letters_write import SIGNER
from worker.ledger.occurrences import Occurrence
from worker.ledger.own_letters import OwnLetter
from worker.ledger.schema import agreements as agreement_table
from worker.ledger.schema import consents, letters, sendouts
from worker.ledger.schema import pins as pin_table


@dataclass(frozen=True, slots=True)
class Whose:
    """The signature that is asked about, as it stands. `shown` is what `shown_texts` says of it."""

    signature: int
    language: str
    person: Person
    consents: frozenset[str]
    shown: frozenset[str]


@dataclass(frozen=True, slots=True)
class Next:
    """The next time that an occasion concerns a signature.

    `text` is None where each letter has the text that was signed. `planned`: there is an occurrence, so that its text may be
    agreed to. `announced`: supporters were told of it. `told` is when this one's announcement was accepted.
    `under_way` is the day of an earlier one whose letters are being made and sent at present.
    """

    occasion: Occasion
    day: date
    starts: datetime
    consents: bool
    text: TextVersion | None
    knows: bool  # the text was shown to them, or they agreed to it, or it is the one they signed
    planned: bool = False
    announced: bool = False
    held: bool = False
    told: datetime | None = None
    under_way: date | None = None

    @property
    def must_agree(self) -> bool:
        """Silence is not enough, and they may agree now."""
        return self.consents and self.planned and not self.knows


@dataclass(frozen=True, slots=True)
class Written:
    """What was written for a signature in one year. `begun`: it still is."""

    occasion: str
    day: date
    begun: bool
    letters: tuple[OwnLetter, ...]


def coming(connection: Connection, campaign: Campaign, whose: Whose, now: datetime) -> tuple[Next, ...]:
    """The next time of each occasion that concerns the signature, the nearest first."""
    rows = occurrences.listed(connection, campaign.slug) if campaign.occasions else ()
    found = [
        _next(connection, each, whose, [row for row in rows if row.occasion == each.name], now)
        for each in campaign.occasions.values()
        if _concerns(each, campaign, whose)
    ]
    return tuple(sorted(found, key=lambda each: (each.starts, each.occasion.name)))


def written(connection: Connection, campaign: Campaign, signature: int) -> tuple[Written, ...]:
    """Letters to offices that were made for the signature on occasions, the newest year first."""
    begun = [row for row in occurrences.listed(connection, campaign.slug) if row.sendout_id is not None]
    found = [
        Written(row.occasion, _day_of(row, campaign), _stage(row) in BEGUN, own)
        for row in reversed(begun)
        if (own := own_letters.offices(connection, signature, row.name))
    ]
    return tuple(found)


def shown_texts(connection: Connection, signature: int) -> frozenset[str]:
    """The hashes of the occasions' texts that were shown beside the consents of this signature that stand."""
    stand = sa.and_(consents.c.signature_id == signature, consents.c.withdrawn_at.is_(None))
    wordings = sa.select(pin_table.c.id).join(consents, consents.c.wording_hash == pin_table.c.hash).where(stand)
    bodies = [pins.body(connection, number) for number in connection.execute(wordings).scalars().all()]
    return frozenset(text for body in bodies for text in body.get("texts", ()))


def agreed_texts(connection: Connection, signature: int) -> list[dict[str, str]]:
    """The texts that this signer agreed to besides those that they were shown when they consented, and when."""
    wanted = (
        sa.select(pin_table.c.hash, agreement_table.c.at)
        .join(agreement_table, agreement_table.c.text_id == pin_table.c.id)
        .where(agreement_table.c.signature_id == signature)
        .order_by(agreement_table.c.at, pin_table.c.hash)
    )
    return [{"text_sha256": name, "agreed_at": from_us(at).isoformat()} for name, at in connection.execute(wanted)]


def pin_of(connection: Connection, text: TextVersion, at_us: int) -> int:
    """The id under which this text is pinned; pinned now where it was not."""
    return pins.pin(connection, "text", text.body(), at_us=at_us)


# -- the steps


def _concerns(occasion: Occasion, campaign: Campaign, whose: Whose) -> bool:
    return (
        (occasion.consent in whose.consents or occasion.consent in campaign.offers)
        and (not occasion.languages or whose.language in occasion.languages)
        and (not occasion.countries or whose.person.country in occasion.countries)
    )


def _next(connection: Connection, occasion: Occasion, whose: Whose, rows: Sequence[Occurrence], now: datetime) -> Next:
    row = _ahead(rows)
    under_way = next((_local_day(each, occasion) for each in reversed(rows) if _stage(each) in BEGUN), None)
    consents_now = occasion.consent in whose.consents
    if row is None:
        over = {each.period for each in rows}  # a cancelled year is not written in; one that was begun is past
        year = occasion.next_year(now)
        while year in over:
            year += 1
        knows = _knows(connection, whose, occasion.text)
        return Next(
            occasion=occasion,
            day=occasion.day_in(year),
            starts=occasion.starts_at(year),
            consents=consents_now,
            text=occasion.text,
            knows=knows,
            under_way=under_way,
        )
    text = _text(connection, occasion, row)
    return Next(
        occasion=occasion,
        day=_local_day(row, occasion),
        starts=from_us(row.start_us),
        consents=consents_now,
        text=text,
        knows=_knows(connection, whose, text),
        planned=True,
        announced=row.told_to >= 0,
        held=row.state is Life.HELD,
        told=_told(connection, whose.signature, row),
        under_way=under_way,
    )


def _ahead(rows: Sequence[Occurrence]) -> Occurrence | None:
    """The first that has not begun. A missed one is none: an operator is asked, and may approve it."""
    return next((row for row in rows if _stage(row) in BEFORE), None)


def _stage(row: Occurrence) -> Life:
    """Where it stands, or stood before it was held."""
    return Life(row.was) if row.state is Life.HELD and row.was else row.state


def _text(connection: Connection, occasion: Occasion, row: Occurrence) -> TextVersion | None:
    if row.told_to < 0 or row.text_id is None:  # no announcement of it stands
        return occasion.text
    return TextVersion.from_body(pins.body(connection, row.text_id))


def _knows(connection: Connection, whose: Whose, text: TextVersion | None) -> bool:
    if text is None or text.hash in whose.shown:
        return True
    pinned = pins.find(connection, text.hash)
    return pinned is not None and agreements.agreed(connection, whose.signature, pinned)


def _told(connection: Connection, signature: int, row: Occurrence) -> datetime | None:
    mine = (
        letters.c.signature_id == signature,
        letters.c.addressee == SIGNER,
        letters.c.state == State.SENT.value,
        sendouts.c.campaign_id == row.campaign_id,
        sendouts.c.name.in_([row.announcement, f"{row.announcement}-ask"]),  # the second: to those who must agree
    )
    accepted = sa.select(letters.c.ended_at).join(sendouts, sendouts.c.id == letters.c.sendout_id).where(*mine)
    ended_at = connection.execute(accepted).scalar()
    return None if ended_at is None else from_us(ended_at)


def _day_of(row: Occurrence, campaign: Campaign) -> date:
    occasion = campaign.occasions.get(row.occasion)
    return _local_day(row, occasion) if occasion else from_us(row.starts_at).date()


def _local_day(row: Occurrence, occasion: Occasion) -> date:
    return from_us(row.starts_at).astimezone(occasion.zone).date()
