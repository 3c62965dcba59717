"""One part of a stack: what it is (`Part`), and its life under a supervisor (`Kept`).

A part is a process started under a keeper (see `keeper.py`). While nobody asked it to end it is started again whenever
it dies, at once the first time and then after ever longer pauses; whatever happens is said aloud.
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from worker.domain.errors import Failed
from worker.embedded import keeper
from worker.embedded.logs import PartLog

Say = Callable[[str, str], None]
"""Called with a part's name and one line, from any thread."""

STEADY_S = 60.0
"""A part that ran this long has recovered: its next pause is the first one again."""
_LONGEST_LINE = 64 * 1024
_LOOK_AGAIN_S = 0.05


@dataclass(frozen=True, slots=True)
class Part:
    """A process to be kept. `env` is added to the supervisor's own environment.

    `ready` is asked again and again until it is true, for at most `ready_within` seconds. When the stack stops, higher
    tiers stop first, all parts of a tier together; after `stop_within` seconds a part is killed.
    """

    name: str
    argv: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)
    ready: Callable[[], bool] = lambda: True
    ready_within: float = 30.0
    stop_within: float = 10.0
    tier: int = 0
    cwd: Path | None = None


def pause_before(restart: int) -> float:
    """Seconds to wait before the `restart`-th start again in a row: 0, 0.5, 1, 2 ... 30."""
    return 0.0 if restart <= 1 else min(0.5 * 2.0 ** min(restart - 2, 10), 30.0)


def describe(status: int) -> str:
    """An exit status as the keeper gives it, in words."""
    number = -status if status < 0 else status - 128
    with contextlib.suppress(ValueError):
        return f"killed by {signal.Signals(number).name}"
    return f"exit status {status}"


class Kept:
    """A part while it is kept: `start` once, then `ask_to_end`, and `kill` if it does not hurry. `gone` marks the end."""

    def __init__(self, part: Part, log: Path, fds: Sequence[int], say: Say) -> None:
        """`fds`: the lifeline's reading end first, then what is handed on to the part."""
        self.part = part
        self.gone = threading.Event()
        self._log = PartLog(log)
        self._log_path = log
        self._fds = tuple(fds)
        self._say = say
        self._ending = threading.Event()
        self._turn = threading.Lock()  # between starting again and being asked to end
        self._process: subprocess.Popen[bytes] | None = None
        self._pumping: threading.Thread | None = None

    @property
    def pid(self) -> int:
        """The keeper's process number."""
        assert self._process is not None
        return self._process.pid

    def start(self, interrupted: Callable[[], bool]) -> None:
        """Start and wait until ready. Raises Failed (with the log's last lines) if it ends or is not ready in time."""
        process = self._try_spawn()
        if process is None:
            self.gone.set()
            raise Failed(f"{self.part.name} cannot be started: is {self.part.argv[0]} there, is there memory left?")
        came_up = self._await_ready(process, interrupted) or interrupted()
        if not came_up:
            self._ending.set()
        threading.Thread(target=self._tend, name=f"tend-{self.part.name}", daemon=True).start()
        if not came_up:
            raise self._buried(process)

    def _buried(self, process: "subprocess.Popen[bytes]") -> Failed:
        """End what did not come up; the error that says so."""
        status = process.poll()
        how = f"is not ready after {self.part.ready_within:g} s" if status is None else f"ended: {describe(status)}"
        self.kill()
        self.gone.wait()
        words = "\n".join(f"  {line}" for line in self._log.tail)
        return Failed(f"{self.part.name} {how}; its log is {self._log_path}\n{words}".rstrip())

    def ask_to_end(self) -> None:
        """SIGTERM; the part is not started again."""
        with self._turn:
            self._ending.set()
        self._send(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL for the part and all it started."""
        self._send(signal.SIGQUIT)

    def _send(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)

    def _spawn(self) -> "subprocess.Popen[bytes] | None":
        """The keeper with the part, or None if the part was asked to end meanwhile."""
        with self._turn:
            if self._ending.is_set():
                return None
            process = subprocess.Popen(  # noqa: S603 - the composition's own command
                [sys.executable, "-I", "-S", keeper.__file__, ",".join(map(str, self._fds)), *self.part.argv],
                env=os.environ | {"PYTHONUNBUFFERED": "1"} | dict(self.part.env),
                cwd=self.part.cwd,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=self._fds,
                start_new_session=True,
            )
            self._process = process
        self._log.tail.clear()
        self._pumping = threading.Thread(target=self._pump, args=(process,), daemon=True)
        self._pumping.start()
        return process

    def _pump(self, process: "subprocess.Popen[bytes]") -> None:
        assert process.stdout is not None
        with process.stdout as stream:
            while line := stream.readline(_LONGEST_LINE):
                self._log.write(line)

    def _hear_out(self) -> None:
        """Let the log take in the last words; no longer than a moment, as somebody may still hold the pipe."""
        if self._pumping is not None:
            self._pumping.join(timeout=1)

    def _await_ready(self, process: "subprocess.Popen[bytes]", interrupted: Callable[[], bool]) -> bool:
        deadline = time.monotonic() + self.part.ready_within
        while process.poll() is None and time.monotonic() < deadline and not interrupted():
            if self.part.ready():
                return True
            time.sleep(_LOOK_AGAIN_S)
        return False

    def _tend(self) -> None:
        """Wait for the end of the process and start it again, until asked to end."""
        restart = 0
        while self._process is not None:
            began = time.monotonic()
            status = self._process.wait()
            self._hear_out()
            if status < 0:  # the keeper itself was killed: what is left of its group goes too
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(self._process.pid, signal.SIGKILL)
            restart = 1 if time.monotonic() - began >= STEADY_S else restart + 1
            if self._ending.is_set() or not self._start_again(status, restart):
                break
        self.gone.set()

    def _start_again(self, status: int, restart: int) -> bool:
        pause = pause_before(restart)
        last = self._log.tail[-1] if self._log.tail else "no output"
        when = f"in {pause:g} s" if pause else "at once"
        self._say(self.part.name, f"ended: {describe(status)} ({last}); starting it again {when}; see {self._log_path}")
        if self._ending.wait(pause):
            return False
        process = self._try_spawn()
        if process is not None and self._await_ready(process, self._ending.is_set):
            self._say(self.part.name, f"is back (restart {restart} in a row)")
        return not self._ending.is_set() or process is not None

    def _try_spawn(self) -> "subprocess.Popen[bytes] | None":
        try:
            return self._spawn()
        except OSError as exc:  # no process or memory to be had: the next pause is longer
            self._say(self.part.name, f"cannot be started: {exc.strerror}")
            return None
