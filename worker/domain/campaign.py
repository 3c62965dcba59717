"""A campaign: one letter-writing effort, as its config file states it."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from worker.domain.consents import OPTIONAL, SEND, default_words

if TYPE_CHECKING:
    from worker.domain.occasion import Occasion

SIGNING = "signing"
"""The send-out of letters written because somebody signed."""


def content_hash(body: Mapping[str, Any]) -> str:
    """SHA-256 (hex) of the canonical JSON of `body`: how text versions and other pinned values are named."""
    return hashlib.sha256(canonical(body).encode()).hexdigest()


def canonical(body: Mapping[str, Any]) -> str:
    """`body` as JSON with sorted keys and no spare white space."""
    return json.dumps(body, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class Wording:
    """One language's templates (Jinja2 sources) and goals: what a supporter signs."""

    subject: str
    text: str
    html: str
    goals: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TextVersion:
    """Subject, texts and goals of all languages together; `hash` is over all of it and nothing else."""

    campaign: str
    wordings: Mapping[str, Wording]  # by language
    hash: str = field(init=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "hash", content_hash(self.body()))  # once: each form asks for it

    def body(self) -> dict[str, Any]:
        """The JSON form that is stored and hashed."""
        return {
            "campaign": self.campaign,
            "wordings": {
                language: {"subject": w.subject, "text": w.text, "html": w.html, "goals": list(w.goals)}
                for language, w in self.wordings.items()
            },
        }

    @classmethod
    def from_body(cls, body: Mapping[str, Any]) -> "TextVersion":
        """The reverse of `body`."""
        wordings = {
            language: Wording(w["subject"], w["text"], w["html"], tuple(w["goals"]))
            for language, w in body["wordings"].items()
        }
        return cls(body["campaign"], wordings)


@dataclass(frozen=True, slots=True)
class Sender:
    """Who the From line names: `address`, and `pattern` such as "{signer} via {campaign}"."""

    address: str
    pattern: str = "{signer} via {campaign}"
    reply_to: str = ""


@dataclass(frozen=True, slots=True)
class PageText:
    """What the campaign's page says in one language: a title, and paragraphs on what is asked and why."""

    title: str
    lead: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PrivacyText:
    """One language of the privacy page: what for, who receives it, how long it is kept, where to complain."""

    purpose: str
    recipients: str
    retention: str
    complaint: str


@dataclass(frozen=True, slots=True)
class Look:
    """A campaign's own colours (CSS hex, "" for the house's) and logo (a file beside its templates, "" for none)."""

    accent: str = ""
    accent_dark: str = ""
    logo: str = ""


@dataclass(frozen=True, slots=True)
class Campaign:
    """A campaign as configured. `offices` are ids, in the order in which the letter lists them."""

    slug: str
    name: str
    site: str
    controller: str  # who is responsible for the data
    contact: str  # whom to ask, an e-mail address
    sender: Sender
    subject_tag: str  # constant, in every subject, so that offices can filter
    list_id: str  # RFC 2919, without the angle brackets
    languages: tuple[str, ...]  # the first is the default
    offices: tuple[str, ...]
    text: TextVersion
    notices: Mapping[str, TextVersion] = field(default_factory=dict)  # by kind: "confirm"
    consent: Mapping[str, str] = field(default_factory=dict)  # by language: the words agreed to
    opens: datetime | None = None
    closes: datetime | None = None
    in_doubt: Literal["ask", "resend_once"] = "ask"
    per_office: str = ""  # a rate like "20/h" of this campaign's letters to one office, or ""
    confirm_link: str = ""  # where a signer confirms, with "{token}" in it; "" where there is no page for it
    page_link: str = ""  # the signer's own page, written likewise
    never_link: str = ""  # where an address asks never to be written to again, written likewise
    page: Mapping[str, PageText] = field(default_factory=dict)  # by language: what its page says
    consents: Mapping[str, Mapping[str, str]] = field(
        default_factory=dict
    )  # by kind, then language; "send" is `consent`
    offers: tuple[str, ...] = OPTIONAL  # the consents that its form asks for besides "send"
    asks_city: bool = True
    takes_comments: bool = False  # a letter with a comment waits for an operator's look
    minimum_age: int = 0
    privacy: Mapping[str, PrivacyText] = field(default_factory=dict)  # by language
    look: Look = Look()
    occasions: Mapping[str, "Occasion"] = field(default_factory=dict)  # by name: the days on which it writes again
    sites: tuple[str, ...] = ()  # origins of the campaign's own sites, which may post to the form and frame it

    @property
    def default_language(self) -> str:
        return self.languages[0]

    def language_for(self, wanted: str) -> str:
        """`wanted` where the campaign has it (also "fr" for "fr-CA"), else the default."""
        if wanted in self.languages:
            return wanted
        return (
            wanted.split("-", maxsplit=1)[0]
            if wanted.split("-", maxsplit=1)[0] in self.languages
            else self.default_language
        )

    def consent_words(self, kind: str, language: str) -> str:
        """The words by which a signer agrees to `kind`: the campaign's own, else the house's; "" where there are none."""
        own = self.consent if kind == SEND else self.consents.get(kind, {})
        for words in (own.get(language), own.get(self.default_language)):
            if words:
                return words
        return default_words(kind, language).replace("{campaign}", self.name)
