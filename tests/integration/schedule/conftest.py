"""The scene on both databases."""

from collections.abc import Iterator

import pytest

from tests.integration.intake.travel import Traveller, on_the_clock
from tests.integration.schedule.scene import OFFICES, Scene, yearly
from worker.ledger.keys import Keys


@pytest.fixture
def scene(ledger_url: str, ledger_keys: Keys) -> Iterator[Scene]:
    clock = Traveller()
    with on_the_clock(ledger_url, ledger_keys, clock) as ledger:
        yield Scene(ledger, ledger_keys, clock, yearly(), dict(OFFICES))
