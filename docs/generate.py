"""Write the pages that are made from code: `docs/configuration.md` and `docs/states.md`.

    python docs/generate.py            write them
    python docs/generate.py --check    exit 1 where one is stale, and say which

A page has its words here and its tables from the code, so that neither can be wrong about a key or a move.
"""

import json
import re
import sys
from collections.abc import Iterator
from datetime import time, timedelta
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from worker.domain import states
from worker.domain.duration import duration_text
from worker.domain.states import FINAL, MOVES, WAITING, WRITTEN, State
from worker.settings import Settings
from worker.settings.campaigns import CampaignKeys, FormKeys, LookKeys, PageKeys, PrivacyKeys, SenderKeys
from worker.settings.occasions import OccasionKeys
from worker.settings.offices import HolderKeys, OfficeKeys
from worker.settings.overlay import PREFIX
from worker.settings.problems import section_in

DOCS = Path(__file__).resolve().parent
HEAD = "<!-- Made by docs/generate.py from the code; `python docs/generate.py` writes it anew. -->\n\n"

CONFIGURATION = """\
# Configuration

A home is a directory with `config/`, `templates/` and `var/`. `lettershop init DIR` lays one out; `--home DIR` or
`LETTERSHOP_HOME` names it (default: the current directory). All files are read once, at start. What is not known or
not usable is refused at once, with exit status 2, naming file, line, key and the nearest known key.

| file | what |
|---|---|
| `config/lettershop.toml` | the settings below |
| `config/offices.toml` | the register of addressees |
| `config/campaigns/<slug>.toml` | one campaign each |
| `config/reply-rules.toml` | how relays' replies are read |
| `templates/<slug>/<language>/` | `subject.txt`, `letter.txt`, `letter.html` of a campaign |
| `templates/<slug>/<occasion>/<language>/` | the same of what it writes on an occasion |
| `templates/notices/<language>/` | to signers: `confirm`, `page`, `imported`, `announce`: `.subject.txt`, `.txt`, `.html` |

## How values are written

- A rate is a number of letters and a unit: `"30/h"`. Units: s, min, h, day. It holds over *any* window of that length.
- A length of time is a number and a unit: `"15 min"`, `"5 d"`. Units: ms, s, min, h, d.
- Office hours: `"Mo-Fr 09:00-17:00"`, several parted by `;`, or `"always"`; in the office's own time zone.
- Ids, slugs and tags: a-z, 0-9 and single hyphens. Languages: lower case, `"en"` or `"fr-ca"`.
- A relative path is relative to the home.

## The environment

Every key of `config/lettershop.toml` can be set from the environment, which wins over the file: `{prefix}`, then the
key's path in capitals, its parts joined by two underscores.

    LETTERSHOP_LEDGER__URL=postgresql://lettershop@db/lettershop
    LETTERSHOP_RELAYS__0__HOST=smtp.town-library.example     # the first relay; the next number adds one
    LETTERSHOP_RELAYS='[{{"name": "main", "host": "smtp.town-library.example"}}]'

## Secrets

A secret never stands in the config: a key that ends in `_file` names a file, whose first line is the secret.
The `password_file` of `[ledger]`, `[broker]` and `[pacing]` is put into their `url`.

## `config/lettershop.toml`

"""

OFFICES = """\
## `config/offices.toml`

The register. Each entry is an institution's mailbox and title; the person in the office is a dated holder, named in a
letter only while in office and verified within twelve months of the day on which the letter is written.

"""

CAMPAIGNS = """\
## `config/campaigns/<slug>.toml`

"""

CAMPAIGN_TABLES: dict[str, type[BaseModel]] = {
    "sender": SenderKeys,
    "page.LANGUAGE": PageKeys,
    "form": FormKeys,
    "privacy.LANGUAGE": PrivacyKeys,
    "look": LookKeys,
    "occasions.NAME": OccasionKeys,
}

STATES = """\
# States of a letter

The table in `worker/domain/states.py` is the only place where states and moves are listed; the ledger's CHECK and this
page are made from it. A move that is not here raises `IllegalMove` and changes nothing.

"""


def main(arguments: list[str]) -> int:
    """Write the pages, or with `--check` compare them. Returns the exit status."""
    if arguments not in ([], ["--check"]):
        print(__doc__)
        return 2
    stale = [name for name, text in pages().items() if _current(name) != text]
    if arguments:
        for name in stale:
            print(f"docs/{name} is stale; run `python docs/generate.py`")
        return 1 if stale else 0
    for name in stale:
        (DOCS / name).write_text(pages()[name], encoding="utf-8")
        print(f"wrote docs/{name}")
    return 0


def pages() -> dict[str, str]:
    """Every generated page, by file name."""
    return {"configuration.md": HEAD + "".join(_configuration()), "states.md": HEAD + "".join(_states())}


def _current(name: str) -> str:
    path = DOCS / name
    return path.read_text(encoding="utf-8") if path.exists() else ""


# -- configuration


def _configuration() -> Iterator[str]:
    yield CONFIGURATION.format(prefix=PREFIX)
    plain = {key: field for key, field in _fields(Settings) if not section_in(field.annotation)[0]}
    yield _table(plain, "")
    for key, field in _fields(Settings):
        inner, many = section_in(field.annotation)
        if inner:
            yield f"### {'[[' if many else '['}{key}{']]' if many else ']'}\n\n{inner.__doc__}\n\n"
            yield _table(dict(_fields(inner)), f"{key}__0__" if many else f"{key}__")
    yield OFFICES
    yield "### [[offices]]\n\n" + _table(dict(_fields(OfficeKeys)))
    yield f"### [[offices.holders]]\n\n{HolderKeys.__doc__}\n\n" + _table(dict(_fields(HolderKeys)))
    yield CAMPAIGNS + f"{CampaignKeys.__doc__}\n\n" + _table(dict(_fields(CampaignKeys)))
    tables = [_described(head, model) for head, model in CAMPAIGN_TABLES.items()]
    yield "".join(tables).rstrip("\n") + "\n"


def _described(head: str, model: type[BaseModel]) -> str:
    return f"### [{head}]\n\n{model.__doc__}\n\n" + _table(dict(_fields(model)))


def _fields(model: type[BaseModel]) -> Iterator[tuple[str, FieldInfo]]:
    for name, field in model.model_fields.items():
        if not field.exclude:
            yield field.alias or name, field


def _table(fields: dict[str, FieldInfo], variable: str | None = None) -> str:
    """One row a key; `variable` is the path before the key in an environment variable's name, None where there is none."""
    heads = ["key", "default", "meaning"] + (["variable"] if variable is not None else [])
    rows = [heads, ["---"] * len(heads)]
    for key, field in fields.items():
        row = [f"`{key}`", _default(field), field.description or ""]
        rows.append(row + ([f"`{PREFIX}{(variable + key).upper()}`"] if variable is not None else []))
    return "\n".join(f"| {' | '.join(row)} |" for row in rows) + "\n\n"


def _default(field: FieldInfo) -> str:
    value: Any = field.default
    if value is PydanticUndefined or value is None or value == ():
        return "needed" if value is PydanticUndefined else "unset"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, int | float):
        return f"`{value}`"
    if isinstance(value, BaseModel | tuple):
        written = [_written(each) for each in value] if isinstance(value, tuple) else []
        return f"`{json.dumps(written)}`" if written else "its defaults"
    text = _written(value)
    return "unset" if text == "{}" else f'`"{text}"`'


def _written(value: Any) -> str:
    """A value as it stands in a config file, without its quotes."""
    if isinstance(value, time):
        return value.isoformat("minutes")
    return duration_text(value) if isinstance(value, timedelta) else str(value)


# -- states


def _states() -> Iterator[str]:
    yield STATES + "```mermaid\nstateDiagram-v2\n    [*] --> queued\n"
    for (source, target), events in sorted(_arrows().items()):
        yield f"    {source} --> {target}: {', '.join(sorted(events))}\n"
    yield "```\n\n| state | meaning | kind |\n|---|---|---|\n"
    meanings = _meanings()
    for state in State:
        yield f"| `{state}` | {meanings[state]} | {_kind(state)} |\n"
    yield "\nA letter that is *written* may be with its addressee: it is not written to again in the same send-out.\n\n"
    yield "| event | from | to |\n|---|---|---|\n"
    for event, (origin, ends) in MOVES.items():
        yield f"| `{event}` | {_names(origin)} | {_names(ends)} |\n"


def _arrows() -> dict[tuple[str, str], set[str]]:
    arrows: dict[tuple[str, str], set[str]] = {}
    for event, (origin, ends) in MOVES.items():
        for source in origin:
            for target in ends:
                arrows.setdefault((source, target), set()).add(event)
    return arrows


def _meanings() -> dict[State, str]:
    """What each state means: the comment beside it."""
    source = Path(states.__file__).read_text(encoding="utf-8")
    return {State(value): said for value, said in re.findall(r'^    [A-Z_]+ = "(\w+)"  # (.+)$', source, re.MULTILINE)}


def _kind(state: State) -> str:
    assert (state in WAITING) != (state in FINAL)
    return ("waiting" if state in WAITING else "final") + (", written" if state in WRITTEN else "")


def _names(names: frozenset[State]) -> str:
    return ", ".join(f"`{name}`" for name in sorted(names))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
