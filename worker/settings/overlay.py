"""Environment over file: `LETTERSHOP_LEDGER__URL=...` sets `[ledger] url`.

A variable's name is the key's path in capitals, its parts joined by two underscores; a number stands for an entry of a
list (`LETTERSHOP_RELAYS__0__HOST`; the number after the last one adds an entry). A value that starts with `[` or `{`
where the key holds a list or a table is read as JSON (`LETTERSHOP_RELAYS='[{"name": ...}]'`). Longer paths win.
"""

import json
from collections.abc import Mapping
from copy import deepcopy
from itertools import pairwise
from typing import Any

from worker.domain.errors import BadInput
from worker.settings.toml import Loc

PREFIX = "LETTERSHOP_"
NOT_KEYS = frozenset({"LETTERSHOP_HOME"})
"""Variables of ours that are not config keys. (A name with a leading underscore is never one.)"""


def overlay(data: Mapping[str, Any], environ: Mapping[str, str]) -> tuple[dict[str, Any], dict[Loc, str]]:
    """`data` with the environment's values laid over it, and which variable set which place.

    Raises BadInput for a variable that fits no place. Whether the keys are known is for the validation to say.
    """
    tree = deepcopy(dict(data))
    variables: dict[Loc, str] = {}
    named = sorted(name for name in environ if name.startswith(PREFIX) and name not in NOT_KEYS)
    for name in sorted(named, key=lambda n: n.count("__")):
        parts = name.removeprefix(PREFIX).lower().split("__")
        loc = _set(tree, parts, _value(name, environ[name]), name)
        variables[loc] = name
    return tree, variables


def _value(name: str, text: str) -> Any:
    if not text.lstrip().startswith(("[", "{")):
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise BadInput(f"{name} starts like JSON but is not: {exc}") from exc


def _set(tree: dict[str, Any], parts: list[str], value: Any, name: str) -> Loc:
    loc: Loc = ()
    here: Any = tree
    for part, following in pairwise(parts):
        key = _step(here, part, name, [] if following.isdecimal() else {})
        loc, here = (*loc, key), here[key]
    key = _step(here, parts[-1], name, value)
    here[key] = value
    return (*loc, key)


def _step(here: Any, part: str, name: str, new: Any) -> str | int:
    """The key or index that `part` names in `here`; what is not there yet is made as `new`."""
    if isinstance(here, dict):
        here.setdefault(part, new)
        return part
    if not isinstance(here, list):
        raise BadInput(f"{name}: a single value stands there, with nothing inside to set")
    if not (part.isascii() and part.isdecimal()) or int(part) > len(here):
        raise BadInput(f"{name}: {part!r} is not an entry of this list; it has {len(here)}, counted from 0")
    if int(part) == len(here):
        here.append(new)
    return int(part)
