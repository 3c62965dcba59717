"""The operators' pages over a night's backlog, asked by programs' keys: one that may look, one that may act."""

import pytest
import sqlalchemy as sa

from tests.fixtures import backlog
from tests.integration.web.site import home_for, open_site
from worker.ledger import api_keys
from worker.operations import users

PEOPLE = 10


class Night:
    """`look` and `act` hold the headers of a viewer's and an operator's key."""

    def __init__(self, site):
        self.site, self.ledger = site, site.shop.ledger
        with self.ledger.write() as connection:
            at_us = self.ledger.now_us()
            keys = {name: api_keys.make(connection, name, [f"ops:{name}"], "", at_us) for name in ("read", "act")}
        self.look, self.act = ({"Authorization": f"Bearer {keys[name]}"} for name in ("read", "act"))

    def get(self, path, status=200, headers=None):
        answer = self.site.get(path, headers={"Accept": "text/html", **(headers or self.act)})
        assert answer.status_code == status, answer.text[:2_000]
        return answer.text

    def post(self, path, data, status=303, headers=None):
        answer = self.site.post(path, data, headers={"Accept": "text/html", **(headers or self.act)})
        assert answer.status_code == status, answer.text[:2_000]
        return answer

    def rows(self, query):
        with self.ledger.read() as connection:
            return [tuple(row) for row in connection.execute(sa.text(query))]

    def states(self, office):
        query = f"SELECT state, count(*) FROM letters WHERE addressee = '{office}' GROUP BY state"
        return dict(self.rows(query))


@pytest.fixture
def night(quick, draft, ledger, redis_server):
    home = home_for(draft)
    with open_site(home, ledger, redis_server) as site:
        users.add(ledger, "ada", "admin", "a password for a test 1", users.By("console", "for a test"))
        backlog.fill(ledger, home, site.shop.intake, PEOPLE)
        yield Night(site)
