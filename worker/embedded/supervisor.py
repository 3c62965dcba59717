"""The supervisor of a stack on one machine: parts are started in order, kept alive, and end with it.

    with Supervisor(home / "var", say) as stack:
        stack.obey_signals()
        stack.start(Part("server", [...], ready=...))   # returns when it is ready
        stack.start(Part("worker", [...], tier=1, stop_within=660))
        stack.wait()                                    # until SIGINT, SIGTERM or SIGHUP

Promises
- One supervisor per home (`lock.py`): a second one is refused with its number.
- A part that dies is started again, loudly, with growing pauses (`part.py`).
- However the supervisor ends, its parts end: leaving the `with` block stops them in reverse order; after kill -9 the
  kernel closes the lifeline and each keeper kills its part (`keeper.py`).
- Leaving takes as long as the parts need, up to each one's `stop_within`; a Ctrl-C meanwhile ends everything at once.

It knows nothing of letters: what the parts are is the composition's matter. Their output goes to `var/log/<name>.log`.
The parts live in sessions of their own, so a terminal's Ctrl-C reaches the supervisor alone.

Known limit: the writing end of the lifeline must not be inherited by other processes that the supervisor's program
starts; Python's defaults see to that.
"""

import contextlib
import os
import queue
import signal
import time
from pathlib import Path
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Self

from worker.domain.errors import Failed
from worker.embedded.lock import REMAINS_S, HomeLock
from worker.embedded.part import Kept, Part, Say

if TYPE_CHECKING:
    from collections.abc import Callable

STOPPED_BY = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_LOOK_AGAIN_S = 0.05


def say_plainly(part: str, line: str) -> None:
    """Print one prefixed line to standard output."""
    print(f"{part:>8} | {line}", flush=True)  # noqa: T201 - a supervisor's voice


class StopAsked(Failed):
    """A signal to stop came while the stack was still being started."""


class Supervisor:
    """Keeps parts under `var`. A context manager; its methods belong to one thread."""

    def __init__(self, var: Path, say: Say = say_plainly, remains_s: float = REMAINS_S) -> None:
        """`remains_s`: how long to wait for the parts of a killed supervisor to be gone."""
        self._var = var
        self._say = say
        self._remains_s = remains_s
        self._kept: list[Kept] = []
        self._asked: queue.SimpleQueue[int] = queue.SimpleQueue()  # its put may be called from a signal handler
        self._signals = 0
        self._interrupts = 0
        self._restore: list[Callable[[], object]] = []

    def __enter__(self) -> Self:
        """Raises RefusedByState if the home's stack is up already, Failed if remains of one do not go."""
        self._lock = HomeLock.take(self._var, self._remains_s)
        self._lifeline, self._hold = os.pipe()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.stop()
        finally:
            self._let_go()
            os.close(self._lifeline)
            self._lock.release()
            while self._restore:
                self._restore.pop()()

    @property
    def parts(self) -> tuple[Kept, ...]:
        """The parts in the order in which they were started."""
        return tuple(self._kept)

    @property
    def stopping(self) -> bool:
        """Whether a signal or `ask_to_stop` asked for the end."""
        return self._signals > 0

    def obey_signals(self) -> None:
        """From here on SIGINT, SIGTERM and SIGHUP ask to stop. For the main thread only; undone on leaving."""
        for number in STOPPED_BY:
            before = signal.signal(number, self._heard)
            self._restore.append(lambda number=number, before=before: signal.signal(number, before))  # type: ignore[misc]

    def ask_to_stop(self) -> None:
        """Make `wait` return. May be called from any thread or signal handler."""
        self._signals += 1
        self._asked.put(0)

    def start(self, part: Part) -> Kept:
        """Start `part` and wait until it is ready.

        Raises Failed, with the last lines of its log, if it ends or is not ready in time; StopAsked if a signal came.
        """
        if any(kept.part.name == part.name for kept in self._kept):
            raise ValueError(f"two parts named {part.name!r}")
        log = self._var / "log" / f"{part.name}.log"
        kept = Kept(part, log, (self._lifeline, self._lock.parts_fd), self._say)
        self._kept.append(kept)
        kept.start(lambda: self.stopping)
        if self.stopping:
            raise StopAsked("asked to stop while the stack was being started")
        return kept

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until asked to stop, at most `timeout_s` seconds. Returns whether it was asked."""
        with contextlib.suppress(queue.Empty):
            self._asked.get(timeout=timeout_s)
        return self.stopping

    def stop(self) -> None:
        """Stop all parts: tier by tier from the highest, then forget them. A SIGINT meanwhile kills what is left."""
        patience = self._interrupts
        if self._kept:
            self._say("stack", "stopping (Ctrl-C again to kill what is left)")
        for tier in sorted({kept.part.tier for kept in self._kept}, reverse=True):
            leaving = [kept for kept in reversed(self._kept) if kept.part.tier == tier]
            for kept in leaving:
                kept.ask_to_end()
            self._see_off(leaving, patience)
        self._kept.clear()

    def _see_off(self, leaving: list[Kept], patience: int) -> None:
        asked = time.monotonic()
        while leaving := [kept for kept in leaving if not kept.gone.wait(_LOOK_AGAIN_S)]:
            if self._interrupts > patience and self._let_go():
                self._say("stack", "killing what is left")
            for kept in [k for k in leaving if time.monotonic() - asked > k.part.stop_within]:
                self._say(kept.part.name, f"did not stop within {kept.part.stop_within:g} s: killed")
                kept.kill()
                leaving.remove(kept)
                kept.gone.wait()

    def _let_go(self) -> bool:
        """Close the lifeline: every keeper kills its part. False if that was done before."""
        hold, self._hold = self._hold, -1
        if hold >= 0:
            os.close(hold)
        return hold >= 0

    def _heard(self, number: int, _frame: FrameType | None) -> None:
        self._interrupts += number == signal.SIGINT
        self.ask_to_stop()
