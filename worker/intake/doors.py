"""The doors through which signatures come in and go out. See the package's docstring."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.engine import Connection

from worker.domain.campaign import Campaign
from worker.domain.clock import Clock
from worker.domain.errors import BadInput, RefusedByState
from worker.domain.office import Office
from worker.intake import notices
from worker.intake.address import LIVE, LIVE_TRIAL, REHEARSAL, NotAnAddress, read_address
from worker.intake.bell import LONGEST_S, Bell
from worker.intake.bulk import Row, Seen, submit_rows
from worker.intake.consent import SEND, Consent
from worker.intake.desk import Asked, Desk, Floor, Made, Origin, Prepared, Terms, remark, stated
from worker.intake.notices import Newcomer
from worker.intake.receipt import Ended, Receipt, Tally
from worker.intake.together import Together
from worker.intake.validate import PersonInput
from worker.ledger import audit, people, quiet, reviews, signatures, standing, tokens
from worker.ledger.book import Ledger
from worker.ledger.keys import Keys
from worker.ledger.letters_write import AT_ONCE, Manner
from worker.ledger.sql import now_us
from worker.ledger.standing import CONFIRMED, WITHDRAWN, Standing
from worker.ledger.tokens import Token
from worker.ledger.transact import transact

_UNKNOWN = "this confirmation link is not valid: use the newest one, whole, or sign again"
_EXPIRED = "this confirmation link has run out: sign again to be sent a new one"
_ENDED = "this signature was withdrawn, so it cannot be confirmed: sign again"
_LINK = "followed the link that was sent to the address"


@dataclass(frozen=True, slots=True, repr=False)
class Ready:
    """A signing that is in order, for the campaign of this slug."""

    campaign: str
    prepared: Prepared

    @property
    def mailbox_key(self) -> bytes:
        """The keyed hash that forms are counted by: the address, whatever its `+tag`."""
        return self.prepared.mailbox_key

    @property
    def domain(self) -> str:
        """The address's domain, as A-labels in lower case."""
        return self.prepared.person.email.rpartition("@")[2].lower()


class Intake:
    """Signing, confirming, submitting, withdrawing, erasing. Safe to share between threads; every call is idempotent.

    `wake` is rung once after a commit that made letters. Each method raises Failed where the ledger is away or full:
    what was committed then is not known, and the same call may be made again.
    """

    def __init__(
        self,
        ledger: Ledger,
        keys: Keys,
        campaigns: Mapping[str, Campaign],
        offices: Mapping[str, Office],
        clock: Clock,
        wake: Callable[[], None] | None = None,
        *,
        allow_test_domains: bool = False,
        terms: Terms | None = None,
        ring_s: float = LONGEST_S,
    ) -> None:
        """`ring_s`: how long a call may wait for its ring; 0 where nobody may learn from the time whether it rang."""
        trial = LIVE_TRIAL if allow_test_domains else LIVE
        self.domains = REHEARSAL if ledger.mode == "rehearsal" else trial
        self.desk = Desk(ledger, keys, campaigns, offices, self.domains, terms or Terms())
        self._ledger, self._keys, self._clock = ledger, keys, clock
        self._together: Together[tuple[str, Origin], Prepared, Receipt] = Together(self._take_together)
        self.bell = Bell(wake, ring_s)

    def sign(
        self,
        campaign: str,
        person: PersonInput,
        *,
        consents: Iterable[Consent] = (SEND,),
        left_out: Iterable[str] = (),
        source: str = "api",
        request_key: str | None = None,
        hold: str = "",
    ) -> Receipt:
        """Record an unconfirmed signature and queue the notice that asks to confirm it.

        `left_out` are offices that the signer does not write to. With `hold`, a reason, the notice waits until an
        operator has looked at the signature. Who signs again is sent a second notice, or the link of their page; who
        asked never to be written to again is sent nothing, and nothing is recorded (state "quiet").

        Raises BadPerson (`fields`), BadInput, or RefusedByState where the campaign is not open for signing.
        """
        asked = Asked(consents, left_out, request_key)
        return self._take(self.ready(campaign, person, asked), _unproved(source, hold))

    def submit(
        self,
        campaign: str,
        person: PersonInput,
        *,
        evidence: str,
        consents: Iterable[Consent] = (SEND,),
        left_out: Iterable[str] = (),
        source: str = "api",
        request_key: str | None = None,
        notify: bool = False,
        unseen: bool = False,
    ) -> Receipt:
        """Record a signature that was confirmed elsewhere and queue its letters. `evidence`: where and how they agreed.

        With `notify` the signer is sent the link of their page. `unseen`: a comment waits for an operator's look.
        Raises as `sign` does.
        """
        origin = Origin.stated(source, evidence, notice="page" if notify else "", unseen=unseen)
        return self._take(self.ready(campaign, person, Asked(consents, left_out, request_key)), origin)

    def ready(self, campaign: str, person: PersonInput, asked: Asked) -> Ready:
        """What a signing states, checked and hashed without asking the ledger. Raises as `sign` does."""
        return Ready(campaign, self.desk.prepared(self.open_campaign(campaign), person, asked))

    async def record(self, ready: Ready, *, source: str, hold: str = "") -> Receipt:
        """`sign`, in its second half, for an event loop: who serves many has something to ask between the two."""
        receipt = await self._together.soon((ready.campaign, _unproved(source, hold)), ready.prepared)
        return self._rung(receipt)

    def submit_many(
        self,
        campaign: str,
        people: Iterable[PersonInput | Row],
        *,
        evidence: str,
        source: str = "api",
        seen: Seen | None = None,
    ) -> Tally:
        """`submit` for many: read as a stream, written in chunks of one transaction each, never all at once in memory.

        `seen(number, outcome)` is called for each one in order (numbers from 0) after its chunk was committed. Nobody is
        a reason to stop: who cannot be taken is `rejected`. Raises for the campaign or the ledger as `submit` does;
        then the chunks before stay, and the same call may be made again.
        """
        opened = self.open_campaign(campaign)
        origin = Origin.stated(source, evidence)
        return submit_rows(self.desk, self.bell, opened, people, origin=origin, seen=seen)

    def confirm(self, token: str) -> Receipt:
        """Confirm the signature that the token was sent for, and queue its letters.

        One that was made while the campaign was open may be confirmed after it closed. Raises BadInput for a token
        that is not known, RefusedByState for one that has run out or whose signature was withdrawn.
        """
        with self._ledger.read() as connection:
            known = tokens.find(connection, self._keys, token)
        if known is None:
            raise BadInput(_UNKNOWN)
        campaign = self.desk.campaign(known.campaign)
        return self._rung(self.desk.transact(campaign, lambda floor: self._confirm(floor, token)))

    def withdraw(self, signature: int, *, who: str = "signer", reason: str = "") -> Ended:
        """End a signature: what is not sent is cancelled, consents end. Raises BadInput for an unknown id."""
        remark(who, "who")
        remark(reason, "reason")

        def work(connection: Connection) -> Ended:
            found, at_us = locked(connection, signature), now_us(connection)
            if not found.stands:
                return Ended((), 0)
            ended = Ended((signature,), standing.end(connection, [signature], WITHDRAWN, "withdrawn", at_us))
            audit.append(connection, at_us, who, "withdraw", f"signature {signature}", reason, _details(ended))
            return ended

        return transact(self._ledger, work)

    def erase(self, signature: int, *, who: str = "signer", reason: str = "") -> Ended:
        """Erase the signer of this signature, with all their signatures in all campaigns. Cannot be undone."""

        def work(connection: Connection) -> Ended:
            return _erased(connection, locked(connection, signature).signer_id, who, reason)

        return self._thorough(transact(self._ledger, work))

    def erase_signer(self, signer: int, *, who: str = "signer", reason: str = "") -> Ended:
        """`erase`, by the signer's id."""
        return self._thorough(transact(self._ledger, lambda connection: _erased(connection, signer, who, reason)))

    def _thorough(self, ended: Ended) -> Ended:
        """The old bytes leave SQLite's log too; what a reader keeps there now, the workers' tick takes within a minute."""
        self._ledger.tidy()
        return ended

    def find_signer(self, email: str) -> int | None:
        """The id of the signer with this address, for an erasure asked for by letter. Raises BadInput for no address."""
        canonical = self.canonical(email)
        with self._ledger.read() as connection:
            return standing.signer_of(connection, self._keys.address_key(canonical))

    def canonical(self, email: str) -> str:
        """The form by which an address is known again (see `address`). Raises BadInput for what is no address."""
        try:
            return read_address(email.strip(), self.domains).canonical
        except NotAnAddress as exc:
            raise BadInput(f"email: {exc}") from exc

    def open_campaign(self, slug: str) -> Campaign:
        """The campaign, if it can be signed now. Raises BadInput for an unknown one, RefusedByState for one not open."""
        return self.desk.open_campaign(slug, self._clock.now())

    # -- the steps

    def _take(self, ready: Ready, origin: Origin) -> Receipt:
        return self._rung(self._together.do((ready.campaign, origin), ready.prepared))

    def _rung(self, receipt: Receipt) -> Receipt:
        if receipt.letters:
            self.bell.ring()
        return receipt

    def _take_together(self, key: tuple[str, Origin], people: Sequence[Prepared]) -> Sequence[Receipt | BaseException]:
        slug, origin = key

        def work(floor: Floor) -> list[Receipt | BaseException]:
            return [_receipt(floor, made) for made in self.desk.take(floor, people, origin)]

        return self.desk.transact(self.desk.campaign(slug), work)

    def _confirm(self, floor: Floor, text: str) -> Receipt:
        token = tokens.find(floor.connection, self._keys, text)
        if token is None:
            raise BadInput(_UNKNOWN)
        found = locked(floor.connection, token.signature_id)
        if found.state == CONFIRMED:
            return Receipt(found.id, CONFIRMED, repeated=True)
        if not found.stands:
            other = standing.confirmed_instead(floor.connection, found)
            if other is None:
                raise RefusedByState(_ENDED)
            return Receipt(other, CONFIRMED, repeated=True)
        if token.expires_at <= floor.at_us:
            raise RefusedByState(_EXPIRED)
        return self._confirmed(floor, found, token)

    def _confirmed(self, floor: Floor, found: Standing, token: Token) -> Receipt:
        opened = people.opened(floor.connection, self._keys, found.id)
        assert opened is not None, "a signature that stands has its signer"
        standing.confirm(floor.connection, found.id, _LINK, floor.at_us)
        tokens.use(floor.connection, token, floor.at_us)
        manner = AT_ONCE
        if opened.person.comment:
            manner = Manner(held=reviews.COMMENT)
            reviews.begin(floor.connection, found.id, manner.held, floor.at_us)
        receipt = self._letters_of(floor, found, manner)
        if not quiet.among(floor.connection, [opened.address_key]):
            newcomer = Newcomer(found.id, found.text_hash, opened.wrapped_key)
            notices.welcome(self.desk, floor, [newcomer], "page")
        return receipt

    def _letters_of(self, floor: Floor, found: Standing, manner: Manner) -> Receipt:
        had = self.desk.written(floor, [found.person_key]).get(found.person_key, frozenset())
        without = had | signatures.left_out(floor.connection, found.id)
        made = self.desk.write(floor, [(found.id, found.text_hash, without)], manner)
        return Receipt(found.id, CONFIRMED, made, skipped=floor.ground.skipped, written=len(had))


def _unproved(source: str, hold: str) -> Origin:
    return Origin(stated(source, "source"), hold=remark(hold, "hold"))


def _receipt(floor: Floor, made: Made) -> Receipt | BaseException:
    r = made.recorded
    if r.clash:
        return BadInput("request_key: was used for another person before; use a new one for each signing")
    skipped = floor.ground.skipped if r.state == CONFIRMED and not r.repeated else 0
    return Receipt(r.signature_id, r.state, made.letters, r.repeated, skipped, made.written)


def locked(connection: Connection, signature: int) -> Standing:
    """The signature, locked with its signer. Raises BadInput where there is none."""
    found = standing.lock(connection, signature)
    if found is None:
        raise BadInput(f"there is no signature {signature}")
    return found


def _erased(connection: Connection, signer: int, who: str, reason: str) -> Ended:
    remark(who, "who")
    remark(reason, "reason")
    at_us = now_us(connection)
    done = standing.erase(connection, signer, at_us)
    if done is None:
        return Ended((), 0)
    ended = Ended(tuple(done[0]), done[1])
    audit.append(connection, at_us, who, "erase", f"signer {signer}", reason, _details(ended))
    return ended


def _details(ended: Ended) -> dict[str, Any]:
    return {"signatures": list(ended.signatures), "cancelled": ended.cancelled}
