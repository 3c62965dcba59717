"""What the pages are filled with: values that the routes make and the templates read. All text is plain unless `Markup`.

Dates are aware. `language` is a BCP 47 tag in lower case. Texts of the campaign are in `CampaignView.language`; whatever
else a page says is in the language of its `Words`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Literal

from markupsafe import Markup


@dataclass(frozen=True, slots=True)
class Choice:
    """One of several values: `href` where choosing it is following a link."""

    value: str
    label: str
    chosen: bool
    href: str = ""


@dataclass(frozen=True, slots=True)
class CampaignView:
    """A campaign in one language. `logo`: there is one at /c/{slug}/logo; `has_look`: colours at /c/{slug}/look.css."""

    slug: str
    name: str
    site: str
    controller: str
    contact: str
    language: str
    languages: tuple[Choice, ...]
    title: str
    lead: tuple[str, ...]
    goals: tuple[str, ...]
    logo: bool
    has_look: bool
    openness: Literal["open", "not yet", "closed"]
    opens: datetime | None
    closes: datetime | None
    rehearsal: bool


@dataclass(frozen=True, slots=True)
class Progress:
    """Confirmed signers, and letters that receiving servers accepted."""

    signers: int
    letters: int


@dataclass(frozen=True, slots=True)
class OfficeView:
    """An addressee. `country` is an ISO code, or "" for an international organisation."""

    id: str
    title: str
    organisation: str
    country: str
    chosen: bool = True
    accepts: bool = True


@dataclass(frozen=True, slots=True)
class LetterView:
    """The letter to one office.

    In `sender` and `body` the visitor's words are in <span data-fill="name|city|country|comment">.
    """

    office: str
    language: str
    sender: Markup
    to: str
    subject: str
    body: Markup
    text: str
    offices: tuple[Choice, ...] = ()
    languages: tuple[Choice, ...] = ()
    sent_in: str = ""  # the language in which the office receives it


@dataclass(frozen=True, slots=True)
class ConsentView:
    """A question of consent with the words that are agreed to. `kind` is the value of its checkbox "consent"."""

    kind: str
    words: str
    required: bool = False
    given: bool = False
    error: str = ""


@dataclass(frozen=True, slots=True)
class OccasionView:
    """What is written on a day of the year for those who give the consent `kind`; `day` is the next one."""

    name: str
    kind: str
    day: date
    letter: LetterView


@dataclass(frozen=True, slots=True)
class FormView:
    """The form. `errors` maps a field (also "send", "offices", "form") to a whole sentence."""

    action: str
    values: Mapping[str, str] = field(default_factory=dict, repr=False)
    errors: Mapping[str, str] = field(default_factory=dict)
    offices: tuple[OfficeView, ...] = ()
    consents: tuple[ConsentView, ...] = ()
    suggestion: str = field(default="", repr=False)  # "name@gmail.com", or "" where the address looks right
    stamp: str = ""
    version: str = ""
    challenge: bool = False
    asks_city: bool = False
    takes_comments: bool = False
    frame: bool = False
    occasions: tuple[OccasionView, ...] = ()


@dataclass(frozen=True, slots=True)
class LetterRow:
    """A letter on its signer's page. `state` is a value of `worker.domain.states.State`; `reply` the server's own words."""

    office: OfficeView
    state: str
    at: datetime | None = None
    due: datetime | None = None
    reply: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class YearView:
    """A signer's letters of one anniversary. `begun`: they are being made and sent at present."""

    day: date
    begun: bool
    letters: tuple[LetterRow, ...]


@dataclass(frozen=True, slots=True)
class AnniversaryView:
    """The next time that a signer may be written for again; it rests on the consent `kind`, which stands if `given`.

    `text` is the hash of the text that they must agree to, "" where they need not; `lines` are in the language of the page.
    """

    name: str
    kind: str
    day: date
    given: bool
    near: bool  # it is announced, or waits for their agreement
    lines: tuple[str, ...]
    letter: LetterView | None
    text: str = ""
    under_way: str = ""  # that an earlier one's letters are being sent


@dataclass(frozen=True, slots=True)
class SignerView:
    """A signer's own page. `paths`: withdraw, correct, consents, agree, end, resend, data, erase; else it is not offered.

    `letters` are those of the signing, `years` those of anniversaries; `version` names what the consents are shown with.
    """

    name: str = field(repr=False)
    city: str = field(repr=False)
    comment: str = field(repr=False)
    country: str = field(repr=False)
    campaign: CampaignView
    signed: datetime
    confirmed: datetime | None
    state: Literal["confirmed", "withdrawn"]
    letters: tuple[LetterRow, ...]
    consents: tuple[ConsentView, ...]
    can_correct: bool
    can_withdraw: bool
    paths: Mapping[str, str] = field(default_factory=dict, repr=False)  # they hold the private link's token
    held: str = ""  # why the letters wait for somebody, in the language of the page
    errors: Mapping[str, str] = field(default_factory=dict)
    asks_city: bool = False
    takes_comments: bool = False
    years: tuple[YearView, ...] = ()
    anniversaries: tuple[AnniversaryView, ...] = ()
    occasions: tuple[OccasionView, ...] = ()
    version: str = ""


@dataclass(frozen=True, slots=True)
class PrivacyView:
    """What a campaign says of the data it holds, in its own language; a blank line parts paragraphs."""

    campaign: CampaignView
    controller: str
    contact: str
    purpose: str
    recipients: str
    retention: str
    complaint: str
    minimum_age: int
    offices: tuple[OfficeView, ...] = ()
    consents: tuple[ConsentView, ...] = ()


@dataclass(frozen=True, slots=True)
class Page:
    """What the frame of a page shows. `url` is absolute and without a query; `ui` the language asked for in the address."""

    campaign: CampaignView | None = None
    look: str = ""
    languages: tuple[Choice, ...] = ()
    rehearsal: bool = False
    frame: bool = False
    url: str = ""
    ui: str = ""
