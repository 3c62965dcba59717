"""What verbs print: rich on a terminal, plain lines in a pipe, JSON where asked. Trouble is one line on standard error."""

import contextlib
import json
import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from rich.console import Console, RenderableType

_CONSOLE: "Console | None" = None
_NARROWEST = 8


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table. `style` is rich's; on a narrow terminal one that may `wrap` or `give` way does so first."""

    name: str
    align: Literal["left", "right"] = "left"
    style: str = ""
    wrap: bool = False
    give: bool = False


def paged(found: Sequence[Any], limit: int, key: str) -> tuple[Sequence[Any], Any]:
    """A page of `limit` out of one row more than it has, and the `key` of its last row where there are more, else None."""
    page = found[:limit]
    return page, page[-1][key] if len(found) > limit else None


def on_terminal() -> bool:
    """Whether somebody looks at standard output, on a terminal that can be drawn on; a dumb one gets plain lines."""
    return sys.stdout.isatty() and os.environ.get("TERM") != "dumb"


def console() -> "Console":
    """Rich's console on standard output; one for the process."""
    global _CONSOLE  # noqa: PLW0603 -- the one terminal there is
    if _CONSOLE is None:
        from rich.console import Console

        _CONSOLE = Console(highlight=False, soft_wrap=False)
    return _CONSOLE


def line(text: str = "") -> None:
    """One line of result, as it is."""
    print(text, flush=True)


def styled(text: str) -> None:
    """One line with rich's markup, which a pipe never sees. Escape what is not ours with `plain`."""
    if on_terminal():
        console().print(text)
    else:
        from rich.text import Text

        line(Text.from_markup(text).plain)


def plain(text: str) -> str:
    """`text` safe inside `styled`: its brackets are only brackets."""
    from rich.markup import escape

    return escape(text)


def show(thing: "RenderableType") -> None:
    """Something of rich's."""
    console().print(thing)


def field(name: str, text: str) -> None:
    """One named fact; a long one is wrapped beside its name."""
    if not on_terminal():
        line(f"  {name:<10} {text}")
        return
    from rich.table import Table
    from rich.text import Text

    grid = Table.grid(padding=(0, 1))
    grid.add_column(width=11, style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    grid.add_row(f" {name}", Text(text))
    show(grid)


def moment(stamp: str | None) -> str:
    """A moment as JSON has it ("2026-11-24T02:11:36Z") for a reader: "2026-11-24 02:11:36"; "-" for none."""
    return stamp.replace("T", " ").removesuffix("Z") if stamp else "-"


def as_json(value: Any) -> None:
    """One JSON value: on one line in a pipe, indented for a reader."""
    print(json.dumps(value, ensure_ascii=False, indent=2 if on_terminal() else None), flush=True)


def table(columns: Sequence[Column], rows: Iterable[Sequence[str]], title: str = "") -> None:
    """A table on a terminal; in a pipe lines of tab-separated values, the names first."""
    if not on_terminal():
        line("\t".join(column.name for column in columns))
        for row in rows:
            line("\t".join(_one_line(cell) for cell in row))
        return
    show(rich_table(columns, rows, title))


def rich_table(columns: Sequence[Column], rows: Iterable[Sequence[str]], title: str = "") -> "RenderableType":
    """The table as rich draws it, for a terminal or for a live display."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    cells = [tuple(row) for row in rows]
    widths = _widths(columns, cells, console().width)
    drawn = Table(box=SIMPLE_HEAD, title=title or None, title_justify="left", padding=(0, 1, 0, 0), header_style="bold")
    for column, width in zip(columns, widths, strict=True):
        drawn.add_column(
            column.name,
            justify=column.align,
            style=column.style,
            no_wrap=not column.wrap,
            overflow="fold" if column.wrap else "ellipsis",
            width=None if column.wrap else width,
        )
    for row in cells:
        drawn.add_row(*(Text(cell) for cell in row))
    return drawn


def _widths(columns: Sequence[Column], cells: Sequence[Sequence[str]], room: int) -> list[int]:
    """How wide each column is. Rich would narrow all alike; here those that may `give` way do, the widest first."""
    widths = [max([len(column.name), *(len(row[place]) for row in cells)]) for place, column in enumerate(columns)]
    giving = [place for place, column in enumerate(columns) if column.give]
    excess = sum(widths) + 2 * len(widths) + 1 - room  # each column has a gap of two, the first a margin of one
    while excess > 0 and giving:
        widest = max(giving, key=lambda place: widths[place])
        if widths[widest] <= _NARROWEST:
            break
        widths[widest] -= 1
        excess -= 1
    return widths


def trouble(text: str) -> None:
    """What went wrong, on standard error: the program's name, then the sentence."""
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.text import Text

        Console(stderr=True, highlight=False).print(Text("lettershop: ", style="bold red") + Text(text), soft_wrap=True)
    else:
        print(f"lettershop: {text}", file=sys.stderr, flush=True)


def busy(text: str) -> "AbstractContextManager[object]":
    """While it is entered, somebody sees that work is done: a spinner on a terminal, one line in a pipe."""
    if on_terminal():
        return console().status(plain(text))
    line(text)
    return contextlib.nullcontext()


def note(text: str) -> None:
    """An aside to whoever sits there, on standard error: never part of a result."""
    print(text, file=sys.stderr, flush=True)


def number(n: int, one: str, many: str = "") -> str:
    """Write `n` with its noun: 1 letter, 2 letters, 1,000 letters."""
    return f"{n:,} {one if n == 1 else many or one + 's'}"


def span(seconds: float | None) -> str:
    """A length of time for a reader: "3 s", "12 min", "5 h 10 min", "2 d 4 h"; "" for None."""
    if seconds is None:
        return ""
    whole = int(seconds)
    if whole < 60:  # noqa: PLR2004
        return f"{whole} s"
    minutes, hours, days = whole // 60 % 60, whole // 3600 % 24, whole // 86400
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


def _one_line(cell: str) -> str:
    return cell.replace("\t", " ").replace("\n", " ")
