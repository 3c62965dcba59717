"""What a signer agreed to. The words they saw are pinned in the ledger by their hash."""

from dataclasses import dataclass
from typing import Any, Literal

from worker.domain.campaign import Campaign


@dataclass(frozen=True, slots=True)
class Consent:
    """Agreement to `kind`: "send" (write to the offices now) or "yearly" (again on each anniversary).

    `words` are those the signer saw, "" for the campaign's own in the signer's language.
    """

    kind: Literal["send", "yearly"]
    words: str = ""

    def wording(self, campaign: Campaign, language: str) -> dict[str, Any]:
        """What is pinned: the kind, the language and the words."""
        words = self.words or campaign.consent.get(language) or campaign.consent.get(campaign.default_language, "")
        return {"kind": self.kind, "language": language, "words": words}


SEND = Consent("send")
YEARLY = Consent("yearly")
