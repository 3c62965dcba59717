"""The files that pages link to, read once. Their address holds a hash of them all: browsers may keep them for good."""

import hashlib
from dataclasses import dataclass
from importlib.resources import files
from types import MappingProxyType

from starlette.responses import Response

_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml", ".png": "image/png"}
_KEPT = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class StaticFile:
    """A file's bytes and its Content-Type."""

    body: bytes
    media_type: str


class StaticFiles:
    """All files of `worker/web/static`. One hash names them together: one may refer to another by its bare name."""

    def __init__(self) -> None:
        found = {
            entry.name: StaticFile(entry.read_bytes(), media)
            for entry in sorted(files("worker.web").joinpath("static").iterdir(), key=lambda entry: entry.name)
            if (media := _TYPES.get(entry.name[entry.name.rfind(".") :])) is not None
        }
        self.files = MappingProxyType(found)
        digest = hashlib.sha256()
        for name, file in found.items():
            digest.update(f"{name}\0{len(file.body)}\0".encode() + file.body)
        self.digest = digest.hexdigest()[:16]

    def path(self, name: str) -> str:
        """Where `name` is served. Raises KeyError for a file that does not exist."""
        if name not in self.files:
            raise KeyError(name)
        return f"/static/{self.digest}/{name}"

    def response(self, digest: str, name: str) -> Response | None:
        """The answer to GET /static/{digest}/{name}, or None (404).

        A page made by another release asks by another hash: it is given the file of this one, not to be kept.
        """
        file = self.files.get(name)
        if file is None:
            return None
        kept = _KEPT if digest == self.digest else "no-store"
        return Response(file.body, media_type=file.media_type, headers={"Cache-Control": kept})
