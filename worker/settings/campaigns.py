"""`config/campaigns/*.toml` and the templates they go with, as the domain's Campaign."""

import re
from collections.abc import Mapping
from pathlib import Path
from string import Formatter
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, AwareDatetime, Field, field_validator, model_validator

from worker.domain.campaign import Campaign, Look, PageText, PrivacyText, Sender
from worker.domain.consents import OPTIONAL, OptionalConsent
from worker.domain.errors import BadInput
from worker.domain.office import Office
from worker.settings.fields import Address, AddressOrEmpty, Language, Line, NeededLine, RateOrNone, Section, Slug
from worker.settings.occasions import Occasions, read_occasions
from worker.settings.problems import nearest, validated
from worker.settings.toml import Document
from worker.settings.wordings import notice_text, signed_text

NOTICE_KINDS = ("confirm", "page", "imported")
ANNOUNCE = "announce"
"""Needed where a campaign has occasions."""
NOTICES = "notices"
"""The folder of notice templates; no campaign may be called so."""
_LABEL = 63  # RFC 1035 section 2.3.4
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")
_LOGO = re.compile(r"[a-z0-9][a-z0-9_-]*\.(?:svg|png|jpg|webp)")


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


def _origin(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in {"https", "http"} or not parts.hostname or text != f"{parts.scheme}://{parts.netloc}":
        raise ValueError('write an origin without a path, like "https://www.town-library.example"')
    return text.lower()


def _colour(text: str) -> str:
    if text and not _COLOUR.fullmatch(text):
        raise ValueError('write a colour as "#0b57a4"')
    return text


def _file_name(text: str) -> str:
    if text and not _LOGO.fullmatch(text):
        raise ValueError('name a file of templates/<slug>/ that ends in .svg, .png, .jpg or .webp, like "logo.svg"')
    return text


class PageKeys(Section):
    """`[page.<language>]`: what the campaign's page says."""

    title: NeededLine = Field(description="The headline: what is asked, in a few words.")
    lead: tuple[NeededLine, ...] = Field(default=(), description="Paragraphs on what is asked and why.")


class FormKeys(Section):
    """`[form]`: what the form asks for."""

    city: bool = Field(default=True, description="Whether it asks for the signer's town.")
    comment: bool = Field(
        default=False,
        description="Whether it takes a comment. A letter with a comment waits for an operator's look.",
    )
    minimum_age: int = Field(
        default=0, ge=0, le=120, description="The least age of a signer, in years; 0: none stated."
    )
    offers: tuple[OptionalConsent, ...] = Field(
        default=OPTIONAL, description="The consents it asks for besides `send`."
    )


class PrivacyKeys(Section):
    """`[privacy.<language>]`: the campaign's part of its privacy page."""

    purpose: NeededLine = Field(description="What the data are used for, and on what legal ground.")
    recipients: NeededLine = Field(description="Who receives them; the offices are listed by themselves.")
    retention: NeededLine = Field(description="How long they are kept.")
    complaint: NeededLine = Field(description="The authority to which a signer may complain.")


class LookKeys(Section):
    """`[look]`: the page in the campaign's own dress."""

    accent: Annotated[Line, AfterValidator(_colour)] = Field(
        default="", description='Of links and buttons, like `"#0b57a4"`; must be readable on white.'
    )
    accent_dark: Annotated[Line, AfterValidator(_colour)] = Field(
        default="", description="The same in the dark theme; must be readable on near black."
    )
    logo: Annotated[Line, AfterValidator(_file_name)] = Field(
        default="", description='A file in `templates/<slug>/`, like `"logo.svg"`.'
    )


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
    consents: dict[OptionalConsent, dict[Language, NeededLine]] = Field(
        default={},
        description="The words of the other consents, per kind and language; unset: the house's.",
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
        description='Where a signer confirms, with `{token}` in it; `""`: the page under `[web] url`.',
    )
    sites: tuple[Annotated[NeededLine, AfterValidator(_origin)], ...] = Field(
        default=(),
        description="Origins of the campaign's own sites: their pages may post to the form, use the API and frame the form.",
    )
    page: dict[Language, PageKeys] = Field(default={}, description="What its page says, per language.")
    form: FormKeys = Field(default=FormKeys(), description="What the form asks for.")
    privacy: dict[Language, PrivacyKeys] = Field(
        default={}, description="Its part of the privacy page, per language. `check --live` refuses without it."
    )
    look: LookKeys = Field(default=LookKeys(), description="Colours and logo of its pages.")
    occasions: Occasions = Field(default={}, description="The days of the year on which it writes again, by name.")

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
        by_language = {"goals": self.goals, "consent": self.consent, "page": self.page, "privacy": self.privacy}
        by_language |= {f"consents.{kind}": words for kind, words in self.consents.items()}
        for key, texts in by_language.items():
            if isinstance(texts, dict) and (strange := sorted(set(texts) - set(self.languages))):
                raise ValueError(f"{key}: {strange[0]!r} is not one of the campaign's languages")
        return self

    def goals_in(self, language: str) -> tuple[str, ...]:
        """The goals in one language, () where none are written."""
        return self.goals.get(language, ()) if isinstance(self.goals, dict) else self.goals


def read_campaign(
    document: Document,
    stem: str,
    templates: Path,
    offices: Mapping[str, Office],
    *,
    base: str,
    allow_test_domains: bool,
) -> Campaign:
    """One campaign with its templates; `base` is where its pages are served. Raises BadInput naming file, line and key."""
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
        notices={
            kind: notice_text(keys.slug, kind, keys.languages, templates)
            for kind in (*NOTICE_KINDS, *([ANNOUNCE] if keys.occasions else []))
        },
        consent=dict(keys.consent),
        opens=keys.opens,
        closes=keys.closes,
        in_doubt=keys.in_doubt,
        per_office=str(keys.per_office or ""),
        confirm_link=keys.confirm_link or (base and f"{base}/confirm/{{token}}"),
        page_link=base and f"{base}/me/{{token}}",
        never_link=base and f"{base}/never/{{token}}",
        consents={str(kind): words for kind, words in keys.consents.items()},
        occasions=read_occasions(
            keys.slug, keys.occasions, {each: keys.goals_in(each) for each in keys.languages}, templates
        ),
        sites=keys.sites,
        **_shown(keys),
    )


def _shown(keys: CampaignKeys) -> dict[str, Any]:
    """What the campaign's pages show."""
    return {
        "page": {each: PageText(text.title, text.lead) for each, text in keys.page.items()},
        "offers": keys.form.offers,
        "asks_city": keys.form.city,
        "takes_comments": keys.form.comment,
        "minimum_age": keys.form.minimum_age,
        "privacy": {each: PrivacyText(**text.model_dump()) for each, text in keys.privacy.items()},
        "look": Look(**keys.look.model_dump()),
    }


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
