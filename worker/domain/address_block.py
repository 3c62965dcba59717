"""From the register and the campaign's config to the unsigned parts of a letter: address block and frame.

Both follow the config until a letter's content is written; then the ledger pins what was used.
"""

from collections.abc import Mapping
from datetime import date

from worker.domain.campaign import Campaign
from worker.domain.making import Frame, OfficeBlock
from worker.domain.office import Office

SALUTATIONS = {
    "az": "Hörmətli xanım və ya cənab",  # noqa: RUF001 -- the Azerbaijani letter
    "de": "Sehr geehrte Damen und Herren",
    "en": "Dear Sir or Madam",
    "es": "Estimadas señoras y señores",
    "fr": "Madame, Monsieur",
    "ru": "Уважаемая госпожа, уважаемый господин",
    "tr": "Sayın Yetkili",  # noqa: RUF001 -- the Turkish letter
}
"""Used where neither the holder nor the office has a salutation of its own; English for any other language."""


def addressee_line(office: Office) -> str:
    """One office in the list of all addressees: "Secretary General, Council of Europe"."""
    return ", ".join(part for part in (office.title, office.organisation) if part)


def block_on(office: Office, day: date, language: str = "") -> OfficeBlock:
    """The address block of a letter written on `day` in `language` ("": the office's own).

    The holder is named only while in office and verified within a year of `day`; else the title stands alone.
    """
    holder = office.holder_on(day)
    language = language or office.language
    default = SALUTATIONS.get(language.split("-", maxsplit=1)[0], SALUTATIONS["en"])
    return OfficeBlock(
        office=office.id,
        title=office.title,
        organisation=office.organisation,
        country=office.country,
        holder=holder.name if holder else "",
        form=holder.form if holder else "",
        salutation=(holder.salutation if holder else "") or office.salutation or default,
        mailbox=office.mailbox,
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
    )
