"""The names a template may use, and the value that holds them.

A template sees plain values only: text, numbers, lists of text. What has attributes is a `Fields`, and the sandbox reads
attributes of nothing else, so there is no object from which a template could climb into Python.
"""

from collections.abc import Mapping
from typing import Any

from worker.rendering.faults import Flaw

ROOTS: Mapping[str, frozenset[str]] = {
    "signer": frozenset({"name", "country", "city", "comment"}),
    "office": frozenset({"title", "organisation", "country", "holder", "form", "salutation"}),
    "campaign": frozenset({"name", "site", "contact", "controller", "addressees"}),
}
"""Names with attributes. `office` is known in letters only; the signer's address is nobody's business."""

PLAIN = frozenset({"goals", "date"})
"""Names that are values themselves: a list of text, and the day of writing in the letter's language."""

NOTICE_VALUES = ("link", "token")
"""Names that every notice knows besides, also as `values.link`; empty where the maker gave none."""

LOOP = frozenset({"index", "index0", "revindex", "revindex0", "first", "last", "length"})
"""What `loop` tells inside a `for`."""


class Fields:
    """A name with attributes. It cannot be printed or iterated itself: its own text would differ from run to run."""

    __slots__ = ("_items", "_name")

    def __init__(self, name: str, items: Mapping[str, Any]) -> None:
        self._name = name
        self._items = items

    def __str__(self) -> str:
        raise Flaw(f"{self._name} cannot be written itself, only its parts, such as {self._name}.{min(self._items)}")
