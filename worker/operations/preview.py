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
    home: Home,
    campaign: str,
    office: str,
    now: datetime,
    *,
    language: str = "",
    form: Format = "text",
    occasion: str = "",
) -> Preview:
    """Write it as on the day of `now`, in `language` ("": the office's own where the campaign has it).

    `occasion` names one whose letter is meant instead of the one that is signed. Raises BadInput for an unknown campaign,
    office, language or occasion, and TemplateFault for a template that cannot be used.
    """
    making = _making(home, campaign, office, now, language, occasion)
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


def _making(home: Home, slug: str, office_id: str, now: datetime, language: str, occasion: str) -> Making:
    campaign = home.campaigns.get(slug)
    if campaign is None:
        raise BadInput(f"there is no campaign {slug!r}; there are: {', '.join(sorted(home.campaigns))}")
    if office_id not in campaign.offices:
        raise BadInput(
            f"campaign {slug} writes to no office {office_id!r}; it writes to: {', '.join(campaign.offices)}"
        )
    if language and language not in campaign.languages:
        raise BadInput(f"campaign {slug} has no text in {language!r}; it has: {', '.join(campaign.languages)}")
    if occasion and occasion not in campaign.occasions:
        there = ", ".join(sorted(campaign.occasions)) or "none"
        raise BadInput(f"campaign {slug} has no occasion {occasion!r}; it has: {there}")
    text = (campaign.occasions[occasion].text if occasion else None) or campaign.text
    office = home.offices[office_id]
    used = language or campaign.language_for(office.language)
    day = now.astimezone(office.zone).date()
    return Making(
        letter=0,
        message_id=f"preview.{(now - EPOCH).days}@{campaign.sender.address.rpartition('@')[2]}",
        date=now.replace(microsecond=0),
        renderer=NUMBER,
        text=text,
        text_hash=text.hash,
        frame=frame_of(campaign, home.offices),
        office=block_on(office, day, used),
        signer=SAMPLE,
        language=used,
    )
