"""Opening a ledger, and its transactions."""

import sqlalchemy as sa

from worker.ledger.book import Ledger
from worker.ledger.schema import campaigns


def test_what_is_written_can_be_read(ledger: Ledger) -> None:
    with ledger.write() as connection:
        connection.execute(campaigns.insert().values(slug="library"))
    with ledger.read() as connection:
        assert connection.execute(sa.select(campaigns.c.slug)).scalar_one() == "library"
