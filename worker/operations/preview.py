"""`preview`: what an office would get, written for an invented signer. Needs no ledger, sends nothing."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from worker.domain.address_block import block_on, frame_of
from worker.domain.clock import EPOCH
from worker.domain.errors import BadInput
from worker.domain.making import Making
from worker.domain.person import Person
from worker.rendering import NUMBER, Renderer, body_html, body_text, subject_line
from worker.settings import Home

Format = Literal["text", "html", "eml"]
SAMPLE = Person("Sample Signer 01", "sample.signer.01@signers.example", "NL", "Sampleton", "These are my own words.")


@dataclass(frozen=True, slots=True)
class Preview:
    """A letter nobody signed: its headers as a reader sees them, and its body or whole message in the wanted format."""

    sender: str
    to: str
    subject: str
    data: bytes


def preview(
    home: Home, campaign: str, office: str, now: datetime, *, language: str = "", form: Format = "text"
) -> Preview:
    """Write it as on the day of `now`, in `language` ("": the office's own where the campaign has it).

    Raises BadInput for an unknown campaign, office or language, and TemplateFault for a template that cannot be used.
    """
    making = _making(home, campaign, office, now, language)
    sender = making.frame.sender_pattern.replace("{signer}", making.signer.name).replace(
        "{campaign}", making.frame.name
    )
    assert making.office is not None
    data = {
        "text": lambda: body_text(making).encode(),
        "html": lambda: body_html(making).encode(),
        "eml": lambda: Renderer().render(making),
    }[form]()
    return Preview(f"{sender} <{making.frame.sender}>", making.office.mailbox, subject_line(making), data)


def _making(home: Home, slug: str, office_id: str, now: datetime, language: str) -> Making:
    campaign = home.campaigns.get(slug)
    if campaign is None:
        raise BadInput(f"there is no campaign {slug!r}; there are: {', '.join(sorted(home.campaigns))}")
    if office_id not in campaign.offices:
        raise BadInput(
            f"campaign {slug} writes to no office {office_id!r}; it writes to: {', '.join(campaign.offices)}"
        )
    if language and language not in campaign.languages:
        raise BadInput(f"campaign {slug} has no text in {language!r}; it has: {', '.join(campaign.languages)}")
    office = home.offices[office_id]
    used = language or campaign.language_for(office.language)
    day = now.astimezone(office.zone).date()
    return Making(
        letter=0,
        message_id=f"preview.{(now - EPOCH).days}@{campaign.sender.address.rpartition('@')[2]}",
        date=now.replace(microsecond=0),
        renderer=NUMBER,
        text=campaign.text,
        text_hash=campaign.text.hash,
        frame=frame_of(campaign, home.offices),
        office=block_on(office, day, used),
        signer=SAMPLE,
        language=used,
    )
