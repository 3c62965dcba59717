"""`config/campaigns/*.toml` and the templates they go with, as the domain's Campaign."""

from collections.abc import Mapping
from pathlib import Path
from string import Formatter
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, AwareDatetime, Field, field_validator, model_validator

from worker.domain.campaign import Campaign, Sender
from worker.domain.errors import BadInput
from worker.domain.office import Office
from worker.settings.fields import Address, AddressOrEmpty, Language, Line, NeededLine, RateOrNone, Section, Slug
from worker.settings.problems import nearest, validated
from worker.settings.toml import Document
from worker.settings.wordings import notice_text, signed_text

NOTICES = "notices"
"""The folder of notice templates; no campaign may be called so."""
_LABEL = 63  # RFC 1035 section 2.3.4


def _web(url: str) -> str:
    if url and not url.startswith(("https://", "http://")):
        raise ValueError('write a whole address, like "https://www.town-library.example"')
    return url


def _pattern(pattern: str) -> str:
    try:
        names = {name for _, name, _, _ in Formatter().parse(pattern) if name is not None}
    except ValueError as exc:
        raise ValueError("braces must be in pairs, around signer or campaign") from exc
    if strange := names - {"signer", "campaign"}:
        raise ValueError(f"{{{min(strange)}}} is not known here; use {{signer}} and {{campaign}}")
    return pattern


def _confirm_link(link: str) -> str:
    if link and "{token}" not in link:
        raise ValueError('it must hold "{token}", like "https://www.town-library.example/confirm/{token}"')
    return _web(link)


def _list_id(text: str) -> str:
    labels = text.split(".")
    fine = all(0 < len(x) <= _LABEL and x.isascii() and x.replace("-", "").isalnum() for x in labels)
    if len(labels) == 1 or not fine:
        raise ValueError('write it like a domain, without angle brackets: "letters.town-library.example" (RFC 2919)')
    return text


def _free(slug: str) -> str:
    if slug == NOTICES:
        raise ValueError(f"{NOTICES!r} is the folder of notice templates; choose another slug")
    return slug


class SenderKeys(Section):
    """The From line."""

    address: Address = Field(description="The address in From; the campaign's own, one that its relay may send for.")
    pattern: Annotated[NeededLine, AfterValidator(_pattern)] = Field(
        default="{signer} via {campaign}", description="The name in From."
    )
    reply_to: AddressOrEmpty = Field(default="", description='Where replies go; `""`: to `address`.')


class CampaignKeys(Section):
    """One file of `config/campaigns/`, called `<slug>.toml`."""

    slug: Annotated[Slug, AfterValidator(_free)] = Field(
        description="The file's name; lower case, as in `templates/<slug>/`."
    )
    name: NeededLine = Field(description="The campaign's name.")
    site: Annotated[NeededLine, AfterValidator(_web)] = Field(description="Its web site.")
    controller: NeededLine = Field(description="Who is responsible for the signers' data: name and postal address.")
    contact: Address = Field(description="Whom signers and offices may ask.")
    sender: SenderKeys = Field(description="The From line.")
    subject_tag: NeededLine = Field(description="Stands in every subject, so that an office can filter.")
    list_id: Annotated[NeededLine, AfterValidator(_list_id)] = Field(
        description="The List-Id (RFC 2919), for the same."
    )
    languages: tuple[Language, ...] = Field(min_length=1, description="The first is the default.")
    offices: tuple[NeededLine, ...] = Field(
        min_length=1, description="Ids or tags, in the order in which the letter lists them."
    )
    goals: tuple[NeededLine, ...] | dict[Language, tuple[NeededLine, ...]] = Field(
        description="What the letter asks for: a list, or a list per language. Empty fails `check`."
    )
    consent: dict[Language, NeededLine] = Field(
        default={}, description="Per language, the words by which a signer agrees to the letter being sent."
    )
    opens: AwareDatetime | None = Field(default=None, description="Signing opens; with its time zone.")
    closes: AwareDatetime | None = Field(default=None, description="Signing closes.")
    in_doubt: Literal["ask", "resend_once"] = Field(
        default="ask", description="A letter whose reply was never recorded: ask an operator, or send it once more."
    )
    per_office: RateOrNone = Field(
        default=None,
        description='This campaign\'s letters to one office in any window, like `"20/h"`; unset: no limit.',
    )
    confirm_link: Annotated[Line, AfterValidator(_confirm_link)] = Field(
        default="",
        description='The page on which a signer confirms, with `{token}` in it; `""`: `lettershop confirm TOKEN`.',
    )

    @field_validator("languages")
    @classmethod
    def _languages_differ(cls, languages: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(languages)) < len(languages):
            raise ValueError("a language is given twice")
        return languages

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.opens and self.closes and self.closes <= self.opens:
            raise ValueError("closes is not after opens")
        if not isinstance(self.goals, dict) and len(self.languages) > 1:
            raise ValueError("goals: the campaign has several languages; write [goals] with a list for each")
        for key, texts in (("goals", self.goals), ("consent", self.consent)):
            if isinstance(texts, dict) and (strange := sorted(set(texts) - set(self.languages))):
                raise ValueError(f"{key}: {strange[0]!r} is not one of the campaign's languages")
        return self

    def goals_in(self, language: str) -> tuple[str, ...]:
        """The goals in one language, () where none are written."""
        return self.goals.get(language, ()) if isinstance(self.goals, dict) else self.goals


def read_campaign(
    document: Document, stem: str, templates: Path, offices: Mapping[str, Office], *, allow_test_domains: bool
) -> Campaign:
    """One campaign with its templates. Raises BadInput naming file, line and key."""
    keys = validated(CampaignKeys, document, context={"allow_test_domains": allow_test_domains})
    if keys.slug != stem:
        raise BadInput(
            f"{document.place(('slug',))}: slug is {keys.slug!r}, but the file is called {stem}.toml; make them agree"
        )
    return Campaign(
        slug=keys.slug,
        name=keys.name,
        site=keys.site,
        controller=keys.controller,
        contact=keys.contact,
        sender=Sender(keys.sender.address, keys.sender.pattern, keys.sender.reply_to),
        subject_tag=keys.subject_tag,
        list_id=keys.list_id,
        languages=keys.languages,
        offices=_chosen(keys.offices, offices, document),
        text=signed_text(keys.slug, {each: keys.goals_in(each) for each in keys.languages}, templates),
        notices={"confirm": notice_text(keys.slug, "confirm", keys.languages, templates)},
        consent=dict(keys.consent),
        opens=keys.opens,
        closes=keys.closes,
        in_doubt=keys.in_doubt,
        per_office=str(keys.per_office or ""),
        confirm_link=keys.confirm_link,
    )


def _chosen(names: tuple[str, ...], offices: Mapping[str, Office], document: Document) -> tuple[str, ...]:
    """The offices that ids and tags name, each once, in order."""
    tags = {tag for office in offices.values() for tag in office.tags}
    found: list[str] = []
    for name in names:
        if name in offices:
            found.append(name)
        elif name in tags:
            found += [office.id for office in offices.values() if name in office.tags]
        else:
            guess = nearest(name, (*offices, *sorted(tags)))
            raise BadInput(
                f"{document.place(('offices',))}: no office or tag in config/offices.toml is called {name!r}{guess}"
            )
    return tuple(dict.fromkeys(found))
