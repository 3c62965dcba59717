"""One stack per home, and no stack beside the remains of another.

Two locks under `var/`, both `flock`, so the kernel lets go of them whatever happens to their holders:

- `up.lock` is held by the supervisor alone and carries its process number. Whoever cannot have it is refused at once.
- `parts.lock` is handed on to every part, which keeps it until the last of its processes is gone. A supervisor that
  was killed leaves it locked for the moment that its parts need to die; the next one waits for that.

No process number is ever trusted: it is only shown.
"""

import fcntl
import os
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from worker.domain.errors import Failed, RefusedByState

REMAINS_S = 15.0
"""How long a new stack waits for the parts of a killed one to be gone."""
_LOOK_AGAIN_S = 0.05
_GLANCE_S = 0.3  # `running` may hold the first lock for an instant; a stack that is up holds it for good


class HomeLock:
    """Both locks of a home's `var/`. Use as a context manager, or call `release` once all parts are gone."""

    def __init__(self, supervisor: int, parts: int) -> None:
        self._supervisor = supervisor
        self.parts_fd = parts
        """The file descriptor to hand on to every part."""

    @classmethod
    def take(cls, var: Path, remains_s: float = REMAINS_S) -> "HomeLock":
        """Lock `var`, which is made if it is missing.

        Raises RefusedByState if another stack runs there, Failed if parts of a dead one do not go within `remains_s`.
        """
        var.mkdir(parents=True, exist_ok=True)
        supervisor = _open(var / "up.lock")
        if not _lock(supervisor, _GLANCE_S):
            pid = os.pread(supervisor, 32, 0).decode().strip() or "unknown"
            os.close(supervisor)
            raise RefusedByState(
                f"a stack is already up on {var.parent} (process {pid}): use that one, or stop it with Ctrl-C or SIGTERM"
            )
        os.ftruncate(supervisor, 0)
        os.pwrite(supervisor, f"{os.getpid()}\n".encode(), 0)
        parts = _open(var / "parts.lock")
        if not _lock(parts, remains_s):
            os.close(parts)
            os.close(supervisor)
            raise Failed(
                f"parts of an earlier stack still run on {var.parent} after {remains_s:g} s: "
                f"`fuser {var / 'parts.lock'}` names them; end them and try again"
            )
        return cls(supervisor, parts)

    def release(self) -> None:
        """Give both locks back; a part that still runs keeps the second one."""
        os.close(self.parts_fd)
        os.close(self._supervisor)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def running(var: Path) -> int | None:
    """The process number of the supervisor that holds `var`, or None. Only to be shown: it may end at any moment."""
    try:
        fd = os.open(var / "up.lock", os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        if _lock(fd, 0):
            return None
        return int(os.pread(fd, 32, 0) or b"0")
    finally:
        os.close(fd)


def _open(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _lock(fd: int, patience_s: float) -> bool:
    deadline = time.monotonic() + patience_s
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(_LOOK_AGAIN_S)
        else:
            return True
