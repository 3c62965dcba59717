"""A campaign: one letter-writing effort, as its config file states it."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

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

    def body(self) -> dict[str, Any]:
        """The JSON form that is stored and hashed."""
        return {
            "campaign": self.campaign,
            "wordings": {
                language: {"subject": w.subject, "text": w.text, "html": w.html, "goals": list(w.goals)}
                for language, w in self.wordings.items()
            },
        }

    @property
    def hash(self) -> str:
        return content_hash(self.body())

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
