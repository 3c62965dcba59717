"""What the API takes and gives, as JSON. The OpenAPI document is made from these, with their sentences.

A request is taken strictly: no field that is not named here, no number for a text. What a field may hold is checked by
`worker.intake.validate`, which says all that is wrong at once; the lengths named here only describe its rules.
"""

from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Kind = Literal["send", "yearly", "yearly_joint", "named", "answer", "copy"]
Openness = Literal["open", "not yet", "closed"]
State = Literal["unconfirmed", "confirmed", "withdrawn", "erased"]

LARGEST_ID = 2**63 - 1
"""The ledger's ids are signed 64-bit numbers."""

_RAW_LONGEST = 20_000
_MOST = 500


def _text(description: str, longest: int, shortest: int = 0) -> Any:
    """A text's description; the lengths are what `validate` holds it to."""
    bounds: dict[str, Any] = {"maxLength": longest} | ({"minLength": shortest} if shortest else {})
    return Field(max_length=_RAW_LONGEST, description=description, json_schema_extra=bounds)


class SignatureRequest(BaseModel):
    """Somebody's wish that the campaign's letter is sent in their name."""

    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True, title="SignatureRequest")

    name: Annotated[str, _text("One line with at least one letter, no link and no address.", 120, 1)]
    email: Annotated[str, _text("An address (RFC 5321 and 6531) without quoted local part.", 254, 3)]
    country: Annotated[str, _text('Two letters (ISO 3166-1), like "IE".', 2, 2)]
    city: Annotated[str, _text("One line, or empty; only where the campaign asks for it.", 120)] = ""
    comment: Annotated[
        str, _text("The signer's own words: at most 60 lines; only where the campaign takes comments.", 2000)
    ] = ""
    language: Annotated[str, _text("Of the letter: one of the campaign's languages; empty: the first of them.", 35)] = (
        ""
    )
    consents: list[Kind] = Field(
        max_length=_MOST, description='What the signer agreed to, each by itself. "send" is needed.'
    )
    offices_left_out: list[Annotated[str, Field(max_length=_RAW_LONGEST)]] = Field(
        default=[], max_length=_MOST, description="Ids of offices that the signer does not write to."
    )
    version: Annotated[
        str,
        _text(
            "The campaign's `version` that the signer was shown, in the language of the letter. Needed without a key.",
            64,
        ),
    ] = ""
    altcha: Annotated[str, _text("The solution of a challenge, where one was asked for.", 1024)] = ""
    confirmed: bool = Field(
        default=False, description="They confirmed elsewhere. Needs a key with the scope `sign`, and `evidence`."
    )
    evidence: Annotated[str, _text("Where and how they agreed, to be looked up later. Only with `confirmed`.", 500)] = (
        ""
    )

    def __repr__(self) -> str:
        return "SignatureRequest(...)"

    __str__ = __repr__


class Given(BaseModel):
    """What the API gives: frozen, and in its document every field is there."""

    model_config = ConfigDict(frozen=True, from_attributes=True, json_schema_serialization_defaults_required=True)


class ConsentOut(Given):
    """A question of consent; `words` are what is agreed to, and what is recorded."""

    kind: Kind
    words: str
    required: bool


class FormOut(Given):
    """What the campaign's form asks for beside name, address, country and consents."""

    asks_city: bool
    takes_comments: bool
    minimum_age: int


class OccasionOut(Given):
    """A day of the year on which the campaign writes again for those who gave the consent `kind`."""

    name: str
    kind: Kind
    day: date = Field(description="The next one, in the occasion's own time zone.")
    text_version: str | None = Field(
        description="SHA-256 of its texts in all languages, which `preview` shows; null: each letter says what was signed."
    )


class CampaignOut(Given):
    """A campaign in one of its languages."""

    slug: str
    name: str
    site: str
    controller: str = Field(description="Who is responsible for the signers' data.")
    contact: str
    language: str = Field(description="Of the texts here.")
    languages: list[str] = Field(description="Those that the letter may be signed in.")
    title: str
    lead: list[str] = Field(description="Paragraphs.")
    goals: list[str]
    consents: list[ConsentOut]
    occasions: list[OccasionOut] = Field(
        description="Their texts belong to what a signer is shown before they consent to `kind`."
    )
    form: FormOut
    text_version: str = Field(
        description="SHA-256 of the letter's texts in all languages: what a signature is bound to."
    )
    version: str = Field(description="Names what a signer is shown here; goes back with their signature.")
    openness: Openness
    opens: datetime | None
    closes: datetime | None
    page: str = Field(description="The campaign's page for supporters.")
    privacy: str = Field(description="What is done with a signer's data, for people to read.")


class CountersOut(Given):
    """A few seconds old at most."""

    signers: int = Field(description="Confirmed signatures that stand.")
    letters: int = Field(description="Letters that the offices' mail servers accepted.")


class OfficeOut(Given):
    """An addressee."""

    id: str
    title: str
    organisation: str
    country: str = Field(description='Two letters, or "" for an international organisation.')
    accepts: bool = Field(description="Whether it takes letters; one that does not is written none.")


class OfficesOut(Given):
    """The campaign's addressees, in its order."""

    offices: list[OfficeOut]


class PreviewOut(Given):
    """The letter as an office would get it, rendered by what renders the letters. `html` holds no styles and no scripts."""

    office: str
    language: str
    sender: str
    to: str
    subject: str
    text: str
    html: str = Field(description='The signer\'s own words stand in <span data-fill="name|city|country|comment">.')


class AskedOut(Given):
    """The same for everybody: nobody learns from it who has signed before."""

    status: Literal["accepted"] = "accepted"
    detail: str = Field(description="A sentence for the signer.")


class MadeOut(Given):
    """A signature that was confirmed elsewhere, as it stands now. One that had come from elsewhere tells no more."""

    id: int | None = Field(description="null where the same person had signed already, and not through this key.")
    state: State | None = Field(description="null where `id` is.")
    letters: int = Field(description="Letters made by this request.")
    repeated: bool = Field(
        description="The same person had signed already, or the same request had come: nothing changed."
    )


class LetterOut(Given):
    """One letter and what became of it. `reply` is the receiving server's own, with addresses masked."""

    office: str
    sendout: str
    state: str
    ended_at: datetime | None
    reply: str


class SignatureOut(Given):
    """A signature without anything that its signer said of themselves."""

    id: int
    campaign: str
    state: State
    signed_at: datetime
    confirmed_at: datetime | None
    ended_at: datetime | None
    held: str = Field(description='Why it waits for an operator; "" where it does not.')
    letters: list[LetterOut]


class WithdrawnOut(Given):
    """A signature that has ended. What was sent stays sent."""

    id: int
    state: State
    cancelled: int = Field(description="Letters and notices taken back by this request; 0 where it had ended before.")


class FieldFault(Given):
    """What is wrong with one field, and what to do about it."""

    field: str
    reason: str


class Problem(Given):
    """RFC 9457. `type` is always about:blank, so that `title` is the status's own; `detail` says what to do."""

    type: Literal["about:blank"]
    title: str
    status: int
    detail: str
    errors: list[FieldFault] | None = None
    challenge: dict[str, Any] | None = Field(
        default=None, description="428: a proof of work (ALTCHA) to be solved and sent as `altcha`."
    )
    challenge_url: str | None = Field(default=None, description="428: where another one is to be had.")

    model_config = ConfigDict(json_schema_serialization_defaults_required=False)
