"""A stack for the tests to kill: `python stack.py VAR PARTS`. Each part starts a child that leaves its session."""

import sys
from functools import partial
from pathlib import Path

import psutil

from worker.domain.errors import LettershopError
from worker.embedded.part import Part
from worker.embedded.supervisor import StopAsked, Supervisor

# Writes "<own pid> <pid of a descendant in a session of its own>", then waits for ever.
PART = """
import os, signal, subprocess, sys, time
stubborn = sys.argv[2] == "stubborn"
signal.signal(signal.SIGTERM, signal.SIG_IGN if stubborn else lambda *_: sys.exit(0))
child = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(600)"], start_new_session=True)
with open(sys.argv[1] + ".new", "w") as file:
    file.write(f"{os.getpid()} {child.pid}")
os.rename(sys.argv[1] + ".new", sys.argv[1])
time.sleep(600)
"""


def part(var: Path, number: int, temper: str = "kind") -> Part:
    mark = var / f"part-{number}"
    return Part(f"part-{number}", [sys.executable, "-S", "-c", PART, str(mark), temper], ready=mark.exists, tier=number)


say = partial(print, flush=True)


def alive(pid: int) -> bool:
    """Whether the process runs (one that ended and was not waited for does not)."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def main() -> int:
    var, parts, temper = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    try:
        with Supervisor(var) as stack:
            stack.obey_signals()
            say("locked")
            for number in range(parts):
                (var / f"part-{number}").unlink(missing_ok=True)
                stack.start(part(var, number, temper))
            say("up")
            stack.wait()
    except StopAsked:
        say("stopped while starting")
    except LettershopError as exc:
        say(exc)
        return exc.exit_status
    return 0


if __name__ == "__main__":
    sys.exit(main())
