"""A part's log: bounded on disk, and never a reason for the part to wait.

`<part>.log` grows to `LIMIT` bytes, then becomes `<part>.log.1`, and so on up to `KEPT` old ones. A line that cannot be
written (a full disk) is dropped and counted; the first line that fits again says how many are missing.
"""

import contextlib
import os
from collections import deque
from pathlib import Path

LIMIT = 4 * 1024 * 1024
KEPT = 3
TAIL = 12


class PartLog:
    """The log file at `path`; `tail` are its last lines of this run, for whoever has to say why a part ended."""

    def __init__(self, path: Path, limit: int = LIMIT, kept: int = KEPT) -> None:
        self._path = path
        self._limit = limit
        self._kept = kept
        self._dropped = 0
        self.tail: deque[str] = deque(maxlen=TAIL)
        path.parent.mkdir(parents=True, exist_ok=True)

    def write(self, line: bytes) -> None:
        """Append one line. Never raises for a disk that is full or gone."""
        self.tail.append(line.decode(errors="replace").rstrip())
        missing = f"[{self._dropped} lines could not be written]\n".encode() if self._dropped else b""
        try:
            self._append(missing + line)
        except OSError:
            self._dropped += 1
        else:
            self._dropped = 0

    def _append(self, data: bytes) -> None:
        fd = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.write(fd, data)
            full = os.fstat(fd).st_size >= self._limit
        finally:
            os.close(fd)
        if full:
            self._rotate()

    def _rotate(self) -> None:
        for number in range(self._kept, 0, -1):
            older = self._path.with_name(f"{self._path.name}.{number}")
            newer = self._path.with_name(f"{self._path.name}.{number - 1}") if number > 1 else self._path
            with contextlib.suppress(FileNotFoundError):
                newer.replace(older)
