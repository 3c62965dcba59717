"""The worker's own tick, on a real ledger and Redis: it outlives whatever is away."""

import pytest

from tests.support import until
from worker.dispatch import engine as module
from worker.dispatch.engine import Engine
from worker.domain.errors import Failed
from worker.ledger.book import Ledger
from worker.settings import Home


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
