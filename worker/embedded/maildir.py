"""Where the sink keeps what it accepted: a Maildir, and the envelopes beside it.

    var/sink/new/NAME              the message, byte for byte as received (CRLF line ends, dot-stuffing undone)
    var/sink/envelopes/NAME.json   {"sender": ..., "recipients": [...], "received_us": microseconds since 1970}
    var/sink/deferred/HASH         empty; the letter whose key has this SHA-256 was deferred once, as asked
    var/sink/tmp/                  being written; emptied at every start, nothing in it was ever acknowledged

The envelope has a file of its own because the message may not be altered. `store` returns when message and envelope are
on the disk (both files and their folders synced), so what was acknowledged survives kill -9 and a power cut. A crash
between storing and replying leaves a message that was never acknowledged: as with any SMTP server (RFC 5321, 4.5.3.2.6).
Messages are never merged: what comes twice is kept twice.
"""

import hashlib
import heapq
import itertools
import json
import os
import re
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from worker.domain.clock import Clock, from_us, to_us

_FOLDERS = ("tmp", "new", "cur", "envelopes", "deferred")
_NAME = re.compile(r"[0-9]{1,20}\.M[0-9]{6,12}R[0-9a-f]{1,32}\.sink")
_MESSAGE_ID = re.compile(rb"^message-id:\s*<([^>\r\n]*)>", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Stored:
    """One accepted message. `name` sorts by time of arrival."""

    name: str
    path: Path
    sender: str
    recipients: tuple[str, ...]
    received: datetime

    def content(self) -> bytes:
        """The message's bytes as they came."""
        return self.path.read_bytes()


@dataclass(frozen=True, slots=True)
class Counts:
    """What the sink has done so far, over all its lives."""

    stored: int
    deferred: int


def message_id(content: bytes) -> str:
    """The Message-ID in the header of `content`, without angle brackets; "" if there is none."""
    found = _MESSAGE_ID.search(content.partition(b"\r\n\r\n")[0])
    return found.group(1).decode("ascii", "replace") if found else ""


class Maildir:
    """The folders under `root`. `store` and `defer_once` may be called from several threads of one process."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._run = secrets.token_hex(6)
        self._numbers = itertools.count()

    def prepare(self) -> None:
        """Make the folders and throw away what a killed sink left half written. For the sink alone."""
        for folder in _FOLDERS:
            (self._root / folder).mkdir(parents=True, exist_ok=True)
        for leftover in (self._root / "tmp").iterdir():
            leftover.unlink()

    def store(self, content: bytes, sender: str, recipients: Sequence[str], clock: Clock) -> str:
        """Store one message durably and return its name. Raises OSError, then nothing was stored."""
        received_us = to_us(clock.now())
        name = f"{received_us}.M{next(self._numbers):06}R{self._run}.sink"
        envelope = {"sender": sender, "recipients": list(recipients), "received_us": received_us}
        self._write(self._root / "envelopes" / f"{name}.json", json.dumps(envelope).encode())
        try:
            self._write(self._root / "new" / name, content)
        except OSError:
            (self._root / "envelopes" / f"{name}.json").unlink(missing_ok=True)
            raise
        return name

    def defer_once(self, key: str) -> bool:
        """Whether `key` is new here; from now on, also after a restart, it is not. Raises OSError."""
        mark = self._root / "deferred" / hashlib.sha256(key.encode(errors="replace")).hexdigest()
        try:
            os.close(os.open(mark, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        except FileExistsError:
            return False
        return True

    def counts(self) -> Counts:
        """Count the files."""
        return Counts(len(self._paths()), sum(1 for _ in self._listing("deferred")))

    def messages(self) -> Iterator[Stored]:
        """All messages, oldest first, one by one."""
        return map(self._stored, self._paths())

    def names(self, most: int, before: str = "") -> list[str]:
        """The names of the `most` latest messages, newest first; of those that came before `before`, where it is given.

        Opens no file: 100,000 messages cost their folder's listing.
        """
        came = (_base(name) for folder in ("new", "cur") for name in self._file_names(folder))
        return heapq.nlargest(most, (name for name in came if _NAME.fullmatch(name) and (not before or name < before)))

    def read(self, name: str) -> Stored:
        """The message named `name`, wherever a mail reader has moved it. Raises FileNotFoundError, for no name too."""
        base = _base(name)
        if _NAME.fullmatch(base):
            arrived = self._root / "new" / base
            if arrived.exists():
                return self._stored(arrived)
            for moved in self._file_names("cur"):
                if _base(moved) == base:
                    return self._stored(self._root / "cur" / moved)
        raise FileNotFoundError(f"the sink has no message {name!r}")

    def _stored(self, path: Path) -> Stored:
        base = _base(path.name)
        envelope = json.loads((self._root / "envelopes" / f"{base}.json").read_bytes())
        return Stored(base, path, envelope["sender"], tuple(envelope["recipients"]), from_us(envelope["received_us"]))

    def _paths(self) -> list[Path]:
        return sorted((p for folder in ("new", "cur") for p in self._listing(folder)), key=lambda path: path.name)

    def _listing(self, folder: str) -> Iterator[Path]:
        path = self._root / folder
        return path.iterdir() if path.is_dir() else iter(())

    def _file_names(self, folder: str) -> list[str]:
        try:
            with os.scandir(self._root / folder) as found:  # a Path for each would cost several times as much
                return [entry.name for entry in found]
        except FileNotFoundError:
            return []

    def _write(self, target: Path, data: bytes) -> None:
        """In order: tmp -> sync -> rename -> sync of the folder: the target is either absent or complete."""
        unfinished = self._root / "tmp" / target.name
        fd = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            try:
                _write_all(fd, data)
                os.fsync(fd)
            finally:
                os.close(fd)
            unfinished.rename(target)
        except OSError:
            unfinished.unlink(missing_ok=True)
            raise
        _sync_folder(target.parent)


def _base(name: str) -> str:
    return name.partition(":")[0]  # a mail reader appends flags, as in "NAME:2,S"


def _write_all(fd: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(fd, rest) :]


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
