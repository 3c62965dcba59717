"""The signer's own page: what the holder of its link, or of a confirmation link, may see and do.

Whoever holds the link is the signer: it was sent to their address alone. Every verb names the token, is one transaction,
may be repeated, and leaves an audit row that names the signature by its number.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from worker.domain.campaign import TextVersion, content_hash
from worker.domain.clock import from_us
from worker.domain.consents import SEND
from worker.domain.errors import BadInput, RefusedByState
from worker.domain.person import Person
from worker.domain.states import WAITING, State
from worker.intake import notices
from worker.intake.consent import Consent
from worker.intake.desk import Floor
from worker.intake.doors import Intake, locked
from worker.intake.receipt import Ended
from worker.intake.validate import BadPerson, PersonInput, validate
from worker.ledger import (
    audit,
    given,
    letters_write,
    own_letters,
    people,
    pins,
    quiet,
    reviews,
    signatures,
    standing,
    tokens,
)
from worker.ledger.own_letters import OwnLetter
from worker.ledger.people import Opened
from worker.ledger.schema import signatures as table
from worker.ledger.standing import CONFIRMED, UNCONFIRMED, Standing
from worker.ledger.tokens import CONFIRM, PAGE, Kind

T = TypeVar("T")

UNKNOWN = "this link is not valid: use the newest one, whole"
ERASED = "this signature was erased: nothing of it is left that could be shown"
SIGNER = "signer"
"""Who did it, in the audit."""


@dataclass(frozen=True, slots=True, repr=False)
class OwnPage:
    """A signature as its signer sees it. `held` is why it waits for an operator, "" where it does not.

    `text` is the version that was signed; `consents` are the kinds that stand; `left_out` the offices not written to.
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

    @property
    def fingerprint(self) -> str:
        """Names all that the signer is shown before confirming: another form may change it meanwhile."""
        shown = {
            "person": self.person.body(),
            "text": self.text.hash,
            "consents": sorted(self.consents),
            "left_out": sorted(self.left_out),
        }
        return content_hash(shown)[:20]

    @property
    def unsent(self) -> bool:
        """Whether a letter may still be corrected or taken back."""
        return any(State(each.state) in WAITING - {State.SENDING} for each in self.letters)


class OwnPages:
    """The verbs. Safe to share between threads.

    Each raises BadInput for a link that is not known, RefusedByState where the signature was erased or the verb comes too
    late, Failed where the ledger is away.
    """

    def __init__(self, intake: Intake) -> None:
        self._intake, self._desk = intake, intake.desk
        self._ledger, self._keys = intake.desk.ledger, intake.desk.keys

    # -- look

    def read(self, token: str, kind: Kind = PAGE) -> OwnPage:
        """The page that the token opens."""
        with self._ledger.read() as connection:
            found = self._find(connection, token, (kind,))
            return self._page(connection, found.signature_id, from_us(found.expires_at) if kind == CONFIRM else None)

    def page_token(self, confirm_token: str) -> str:
        """The token of the own page, for who has just confirmed; "" where there is none (the campaign has no pages)."""
        with self._ledger.read() as connection:
            found = self._find(connection, confirm_token, (CONFIRM,))
            return tokens.reveal(connection, self._keys, found.signature_id, PAGE) or ""

    def campaign_of(self, token: str) -> str:
        """The slug of the campaign of a link of either kind."""
        with self._ledger.read() as connection:
            found = self._find(connection, token, (CONFIRM, PAGE))
            if people.opened(connection, self._keys, found.signature_id) is None:
                raise RefusedByState(ERASED)
            return found.campaign

    def data(self, token: str) -> dict[str, Any]:
        """Everything kept of the signer under this signature, for them to take away (GDPR, articles 15 and 20)."""
        with self._ledger.read() as connection:
            page = self._page(connection, self._find(connection, token, (PAGE,)).signature_id, None)
            return {
                "signature": page.signature,
                "campaign": page.campaign,
                "state": page.state,
                "signed_at": page.signed.isoformat(),
                "confirmed_at": page.confirmed.isoformat() if page.confirmed else None,
                "person": page.person.body(),
                "text_version": page.text.hash,
                "offices_left_out": sorted(page.left_out),
                "consents": given.history(connection, page.signature),
                "letters": [each.body() for each in page.letters],
                "notices": own_letters.notices(connection, page.signature),
            }

    # -- act

    def withdraw(self, token: str) -> Ended:
        """End the signature: what is not sent is cancelled."""
        with self._ledger.read() as connection:
            found = self._find(connection, token, (PAGE,))
        return self._intake.withdraw(found.signature_id, who=SIGNER, reason="asked on the own page")

    def erase(self, token: str) -> Ended:
        """Erase the signer, with all their signatures in all campaigns. Cannot be undone."""
        with self._ledger.read() as connection:
            found = self._find(connection, token, (PAGE,))
        return self._intake.erase(found.signature_id, who=SIGNER, reason="asked on the own page")

    def correct(self, token: str, name: str, city: str, comment: str) -> None:
        """Correct what stands in letters that are not sent yet. Sent ones stay as they are.

        Raises BadPerson for what cannot be taken; RefusedByState once nothing is left to be sent.
        """

        def work(floor: Floor, found: Standing, was: Opened) -> None:
            before = was.person
            given_now = PersonInput(name, before.email, before.country, city, comment, before.language)
            checked = validate(given_now, self._intake.domains).person
            person = replace(before, name=checked.name, city=checked.city, comment=checked.comment)
            if person == before:
                return
            if checked.comment and checked.comment != before.comment and not floor.campaign.takes_comments:
                raise BadPerson({"comment": "this campaign takes no comments; leave it empty"})
            self._refuse_sent(floor.connection, found)
            people.rewrite(floor.connection, self._keys, found.id, was, person, floor.at_us)
            self._review_comment(floor, found, before.comment, person.comment)
            changed = [f for f in ("name", "city", "comment") if getattr(person, f) != getattr(before, f)]
            self._note(floor, found, "correct", {"changed": changed})

        self._act(token, work)

    def choose(self, token: str, kinds: Collection[str]) -> None:
        """Switch the consents besides `send` to exactly these. Each one given anew is pinned with its words."""

        def work(floor: Floor, found: Standing, was: Opened) -> None:
            campaign = floor.campaign
            stand = given.standing(floor.connection, found.id) - {SEND}
            wanted = {kind for kind in kinds if kind in campaign.offers or kind in stand}
            if wanted == stand:
                return
            new = [
                floor.wordings.given(floor.connection, Consent(k), found.language, floor.at_us)
                for k in sorted(wanted - stand)
            ]
            given.add(floor.connection, found.id, new, "own page", floor.at_us)
            given.withdraw(floor.connection, found.id, stand - wanted, floor.at_us)
            person = replace(was.person, answer="answer" in wanted, copy="copy" in wanted)
            if person != was.person:
                people.rewrite(floor.connection, self._keys, found.id, was, person, floor.at_us)
            details = {"given": sorted(wanted - stand), "withdrawn": sorted(stand - wanted)}
            self._note(floor, found, "choose", details)

        self._act(token, work)

    def resend(self, token: str) -> bool:
        """The link once more, a day after the last notice at the soonest. False where one waits or there were too many."""
        return self._act(token, lambda floor, found, _: notices.page_again(self._desk, floor, found))

    def never(self, token: str) -> None:
        """Never write to this address again: notices that wait are cancelled, an unconfirmed signature ends."""

        def work(floor: Floor, found: Standing, was: Opened) -> None:
            connection = floor.connection
            quiet.ask(connection, was.address_key, floor.at_us)
            mine = sa.select(table.c.id, table.c.state).where(table.c.signer_id == found.signer_id).order_by(table.c.id)
            rows = connection.execute(mine.with_for_update()).all()
            unconfirmed = [row.id for row in rows if row.state == UNCONFIRMED]
            standing.end(connection, unconfirmed, standing.WITHDRAWN, "asked for quiet", floor.at_us)
            letters_write.cancel_notices(connection, [row.id for row in rows], "asked for quiet", floor.at_us)
            self._note(floor, found, "never", {"ended": unconfirmed})

        self._act(token, work, kinds=(CONFIRM, PAGE), standing_only=False)

    def lost(self, slug: str, email: str) -> None:
        """Send the link of their page to whoever confirmed under this address; nobody is told whether there was one.

        Raises BadInput for what is no address, or an unknown campaign.
        """
        campaign = self._desk.campaign(slug)
        canonical = self._intake.canonical(email)
        person_key = self._keys.person_key(slug, canonical)

        def work(floor: Floor) -> bool:
            wanted = sa.select(table.c.id).where(table.c.person_key == person_key, table.c.state == CONFIRMED)
            number = floor.connection.execute(wanted).scalar()
            found = None if number is None else standing.lock(floor.connection, number)
            return found is not None and notices.page_again(self._desk, floor, found)

        if self._desk.transact(campaign, work):
            self._intake.bell.ring()

    # -- the steps

    def _find(self, connection: Connection, token: str, kinds: Collection[Kind]) -> tokens.Token:
        found = tokens.find(connection, self._keys, token, kinds)
        if found is None:
            raise BadInput(UNKNOWN)
        return found

    def _page(self, connection: Connection, signature_id: int, expires: datetime | None) -> OwnPage:
        row = connection.execute(sa.select(table).where(table.c.id == signature_id)).one()
        opened = people.opened(connection, self._keys, signature_id)
        if opened is None:
            raise RefusedByState(ERASED)
        slug = standing.campaign_slug(connection, row.campaign_id)
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
            consents=frozenset(given.standing(connection, signature_id)),
            left_out=signatures.left_out(connection, signature_id),
            held=reviews.waiting(connection, signature_id),
            has_page=bool(tokens.having(connection, PAGE, [signature_id])),
        )

    def _act(
        self,
        token: str,
        work: Callable[[Floor, Standing, Opened], T],
        *,
        kinds: Collection[Kind] = (PAGE,),
        standing_only: bool = True,
    ) -> T:
        with self._ledger.read() as connection:
            slug = self._find(connection, token, kinds).campaign

        def step(floor: Floor) -> T:
            found = locked(floor.connection, self._find(floor.connection, token, kinds).signature_id)
            opened = people.opened(floor.connection, self._keys, found.id)
            if opened is None:
                raise RefusedByState(ERASED)
            if standing_only and found.state != CONFIRMED:
                raise RefusedByState("this signature was withdrawn: there is nothing left to change")
            return work(floor, found, opened)

        result = self._desk.transact(self._desk.campaign(slug), step)
        self._intake.bell.ring()
        return result

    def _refuse_sent(self, connection: Connection, found: Standing) -> None:
        if not own_letters.any_unsent(connection, found.id):
            raise RefusedByState("every letter has been sent or has ended: what was sent cannot be corrected")

    def _review_comment(self, floor: Floor, found: Standing, before: str, after: str) -> None:
        """New words of the signer's own wait for an operator's look; a comment taken back sets its letters free."""
        connection, at_us = floor.connection, floor.at_us
        if after and after != before:
            letters_write.hold(connection, found.id, reviews.COMMENT)
            reviews.begin(connection, found.id, reviews.COMMENT, at_us)
        elif not after and reviews.waiting(connection, found.id) == reviews.COMMENT:
            reviews.decide(connection, [found.id], reviews.ENDED, at_us)
            letters_write.release(connection, found.id, reviews.COMMENT, at_us)

    def _note(self, floor: Floor, found: Standing, verb: str, details: Mapping[str, Any]) -> None:
        target = f"signature {found.id}"
        audit.append(floor.connection, floor.at_us, SIGNER, verb, target, "asked on the own page", details)
