"""A signature as its signer sees it: read in one go, from everything that the ledger knows of it."""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from worker.domain.campaign import TextVersion, content_hash
from worker.domain.clock import from_us
from worker.domain.errors import RefusedByState
from worker.domain.person import Person
from worker.domain.states import WAITING, State
from worker.intake import anniversaries
from worker.intake.anniversaries import Next, Whose, Written
from worker.intake.desk import Desk
from worker.ledger import given, own_letters, people, pins, reviews, signatures, standing, tokens
from worker.ledger.keys import Keys
from worker.ledger.own_letters import OwnLetter
from worker.ledger.schema import signatures as table
from worker.ledger.sql import now_us
from worker.ledger.standing import CONFIRMED
from worker.ledger.tokens import PAGE

ERASED = "this signature was erased: nothing of it is left that could be shown"


@dataclass(frozen=True, slots=True, repr=False)
class OwnPage:
    """A signature as its signer sees it. `held` is why it waits for an operator, "" where it does not.

    `text` is the version that was signed; `consents` are the kinds that stand; `left_out` the offices not written to.
    `letters` are those of the signing, `written` those of anniversaries, `coming` the anniversaries to come; `shown_texts`
    are the hashes of the anniversaries' texts that were shown beside the consents.
    """

    signature: int
    campaign: str
    state: str
    language: str
    person: Person
    text: TextVersion
    signed: datetime
    confirmed: datetime | None
    expires: datetime | None  # of the confirmation link that was followed
    letters: tuple[OwnLetter, ...]
    consents: frozenset[str]
    left_out: frozenset[str]
    held: str
    has_page: bool  # a link to the own page exists
    shown_texts: frozenset[str]
    coming: tuple[Next, ...] = ()
    written: tuple[Written, ...] = ()

    @property
    def fingerprint(self) -> str:
        """Names all that the signer is shown before confirming: another form may change it meanwhile."""
        shown = {
            "person": self.person.body(),
            "text": self.text.hash,
            "consents": sorted(self.consents),
            "left_out": sorted(self.left_out),
            "texts": sorted(self.shown_texts),
        }
        return content_hash(shown)[:20]

    @property
    def all_letters(self) -> tuple[OwnLetter, ...]:
        """To offices: of the signing, and of every anniversary."""
        return (*self.letters, *(each for year in self.written for each in year.letters))

    @property
    def unsent(self) -> bool:
        """Whether a letter may still be corrected or taken back, or one is still to be written."""
        waits = any(State(each.state) in WAITING - {State.SENDING} for each in self.all_letters)
        return waits or any(each.consents for each in self.coming)


def read_page(
    connection: Connection, keys: Keys, desk: Desk, signature_id: int, expires: datetime | None = None
) -> OwnPage:
    """The page of a signature. Raises RefusedByState where it was erased."""
    row = connection.execute(sa.select(table).where(table.c.id == signature_id)).one()
    opened = people.opened(connection, keys, signature_id)
    if opened is None:
        raise RefusedByState(ERASED)
    slug = standing.campaign_slug(connection, row.campaign_id)
    campaign = desk.campaign(slug) if desk.knows(slug) else None
    asker, now = whose(connection, signature_id, row.language, opened.person), from_us(now_us(connection))
    return OwnPage(
        signature=signature_id,
        campaign=slug,
        state=row.state,
        language=row.language,
        person=opened.person,
        text=TextVersion.from_body(pins.body(connection, row.text_id)),
        signed=from_us(row.made_at),
        confirmed=from_us(row.confirmed_at) if row.confirmed_at else None,
        expires=expires,
        letters=own_letters.offices(connection, signature_id),
        consents=asker.consents,
        left_out=signatures.left_out(connection, signature_id),
        held=reviews.waiting(connection, signature_id),
        has_page=bool(tokens.having(connection, PAGE, [signature_id])),
        shown_texts=asker.shown,
        coming=anniversaries.coming(connection, campaign, asker, now) if campaign and row.state == CONFIRMED else (),
        written=anniversaries.written(connection, campaign, signature_id) if campaign else (),
    )


def whose(connection: Connection, signature_id: int, language: str, person: Person) -> Whose:
    """The signature, as `anniversaries` asks about it."""
    return Whose(
        signature=signature_id,
        language=language,
        person=person,
        consents=frozenset(given.standing(connection, signature_id)),
        shown=anniversaries.shown_texts(connection, signature_id),
    )
