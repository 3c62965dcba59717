"""The desk on which the doors work: one transaction in which people are recorded and their letters made.

The doors (`Intake`, the import) check and hash what came in before the transaction; inside it everything is set-wise,
so that one signature and a chunk of many are the same code.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from sqlalchemy.engine import Connection

from worker.domain.campaign import Campaign
from worker.domain.errors import BadInput, RefusedByState
from worker.domain.office import Office
from worker.domain.person import Person
from worker.intake import ground
from worker.intake.address import CANONICAL, Domains
from worker.intake.consent import Consent
from worker.intake.ground import Ground, Wordings
from worker.intake.validate import PersonInput, validate
from worker.ledger import letters_write, signatures, tokens
from worker.ledger.book import Ledger
from worker.ledger.keys import Keys
from worker.ledger.letters_write import Making
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
    person_key: bytes
    language: str
    consents: tuple[Consent, ...]
    request_key: str | None


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
    """Where signatures come from, and where and how those who were not asked by us agreed ("" for those we ask)."""

    source: str
    evidence: str = ""

    @classmethod
    def stated(cls, source: str, evidence: str) -> "Origin":
        """Both checked. Raises BadInput where one is empty, too long or holds what cannot be printed."""
        return cls(stated(source, "source"), stated(evidence, "evidence"))


class Desk:
    """Keeps what campaigns stand on between transactions. Safe to share between threads."""

    def __init__(
        self,
        ledger: Ledger,
        keys: Keys,
        campaigns: Mapping[str, Campaign],
        offices: Mapping[str, Office],
        domains: Domains,
    ) -> None:
        self.ledger, self.keys = ledger, keys
        self._campaigns, self._offices, self._domains = campaigns, offices, domains
        self._grounds: dict[str, Ground] = {}
        self._wordings: dict[str, dict[tuple[Consent, str], str]] = {}

    def campaign(self, slug: str) -> Campaign:
        """The campaign as configured. Raises BadInput, naming those there are."""
        found = self._campaigns.get(slug)
        if found is None:
            raise BadInput(f"there is no campaign {slug!r}; there are: {', '.join(sorted(self._campaigns)) or 'none'}")
        return found

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

    def prepared(
        self, campaign: Campaign, given: PersonInput, consents: Iterable[Consent], request_key: str | None
    ) -> Prepared:
        """Check and hash. Raises BadPerson, or BadInput for unusable consents or request key."""
        valid = validate(given, self._domains)
        kinds = {consent.kind: consent for consent in consents}
        if "send" not in kinds:
            raise BadInput("consents: nobody is written for without their consent to send; pass SEND")
        slug = campaign.slug
        return Prepared(
            valid.person,
            self.keys.address_key(valid.canonical),
            self.keys.person_key(slug, valid.canonical),
            campaign.language_for(valid.person.language),
            tuple(kinds.values()),
            self._request(slug, request_key),
        )

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

        With evidence they are confirmed and their letters are made; without, each is sent a token in a notice.
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
            self._notify(floor, new)
            return [Made(r, 0 if r.repeated else 1, 0) for r in recorded]
        had = self.written(floor, [r.person_key for r in new if r.again])
        text_hash = floor.ground.text_hash
        self.write(floor, [(r.signature_id, text_hash, had.get(r.person_key, frozenset())) for r in new])
        return [self._made(floor, r, had) for r in recorded]

    def written(self, floor: Floor, person_keys: Sequence[bytes]) -> Mapping[bytes, frozenset[str]]:
        """The offices that these people's earlier signatures may have been sent to, of those that accept letters."""
        had = letters_write.written(floor.connection, floor.ground.signing, person_keys)
        return {person_key: addressees & floor.ground.offices.keys() for person_key, addressees in had.items()}

    def write(self, floor: Floor, confirmed: Sequence[tuple[int, str, frozenset[str]]]) -> int:
        """Make the letters of confirmed signatures: (id, text hash, offices to leave out). Returns how many."""
        offices = floor.ground.offices
        makings = [
            Making(
                signature_id, text_hash, {o: lane for o, lane in offices.items() if o not in out} if out else offices
            )
            for signature_id, text_hash, out in confirmed
        ]
        return letters_write.make(floor.connection, self.keys, floor.ground.signing, makings, floor.at_us)

    def _entry(self, floor: Floor, person: Prepared) -> Entry:
        given = [floor.wordings.given(floor.connection, c, person.language, floor.at_us) for c in person.consents]
        return Entry(
            person.person, person.address_key, person.person_key, person.language, tuple(given), person.request_key
        )

    def _notify(self, floor: Floor, new: Sequence[Recorded]) -> None:
        for r in new:
            tokens.issue(floor.connection, self.keys, r.signature_id, r.wrapped_key, floor.at_us)
        makings = [Making(r.signature_id, floor.ground.text_hash, floor.ground.notices) for r in new]
        letters_write.make(floor.connection, self.keys, floor.ground.confirm, makings, floor.at_us)

    def _made(self, floor: Floor, recorded: Recorded, had: Mapping[bytes, frozenset[str]]) -> Made:
        if recorded.repeated:
            return Made(recorded, 0, 0)
        written = len(had.get(recorded.person_key, ()))
        return Made(recorded, len(floor.ground.offices) - written, written)


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
