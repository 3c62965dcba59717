"""The worker's own tick, on a real ledger and Redis: it outlives whatever is away."""

from collections.abc import Iterator

import pytest

from tests.fixtures.homes import Draft
from tests.support import until
from worker.dispatch import engine as module
from worker.dispatch.engine import Engine
from worker.domain.errors import Failed
from worker.ledger.book import Ledger
from worker.ledger.keys import make_key_files
from worker.ledger.migrate import migrate
from worker.settings import Home
from worker.wiring import open_keys, open_ledger, private_server, sink_port_file


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


@pytest.mark.parametrize("trouble", [Failed("the ledger's clock cannot be read"), RuntimeError("a fault of ours")])
def test_the_tick_outlives_trouble(
    home: Home, ledger: Ledger, monkeypatch: pytest.MonkeyPatch, trouble: Exception
) -> None:
    usual = ledger.now_us
    monkeypatch.setattr(module, "RENEW_S", 0.01)
    calls: list[str] = []

    def now_us() -> int:
        calls.append("asked")
        if 1 <= len(calls) <= 3:
            raise trouble
        return usual()

    monkeypatch.setattr(ledger, "now_us", now_us)
    engine = Engine(home, ledger, ("office", "signers"), lambda _: None)
    engine.start()
    try:
        until(lambda: len(calls) > 8, "the tick goes on after the trouble")
    finally:
        engine.close()


def test_a_restored_ledger_stops_a_worker_at_its_start(home: Home, ledger: Ledger) -> None:
    from worker.domain.errors import RefusedByState
    from worker.ledger import witness

    witness.note(home.var / "witness.json", ledger.ledger_id, 7)
    engine = Engine(home, ledger, ("office",), lambda _: None)
    with pytest.raises(RefusedByState, match="accept-restore"):
        engine.start()
    engine.close()
