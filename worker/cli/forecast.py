"""`lettershop forecast`: when the letters will be sent, per office, before a launch and while they go."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from worker.cli import say
from worker.cli.drawn import bar as bar_of
from worker.cli.frame import JsonOption, frame_of
from worker.cli.say import Column

if TYPE_CHECKING:
    from rich.console import RenderableType

_NARROW = 90
_BAR, _BAR_NARROW = 30, 14


def forecast(
    context: typer.Context,
    campaign: Annotated[str, typer.Argument(help="Of one campaign alone.", show_default=False)] = "",
    signatures: Annotated[
        int, typer.Option(min=0, help="As if so many more people had signed now.", show_default=False)
    ] = 0,
    json: JsonOption = False,
) -> None:
    """Foretell when the letters will be sent.

    From the limits, the offices' hours and holidays, and what is queued: per office, the slowest first. Holds and troubles
    are not foreseen; they stand beside the date that would hold without them.
    """
    from worker.operations.forecast import days_of
    from worker.operations.forecast import forecast as foretell
    from worker.wiring.plan import open_gauge

    home = frame_of(context).home()
    with frame_of(context).ledger(home) as ledger:
        from worker.domain.clock import from_us

        found = foretell(home, ledger, open_gauge(home, ledger), from_us(ledger.now_us()), campaign, signatures)
    if json:
        say.as_json(found)
        return
    say.styled(f"[bold]{say.plain(found['sentence'])}[/]")
    if not found["offices"]:
        return
    if not say.on_terminal():
        columns = ("office", "letters", "working days", "ends", "limit", "stands still")
        rows = [_plain(row) for row in found["offices"]]
        say.table([Column(name) for name in columns], rows)
        return
    say.show(_drawn(found, dict(days_of(found))))
    for row in found["offices"]:
        if row["stopped"]:
            say.styled(
                f"  [yellow]{row['id']} stands still, and this holds once it goes on:[/] {say.plain(row['stopped'])}"
            )


def _plain(row: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        row["id"],
        str(row["letters"]),
        str(row["working_days"]),
        row["ends"] or "-",
        row["limit"] or "-",
        row["stopped"] or "-",
    )


def _drawn(found: Mapping[str, Any], days: Mapping[str, float]) -> "RenderableType":
    wide = say.console().width >= _NARROW
    room = _BAR if wide else _BAR_NARROW
    longest = max([0.01, *days.values()])
    columns = [
        Column("office", give=True),
        Column("letters", "right"),
        Column("", style="cyan"),
        Column("days", "right"),
        Column("ends (UTC)"),
        *([Column("by", give=True)] if wide else []),
    ]
    rows = []
    for row in found["offices"]:
        far = days[row["id"]]
        bar = "∞" if far < 0 else bar_of(far / longest, room)
        ends = say.moment(row["ends"])[:16] if row["ends"] else "beyond five years" if row["letters"] else "-"
        rows.append(
            [row["id"], f"{row['letters']:,}", bar, str(row["working_days"]), ends, *([row["limit"]] if wide else [])]
        )
    return say.rich_table(columns, rows)
