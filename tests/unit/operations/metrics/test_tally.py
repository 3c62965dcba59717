"""What one process counts before it is in the ledger. The ledger here is one that notes what it is given."""

import threading

import pytest

from worker.domain.errors import Failed
from worker.domain.tallying import ATTEMPTS, LAST_STAGE, LEASES_EXPIRED, REPLIES, STAGE
from worker.ledger import tallies
from worker.operations.metrics import tally
from worker.operations.metrics.families import BOUNDS_S, FAMILIES, TALLIED
from worker.operations.metrics.tally import Counters


@pytest.fixture
def written(monkeypatch):
    """Every flush, as (more, latest); `None` in front of it makes that flush fail."""
    flushes: list = []

    def write(_connection, more, latest):
        if flushes and flushes[-1] is None:
            flushes.pop()
            raise Failed("the ledger is away")
        flushes.append((dict(more), dict(latest)))

    monkeypatch.setattr(tallies, "add", write)
    monkeypatch.setattr(tally, "transact", lambda _ledger, work: work(None))
    return flushes


def test_increments_add_up_and_are_flushed_once(written):
    counters = Counters(None)
    counters.add(ATTEMPTS, ("mayor", "main", "accept"))
    counters.add(ATTEMPTS, ("mayor", "main", "accept"), 2)
    counters.add(LEASES_EXPIRED)
    counters.add(LEASES_EXPIRED, (), 0)
    counters.flush()
    counters.flush()
    assert written == [
        (
            {
                (ATTEMPTS, '{"office":"mayor","relay":"main","result":"accept"}'): 3,
                (LEASES_EXPIRED, "{}"): 1,
            },
            {},
        )
    ]


def test_nothing_counted_asks_nobody(written):
    counters = Counters(None)
    counters.took(STAGE, ("queue", "office"), [])
    counters.add(LEASES_EXPIRED, (), 0)
    counters.flush()
    assert written == []


def test_a_duration_falls_into_the_bucket_that_holds_it(written):
    counters = Counters(None)
    edge = round(BOUNDS_S[1] * 1_000_000)
    counters.took(STAGE, ("transmit", "office"), [edge, edge + 1, 10**12, -5])
    counters.flush()
    ((more, _),) = written
    assert more == {
        (STAGE, '{"lane":"office","le":"0.025","stage":"transmit"}'): 1,
        (STAGE, '{"lane":"office","le":"0.1","stage":"transmit"}'): 1,
        (STAGE, '{"lane":"office","le":"+Inf","stage":"transmit"}'): 1,
        (STAGE, '{"lane":"office","le":"0.005","stage":"transmit"}'): 1,
        (f"{STAGE}_sum", '{"lane":"office","stage":"transmit"}'): edge + edge + 1 + 10**12,
    }


def test_a_flush_that_fails_keeps_its_increments(written):
    counters = Counters(None)
    counters.add(REPLIES, ("250", "2.0.0"), 4)
    counters.latest(LAST_STAGE, 90, ("office",))
    written.append(None)
    with pytest.raises(Failed):
        counters.flush()
    counters.add(REPLIES, ("250", "2.0.0"), 3)
    counters.latest(LAST_STAGE, 80, ("office",))
    counters.flush()
    assert written == [
        ({(REPLIES, '{"code":"250","enhanced":"2.0.0"}'): 7}, {(LAST_STAGE, '{"lane":"office"}'): 90}),
    ]


def test_threads_that_count_while_it_flushes_lose_nothing(written):
    counters, done = Counters(None), threading.Event()

    def count():
        for _ in range(5000):
            counters.add(LEASES_EXPIRED)
            counters.took(STAGE, ("queue", "office"), [1])

    def flush():
        while not done.is_set():
            counters.flush()

    flusher = threading.Thread(target=flush)
    flusher.start()
    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    done.set()
    flusher.join()
    counters.flush()
    total: dict = {}
    for more, _ in written:
        for key, n in more.items():
            total[key] = total.get(key, 0) + n
    assert total[LEASES_EXPIRED, "{}"] == 20_000
    assert total[f"{STAGE}_sum", '{"lane":"office","stage":"queue"}'] == 20_000


def test_what_is_counted_is_a_metric_that_is_told():
    from worker.domain import tallying

    counted = {value for value in vars(tallying).values() if isinstance(value, str) and value.startswith("lettershop_")}
    assert counted == set(TALLIED) <= set(FAMILIES)


def test_names_follow_the_customs():
    for name, family in FAMILIES.items():
        assert name == family.name
        assert (family.kind == "counter") == name.endswith("_total"), name
        assert not name.endswith(("_ms", "_us", "_minutes")), name
