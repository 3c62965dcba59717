"""From a claimed letter to a message ready to offer: seal checked, ingredients gathered, bytes made, hash taken.

What was signed is pinned (text version, signer's row); the address block and the frame follow the register until now,
and are pinned here. A letter re-sent out of doubt is made from what its earlier attempt recorded.
"""

import hmac
import json
from collections.abc import Mapping
from datetime import date
from types import MappingProxyType
from typing import NamedTuple

from worker.delivery import Envelope
from worker.domain.address_block import block_on, frame_of
from worker.domain.campaign import Campaign, TextVersion
from worker.domain.clock import from_us, to_us
from worker.domain.making import (
    Frame,
    Making,
    OfficeBlock,
    encloses,
    message_id,
    notice_kind,
    notice_values,
    pin_body,
)
from worker.domain.person import Person
from worker.ledger.hot import recorded as pins
from worker.ledger.hot.committer import Committer
from worker.ledger.hot.values import Claimed
from worker.ledger.keys import Keys, SealBroken
from worker.rendering import TemplateFault, digest
from worker.rounds.house import House, Plan

MICROSECONDS = 1_000_000


class Faulty(Exception):
    """This letter cannot be made: ours to mend. The message names the reason and nobody."""


class Unseen(Exception):
    """The signer's own words in this letter wait for an operator's look: it is set aside until then."""


class Made(NamedTuple):
    """A message, its envelope, and what its mark records."""

    claimed: Claimed
    campaign: str
    envelope: Envelope
    data: bytes
    hash: bytes
    addressee_pin: int
    frame_pin: int
    signer_version: int
    date_us: int
    renderer: int


class Addressed(NamedTuple):
    """What a message is to its addressee: the text, the pin of block or notice text, and the rest of the ingredients."""

    text: TextVersion
    text_hash: str
    pin: int
    block: OfficeBlock | None = None
    values: Mapping[str, str] = MappingProxyType({})
    enclosed: TextVersion | None = None


class Pins:
    """The pinned values that a process has used, by content and by id, so that each is read or written once."""

    def __init__(self, committer: Committer) -> None:
        self._committer = committer
        self._texts: dict[int, tuple[str, TextVersion]] = {}
        self._ids: dict[object, int] = {}
        self._blocks: dict[tuple[str, date, str], OfficeBlock] = {}
        self._frames: dict[str, Frame] = {}

    async def text(self, number: int) -> tuple[str, TextVersion]:
        """The hash and text version pinned under `number`."""
        if number not in self._texts:
            name, body = await self._committer.call(lambda database: pins.pinned(database, number))
            self._texts[number] = (name, TextVersion.from_body(body))
        return self._texts[number]

    async def id_of(self, value: OfficeBlock | Frame, now_us: int) -> int:
        """The id under which an office block or frame is pinned."""
        if value not in self._ids:
            kind = "office" if isinstance(value, OfficeBlock) else "frame"
            body = pin_body(value)
            self._ids[value] = await self._committer.call(lambda database: pins.pin(database, kind, body, now_us))
        return self._ids[value]

    async def id_of_text(self, text: TextVersion, now_us: int) -> int:
        """The id under which a notice's text is pinned."""
        key = ("text", text.campaign, id(text))
        if key not in self._ids:
            body = text.body()
            self._ids[key] = await self._committer.call(lambda database: pins.pin(database, "text", body, now_us))
        return self._ids[key]

    def block(self, plan: Plan, office: str, day: date, campaign: Campaign) -> OfficeBlock:
        """The office's address block on that day, in its own language where the campaign has it."""
        key = (office, day, campaign.slug)
        if key not in self._blocks:
            entry = plan.offices[office]
            self._blocks[key] = block_on(entry, day, campaign.language_for(entry.language))
        return self._blocks[key]

    def frame(self, plan: Plan, campaign: Campaign) -> Frame:
        """The campaign's unsigned part."""
        if campaign.slug not in self._frames:
            self._frames[campaign.slug] = frame_of(campaign, plan.offices)
        return self._frames[campaign.slug]


def recipient(plan: Plan, claimed: Claimed, address: str) -> str:
    """The envelope recipient. In rehearsal nobody real, whatever the sink: the fifth promise rests on this line."""
    if plan.mode != "live":
        name = f"signer-{claimed.signer_id}" if claimed.addressee == pins.SIGNER else claimed.addressee
        return f"{name}@rehearsal.invalid"
    return address


async def make(house: House, pinned: Pins, claimed: Claimed, campaign: str) -> Made:
    """Make the message of a claimed letter. Raises `Faulty`, `Unseen`."""
    text_hash, text = await pinned.text(claimed.text_id)
    check_seal(house.keys, claimed, text_hash)
    if claimed.wrapped_key is None:
        raise Faulty("signer erased")
    try:
        if claimed.resend_of is not None:
            return await _again(house, claimed, campaign)
        return await _afresh(house, pinned, claimed, campaign, (text_hash, text))
    except SealBroken as exc:
        raise Faulty("personal data do not open") from exc
    except pins.TokenGone as exc:
        raise Faulty("its link was deleted") from exc
    except TemplateFault as exc:
        raise Faulty(f"template {exc.template}") from exc


def check_seal(keys: Keys, claimed: Claimed, text_hash: str) -> None:
    """Refuse a row that somebody else slipped into the ledger. Raises `Faulty`."""
    if not hmac.compare_digest(keys.mac(claimed.signature_id, text_hash, claimed.addressee), bytes(claimed.mac)):
        raise Faulty("seal does not match")


async def _afresh(house: House, pinned: Pins, claimed: Claimed, slug: str, signed: tuple[str, TextVersion]) -> Made:
    plan, campaign, now_us = house.plan, house.plan.campaigns[slug], house.now_us()
    date_us = now_us - now_us % MICROSECONDS  # a Date header has whole seconds
    wrapped = claimed.wrapped_key or b""
    person, salt = pins.open_person(house.keys, wrapped, claimed.sealed, claimed.signer_id, claimed.signer_version)
    part = pinned.frame(plan, campaign)
    if claimed.addressee == pins.SIGNER:
        to = await _to_signer(house, pinned, claimed, part, (signed[1], person))
    else:
        if person.comment and await house.committer.call(lambda db: pins.waits_for_a_look(db, claimed.signature_id)):
            raise Unseen
        day = from_us(now_us).astimezone(plan.offices[claimed.addressee].zone).date()
        block = pinned.block(plan, claimed.addressee, day, campaign)
        to = Addressed(signed[1], signed[0], await pinned.id_of(block, now_us), block)
    making = Making(
        letter=claimed.letter,
        message_id=message_id(claimed.letter, claimed.mac, part.sender),
        date=from_us(date_us),
        renderer=house.renderer.number,
        text=to.text,
        text_hash=to.text_hash,
        frame=part,
        office=to.block,
        signer=person,
        language=pins.language_of(part, to.block, claimed.language, to.text),
        values=to.values,
        enclosed=to.enclosed,
    )
    frame_pin = await pinned.id_of(part, now_us)
    recorded = pins.Recorded(making, salt, b"", to.pin, frame_pin, claimed.signer_version)
    return _made(house, claimed, slug, recorded)


async def _to_signer(
    house: House, pinned: Pins, claimed: Claimed, part: Frame, signed: tuple[TextVersion, Person]
) -> Addressed:
    """A notice: its kind's text and values. Raises `Faulty` for a kind that the campaign has no templates of."""
    (text, person), wrapped = signed, claimed.wrapped_key or b""
    notice = pins.Notice(claimed.signature_id, notice_kind(claimed.sendout), claimed.made_at)
    words = house.plan.campaigns[part.campaign].notices.get(notice.kind)
    if words is None:
        raise Faulty(f"no templates for notices of kind {notice.kind}")
    token = await house.committer.call(lambda db: pins.token_of(db, house.keys, wrapped, notice))
    return Addressed(
        text=words,
        text_hash=words.hash,
        pin=await pinned.id_of_text(words, house.now_us()),
        values=notice_values(part, notice.kind, token, json.loads(claimed.facts)),
        enclosed=text if encloses(notice.kind, person) else None,
    )


async def _again(house: House, claimed: Claimed, slug: str) -> Made:
    number = claimed.resend_of or 0
    found = await house.committer.call(lambda db: pins.recorded(db, house.keys, claimed.letter, number))
    if found is None:
        raise Faulty("nothing recorded to send again")
    return _made(house, claimed, slug, found)


def _made(house: House, claimed: Claimed, slug: str, ingredients: pins.Recorded) -> Made:
    making = ingredients.making
    data = house.renderer.render(making)
    address = making.office.mailbox if making.office else making.signer.email
    to = recipient(house.plan, claimed, address)
    return Made(
        claimed=claimed,
        campaign=slug,
        envelope=Envelope(making.frame.sender, to, len(data), smtputf8=not data.isascii() or not to.isascii()),
        data=data,
        hash=digest(ingredients.salt, data),
        addressee_pin=ingredients.addressee_pin,
        frame_pin=ingredients.frame_pin,
        signer_version=ingredients.signer_version,
        date_us=to_us(making.date),
        renderer=making.renderer,
    )
