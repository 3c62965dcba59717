"""`config/offices.toml` as it is edited: read once, changed with its comments and its order kept, replaced whole.

`save` writes a file beside it, brings that to the disk and renames it into place, so that a crash leaves the old register
or the new one. A register that somebody else changed since it was read is left alone.
"""

import codecs
import contextlib
import hashlib
import os
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.items import AoT

from worker.domain.errors import BadInput, RefusedByState
from worker.settings.home import OFFICES
from worker.settings.toml import Document, read_toml


@dataclass(frozen=True, slots=True)
class RegisterFile:
    """What was read: the file's own place (links followed), its bytes, and its text with bare line feeds."""

    path: Path
    data: bytes
    document: Document

    @property
    def entries(self) -> dict[str, dict[str, Any]]:
        """The entries as plain values, by office id, in the file's order."""
        return {each["id"]: each for each in self.document.data["offices"]}

    def editable(self) -> tuple[tomlkit.TOMLDocument, AoT]:
        """The text to be changed in place, and its offices. Raises BadInput for offices that are no `[[offices]]` tables."""
        whole = tomlkit.parse(self.document.text)
        offices = whole["offices"]
        if not isinstance(offices, AoT):
            raise BadInput(f"{OFFICES}: its offices stand in one list; write each as an [[offices]] table to edit them")
        return whole, offices

    def save(self, text: str) -> None:
        """Put `text` in its place, with the file's own line ends and mode.

        Raises RefusedByState where the file is no longer the one that was read.
        """
        temporary = self._written(self._encoded(text))
        try:
            self._refuse_changed()
            temporary.replace(self.path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        _to_disk(self.path.parent)

    def restore(self) -> None:
        """Put back what was read."""
        self._written(self.data).replace(self.path)

    def _refuse_changed(self) -> None:
        if self.path.read_bytes() != self.data:
            raise RefusedByState(f"{OFFICES} was changed meanwhile by somebody else; nothing was done: look again")

    def _encoded(self, text: str) -> bytes:
        own = text.replace("\n", "\r\n") if b"\r\n" in self.data else text
        return (codecs.BOM_UTF8 if self.data.startswith(codecs.BOM_UTF8) else b"") + own.encode()

    def _written(self, data: bytes) -> Path:
        """A file beside the register that holds `data` for good, with the register's mode and, where one may, its owner."""
        stat = self.path.stat()
        handle, name = tempfile.mkstemp(prefix=".offices-", suffix=".toml", dir=self.path.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fchmod(handle, stat.st_mode & 0o7777)
            with contextlib.suppress(PermissionError):
                os.fchown(handle, stat.st_uid, stat.st_gid)
            os.fsync(handle)
        return Path(name)


def read_register(root: Path) -> RegisterFile:
    """The register of the home at `root`. Raises BadInput, and RefusedByState where it changes while it is read."""
    path = (root / OFFICES).resolve()
    document = read_toml(path, OFFICES)
    data = path.read_bytes()
    if data.decode("utf-8-sig", "replace").replace("\r\n", "\n") != document.text:
        raise RefusedByState(f"{OFFICES} is being changed by somebody else; nothing was done: look again")
    return RegisterFile(path, data, document)


def parsed(text: str) -> Document:
    """The changed text as the settings read it."""
    return Document(OFFICES, text, tomllib.loads(text))


def fingerprint(text: str) -> str:
    """What the audit calls a register: the first half of its SHA-256 (hex)."""
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _to_disk(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
