"""One thread that commits for all connections of a process.

It never waits for company: it takes what gathered while the last commit ran, or while another process had its turn to
write, and commits that together. A member whose
row does not match is answered False and hurts nobody; if the transaction fails, the members are tried one by one on a new
connection. Each is repeatable, because a commit can be durable though its acknowledgement was lost. Where one alone fails
again, its asker gets `LedgerAway` and decides.

While a group runs, askers wait on futures of their event loop; one wake-up of the loop answers a whole group.
"""

import asyncio
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from worker.domain.errors import Failed
from worker.ledger.hot.database import Database
from worker.ledger.hot.values import Call, Operation

MOST_IN_A_GROUP = 500


class LedgerAway(Failed):
    """The ledger could not be written. Nothing is sent while that is so."""


@dataclass(slots=True)
class _Asked:
    operations: tuple[Operation, ...]
    loop: asyncio.AbstractEventLoop
    future: "asyncio.Future[list[Any]]"
    answer: list[Any] | None = None
    trouble: Exception | None = None


class Committer:
    """Commits operations in groups. `connect` opens a `Database`; it is called in the committer's own thread."""

    def __init__(self, connect: Callable[[], Database]) -> None:
        self._connect = connect
        self._database: Database | None = None
        self._queue: queue.SimpleQueue[_Asked | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="committer", daemon=True)
        self._thread.start()

    async def commit(self, *operations: Operation) -> list[Any]:
        """Run the operations in one transaction, durable when this returns. Raises `LedgerAway`."""
        loop = asyncio.get_running_loop()
        asked = _Asked(operations, loop, loop.create_future())
        self._queue.put(asked)
        return await asyncio.shield(asked.future)

    async def call(self, run: Callable[[Database], Any]) -> Any:
        """Run one function inside a transaction and give what it returns. Raises `LedgerAway`."""
        return (await self.commit(Call(run)))[0]

    def close(self) -> None:
        """Commit what is waiting, then end the thread and the connection."""
        self._queue.put(None)
        self._thread.join()

    # -- the thread ----------------------------------------------------------------------------------------------
    def _run(self) -> None:
        while (first := self._queue.get()) is not None:
            group = [first]
            self._settle(group)
            self._answer(group)
        self._disconnect()

    def _settle(self, group: list[_Asked]) -> None:
        try:
            answers = self._apply(group, self._gather)
        except Exception:  # noqa: BLE001  (whatever failed, each asker must be answered)
            for asked in group:
                self._settle_alone(asked)
            return
        for asked, answer in zip(group, answers, strict=True):
            asked.answer = answer

    def _settle_alone(self, asked: _Asked) -> None:
        try:
            (asked.answer,) = self._apply([asked])
        except Exception as exc:  # noqa: BLE001  (the asker decides what it means)
            asked.trouble = exc

    def _gather(self, group: list[_Asked]) -> None:
        """Let those join who came meanwhile. The word to close stays in the queue until they are settled."""
        while len(group) < MOST_IN_A_GROUP:
            try:
                more = self._queue.get_nowait()
            except queue.Empty:
                return
            if more is None:
                self._queue.put(None)
                return
            group.append(more)

    def _apply(self, group: list[_Asked], gather: Callable[[list[_Asked]], None] | None = None) -> list[list[Any]]:
        def take() -> list[tuple[Operation, ...]]:
            if gather is not None:
                gather(group)
            return [asked.operations for asked in group]

        try:
            if self._database is None:
                self._database = self._connect()
            return self._database.transaction(take)
        except Exception as exc:
            known = self._database.errors if self._database else (Failed,)
            if self._database is None or isinstance(exc, known):
                self._disconnect()
                raise LedgerAway(f"the ledger cannot be written: {type(exc).__name__}: {_first_line(exc)}") from exc
            raise

    def _disconnect(self) -> None:
        database, self._database = self._database, None
        if database is not None:
            try:
                database.close()
            except database.errors:
                return

    @staticmethod
    def _answer(group: list[_Asked]) -> None:
        loops = {asked.loop for asked in group}
        for loop in loops:
            mine = [asked for asked in group if asked.loop is loop]
            if not loop.is_closed():
                loop.call_soon_threadsafe(_resolve, mine)


def _resolve(group: list[_Asked]) -> None:
    for asked in group:
        if asked.future.done():
            continue
        if asked.trouble is not None:
            asked.future.set_exception(asked.trouble)
        else:
            asked.future.set_result(asked.answer or [])


def _first_line(exc: Exception) -> str:
    """The driver's own first line: it names the trouble, and never carries a row's values."""
    return str(exc).partition("\n")[0][:200]
