"""Signings that share a transaction: who leads, who follows, and that an error is its caller's alone."""

import asyncio
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
import sqlalchemy as sa

from tests.integration.intake.scene import campaign, make_intake, person, rows, standing
from tests.support import until
from worker.domain.errors import BadInput, Failed
from worker.intake.together import MOST, Together
from worker.ledger import counts
from worker.ledger.book import Ledger
from worker.ledger.keys import Keys
from worker.ledger.schema import signatures, signers


class Run:
    """What `run` is asked to do; the first call waits until it may go on."""

    def __init__(self, answer: Callable[[int], Any] = lambda work: work * 10) -> None:
        self.batches: list[tuple[str, list[int]]] = []
        self.entered, self.free = threading.Event(), threading.Event()
        self._answer = answer

    def __call__(self, key: str, works: Sequence[int]) -> Sequence[Any]:
        self.batches.append((key, list(works)))
        self.entered.set()
        assert self.free.wait(30)
        return [self._answer(work) for work in works]


@contextmanager
def one_at_work(
    run: Run, others: Sequence[tuple[str, int]]
) -> Iterator[tuple[Together[str, int, Any], list[Future[Any]]]]:
    """A first caller who works, and the others waiting behind in this order."""
    together: Together[str, int, Any] = Together(run)
    with ThreadPoolExecutor(len(others) + 1) as pool:
        calls = [pool.submit(together.do, "a", 0)]
        assert run.entered.wait(30)
        for n, (key, work) in enumerate(others, 1):
            calls.append(pool.submit(together.do, key, work))
            until(lambda n=n: len(together._waiting) == n, "the caller to wait")
        run.free.set()
        yield together, calls


def test_nobody_waits_for_company() -> None:
    run = Run()
    run.free.set()
    together: Together[str, int, Any] = Together(run)
    assert [together.do("a", n) for n in range(3)] == [0, 10, 20]
    assert run.batches == [("a", [0]), ("a", [1]), ("a", [2])]


def test_who_comes_meanwhile_goes_together() -> None:
    run = Run()
    with one_at_work(run, [("a", n) for n in range(1, 6)]) as (together, calls):
        assert [call.result(30) for call in calls] == [0, 10, 20, 30, 40, 50]
    assert run.batches == [("a", [0]), ("a", [1, 2, 3, 4, 5])]
    assert together.do("a", 7) == 70


def test_only_what_is_alike_goes_together() -> None:
    run = Run()
    with one_at_work(run, [("a", 1), ("b", 2), ("a", 3), ("b", 4), ("c", 5)]) as (_, calls):
        assert [call.result(30) for call in calls] == [0, 10, 20, 30, 40, 50]
    assert run.batches == [("a", [0]), ("a", [1, 3]), ("b", [2, 4]), ("c", [5])]


def test_a_transaction_has_so_many_members_at_most() -> None:
    run = Run()
    with one_at_work(run, [("a", n) for n in range(1, 2 * MOST + 3)]) as (_, calls):
        assert [call.result(30) for call in calls] == [10 * n for n in range(2 * MOST + 3)]
    assert [len(works) for _, works in run.batches] == [1, MOST, MOST, 2]


def test_an_answer_that_is_an_error_is_its_callers_alone() -> None:
    run = Run(lambda work: BadInput(f"number {work}") if work == 2 else work)
    with one_at_work(run, [("a", 1), ("a", 2), ("a", 3)]) as (_, calls):
        with pytest.raises(BadInput, match="number 2"):
            calls[2].result(30)
        assert [calls[n].result(30) for n in (0, 1, 3)] == [0, 1, 3]
    assert len(run.batches) == 2


def test_a_group_that_fails_is_tried_one_by_one() -> None:
    def answer(work: int) -> int:
        if work == 2:
            raise ValueError("two")
        return work

    run = Run(answer)
    with one_at_work(run, [("a", 1), ("a", 2), ("a", 3)]) as (together, calls):
        with pytest.raises(ValueError, match="two"):
            calls[2].result(30)
        assert [calls[n].result(30) for n in (0, 1, 3)] == [0, 1, 3]
    assert run.batches[1:] == [("a", [1, 2, 3]), ("a", [1]), ("a", [2]), ("a", [3])]
    with pytest.raises(ValueError, match="two"):
        together.do("a", 2)
    assert together.do("a", 4) == 4


def test_whatever_goes_wrong_nobody_is_left_waiting() -> None:
    def answer(work: int) -> int:
        if work == 1:
            raise KeyboardInterrupt
        return work

    run = Run(answer)
    with one_at_work(run, [("a", 1), ("a", 2), ("b", 3)]) as (together, calls):
        with pytest.raises(KeyboardInterrupt):
            calls[1].result(30)
        assert [calls[n].result(30) for n in (0, 2, 3)] == [0, 2, 3]
    assert together.do("a", 2) == 2


def test_an_event_loop_stands_in_line_and_goes_on_meanwhile() -> None:
    run = Run()

    async def both() -> list[int]:
        together: Together[str, int, int] = Together(run)
        first = asyncio.create_task(together.soon("a", 0))
        await asyncio.to_thread(run.entered.wait, 30)
        others = [asyncio.create_task(together.soon("a", n)) for n in (1, 2)]
        await asyncio.to_thread(until, lambda: len(together._waiting) == 2, "both to wait for the first")
        run.free.set()
        return await asyncio.gather(first, *others)

    assert asyncio.run(both()) == [0, 10, 20]
    assert run.batches == [("a", [0]), ("a", [1, 2])]


def test_an_event_loop_too_waits_only_for_so_long() -> None:
    run = Run()

    async def tired() -> int:
        together: Together[str, int, int] = Together(run, patience_s=0.05)
        first = asyncio.create_task(together.soon("a", 0))
        await asyncio.to_thread(run.entered.wait, 30)
        with pytest.raises(Failed, match="busy"):
            await together.soon("a", 1)
        run.free.set()
        return await first  # its work had begun: it is answered, however long that took

    assert asyncio.run(tired()) == 0
    assert run.batches == [("a", [0])]


def test_a_thread_that_was_idle_ends_and_another_takes_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.intake.together.IDLE_S", 0.01)
    run = Run()
    run.free.set()
    together: Together[str, int, int] = Together(run)
    for n in range(3):
        assert together.do("a", n) == 10 * n
        until(lambda: not together._manned, "the thread to end")


# -- on a ledger -------------------------------------------------------------------------------------------------------
def test_a_thousand_signings_are_recorded_once_in_fewer_transactions(
    ledger: Ledger, ledger_keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    intake = make_intake(ledger, ledger_keys, campaign(), campaign("park"))
    write, transactions = ledger.write, Counter[str]()

    def counted() -> Any:
        transactions["write"] += 1
        return write()

    monkeypatch.setattr(ledger, "write", counted)

    def fifty(thread: int) -> list[int]:
        slug = ("library", "park")[thread % 2]
        return [intake.sign(slug, person(50 * thread + n), source=f"form {n % 3}").signature for n in range(50)]

    with ThreadPoolExecutor(20) as pool:
        told = [number for numbers in pool.map(fifty, range(20)) for number in numbers]
    assert len(set(told)) == len(told) == 1_000
    assert standing(ledger) == {"unconfirmed": 1_000}
    assert len(rows(ledger, sa.select(signers.c.id))) == 1_000
    assert {row["source"] for row in rows(ledger, sa.select(signatures.c.source))} == {"form 0", "form 1", "form 2"}
    assert transactions["write"] < 1_000
    with ledger.read() as connection:
        assert counts.verify(connection) == []


def test_each_of_a_group_gets_the_answer_to_their_own(
    ledger: Ledger, ledger_keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    intake = make_intake(ledger, ledger_keys)
    intake.submit("library", person(1), evidence="e", request_key="taken")
    gate, entered, write = threading.Event(), threading.Event(), ledger.write

    @contextmanager
    def slow() -> Iterator[sa.Connection]:
        entered.set()
        assert gate.wait(30)
        with write() as connection:
            yield connection

    monkeypatch.setattr(ledger, "write", slow)
    with ThreadPoolExecutor(6) as pool:
        calls = [pool.submit(intake.sign, "library", person(9))]
        assert entered.wait(30)
        keys = {2: "two", 3: "taken", 4: "four", 1: None}
        calls += [
            pool.submit(intake.submit, "library", person(n), evidence="e", request_key=k) for n, k in keys.items()
        ]
        until(lambda: len(intake._together._waiting) == 4, "all to wait for the first")
        gate.set()
        first, two, clash, four, again = calls
        assert first.result(30).state == "unconfirmed"
        assert (two.result(30).letters, four.result(30).letters) == (3, 3)
        assert (again.result(30).signature, again.result(30).repeated) == (1, True)
        with pytest.raises(BadInput, match="used for another person"):
            clash.result(30)
    assert standing(ledger) == {"confirmed": 3, "unconfirmed": 1}


def test_one_who_cannot_be_recorded_does_not_stop_the_others(
    ledger: Ledger, ledger_keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    intake = make_intake(ledger, ledger_keys)
    take = intake.desk.take
    gate, entered = threading.Event(), threading.Event()

    def spoilt(floor: Any, people: Any, origin: Any) -> Any:
        entered.set()
        assert gate.wait(30)
        made = take(floor, people, origin)
        if any(each.person.name == "Spoilt" for each in people):
            raise BadInput("the ledger refused it")
        return made

    monkeypatch.setattr(intake.desk, "take", spoilt)
    with ThreadPoolExecutor(5) as pool:
        first = pool.submit(intake.sign, "library", person(0))
        assert entered.wait(30)
        names = ["Sample Signer", "Spoilt", "Sample Signer", "Sample Signer"]
        calls = [pool.submit(intake.sign, "library", person(n, name=name)) for n, name in enumerate(names, 1)]
        until(lambda: len(intake._together._waiting) == 4, "all to wait for the first")
        gate.set()
        with pytest.raises(BadInput, match="the ledger refused it"):
            calls[1].result(30)
        assert {calls[n].result(30).state for n in (0, 2, 3)} == {first.result(30).state} == {"unconfirmed"}
    assert standing(ledger) == {"unconfirmed": 4}  # what the failed transactions wrote was undone
    assert len(rows(ledger, sa.select(signers.c.id))) == 4


def test_who_has_waited_long_enough_is_told_and_leaves_nobody_stuck() -> None:
    gate, entered = threading.Event(), threading.Event()

    def run(_: str, works: Sequence[int]) -> Sequence[int]:
        entered.set()
        assert gate.wait(30)
        return works

    together: Together[str, int, int] = Together(run, patience_s=0.05)
    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(together.do, "key", 1)
        assert entered.wait(30)
        with pytest.raises(Failed, match="busy"):
            pool.submit(together.do, "key", 2).result(30)
        gate.set()
        assert first.result(30) == 1
        assert pool.submit(together.do, "key", 3).result(30) == 3


def test_a_ledger_that_is_away_is_asked_once_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    gate, entered = threading.Event(), threading.Event()

    def run(_: str, works: Sequence[int]) -> Sequence[int]:
        calls.append(len(works))
        entered.set()
        assert gate.wait(30)
        raise Failed("the ledger is away")

    together: Together[str, int, int] = Together(run)
    with ThreadPoolExecutor(4) as pool:
        jobs = [pool.submit(together.do, "key", 0)]
        assert entered.wait(30)
        jobs += [pool.submit(together.do, "key", n) for n in range(1, 4)]
        until(lambda: len(together._waiting) == 3, "all to wait for the first")
        gate.set()
        for job in jobs:
            with pytest.raises(Failed, match="away"):
                job.result(30)
    assert calls == [1, 3]
