"""Lanes: what is sent and paced as one line. An office's mailbox, or one kind of mail to signers."""

from typing import Literal

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from worker.ledger import sql
from worker.ledger.schema import lanes

CONFIRMATIONS = "signers:confirm"
PAGES = "signers:page"
ANNOUNCEMENTS = "signers:announce"


def office_key(mailbox: str) -> str:
    """The key of an office's lane: two offices that share a mailbox share a lane."""
    return f"mailbox:{mailbox.lower()}"


def ensure(connection: Connection, key: str, kind: Literal["office", "signers"], domain: str) -> int:
    """The id of the lane `key`, made where there is none. `domain` is the mailbox's, or "" for signers' lanes."""
    wanted = sa.select(lanes.c.id).where(lanes.c.key == key)
    found: int | None = connection.execute(wanted).scalar()
    if found is not None:
        return found
    row = {"key": key, "kind": kind, "domain": domain, "served_at": 0}
    connection.execute(sql.insert(connection, lanes).values(row).on_conflict_do_nothing())
    made: int = connection.execute(wanted).scalar_one()
    return made
