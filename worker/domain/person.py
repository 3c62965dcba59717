"""What we know of a signer. Sealed in the ledger, in memory only while a letter is made, never in a log."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Person:
    """A signer's own data, validated and normalised (see `worker.intake`). `country` is ISO 3166 alpha-2.

    `answer` and `copy` were agreed to apart from the letter; data sealed before there were such hold neither.
    """

    name: str
    email: str
    country: str
    city: str = ""
    comment: str = ""
    language: str = ""
    answer: bool = False  # offices may answer: they are shown the address
    copy: bool = False  # a copy of the letter, with the private page's link

    def __repr__(self) -> str:
        return "Person(...)"

    def body(self) -> dict[str, Any]:
        """The JSON form that is sealed."""
        return {name: getattr(self, name) for name in self.__slots__}  # asdict copies deeply, at ten times the cost
