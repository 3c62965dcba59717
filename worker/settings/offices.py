"""`config/offices.toml`: the register of addressees."""

from datetime import date
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from worker.domain.errors import BadInput
from worker.domain.hours import WORKING_WEEK
from worker.domain.office import Holder, Office, Policy
from worker.settings.fields import Address, HoursField, Language, Line, NeededLine, Section, Slug, ZoneField
from worker.settings.problems import validated
from worker.settings.toml import Document

RESERVED = "signer"
"""The addressee of notices; no office may be called so."""


def _country(code: str) -> str:
    if code and not (len(code) == 2 and code.isascii() and code.isupper()):  # noqa: PLR2004 -- alpha-2 says it
        raise ValueError(f'{code!r} is not a country; write two capitals (ISO 3166), or "" for an international body')
    return code


def _free(name: str) -> str:
    if name == RESERVED:
        raise ValueError(f"{RESERVED!r} is the addressee of notices; choose another id")
    return name


class HolderKeys(Section):
    """A person in the office, with dates. Named in letters only while verified within twelve months."""

    name: NeededLine = Field(description="The name as it is written in the address block.")
    form: Line = Field(default="", description='The form of address before the name: `"H.E. Mr."`.')
    salutation: Line = Field(
        default="", description='The whole line that opens the letter, without the comma: `"Excellency"`.'
    )
    since: date | None = Field(default=None, alias="from", description="First day in office.")
    until: date | None = Field(default=None, description="Last day in office.")
    verified: date | None = Field(default=None, description="When somebody last looked whether this is true.")

    @model_validator(mode="after")
    def _from_before_until(self) -> Self:
        if self.since and self.until and self.until < self.since:
            raise ValueError("until is before from")
        return self

    def holder(self) -> Holder:
        """The domain's value."""
        return Holder(self.name, self.form, self.salutation, self.since, self.until, self.verified)


class RefusalKeys(Section):
    """Why an office is not written to."""

    date: date
    reason: NeededLine
    evidence: NeededLine


class OfficeKeys(Section):
    """One `[[offices]]` entry."""

    id: Annotated[Slug, AfterValidator(_free)] = Field(description="A lower-case slug; `signer` is reserved.")
    title: NeededLine = Field(description='The office: `"Secretary General"`.')
    organisation: NeededLine = Field(description='Whose office it is: `"Council of Europe"`.')
    country: Annotated[Line, AfterValidator(_country)] = Field(
        default="", description='ISO 3166 alpha-2, or `""` for an international organisation.'
    )
    time_zone: ZoneField = Field(description='Where the office is: `"Europe/Paris"`.')
    language: Language = Field(description="The language that it is written to in, where the campaign has it.")
    mailbox: Address = Field(description="The institution's address; never a private one.")
    source: Line = Field(default="", description="Where the mailbox was found.")
    as_of: date | None = Field(default=None, description="When it was found.")
    hours: HoursField = Field(default=WORKING_WEEK, description='When letters may arrive, or `"always"`.')
    salutation: Line = Field(
        default="", description='Used where no holder is named; `""`: the usual one of the language.'
    )
    holidays: Annotated[Line, AfterValidator(_country)] = Field(
        default="", description='Whose public holidays it keeps, as ISO 3166 alpha-2; `""`: those of its `country`.'
    )
    vacancy: Policy = Field(
        default="title",
        description='While nobody is in office: `"title"` writes to the office, `"hold"` lets its letters wait.',
    )
    stale: Policy = Field(
        default="title",
        description='While its holder was verified over twelve months ago: `"title"` writes to the office, '
        '`"hold"` lets its letters wait.',
    )
    holders: tuple[HolderKeys, ...] = Field(default=(), description="The people in it, with dates.")
    tags: tuple[Slug, ...] = Field(default=(), description="Names by which a campaign may choose several offices.")
    accepts_letters: bool = Field(
        default=True, description="`false` with `refusal` where it asked not to be written to."
    )
    refusal: RefusalKeys | None = Field(default=None, description="`{ date, reason, evidence }` of that request.")

    @model_validator(mode="after")
    def _refusal_is_told(self) -> Self:
        if self.accepts_letters == bool(self.refusal):
            raise ValueError("accepts_letters = false and refusal = { date, reason, evidence } belong together")
        return self

    def office(self) -> Office:
        """The domain's value."""
        told = self.refusal
        return Office(
            id=self.id,
            title=self.title,
            organisation=self.organisation,
            country=self.country,
            zone=self.time_zone,
            language=self.language,
            mailbox=self.mailbox,
            source=self.source,
            as_of=self.as_of,
            hours=self.hours,
            salutation=self.salutation,
            holders=tuple(h.holder() for h in self.holders),
            tags=frozenset(self.tags),
            accepts_letters=self.accepts_letters,
            refusal=f"{told.date}: {told.reason} ({told.evidence})" if told else "",
            holidays=self.holidays,
            vacancy=self.vacancy,
            stale=self.stale,
        )


class RegisterKeys(Section):
    """The whole file."""

    offices: tuple[OfficeKeys, ...] = Field(min_length=1)


def read_offices(document: Document, *, allow_test_domains: bool) -> dict[str, Office]:
    """The register by id, in the file's order. Raises BadInput naming file, line and key."""
    register = validated(RegisterKeys, document, context={"allow_test_domains": allow_test_domains})
    found: dict[str, Office] = {}
    for index, keys in enumerate(register.offices):
        if keys.id in found:
            raise BadInput(f"{document.place(('offices', index, 'id'))}: office {keys.id!r} is given twice; keep one")
        found[keys.id] = keys.office()
    return found
