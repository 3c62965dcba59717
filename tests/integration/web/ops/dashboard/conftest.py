"""The operators' pages over a night's backlog, asked by programs' keys: one that may look, one that may act.

The night is made once for each database, and every test gets a copy of its own, with the same keys.
"""

import asyncio
import shutil

import pytest
import sqlalchemy as sa

from tests.fixtures import backlog
from tests.fixtures.homes import Draft
from tests.fixtures.passwords import cheap_hashes
from tests.integration.web.site import home_for, open_site
from tests.support import until
from worker.ledger import api_keys
from worker.ledger.book import Ledger
from worker.ledger.keys import Keys, make_key_files
from worker.ledger.migrate import migrate
from worker.ledger.schema import processes
from worker.operations import users
from worker.wiring.home import open_intake

PEOPLE = 10
KEYS = ("data", "lookup", "seal")


class Night:
    """`look` and `act` hold the headers of a viewer's and an operator's key."""

    def __init__(self, site):
        self.site, self.ledger = site, site.shop.ledger
        with self.ledger.write() as connection:
            at_us = self.ledger.now_us()
            keys = {name: api_keys.make(connection, name, [f"ops:{name}"], "", at_us) for name in ("read", "act")}
            connection.execute(sa.update(processes).values(seen_at=at_us))  # the night was made a while ago
        self.look, self.act = ({"Authorization": f"Bearer {keys[name]}"} for name in ("read", "act"))

    def get(self, path, status=200, headers=None):
        answer = self.site.get(path, headers={"Accept": "text/html", **(headers or self.act)})
        assert answer.status_code == status, answer.text[:2_000]
        return answer.text

    def post(self, path, data, status=303, headers=None):
        answer = self.site.post(path, data, headers={"Accept": "text/html", **(headers or self.act)})
        assert answer.status_code == status, answer.text[:2_000]
        return answer

    def finished(self, path):
        """Let the act behind this page come to its end."""

        def over():
            self.site.runner.run(asyncio.sleep(0.01))
            return "Done" in self.get(path)

        until(over, "the act to be done")

    def rows(self, query):
        with self.ledger.read() as connection:
            return [tuple(row) for row in connection.execute(sa.text(query))]

    def states(self, office):
        query = f"SELECT state, count(*) FROM letters WHERE addressee = '{office}' GROUP BY state"
        return dict(self.rows(query))


@pytest.fixture(scope="session")
def night_keys(tmp_path_factory):
    """The directory of the keys of all these nights."""
    place = tmp_path_factory.mktemp("night-keys")
    make_key_files([place / f"{name}.key" for name in KEYS])
    return place


@pytest.fixture
def ledger_keys(night_keys, tmp_path):
    place = tmp_path / "keys"
    shutil.copytree(night_keys, place)
    return Keys.load(*(place / f"{name}.key" for name in KEYS))


def make_night(url, night_keys, place):
    """Migrate the ledger at `url`, and fill it."""
    keys = Keys.load(*(night_keys / f"{name}.key" for name in KEYS))
    migrate(url, "rehearsal", keys)
    home = home_for(Draft(place / "home"))
    with cheap_hashes(), Ledger.open(url, keys, "rehearsal") as ledger:
        users.add(ledger, "ada", "admin", "a password for a test 1", users.By("console", "for a test"))
        backlog.fill(ledger, home, open_intake(home, ledger, lambda: None), PEOPLE)


@pytest.fixture(scope="session")
def migrated_file(night_keys, tmp_path_factory):
    """What the ledgers of these tests are copied from: not only migrated, but filled."""
    place = tmp_path_factory.mktemp("night")
    make_night(f"sqlite:///{place}/ledger.db", night_keys, place)
    assert not (place / "ledger.db-wal").exists(), "all of it is in the one file that is copied"
    return place / "ledger.db"


@pytest.fixture(scope="session")
def migrated_database(postgres, night_keys, tmp_path_factory):
    name = postgres.new_database()
    make_night(postgres.url(name), night_keys, tmp_path_factory.mktemp("night"))
    return name


@pytest.fixture
def night(quick, draft, ledger, redis_server):
    with open_site(home_for(draft), ledger, redis_server) as site:
        yield Night(site)
