"""The keeper: runs one part and sees to it that nothing of the part outlives the supervisor.

    python -I -S keeper.py LIFELINE_FD[,FD...] COMMAND [ARGUMENT...]

LIFELINE_FD is the reading end of a pipe whose writing end only the supervisor holds. The kernel closes that end however
the supervisor dies, kill -9 included and at whatever instant, so an end of file there means: end the part. Nothing is
ever written to the pipe. The further FDs are handed on to the part (a lock that must be held until it is gone).

Promises
- Supervisor gone: the part and everything it started get SIGKILL, also what has left the process group (Linux: the
  keeper is the subreaper of its descendants, so orphans become its children).
- Part gone: what it left behind gets SIGKILL; the keeper exits with the part's status (128 + signal if it was killed).
- Keeper killed: the part gets SIGKILL from the kernel (Linux: PR_SET_PDEATHSIG); the supervisor ends the group.
- SIGTERM, SIGINT, SIGHUP, SIGUSR1 and SIGUSR2 are passed on to the part alone; SIGQUIT means SIGKILL for everything.

The keeper is the leader of its own session, so a terminal's Ctrl-C reaches the supervisor only. It uses nothing but the
standard library and starts without site-packages: about 10 MB and 20 ms.

Known limit: elsewhere than on Linux, a part's descendant that makes a session of its own outlives the part.
"""

import ctypes
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

PASSED_ON = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
CANNOT_START = 127
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36


def main(argv: list[str]) -> int:
    """Keep `argv[1:]` while the pipe named by `argv[0]` is open. Returns the exit status of the part."""
    lifeline, *handed_on = (int(fd) for fd in argv[0].split(","))
    bell = _listen_for_signals()
    prctl = _prctl()
    prctl(_PR_SET_CHILD_SUBREAPER, 1)
    if _readable(lifeline):
        return 128 + signal.SIGKILL
    try:
        child = subprocess.Popen(argv[1:], pass_fds=handed_on, preexec_fn=_die_with_keeper(prctl))  # noqa: PLW1509, S603 - one thread
    except OSError as exc:
        sys.stderr.write(f"cannot start {argv[1]}: {exc.strerror}\n")
        return CANNOT_START
    status = _watch(child, lifeline, bell)
    _end_descendants()
    return status


def _watch(child: "subprocess.Popen[bytes]", lifeline: int, bell: int) -> int:
    while child.poll() is None:
        ready, _, _ = select.select([lifeline, bell], [], [])
        rung = os.read(bell, 64) if bell in ready else b""
        if lifeline in ready or signal.SIGQUIT in rung:
            child.kill()
            child.wait()
        for number in rung:
            if number in PASSED_ON:
                child.send_signal(number)
    return child.returncode if child.returncode >= 0 else 128 - child.returncode


def _end_descendants() -> None:
    """Kill and reap until no child is left: killing a process makes its children ours (Linux)."""
    listing = Path(f"/proc/self/task/{os.getpid()}/children")
    while listing.exists():
        children = [int(pid) for pid in listing.read_text().split()]
        for pid in children:
            os.kill(pid, signal.SIGKILL)  # ours and not yet waited for, so the number cannot have been reused
        try:
            os.waitpid(-1, 0 if children else os.WNOHANG)
        except ChildProcessError:
            return


def _listen_for_signals() -> int:
    """A file descriptor on which the number of every signal that matters can be read."""
    bell, rope = os.pipe()
    os.set_blocking(rope, False)
    signal.set_wakeup_fd(rope, warn_on_full_buffer=False)
    for number in (*PASSED_ON, signal.SIGQUIT, signal.SIGCHLD):
        signal.signal(number, lambda *_: None)  # the number itself arrives through the pipe
    return bell


def _die_with_keeper(prctl: Callable[[int, int], None]) -> Callable[[], None]:
    keeper = os.getpid()

    def in_child() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != keeper:  # it died before the line above took effect
            os._exit(CANNOT_START)

    return in_child


def _prctl() -> Callable[[int, int], None]:
    if not sys.platform.startswith("linux"):
        return lambda _option, _value: None
    call = ctypes.CDLL(None).prctl
    return lambda option, value: call(option, value, 0, 0, 0)


def _readable(fd: int) -> bool:
    return bool(select.select([fd], [], [], 0)[0])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
