"""What a campaign's signings stand on in the ledger: its row, its pinned texts, its send-outs, its offices' lanes.

Laid in the first transaction that needs it and kept only once that one was committed: a row that was rolled back must
not be referred to. None of these rows is ever deleted.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy.engine import Connection

from worker.domain.campaign import SIGNING, Campaign, content_hash
from worker.domain.office import Office
from worker.intake.consent import Consent
from worker.ledger import lanes, pins
from worker.ledger.lanes import CONFIRMATIONS, PAGES
from worker.ledger.letters_write import SIGNER, Sendout, ensure_campaign, ensure_sendout
from worker.ledger.signatures import Given

CONFIRM, REMINDER = "confirm-1", "confirm-2"
CONFIRM_RANK, PAGE_RANK, SIGNING_RANK = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Ground:
    """Ids and hashes; offices and the signer are mapped to their lanes' ids."""

    campaign_id: int
    text_id: int
    text_hash: str
    signing: Sendout
    confirm: Sendout
    offices: Mapping[str, int]  # those that accept letters
    skipped: int  # offices that accept no letters
    notices: Mapping[str, int]  # the signer's lane for confirmations
    pages: Mapping[str, int]  # and for all other notices


def lay(connection: Connection, campaign: Campaign, offices: Mapping[str, Office], at_us: int) -> Ground:
    """Find or make all of it. `offices` is the register; the campaign names its own by id."""
    campaign_id = ensure_campaign(connection, campaign.slug)
    addressed = [offices[office] for office in dict.fromkeys(campaign.offices)]
    open_to_letters = [office for office in addressed if office.accepts_letters]
    body = campaign.text.body()
    return Ground(
        campaign_id=campaign_id,
        text_id=pins.pin(connection, "text", body, at_us=at_us),
        text_hash=content_hash(body),
        signing=ensure_sendout(connection, campaign_id, SIGNING, SIGNING_RANK, at_us),
        confirm=ensure_sendout(connection, campaign_id, CONFIRM, CONFIRM_RANK, at_us),
        offices={office.id: lane_of(connection, office) for office in open_to_letters},
        skipped=len(addressed) - len(open_to_letters),
        notices={SIGNER: lanes.ensure(connection, CONFIRMATIONS, "signers", "")},
        pages={SIGNER: lanes.ensure(connection, PAGES, "signers", "")},
    )


def lane_of(connection: Connection, office: Office) -> int:
    """The id of the lane in which letters to this office wait."""
    return lanes.ensure(connection, lanes.office_key(office.mailbox), "office", office.domain)


class Wordings:
    """The words of consent, pinned when first agreed to. One for each transaction, on top of what earlier ones pinned."""

    def __init__(self, campaign: Campaign, pinned: Mapping[tuple[Consent, str], str]) -> None:
        self._campaign = campaign
        self._pinned = pinned
        self.new: dict[tuple[Consent, str], str] = {}

    def given(self, connection: Connection, consent: Consent, language: str, at_us: int) -> Given:
        """The consent as a row, its words pinned."""
        key = (consent, language)
        found = self._pinned.get(key) or self.new.get(key)
        if found is None:
            body = consent.wording(self._campaign, language)
            pins.pin(connection, "consent", body, at_us=at_us)
            found = self.new[key] = content_hash(body)
        return Given(consent.kind, found, language)
