"""Signings that arrive while a transaction runs share the next one.

A commit costs the same for one signature as for twenty, and a form in a busy hour is sent by many at once. One thread
does the work, for as long as there is some: whoever comes while it is idle is served at once, alone or not, and nobody
waits for company. What came meanwhile and is alike goes together. If a shared transaction fails, its members are tried
one by one, so that each gets an answer of its own. Where the ledger is away or busy, all of them are told, and whoever
has waited for ten seconds waits no longer.

One thread and not one for each caller: a thread that is woken costs the interpreter a change of hands, and a hundred
signers a second would be a hundred of them for the event loop to wait for.
"""

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from worker.domain.errors import Failed

K = TypeVar("K")
W = TypeVar("W")
R = TypeVar("R")

PATIENCE_S = 10.0
IDLE_S = 2.0
"""The thread waits so long for more before it ends."""

MOST = 50
"""Members of one transaction: some milliseconds of SQLite's one writer."""


@dataclass(slots=True, eq=False)
class _Job(Generic[K, W, R]):
    key: K
    work: W
    answer: Future[R] = field(default_factory=Future)

    def settle(self, answer: R | BaseException) -> None:
        if isinstance(answer, BaseException):
            self.answer.set_exception(answer)
        else:
            self.answer.set_result(answer)


class Together(Generic[K, W, R]):
    """`run(key, works)` does the work of several callers at once; an answer that is an exception is its caller's alone.

    Safe to share between threads.
    """

    def __init__(
        self, run: Callable[[K, Sequence[W]], Sequence[R | BaseException]], patience_s: float = PATIENCE_S
    ) -> None:
        """`patience_s`: how long a caller waits for its turn before it is told that the ledger is busy."""
        self._run = run
        self._patience_s = patience_s
        self._changed = threading.Condition()
        self._waiting: deque[_Job[K, W, R]] = deque()
        self._manned = False

    def do(self, key: K, work: W) -> R:
        """The answer to `work`, done together with what else of the same `key` waits. Raises what `run` raises for it."""
        answer = self._enqueue(key, work)
        with contextlib.suppress(TimeoutError):
            return answer.result(self._patience_s)
        _leave(answer)
        return answer.result()

    async def soon(self, key: K, work: W) -> R:
        """`do` for an event loop, which it holds up no longer than it takes to stand in line."""
        answer = self._enqueue(key, work)
        told = asyncio.wrap_future(answer)
        done, _ = await asyncio.wait({told}, timeout=self._patience_s)
        if not done:
            _leave(answer)
        return await told

    def _enqueue(self, key: K, work: W) -> Future[R]:
        job: _Job[K, W, R] = _Job(key, work)
        with self._changed:
            self._waiting.append(job)
            if self._manned:
                self._changed.notify()
                return job.answer
            self._manned = True
        try:
            threading.Thread(target=self._work, name="together", daemon=True).start()
        except RuntimeError as exc:  # no more threads
            with self._changed:
                self._manned = False
                self._waiting.remove(job)
            raise Failed("this machine is busy: make the same call again") from exc
        return job.answer

    def _work(self) -> None:
        while batch := self._next():
            self._settle(batch[0].key, batch)

    def _next(self) -> list[_Job[K, W, R]]:
        """Those who go together next, in the order in which they came; none once nobody has come for a while."""
        with self._changed:
            while True:
                if not self._changed.wait_for(lambda: bool(self._waiting), IDLE_S):
                    self._manned = False
                    return []
                key = self._waiting[0].key
                alike = [job for job in self._waiting if job.key == key][:MOST]
                gone = set(map(id, alike))
                self._waiting = deque(job for job in self._waiting if id(job) not in gone)
                if batch := [job for job in alike if job.answer.set_running_or_notify_cancel()]:
                    return batch

    def _settle(self, key: K, batch: Sequence[_Job[K, W, R]]) -> None:
        try:
            answers: Sequence[R | BaseException] = self._run(key, [job.work for job in batch])
        except BaseException as exc:  # noqa: BLE001 - whatever it was, each caller must be answered, and raises it
            if len(batch) > 1 and not isinstance(exc, Failed):  # a ledger that is away is so for each of them
                for job in batch:
                    self._settle(key, [job])
                return
            answers = [exc] * len(batch)
        for job, answer in zip(batch, answers, strict=True):
            job.settle(answer)


def _leave(answer: "Future[R]") -> None:
    """Wait no longer, unless the work is being done already. Raises Failed."""
    if answer.cancel():
        raise Failed("the ledger is busy: make the same call again")
