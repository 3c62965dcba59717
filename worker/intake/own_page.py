"""The signer's own page: what the holder of its link, or of a confirmation link, may see and do.

Whoever holds the link is the signer: it was sent to their address alone. Every verb names the token, is one transaction,
may be repeated, and leaves an audit row that names the signature by its number.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any, Literal, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from worker.domain.clock import from_us
from worker.domain.consents import SEND
from worker.domain.errors import BadInput, RefusedByState
from worker.domain.person import Person
from worker.intake import anniversaries, notices
from worker.intake.consent import YEARLY, Consent
from worker.intake.desk import Floor
from worker.intake.doors import Intake, locked
from worker.intake.own_reading import ERASED, OwnPage, read_page, whose
from worker.intake.receipt import Ended
from worker.intake.validate import BadPerson, PersonInput, validate
from worker.ledger import (
    agreements,
    audit,
    given,
    letters_write,
    own_letters,
    people,
    quiet,
    reviews,
    standing,
    tokens,
)
from worker.ledger.people import Opened
from worker.ledger.schema import signatures as table
from worker.ledger.standing import CONFIRMED, UNCONFIRMED, Standing
from worker.ledger.tokens import CONFIRM, PAGE, Kind

__all__ = ["ERASED", "UNKNOWN", "Agreed", "OwnPage", "OwnPages"]

T = TypeVar("T")

UNKNOWN = "this link is not valid: use the newest one, whole"
SIGNER = "signer"
"""Who did it, in the audit."""

Agreed = Literal["agreed", "another text", "not now"]
"""What came of agreeing to a text: another one is to be written by now; or it cannot be agreed to, or need not be."""


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
            expires = from_us(found.expires_at) if kind == CONFIRM else None
            return read_page(connection, self._keys, self._desk, found.signature_id, expires)

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
            number = self._find(connection, token, (PAGE,)).signature_id
            page = read_page(connection, self._keys, self._desk, number)
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
                "letters": [each.body() for each in page.all_letters],
                "texts_agreed_to": anniversaries.agreed_texts(connection, page.signature),
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
            self._refuse_sent(floor, found, before)
            people.rewrite(floor.connection, self._keys, found.id, was, person, floor.at_us)
            self._review_comment(floor, found, before.comment, person.comment)
            changed = [f for f in ("name", "city", "comment") if getattr(person, f) != getattr(before, f)]
            self._note(floor, found, "correct", {"changed": changed})

        self._act(token, work)

    def choose(self, token: str, kinds: Collection[str]) -> None:
        """Switch the consents besides `send` to exactly these. Each one given anew is pinned with its words.

        What was to be sent on the ground of one that is taken back is cancelled.
        """

        def work(floor: Floor, found: Standing, was: Opened) -> None:
            stand = given.standing(floor.connection, found.id) - {SEND}
            wanted = {kind for kind in kinds if kind in floor.campaign.offers or kind in stand}
            self._switch(floor, found, was, (stand, wanted))

        self._act(token, work)

    def end(self, token: str, kind: str) -> None:
        """Take back this consent, besides `send`, and with it what was to be sent on its ground; again nothing changes."""

        def work(floor: Floor, found: Standing, was: Opened) -> None:
            stand = given.standing(floor.connection, found.id) - {SEND}
            self._switch(floor, found, was, (stand, stand - {kind}))

        self._act(token, work)

    def agree(self, token: str, occasion: str, text: str) -> Agreed:
        """Agree to the text, by its hash, that is to be written on the occasion. Again changes nothing."""

        def work(floor: Floor, found: Standing, was: Opened) -> Agreed:
            asker = whose(floor.connection, found.id, found.language, was.person)
            coming = anniversaries.coming(floor.connection, floor.campaign, asker, from_us(floor.at_us))
            ahead = next((each for each in coming if each.occasion.name == occasion and each.planned), None)
            if ahead is None or ahead.text is None or not ahead.consents:
                return "not now"
            if ahead.text.hash != text:
                return "another text"
            if ahead.must_agree:
                number = anniversaries.pin_of(floor.connection, ahead.text, floor.at_us)
                agreements.agree(floor.connection, found.id, number, floor.at_us)
                self._note(floor, found, "agree", {"occasion": occasion, "text": text})
            return "agreed"

        return self._act(token, work)

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
            letters_write.cancel_in(connection, [row.id for row in rows], "yearly", "asked for quiet", floor.at_us)
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

    def _switch(self, floor: Floor, found: Standing, was: Opened, kinds: tuple[set[str], set[str]]) -> None:
        """From the consents that stand to those that are wanted."""
        stand, wanted = kinds
        if wanted == stand:
            return
        connection, at_us = floor.connection, floor.at_us
        new = [
            floor.wordings.given(connection, Consent(kind), found.language, at_us) for kind in sorted(wanted - stand)
        ]
        given.add(connection, found.id, new, "own page", at_us)
        given.withdraw(connection, found.id, stand - wanted, at_us)
        for kind in sorted(stand - wanted):
            letters_write.cancel_in(connection, [found.id], kind, "consent withdrawn", at_us)
        if YEARLY.kind in stand - wanted:
            agreements.take_back(connection, found.id)
        person = replace(was.person, answer="answer" in wanted, copy="copy" in wanted)
        if person != was.person:
            people.rewrite(connection, self._keys, found.id, was, person, at_us)
        self._note(floor, found, "choose", {"given": sorted(wanted - stand), "withdrawn": sorted(stand - wanted)})

    def _find(self, connection: Connection, token: str, kinds: Collection[Kind]) -> tokens.Token:
        found = tokens.find(connection, self._keys, token, kinds)
        if found is None:
            raise BadInput(UNKNOWN)
        return found

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

    def _refuse_sent(self, floor: Floor, found: Standing, person: Person) -> None:
        """Nothing is left that a correction would reach: no letter waits, and none is to be written again."""
        connection = floor.connection
        asker = whose(connection, found.id, found.language, person)
        coming = anniversaries.coming(connection, floor.campaign, asker, from_us(floor.at_us))
        if not own_letters.any_unsent(connection, found.id) and not any(each.consents for each in coming):
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
