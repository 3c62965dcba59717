"""The names a template may use, and the value that holds them.

A template sees plain values only: text, numbers, lists of text. `signer.name` is one variable with a dot in it: it is
looked up under one name, so no attribute of any object is read and there is nothing to climb into Python from.
"""

from collections.abc import Mapping

ROOTS: Mapping[str, frozenset[str]] = {
    "signer": frozenset({"name", "country", "city", "comment"}),
    "office": frozenset({"title", "organisation", "country", "holder", "form", "salutation"}),
    "campaign": frozenset({"name", "site", "contact", "controller", "addressees"}),
}
"""Names with attributes. `office` is known in letters only; the signer's address is nobody's business."""

PLAIN = frozenset({"goals", "date"})
"""Names that are values themselves: a list of text, and the day of writing in the letter's language."""

NOTICE_VALUES = ("copy", "link", "never_link", "token")
"""Names that every notice knows besides, also as `values.link`; empty where the maker gave none.

`copy` is the text of the letter, where its signer wants one.
"""

NOTICE_VALUES_1 = ("link", "token")
"""Those of renderer 1: a template written for it may call something else `copy`."""

LOOP = frozenset({"index", "index0", "revindex", "revindex0", "first", "last", "length"})
"""What `loop` tells inside a `for`."""


def variable(root: str, attribute: str) -> str:
    """The one name under which the compiled template looks up `root.attribute`; no template can write it itself."""
    return f"__{root}__{attribute}"


def is_reserved(name: str) -> bool:
    """Whether a template may not use `name` because it could be mistaken for a `variable`."""
    return name.startswith("__")
