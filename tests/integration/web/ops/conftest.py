"""The door, on both databases, with hashes that cost nothing."""

import gc
import warnings
from collections.abc import Iterator

import pytest

from tests.fixtures.homes import Draft
from tests.integration.web.ops.scene import Clock, Door, a_door
from worker.ledger.book import Ledger
from worker.ledger.keys import Keys


@pytest.fixture
def door(quick: None, draft: Draft, ledger: Ledger, ledger_url: str, ledger_keys: Keys) -> Iterator[Door]:
    """The whole app, nobody made yet."""
    clock = Clock()
    with (
        Ledger.open(ledger_url, ledger_keys, "rehearsal", clock=clock) as timed,
        a_door(draft.load(), timed, clock) as opened,
    ):
        yield opened
    with warnings.catch_warnings():  # a reading that was cut off with its stream leaves its connection to the collector
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
