"""A transaction that lost a race is run again, on a real PostgreSQL."""

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError

from worker.domain.errors import Failed
from worker.ledger.book import Ledger
from worker.ledger.schema import campaigns
from worker.ledger.transact import transact

# SQLite has one writer at a time: nobody inserts meanwhile, and no two wait for each other.
beside_others = pytest.mark.parametrize("ledger_url", ["postgresql"], indirect=True)


def _slugs(ledger: Ledger) -> list[str]:
    with ledger.read() as connection:
        return list(connection.execute(sa.select(campaigns.c.slug)).scalars())


@beside_others
def test_what_another_inserted_meanwhile_is_seen_at_the_next_try(ledger: Ledger) -> None:
    tries: list[bool] = []

    def work(connection: Connection) -> str:
        there = connection.execute(sa.select(campaigns.c.id)).first() is not None
        tries.append(there)
        if there:
            return "found"
        with ledger.write() as other:
            other.execute(campaigns.insert().values(slug="library"))
        connection.execute(campaigns.insert().values(slug="library"))
        return "made"

    assert transact(ledger, work) == "found"
    assert tries == [False, True]


@beside_others
@pytest.mark.parametrize("sqlstate", ["40P01", "40001"])
def test_a_deadlock_is_tried_again_and_told_if_it_stays(ledger: Ledger, sqlstate: str) -> None:
    tries: list[int] = []

    def work(connection: Connection) -> None:
        tries.append(1)
        connection.execute(campaigns.insert().values(slug="library"))
        connection.execute(sa.text(f"DO $$ BEGIN RAISE EXCEPTION 'as if' USING ERRCODE = '{sqlstate}'; END $$"))

    with pytest.raises(Failed, match="try again"):
        transact(ledger, work)
    assert len(tries) == 8
    assert _slugs(ledger) == []


def test_a_fault_of_the_statement_is_not_tried_again(ledger: Ledger) -> None:
    tries: list[int] = []

    def work(connection: Connection) -> None:
        tries.append(1)
        connection.execute(sa.text("INSERT INTO campaigns (slug) VALUES (NULL)"))

    with pytest.raises(IntegrityError):
        transact(ledger, work)
    assert len(tries) == 1
