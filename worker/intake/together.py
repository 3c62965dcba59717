"""Signings that arrive while a transaction runs share the next one.

A commit costs the same for one signature as for twenty, and a form in a busy hour is sent by many at once. Whoever comes
while nobody is at the desk goes there at once, alone or not: nobody waits for company. Whoever comes meanwhile waits, and
the first of them takes all that are alike along. If a shared transaction fails, its members are tried one by one, so that
each gets an answer of its own. Where the ledger is away or busy, all of them are told, and whoever has waited for ten
seconds waits no longer.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from worker.domain.errors import Failed

K = TypeVar("K")
W = TypeVar("W")
R = TypeVar("R")

PATIENCE_S = 10.0
MOST = 50
"""Members of one transaction: some milliseconds of SQLite's one writer."""


@dataclass(slots=True, eq=False)
class _Job(Generic[K, W, R]):
    key: K
    work: W
    turn: threading.Event = field(default_factory=threading.Event)  # settled, or its thread is to lead now
    answer: R | BaseException | None = None

    def result(self) -> R:
        if isinstance(self.answer, BaseException):
            raise self.answer
        assert self.answer is not None, "settled"
        return self.answer


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
        self._lock = threading.Lock()
        self._waiting: list[_Job[K, W, R]] = []
        self._led = False

    def do(self, key: K, work: W) -> R:
        """The answer to `work`, done together with what else of the same `key` waits. Raises what `run` raises for it."""
        job: _Job[K, W, R] = _Job(key, work)
        with self._lock:
            self._waiting.append(job)
            lead, self._led = not self._led, True
        if not lead and not job.turn.wait(self._patience_s) and self._gave_up(job):
            raise Failed("the ledger is busy: make the same call again")
        if job.answer is None:
            self._lead(job)
        return job.result()

    def _gave_up(self, job: _Job[K, W, R]) -> bool:
        """Whether it is not to be waited for any longer; what is recorded without its asker knowing may be asked again."""
        with self._lock:
            if job.turn.is_set():
                return False
            self._waiting = [each for each in self._waiting if each is not job]
            return True

    def _lead(self, job: _Job[K, W, R]) -> None:
        with self._lock:
            alike = [each for each in self._waiting if each.key == job.key and each is not job]
            batch = [job, *alike[: MOST - 1]]
            self._waiting = [each for each in self._waiting if each not in batch]
        try:
            self._settle(job.key, batch)
        finally:
            with self._lock:
                self._led = bool(self._waiting)
                if self._waiting:
                    self._waiting[
                        0
                    ].turn.set()  # under the lock: it must not give up between being chosen and being told
            for each in batch:
                each.answer = Failed("interrupted: make the same call again") if each.answer is None else each.answer
                each.turn.set()

    def _settle(self, key: K, batch: Sequence[_Job[K, W, R]]) -> None:
        try:
            answers: Sequence[R | BaseException] = self._run(key, [job.work for job in batch])
        except Exception as exc:  # noqa: BLE001 - whatever it was, each caller must be answered, and raises it
            if len(batch) > 1 and not isinstance(exc, Failed):  # a ledger that is away is so for each of them
                for job in batch:
                    self._settle(key, [job])
                return
            answers = [exc] * len(batch)
        for job, answer in zip(batch, answers, strict=True):
            job.answer = answer
