"""A small campaign with three offices, and short ways to look into the ledger."""

import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from worker.domain.campaign import Campaign, Sender, TextVersion, Wording
from worker.domain.clock import SystemClock
from worker.domain.office import Office
from worker.intake import Intake, PersonInput
from worker.ledger import counts, tokens
from worker.ledger.book import Ledger
from worker.ledger.keys import Keys, person_aad
from worker.ledger.schema import letters, sendouts, signatures, signer_versions, signers

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)


def office(name: str, mailbox: str = "", *, accepts: bool = True) -> Office:
    box = mailbox or f"post@{name}.example"
    return Office(name, "The Clerk", name, "GB", ZoneInfo("UTC"), "en", box, accepts_letters=accepts)


OFFICES = {name: office(name) for name in ("council", "ministry", "mayor")}


def text(words: str = "Keep it open.", slug: str = "library") -> TextVersion:
    return TextVersion(slug, {"en": Wording("The library", words, "", ("keep it open",))})


def campaign(slug: str = "library", **changes: Any) -> Campaign:
    values: dict[str, Any] = {
        "slug": slug,
        "name": "Keep the library",
        "site": "library.example",
        "controller": "Friends of the library",
        "contact": "ask@library.example",
        "sender": Sender("letters@library.example"),
        "subject_tag": "[library]",
        "list_id": "library.example",
        "languages": ("en",),
        "offices": tuple(OFFICES),
        "text": text(slug=slug),
        "consent": {"en": "I agree that my letter is sent."},
    }
    return Campaign(**(values | changes))


def person(n: int = 1, **changes: str) -> PersonInput:
    values = {"name": f"Sample Signer {n:02}", "email": f"signer{n}@mail.example", "country": "GB"}
    return PersonInput(**(values | changes))


def make_intake(ledger: Ledger, keys: Keys, *campaigns: Campaign, **options: Any) -> Intake:
    known = {c.slug: c for c in campaigns or (campaign(),)}
    offices = options.pop("offices", OFFICES)
    clock = options.pop("clock", SystemClock())
    return Intake(ledger, keys, known, offices, clock, **options)


def token_of(ledger: Ledger, keys: Keys, signature: int) -> str:
    with ledger.read() as connection:
        token = tokens.reveal(connection, keys, signature)
    assert token is not None
    return token


def rows(ledger: Ledger, query: sa.Select[Any]) -> list[Any]:
    with ledger.read() as connection:
        return list(connection.execute(query).mappings())


def letters_of(ledger: Ledger, signature: int) -> list[Any]:
    query = sa.select(letters, sendouts.c.name.label("sendout")).join(sendouts, sendouts.c.id == letters.c.sendout_id)
    return rows(ledger, query.where(letters.c.signature_id == signature).order_by(letters.c.id))


def states(ledger: Ledger, signature: int) -> dict[str, str]:
    return {letter["addressee"]: letter["state"] for letter in letters_of(ledger, signature)}


def signature_row(ledger: Ledger, signature: int) -> Any:
    (row,) = rows(ledger, sa.select(signatures).where(signatures.c.id == signature))
    return row


def standing(ledger: Ledger) -> Counter[str]:
    return Counter(row["state"] for row in rows(ledger, sa.select(signatures.c.state)))


def words_of(ledger: Ledger, keys: Keys, signature: int) -> dict[str, str]:
    """The person as the signature's own version has them."""
    query = (
        sa.select(signers.c.id, signers.c.wrapped_key, signer_versions.c.version, signer_versions.c.sealed)
        .join(signatures, signatures.c.signer_id == signers.c.id)
        .join(
            signer_versions,
            sa.and_(
                signer_versions.c.signer_id == signers.c.id,
                signer_versions.c.version == signatures.c.signer_version,
            ),
        )
        .where(signatures.c.id == signature)
    )
    (row,) = rows(ledger, query)
    body = keys.unseal(row["wrapped_key"], row["sealed"], person_aad(row["id"], row["version"]))
    return dict(body["person"])


def set_state(ledger: Ledger, signature: int, addressee: str, state: str, **more: Any) -> None:
    """Move a letter as the hot path would, counts included."""
    with ledger.write() as connection:
        mine = sa.and_(letters.c.signature_id == signature, letters.c.addressee == addressee)
        row = connection.execute(sa.select(letters).where(mine)).mappings().one()
        connection.execute(sa.update(letters).where(mine).values(state=state, **more))
        cell = (row["campaign_id"], row["sendout_id"], addressee)
        if row["state"] != state:
            counts.add(connection, {(*cell, row["state"]): -1, (*cell, state): 1})


def child(script: str, *arguments: str) -> list[str]:
    """The command that runs `script` (a module path below this package) with our interpreter."""
    return [sys.executable, "-m", f"tests.integration.intake.{script}", *arguments]


ROOT = Path(__file__).parents[3]
