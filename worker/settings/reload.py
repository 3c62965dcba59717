"""A home's files while processes run on them: whether they changed, what they hold, and what a change of them needs.

`look` is cheap (names, times and sizes) and done every few seconds; `content_hash` names a config for people and for the
list of processes. Editors' own files (hidden, or with a tilde at the end) are not looked at.
"""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from worker.settings.home import Home
from worker.settings.tree import Settings

FOLDERS = ("config", "templates")

RESTART = (
    "mode",
    "ledger",
    "broker",
    "pacing",
    "keys",
    "worker.connections",
    "worker.express_connections",
    "web.host",
    "web.port",
    "ops.host",
    "ops.port",
    "log",
)
"""The keys of `config/lettershop.toml` that a process reads once, when it starts."""

Looked = tuple[tuple[str, int, int], ...]
"""Each file's path, time of its last change in nanoseconds (-1: it cannot be read), and size."""


def look(home: Home) -> Looked:
    """The files of a home as they are now; the files of its relays' passwords and certificates too."""
    paths = [*_files(home.root), *_secrets(home.settings)]
    return tuple(sorted(_stat(path) for path in paths))


def content_hash(root: Path) -> str:
    """A hash of all that the config and templates of a home say, without secrets: 16 hex digits."""
    digest = hashlib.sha256()
    for path in sorted(_files(root)):
        try:
            data = path.read_bytes()
        except OSError:
            data = b""
        digest.update(f"{path.relative_to(root).as_posix()}\0{len(data)}\0".encode())
        digest.update(data)
    return digest.hexdigest()[:16]


def needs_restart(old: Settings, new: Settings) -> list[str]:
    """The keys that differ and are read only when a process starts."""
    return [key for key in RESTART if _at(old, key) != _at(new, key)]


def _files(root: Path) -> Iterator[Path]:
    for folder in FOLDERS:
        for place, folders, names in os.walk(root / folder):
            folders[:] = [name for name in folders if not name.startswith(".")]
            for name in names:
                if not name.startswith(".") and not name.endswith("~"):
                    yield Path(place, name)


def _secrets(settings: Settings) -> Iterator[Path]:
    alarms = settings.alarms.relay
    for relay in (*settings.relays, *([alarms] if alarms else [])):
        yield from (path for path in (relay.password_file, relay.ca_file) if path)


def _stat(path: Path) -> tuple[str, int, int]:
    try:
        found = path.stat()
    except OSError:
        return str(path), -1, 0
    return str(path), found.st_mtime_ns, found.st_size


def _at(settings: Settings, key: str) -> object:
    value: object = settings
    for name in key.split("."):
        value = getattr(value, name)
    return value
