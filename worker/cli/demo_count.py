"""What the demo claims, counted at the sink's Maildir by Message-ID, and then held against the ledger."""

import email
import email.policy
import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import EmailMessage
from typing import TYPE_CHECKING

from worker.domain.errors import Failed
from worker.embedded.maildir import Maildir, message_id

if TYPE_CHECKING:
    from worker.settings import Home


@dataclass(frozen=True, slots=True)
class Result:
    """What stands in the Maildir.

    `copies` maps each Message-ID to how often it came; `offices` each recipient to its letters, and `later` to those
    of them that the sink deferred at their first try.
    """

    signatures: int
    expected: int
    copies: Mapping[str, int]
    offices: Mapping[str, int]
    later: Mapping[str, int]
    sample: EmailMessage | None
    handed_to: str  # the sample's envelope recipient

    @property
    def lost(self) -> int:
        return max(0, self.expected - len(self.copies))

    @property
    def duplicates(self) -> int:
        return sum(n - 1 for n in self.copies.values())

    def body(self) -> dict[str, int]:
        """The demo's last line, but for the seconds."""
        return {
            "signatures": self.signatures,
            "offices": len(self.offices),
            "letters": self.expected,
            "sent": len(self.copies),
            "deferred_once": sum(self.later.values()),
            "lost": self.lost,
            "duplicates": self.duplicates,
        }


def count_at_sink(home: "Home", expected: int) -> Result:
    """Read every message of the sink. `expected` letters were made."""
    root = home.var / "sink"
    copies, offices, later = Counter[str](), Counter[str](), Counter[str]()
    deferred = {mark.name for mark in (root / "deferred").iterdir()}
    signers: set[str] = set()
    sample: EmailMessage | None = None
    handed_to = ""
    for stored in Maildir(root).messages():
        content = stored.content()
        parsed = email.message_from_bytes(content, policy=email.policy.default)
        name, office = message_id(content), stored.recipients[0].partition("@")[0]
        if name not in copies and hashlib.sha256(name.encode()).hexdigest() in deferred:
            later[office] += 1
        copies[name] += 1
        offices[office] += 1
        signers.add(str(parsed["From"]))
        sample, handed_to = (sample, handed_to) if sample else (parsed, stored.recipients[0])
    return Result(len(signers), expected, copies, offices, later, sample, handed_to)


def refuse_disagreement(home: "Home", result: Result) -> None:
    """Raises Failed where a letter is missing or came twice, or where the ledger tells another story than the sink."""
    sent = sent_by_ledger(home)
    came = set(result.copies)
    troubles = [
        f"{len(sent - came)} letters are sent in the ledger and not at the sink" if sent - came else "",
        f"{len(came - sent)} letters are at the sink and not sent in the ledger" if came - sent else "",
        f"{result.lost} letters never came" if result.lost else "",
        f"{result.duplicates} letters came twice" if result.duplicates else "",
    ]
    if any(troubles):
        raise Failed(f"{'; '.join(filter(None, troubles))}; the home is kept in {home.root}")


def sent_by_ledger(home: "Home") -> set[str]:
    """The Message-IDs of all letters that the ledger calls sent."""
    import sqlalchemy as sa

    from worker.domain.making import message_id as made_id
    from worker.domain.states import State
    from worker.ledger.schema import campaigns, letters
    from worker.wiring.home import open_ledger

    query = (
        sa.select(letters.c.id, letters.c.mac, campaigns.c.slug)
        .join(campaigns, campaigns.c.id == letters.c.campaign_id)
        .where(letters.c.state == State.SENT.value)
    )
    with open_ledger(home) as ledger, ledger.read() as connection:
        rows = connection.execute(query).all()
    return {made_id(row.id, row.mac, home.campaigns[row.slug].sender.address) for row in rows}
