"""The grid of `status --shape`, drawn: an office a row, an age a column."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from worker.cli import say

if TYPE_CHECKING:
    from rich.console import RenderableType

_MOST_OFFICES = 40
_REST, _NARROWEST = 64, 12
"""What the grid's other columns take at most, and the least that is left of an office's id."""

_HEAT = ("dim", "default", "yellow", "bold yellow", "bold red")


def drawn_shape(found: Mapping[str, Any]) -> "RenderableType":
    """The grid of office and age, the total on top; the older a column, the warmer."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    if not found["total"]["due"]:
        return Text("nothing is due")
    ages = [*(str(age) for age in found["ages_min"]), f"{found['ages_min'][-1]}+"]
    grid = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), header_style="bold")
    ids = [row["id"] for row in found["offices"][:_MOST_OFFICES]]
    room = max(_NARROWEST, say.console().width - _REST)
    grid.add_column("office", overflow="ellipsis", no_wrap=True, width=min(room, max(map(len, ids))))
    grid.add_column("due", justify="right", no_wrap=True)
    for age in ages:
        grid.add_column(age, justify="right", no_wrap=True)
    rows = [{"id": "TOTAL", **found["total"]}, *found["offices"][:_MOST_OFFICES]]
    for row in rows:
        cells = [Text(_compact(n), _HEAT[min(4, place // 2)] if n else "dim") for place, n in enumerate(row["ages"])]
        style = "bold" if row["id"] == "TOTAL" else ""
        grid.add_row(Text(row["id"], style), Text(_compact(row["due"]), "bold"), *cells)
    left = len(found["offices"]) - _MOST_OFFICES
    head = Text("letters that are due, by minutes since they fell due", "dim")
    return Group(head, grid, *([Text(f"and {left:,} more offices: add --json", "dim")] if left > 0 else []))


_THOUSAND, _MILLION = 1_000, 1_000_000


def _compact(n: int) -> str:
    """A number in at most four characters, so that twelve columns fit 80: 950, 12k, 3.4M."""
    if n < _THOUSAND:
        return str(n) if n else "·"
    if n < _MILLION:
        return f"{n / _THOUSAND:.1f}k" if n < 10 * _THOUSAND else f"{n // _THOUSAND}k"
    return f"{n / _MILLION:.1f}M"
