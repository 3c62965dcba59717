"""A ledger whose clock stands still until a test moves it, and short ways to see what a signer is sent."""

import contextlib
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from tests.integration.intake.scene import NOON, campaign, rows
from worker.domain.campaign import Campaign
from worker.ledger import counts, tokens
from worker.ledger.book import Ledger
from worker.ledger.keys import Keys
from worker.ledger.migrate import migrate
from worker.ledger.schema import campaigns, letters, sendouts, signatures
from worker.ledger.tokens import PAGE

DAY = timedelta(days=1)
DAY_US = DAY // timedelta(microseconds=1)
LINKS = {f"{name}_link": f"https://library.example/{name}/{{token}}" for name in ("confirm", "page", "never")}


class Traveller:
    """A clock. It moves when it is told to."""

    def __init__(self) -> None:
        self.moment = NOON

    def now(self) -> datetime:
        return self.moment

    def monotonic(self) -> float:
        return (self.moment - NOON).total_seconds()

    def travel(self, by: timedelta) -> None:
        self.moment += by


@contextlib.contextmanager
def on_the_clock(url: str, keys: Keys, clock: Traveller) -> Iterator[Ledger]:
    """The migrated ledger, on this clock."""
    migrate(url, "rehearsal", keys)
    with Ledger.open(url, keys, "rehearsal", clock=clock) as ledger:
        yield ledger


def linked(slug: str = "library", **changes: Any) -> Campaign:
    """A campaign with pages for its signers."""
    return campaign(slug, **{**LINKS, **changes})


def page_token(ledger: Ledger, keys: Keys, signature: int) -> str:
    """The token of the signer's own page."""
    with ledger.read() as connection:
        token = tokens.reveal(connection, keys, signature, PAGE)
    assert token is not None
    return token


def notices(ledger: Ledger) -> list[tuple[str, str, str, int]]:
    """Every notice as (campaign, send-out, state, due in microseconds), in the order in which they are due."""
    query = (
        sa.select(campaigns.c.slug, sendouts.c.name, letters.c.state, letters.c.due_at)
        .select_from(letters)
        .join(sendouts, sendouts.c.id == letters.c.sendout_id)
        .join(signatures, signatures.c.id == letters.c.signature_id)
        .join(campaigns, campaigns.c.id == signatures.c.campaign_id)
        .where(letters.c.addressee == "signer")
        .order_by(letters.c.due_at, letters.c.id)
    )
    return [(row["slug"], row["name"], row["state"], row["due_at"]) for row in rows(ledger, query)]


def mail(ledger: Ledger) -> list[tuple[str, str]]:
    """Every notice as (send-out, state), in the order in which they are due."""
    return [(name, state) for _, name, state, _ in notices(ledger)]


def send_due(ledger: Ledger) -> list[str]:
    """Let every notice that is due be sent, as the workers would; the names of their send-outs."""
    at_us = ledger.now_us()
    due = [name for _, name, state, due_us in notices(ledger) if state == "queued" and due_us <= at_us]
    mine = (letters.c.addressee == "signer", letters.c.state == "queued", letters.c.due_at <= at_us)
    with ledger.write() as connection:
        moved = connection.execute(sa.select(letters).where(*mine)).mappings().all()
        sent = {"state": "sent", "ended_at": at_us, "attempts": 1}
        connection.execute(sa.update(letters).where(*mine).values(sent))
        for row in moved:
            cell = (row["campaign_id"], row["sendout_id"], "signer")
            counts.add(connection, {(*cell, "queued"): -1, (*cell, "sent"): 1})
    return due
