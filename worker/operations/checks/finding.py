"""A finding of `check`: how bad, where, and what to do."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from worker.settings import Home
from worker.settings.toml import Document, read_toml

OFFICES = "config/offices.toml"
SETTINGS = "config/lettershop.toml"


def campaign_file(slug: str) -> str:
    """The name of a campaign's config file."""
    return f"config/campaigns/{slug}.toml"


@dataclass(frozen=True, slots=True)
class Finding:
    """`place` is a file, with its line where it is known: "config/offices.toml:12"."""

    level: Literal["error", "warning"]
    place: str
    message: str

    def __str__(self) -> str:
        return f"{self.level}: {self.place}: {self.message}"


@dataclass(frozen=True, slots=True)
class Question:
    """What is checked: this home, at this moment, as if it were to go live or not."""

    home: Home
    live: bool
    now: datetime
    _read: dict[str, Document] = field(default_factory=dict)

    def at(self, name: str, *loc: str | int) -> str:
        """Where a key stands in one of the home's files."""
        if name not in self._read:
            self._read[name] = read_toml(self.home.root / name, name)
        return self._read[name].place(loc)

    def office_at(self, office: str, *key: str) -> str:
        """Where an office, or a key of it, stands in the register."""
        return self.at(OFFICES, "offices", list(self.home.offices).index(office), *key)

    def error(self, place: str, message: str) -> Finding:
        """Not usable like this, in either mode."""
        return Finding("error", place, message)

    def warning(self, place: str, message: str) -> Finding:
        """Somebody should look."""
        return Finding("warning", place, message)

    def if_live(self, place: str, message: str) -> Finding:
        """An error where the home is to go live, else a warning."""
        return Finding("error" if self.live else "warning", place, message)
