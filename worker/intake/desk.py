"""The desk on which the doors work: one transaction in which people are recorded and their letters made.

The doors (`Intake`, the import) check and hash what came in before the transaction; inside it everything is set-wise,
so that one signature and a chunk of many are the same code.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypeVar

from sqlalchemy.engine import Connection

from worker.domain.campaign import Campaign
from worker.domain.errors import BadInput, RefusedByState
from worker.domain.office import Office
from worker.domain.person import Person
from worker.intake import ground, notices
from worker.intake.address import CANONICAL, Domains, mailbox_of
from worker.intake.consent import SEND, Consent
from worker.intake.ground import Ground, Wordings
from worker.intake.notices import MICROSECOND, Newcomer
from worker.intake.validate import BadPerson, PersonInput, validate
from worker.ledger import letters_write, quiet, reviews, signatures, standing, tokens
from worker.ledger.book import Ledger
from worker.ledger.keys import Keys
from worker.ledger.letters_write import AT_ONCE, Making, Manner
from worker.ledger.signatures import Act, Entry, Recorded
from worker.ledger.sql import now_us
from worker.ledger.standing import CONFIRMED, UNCONFIRMED
from worker.ledger.transact import transact

T = TypeVar("T")

_KEY_LONGEST = 200
_TEXT_LONGEST = 500


@dataclass(frozen=True, slots=True, repr=False)
class Prepared:
    """A person checked, normalised and hashed: all that needs no ledger."""

    person: Person
    address_key: bytes
    mailbox_key: bytes  # what forms are counted by: see `address.mailbox_of`
    person_key: bytes
    language: str
    consents: tuple[Consent, ...]
    request_key: str | None
    left_out: frozenset[str]


@dataclass(frozen=True, slots=True, repr=False)
class Asked:
    """What a signer asks for beside who they are: consents, offices left out, the producer's own key for the request."""

    consents: Iterable[Consent] = (SEND,)
    left_out: Iterable[str] = ()
    request_key: str | None = None


@dataclass(frozen=True, slots=True)
class Terms:
    """How long a confirmation link may be followed, and when an unconfirmed signature is reminded of."""

    confirm_within: timedelta = tokens.VALID_FOR
    remind_after: timedelta = timedelta(days=3)


@dataclass(frozen=True, slots=True)
class Floor:
    """One transaction's footing: its connection, its campaign with what it stands on, its moment."""

    connection: Connection
    campaign: Campaign
    ground: Ground
    wordings: Wordings
    at_us: int


@dataclass(frozen=True, slots=True)
class Made:
    """What came of one person: the record, the letters made now, the offices written to before."""

    recorded: Recorded
    letters: int
    written: int


@dataclass(frozen=True, slots=True)
class Origin:
    """Where signatures come from, and where and how those who were not asked by us agreed ("" for those we ask).

    `notice` tells confirmed signers of their page: "page", "imported" or "". Their letters are due after `wait`.
    `hold` is why unconfirmed ones wait for an operator, "" where they do not; with `unseen` words of their own
    confirmed ones do.
    """

    source: str
    evidence: str = ""
    notice: str = ""
    wait: timedelta = timedelta(0)
    hold: str = ""
    unseen: bool = False

    @classmethod
    def stated(cls, source: str, evidence: str, *, notice: str = "", unseen: bool = False) -> "Origin":
        """Both checked. Raises BadInput where one is empty, too long or holds what cannot be printed."""
        return cls(stated(source, "source"), stated(evidence, "evidence"), notice, unseen=unseen)


class Desk:
    """Keeps what campaigns stand on between transactions. Safe to share between threads."""

    def __init__(
        self,
        ledger: Ledger,
        keys: Keys,
        campaigns: Mapping[str, Campaign],
        offices: Mapping[str, Office],
        domains: Domains,
        terms: Terms,
    ) -> None:
        self.ledger, self.keys, self.terms = ledger, keys, terms
        self._campaigns, self._offices, self._domains = campaigns, offices, domains
        self._grounds: dict[str, Ground] = {}
        self._wordings: dict[str, dict[tuple[Consent, str], str]] = {}

    def campaign(self, slug: str) -> Campaign:
        """The campaign as configured. Raises BadInput, naming those there are."""
        found = self._campaigns.get(slug)
        if found is None:
            raise BadInput(f"there is no campaign {slug!r}; there are: {', '.join(sorted(self._campaigns)) or 'none'}")
        return found

    def knows(self, slug: str) -> bool:
        """Whether this campaign is configured."""
        return slug in self._campaigns

    def open_campaign(self, slug: str, now: datetime) -> Campaign:
        """The campaign, if it can be signed at `now`. Raises RefusedByState before its opening and from its closing on."""
        campaign = self.campaign(slug)
        if campaign.opens and now < campaign.opens:
            raise RefusedByState(f"campaign {slug} cannot be signed before {campaign.opens.isoformat()}")
        if campaign.closes and now >= campaign.closes:
            raise RefusedByState(
                f"campaign {slug} cannot be signed any more: it closed at {campaign.closes.isoformat()}"
            )
        return campaign

    def prepared(self, campaign: Campaign, given: PersonInput, asked: Asked) -> Prepared:
        """Check and hash. Raises BadPerson, or BadInput for unusable consents or request key."""
        valid = validate(given, self._domains)
        kinds = {consent.kind: consent for consent in asked.consents}
        if "send" not in kinds:
            raise BadInput("consents: nobody is written for without their consent to send; pass SEND")
        slug = campaign.slug
        return Prepared(
            replace(valid.person, answer="answer" in kinds, copy="copy" in kinds),
            self.keys.address_key(valid.canonical),
            self.keys.address_key(f"mailbox {mailbox_of(valid.canonical)}"),
            self.keys.person_key(slug, valid.canonical),
            campaign.language_for(valid.person.language),
            tuple(kinds.values()),
            self._request(slug, asked.request_key),
            self._left_out(campaign, asked.left_out),
        )

    def _left_out(self, campaign: Campaign, offices: Iterable[str]) -> frozenset[str]:
        left = frozenset(offices)
        if strange := sorted(left - set(campaign.offices)):
            raise BadPerson({"offices": f"campaign {campaign.slug} writes to no office {strange[0][:60]!r}"})
        if left and not any(self._offices[each].accepts_letters for each in campaign.offices if each not in left):
            raise BadPerson({"offices": "choose at least one office to write to"})
        return left

    def _request(self, slug: str, key: str | None) -> str | None:
        """The producer's key as it is stored: hashed, for it may hold what it should not, and outlives erasing."""
        if key is None:
            return None
        if not 0 < len(key) <= _KEY_LONGEST or not key.isprintable():
            raise BadInput(f"request_key: must have 1 to {_KEY_LONGEST} printable characters")
        return self.keys.person_key(slug, f"request {key}").hex()  # an address has no space: the two cannot meet

    def transact(self, campaign: Campaign, work: Callable[[Floor], T]) -> T:
        """Run `work` on a floor of its own, in one write transaction, again where it lost a race."""
        laid: list[Floor] = []

        def attempt(connection: Connection) -> T:
            at_us = now_us(connection)
            known = self._grounds.get(campaign.slug)
            footing = known or ground.lay(connection, campaign, self._offices, at_us)
            wordings = Wordings(campaign, self._wordings.get(campaign.slug, {}))
            laid[:] = [Floor(connection, campaign, footing, wordings, at_us)]
            return work(laid[0])

        result = transact(self.ledger, attempt)
        (floor,) = laid
        self._grounds[campaign.slug] = floor.ground
        if floor.wordings.new:
            self._wordings[campaign.slug] = {**self._wordings.get(campaign.slug, {}), **floor.wordings.new}
        return result

    # -- inside the transaction

    def take(self, floor: Floor, people: Sequence[Prepared], origin: Origin) -> list[Made]:
        """Record the people and make what follows.

        With evidence they are confirmed and their letters are made; without, each is sent a token in a notice: a second
        one where they ask again, the link of their page where they had confirmed before.
        """
        state = CONFIRMED if origin.evidence else UNCONFIRMED
        act = Act(
            campaign_id=floor.ground.campaign_id,
            text_id=floor.ground.text_id,
            state=state,
            source=origin.source,
            evidence=origin.evidence,
            key_version=CANONICAL,
            at_us=floor.at_us,
        )
        entries = [self._entry(floor, person) for person in people]
        recorded = signatures.record(floor.connection, self.keys, act, entries)
        new = [r for r in recorded if not r.repeated]
        if state == UNCONFIRMED:
            notices.ask_to_confirm(self, floor, new, origin.hold)
            both = zip(recorded, entries, strict=True)
            return [Made(r, self._again(floor, r, e, origin) if r.repeated else 1, 0) for r, e in both]
        had = self.written(floor, [r.person_key for r in new if r.again])
        self._write_new(floor, new, had, origin)
        return [self._made(floor, r, had) for r in recorded]

    def _again(self, floor: Floor, recorded: Recorded, entry: Entry, origin: Origin) -> int:
        """What a signing that stands already brings its signer: a notice, or none.

        One that nobody has confirmed takes on what the newest form says: whoever reads the mailbox is shown all of it
        before confirming. A form that waits for an operator itself changes nothing that does not.
        """
        found = None
        if not recorded.clash and not recorded.replayed:
            found = standing.lock(floor.connection, recorded.signature_id)
        if found is None or not found.stands:
            return 0
        if found.state == CONFIRMED:
            return int(notices.page_again(self, floor, found))
        waits = reviews.waiting(floor.connection, found.id)
        if origin.hold and not waits:
            return 0
        signatures.revise(floor.connection, self.keys, found.id, entry, origin.source, floor.at_us)
        if waits and not origin.hold:
            return notices.set_free(floor, found, waits)
        return int(notices.ask_again(self, floor, found))

    def written(self, floor: Floor, person_keys: Sequence[bytes]) -> Mapping[bytes, frozenset[str]]:
        """The offices that these people's earlier signatures may have been sent to, of those that accept letters."""
        had = letters_write.written(floor.connection, floor.ground.signing, person_keys)
        return {person_key: addressees & floor.ground.offices.keys() for person_key, addressees in had.items()}

    def _write_new(
        self, floor: Floor, new: Sequence[Recorded], had: Mapping[bytes, frozenset[str]], origin: Origin
    ) -> None:
        """The letters of new confirmed signatures, and the link of their page."""
        text_hash = floor.ground.text_hash
        due = Manner(origin.wait // MICROSECOND, reason="imported" if origin.wait else "")
        unseen = [r for r in new if origin.unseen and r.comment]
        seen = [r for r in new if not (origin.unseen and r.comment)]
        for group, manner in ((seen, due), (unseen, Manner(held=reviews.COMMENT))):
            without = [(r.signature_id, text_hash, had.get(r.person_key, frozenset()) | r.left_out) for r in group]
            self.write(floor, without, manner)
            if manner.held:
                for r in group:
                    reviews.begin(floor.connection, r.signature_id, manner.held, floor.at_us)
        if origin.notice:
            hushed = quiet.among(floor.connection, [r.address_key for r in new])
            told = [
                Newcomer(r.signature_id, text_hash, r.wrapped_key, r.signer_id)
                for r in new
                if r.address_key not in hushed
            ]
            notices.welcome(self, floor, told, origin.notice)

    def write(
        self, floor: Floor, confirmed: Sequence[tuple[int, str, frozenset[str]]], manner: Manner = AT_ONCE
    ) -> int:
        """Make the letters of confirmed signatures: (id, text hash, offices to leave out). Returns how many."""
        offices = floor.ground.offices
        makings = [
            Making(
                signature_id, text_hash, {o: lane for o, lane in offices.items() if o not in out} if out else offices
            )
            for signature_id, text_hash, out in confirmed
        ]
        return letters_write.make(floor.connection, self.keys, floor.ground.signing, makings, floor.at_us, manner)

    def _entry(self, floor: Floor, person: Prepared) -> Entry:
        given = [floor.wordings.given(floor.connection, c, person.language, floor.at_us) for c in person.consents]
        return Entry(
            person.person,
            person.address_key,
            person.person_key,
            person.language,
            tuple(given),
            person.request_key,
            person.left_out,
        )

    def _made(self, floor: Floor, recorded: Recorded, had: Mapping[bytes, frozenset[str]]) -> Made:
        if recorded.repeated:
            return Made(recorded, 0, 0)
        offices, written = floor.ground.offices.keys(), had.get(recorded.person_key, frozenset())
        return Made(recorded, len(offices - written - recorded.left_out), len(written))


def stated(text: str, what: str) -> str:
    """`evidence` or `source`, trimmed. Raises BadInput where it is empty, too long or holds what cannot be printed."""
    text = text.strip()
    if not text:
        raise BadInput(f"{what} is missing: state {_WHAT[what]}")
    return remark(text, what)


def remark(text: str, what: str) -> str:
    """A line for the record, perhaps empty. Raises BadInput where it is too long or holds what cannot be printed."""
    if len(text) > _TEXT_LONGEST or not text.isprintable():
        raise BadInput(f"{what}: must have at most {_TEXT_LONGEST} printable characters, in one line")
    return text


_WHAT = {
    "evidence": "where and how these people agreed, so that it can be looked up later",
    "source": 'where they come from, like "web" or "api:partner"',
}
