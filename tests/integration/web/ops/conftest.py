"""The door, on both databases, with hashes that cost nothing."""

from collections.abc import Iterator

import pytest
from argon2 import PasswordHasher

from tests.fixtures.homes import Draft
from tests.integration.web.ops.scene import Clock, Door, a_door
from worker.ledger.book import Ledger
from worker.ledger.keys import Keys
from worker.operations import passwords


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Argon2 with the least that it takes."""
    cheap = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    monkeypatch.setattr(passwords, "hasher", lambda: cheap)
    passwords.nobodys.cache_clear()
    yield
    passwords.nobodys.cache_clear()


@pytest.fixture
def door(quick: None, draft: Draft, ledger: Ledger, ledger_url: str, ledger_keys: Keys) -> Iterator[Door]:
    """The whole app, nobody made yet."""
    clock = Clock()
    with (
        Ledger.open(ledger_url, ledger_keys, "rehearsal", clock=clock) as timed,
        a_door(draft.load(), timed, clock) as opened,
    ):
        yield opened
