"""From the register and the campaign's config to the unsigned parts of a letter: address block and frame.

Both follow the config until a letter's content is written; then the ledger pins what was used.
"""

from collections.abc import Mapping
from datetime import date

from worker.domain.campaign import Campaign
from worker.domain.making import Frame, OfficeBlock
from worker.domain.office import Office
from worker.domain.salutation import SALUTATIONS, in_language, usual_form, usual_salutation

OPEN_LETTER = {
    "az": "Açıq məktub",  # noqa: RUF001 -- the Azerbaijani letter
    "de": "Offener Brief",
    "en": "Open letter",
    "es": "Carta abierta",
    "fr": "Lettre ouverte",
    "ru": "Открытое письмо",
    "tr": "Açık mektup",  # noqa: RUF001 -- the Turkish letter
}
"""The heading of a copy; English for any other language. A line that changes here needs a new renderer number."""


def addressee_line(office: Office) -> str:
    """One office in the list of all addressees: "Secretary General, Council of Europe"."""
    return ", ".join(part for part in (office.title, office.organisation) if part)


def block_on(office: Office, day: date, language: str = "") -> OfficeBlock:
    """The address block of a letter written on `day` in `language` ("": the office's own).

    The holder is named only while in office and verified within a year of `day`; else the title stands alone. What the
    register does not say of form and salutation is what is usual for the title in that language.
    """
    holder = office.holder_on(day)
    language = language or office.language
    form = (holder.form or usual_form(office.title, language)) if holder else ""
    salutation = (holder.salutation if holder else "") or office.salutation
    return OfficeBlock(
        office=office.id,
        title=office.title,
        organisation=office.organisation,
        country=office.country,
        holder=holder.name if holder else "",
        form=form,
        salutation=salutation or usual_salutation(office.title, form, language),
        mailbox=office.mailbox,
        language=language,
    )


def block_of_copy(part: Frame, language: str) -> OfficeBlock:
    """What stands in a signer's copy for the address block, in `language`: it is addressed to no office in particular.

    Each office's letter has a block of its own, which is not known yet; which offices there are is in the letter itself.
    So the copy is headed "Open letter" and the campaign's name, and greets as where nobody is named.
    """
    return OfficeBlock(
        office="",
        title=in_language(OPEN_LETTER, language),
        organisation=part.name,
        country="",
        holder="",
        form="",
        salutation=in_language(SALUTATIONS, language),
        mailbox="",
        language=language,
    )


def frame_of(campaign: Campaign, offices: Mapping[str, Office]) -> Frame:
    """The campaign's unsigned part of each of its letters; `offices` is the register by id."""
    return Frame(
        campaign=campaign.slug,
        name=campaign.name,
        site=campaign.site,
        controller=campaign.controller,
        contact=campaign.contact,
        sender=campaign.sender.address,
        sender_pattern=campaign.sender.pattern,
        reply_to=campaign.sender.reply_to,
        subject_tag=campaign.subject_tag,
        list_id=campaign.list_id,
        default_language=campaign.default_language,
        addressees=tuple(addressee_line(offices[each]) for each in campaign.offices),
        confirm_link=campaign.confirm_link,
        page_link=campaign.page_link,
        never_link=campaign.never_link,
    )
