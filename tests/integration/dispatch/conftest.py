"""A home and its ledger for engines: a private server runs, nobody listens where the sink should be."""

from collections.abc import Iterator

import pytest

from tests.fixtures.homes import Draft
from worker.ledger.book import Ledger
from worker.ledger.keys import make_key_files
from worker.ledger.migrate import migrate
from worker.settings import Home
from worker.wiring.home import open_keys, open_ledger
from worker.wiring.relays import sink_port_file
from worker.wiring.servers import private_server


@pytest.fixture
def home(draft: Draft) -> Iterator[Home]:
    """A home whose private server runs. Nobody listens where its sink should be, and no letter is due."""
    home = draft.load()
    files = home.settings.keys
    make_key_files([files.data, files.lookup, files.seal])
    migrate(home.settings.ledger.url, home.settings.mode, open_keys(home))
    sink_port_file(home).write_text("1")
    with private_server(home):
        yield home


@pytest.fixture
def ledger(home: Home) -> Iterator[Ledger]:
    with open_ledger(home) as opened:
        yield opened
