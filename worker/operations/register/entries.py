"""What shall be said of an office, and how it is written into the register's text: key by key, so that comments stay."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import tomlkit
from tomlkit.container import Container
from tomlkit.items import AbstractTable, AoT, Array, Comment, InlineTable, Item, Key, Table, Whitespace

from worker.domain.errors import BadInput
from worker.settings.offices import OfficeKeys
from worker.settings.problems import validated
from worker.settings.toml import Document, Loc

Trivia = list[tuple[Key | None, Item]]


@dataclass(frozen=True, slots=True)
class Entry:
    """Keys of one office as its file has them, by name; None takes a key out, a key that is not named stays as it is.

    `place` says where a key of it was given: a line of a file, or an option. A list of `holders` replaces all of them.
    """

    id: str
    values: Mapping[str, Any]
    place: Callable[[Loc], str]


@dataclass(frozen=True)
class _Given(Document):
    """Lets `validated` name the place in which an entry was given, not that where it would stand."""

    where: Callable[[Loc], str] = field(default=lambda _: "")

    def place(self, loc: Loc) -> str:
        return self.where(loc)


def merged(before: Mapping[str, Any], entry: Entry) -> dict[str, Any]:
    """The office as it would be: its keys before, and what the entry says. New offices begin with `before` empty."""
    whole = {**before, **entry.values, "id": entry.id}
    return {key: value for key, value in whole.items() if value is not None}


def refuse_unfit(before: Mapping[str, Any], entry: Entry, *, allow_test_domains: bool) -> None:
    """Raise BadInput, a line for each fault with its place, where the office would not be fit to be read."""
    document = _Given("", "", merged(before, entry), where=entry.place)
    validated(OfficeKeys, document, context={"allow_test_domains": allow_test_domains})


def write(offices: AoT, entry: Entry) -> None:
    """Say it in the register's text: the office's keys in their place, a new office at the end."""
    for table in offices:
        if table.get("id") == entry.id:
            break
    else:
        _begin(offices, table := tomlkit.table())
    wanted = {"id": entry.id, **entry.values} if "id" not in table else dict(entry.values)
    holders = wanted.pop("holders", None)
    for key in sorted(wanted, key=_in_order):
        _put(table, key, wanted[key])
    if holders is not None:
        _put_holders(table, holders)


def _begin(offices: AoT, table: Table) -> None:
    """A new office stands after a blank line."""
    if not offices[-1].as_string().endswith("\n\n"):
        table.trivia.indent = "\n"
    offices.append(table)


def _in_order(key: str) -> int:
    known = list(OfficeKeys.model_fields)
    return known.index(key) if key in known else len(known)


# -- keys --------------------------------------------------------------------------------------------------------------
def _put(table: AbstractTable, key: str, value: Any) -> None:
    if value is None:
        if key in table and not _says_nothing(key, _plain(table[key])):
            del table[key]
    elif key not in table:
        _append(table, key, value)
    elif _plain(table[key]) != value:
        table[key] = _item(value)


def _says_nothing(key: str, value: Any) -> bool:
    """Whether the key may as well stay: taking it out would change no more than the file."""
    known = OfficeKeys.model_fields.get(key)
    return value in ("", []) or (known is not None and value == known.default)


def _append(table: AbstractTable, key: str, value: Any) -> None:
    """A new key stands behind the last one: what follows that, blank lines and the next part's heading, stays behind."""
    if isinstance(table, InlineTable) or (table.value.body and isinstance(table.value.body[-1][1], AoT)):
        table.append(key, _item(value))
        return
    tail = _tail(table.value)
    table.append(key, _item(value))
    _give_back(table, tail)


def _tail(body: Container) -> Trivia:
    """Take the comments and blank lines off the end of a table."""
    tail: Trivia = []
    while body.body and body.body[-1][0] is None and isinstance(body.body[-1][1], Comment | Whitespace):
        tail.insert(0, body.body.pop())
    return tail


def _give_back(table: AbstractTable, tail: Trivia) -> None:
    for _, item in tail:
        assert isinstance(item, Comment | Whitespace)
        table.add(item)


def _item(value: Any) -> Any:
    if isinstance(value, Mapping):
        inline = tomlkit.inline_table()
        inline.update(value)
        return inline
    return list(value) if isinstance(value, tuple) else value


def _plain(item: Any) -> Any:
    return item.unwrap() if isinstance(item, Item) else item


# -- holders -----------------------------------------------------------------------------------------------------------
def _put_holders(table: AbstractTable, wanted: Sequence[Mapping[str, Any]]) -> None:
    """Each holder that stays in its place is changed key by key; the rest is added at the end, or taken out."""
    if "holders" not in table:
        _first_holders(table, wanted)
        return
    there = table["holders"]
    if not isinstance(there, AoT | Array):
        raise BadInput(f"office {table['id']}: its holders are no list; write each as an [[offices.holders]] table")
    for number, holder in enumerate(wanted):
        if number < len(there):
            for key in {**dict(there[number]), **holder}:
                _put(there[number], key, holder.get(key))
        else:
            _add_holder(there, holder)
    for _ in range(len(there) - len(wanted)):
        tail = _tail(there[-1].value) if isinstance(there, AoT) else []
        there.pop()
        if not there:
            del table["holders"]
        _give_back(there[-1] if there else table, tail)


def _first_holders(table: AbstractTable, wanted: Sequence[Mapping[str, Any]]) -> None:
    if not wanted:
        return
    if isinstance(table, InlineTable):
        raise BadInput(f"office {table['id']} stands on one line; write it as an [[offices]] table to add a holder")
    tail = _tail(table.value)
    holders = tomlkit.aot()
    for holder in wanted:
        holders.append(_holder(holder))
    holders[0].trivia.indent = "\n"
    table.append("holders", holders)
    _give_back(holders[-1], tail)


def _add_holder(there: AoT | Array, holder: Mapping[str, Any]) -> None:
    if isinstance(there, Array):
        there.append(_item(holder))
        return
    new, tail = _holder(holder), _tail(there[-1].value)
    new.trivia.indent = "\n"
    there.append(new)
    _give_back(there[-1], tail)


def _holder(holder: Mapping[str, Any]) -> Table:
    table = tomlkit.table()
    for key, value in holder.items():
        if value is not None:
            table.add(key, value)
    return table
