"""Whom an occurrence writes for, as the ledger is asked it."""

import json
from collections.abc import Sequence

from sqlalchemy.engine import Connection

from worker.domain.occasion import Occasion
from worker.ledger import audience, pins
from worker.ledger.audience import Supporter, Terms
from worker.ledger.keys import Keys, SealBroken, person_aad
from worker.ledger.letters_write import sendout_id
from worker.ledger.occurrences import Occurrence


def terms_of(connection: Connection, occurrence: Occurrence, occasion: Occasion, *, told_by: int = 0) -> Terms:
    """The terms of its audience; `told_by` is the last moment at which an announcement must have been accepted.

    From its announcement on its text is the one that was announced, whatever the configuration says by then.
    """
    text_hash = occasion.text.hash if occasion.text else ""
    if occurrence.told_to >= 0:
        text_hash = pins.hash_of(connection, occurrence.text_id) if occurrence.text_id is not None else ""

    def number(name: str) -> int | None:
        return sendout_id(connection, occurrence.campaign_id, name)

    return Terms(
        campaign_id=occurrence.campaign_id,
        consent=occasion.consent,
        languages=tuple(sorted(occasion.languages)),
        text_id=pins.find(connection, text_hash) or 0 if text_hash else None,
        wordings=audience.shown_beside(connection, text_hash) if text_hash else (),
        announcements=tuple(n for n in map(number, announcements_of(occurrence)) if n is not None),
        told_by=told_by,
    )


def announcements_of(occurrence: Occurrence) -> tuple[str, str]:
    """The send-outs of its announcements: where silence is enough, and where nothing is written without agreement."""
    return _both(occurrence.announcement)


def outdated_announcements_of(occurrence: Occurrence) -> list[str]:
    """The send-outs of announcements whose text was edited since."""
    begun = occurrence.told_to >= 0  # the last edition stands
    before = range(1, occurrence.edition + (not begun))
    return [name for edition in before for name in _both(occurrence.announcement_of(edition))]


def _both(name: str) -> tuple[str, str]:
    return name, f"{name}-ask"


def text_of(connection: Connection, occasion: Occasion, at_us: int) -> int | None:
    """The pin of the text that is sent; None where each letter has the text that was signed."""
    return pins.pin(connection, "text", occasion.text.body(), at_us=at_us) if occasion.text else None


def from_countries(keys: Keys, occasion: Occasion, supporters: Sequence[Supporter]) -> list[Supporter]:
    """Those of the occasion's countries. Where a signer lives is sealed, so each one's data are opened for it."""
    if not occasion.countries:
        return list(supporters)
    return [each for each in supporters if _country(keys, each) in occasion.countries]


def _country(keys: Keys, supporter: Supporter) -> str:
    """Where they live; "" where the row was altered: a letter could not be made of it either."""
    try:
        body = keys.unseal(supporter.wrapped_key, supporter.sealed, person_aad(supporter.signer, supporter.version))
    except SealBroken:
        return ""
    return str(body["person"]["country"])


def left_out_by(supporter: Supporter) -> frozenset[str]:
    """The offices that this supporter does not write to."""
    return frozenset(json.loads(supporter.left_out)) if supporter.left_out else frozenset()
