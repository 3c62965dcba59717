"""What a signer agreed to. The words they saw are pinned in the ledger by their hash."""

from dataclasses import dataclass
from typing import Any

from worker.domain.campaign import Campaign
from worker.domain.consents import KINDS
from worker.domain.errors import BadInput

_LONGEST = 5_000


@dataclass(frozen=True, slots=True)
class Consent:
    """Agreement to `kind`, one of `domain.consents`: "send" (write to the offices now), "yearly" and others.

    `words` are those the signer saw, "" for the campaign's own in the signer's language.
    """

    kind: str
    words: str = ""

    def __post_init__(self) -> None:
        """Raises BadInput for an unknown kind, or for words that could not be shown again as they were."""
        if self.kind not in KINDS:
            raise BadInput(f"consents: there is no kind {self.kind!r}; there are {', '.join(KINDS)}")
        if len(self.words) > _LONGEST or not self.words.replace("\n", " ").isprintable():
            raise BadInput(f"consents: words must have at most {_LONGEST} printable characters and line breaks (\\n)")

    def wording(self, campaign: Campaign, language: str) -> dict[str, Any]:
        """What is pinned: the kind, the language, the words, and the texts of the occasions that it is a consent to.

        Those were shown beside the words; a text that was not is announced, and needs a consent of its own.
        """
        words = self.words or campaign.consent_words(self.kind, language)
        texts = sorted(
            {each.text.hash for each in campaign.occasions.values() if each.text and each.consent == self.kind}
        )
        return {"kind": self.kind, "language": language, "words": words} | ({"texts": texts} if texts else {})


SEND = Consent("send")
YEARLY = Consent("yearly")
