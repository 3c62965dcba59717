"""`lettershop imports list|stop`: lists that were imported, and one that was wrong taken back."""

from typing import TYPE_CHECKING, Annotated

import typer

from worker.cli import say
from worker.cli.asking import YesOption, ask_about
from worker.cli.counting import counting
from worker.cli.frame import JsonOption, ReasonOption, frame_of, who
from worker.cli.say import Column

if TYPE_CHECKING:
    from worker.operations.imports import Stopped

app = typer.Typer(help="Imports, listed and stopped.")


@app.callback()
def _group() -> None:
    """Imports, listed and stopped."""


@app.command("list")
def list_(
    context: typer.Context,
    before: Annotated[
        int | None, typer.Option(help="Begin behind this import: the next page.", show_default=False)
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Imports on a page.")] = 50,
    json: JsonOption = False,
) -> None:
    """List imports, the newest first, a page at a time."""
    from worker.operations.imports import list_imports

    with frame_of(context).ledger() as ledger:
        found = list_imports(ledger, limit + 1, before)
    page, following = say.paged(found, limit, "import")
    if json:
        say.as_json({"imports": page, "next_before": following})
        return
    columns = [
        Column("import", "right"),
        Column("campaign", give=True),
        Column("rows", "right"),
        Column("accepted", "right"),
        Column("began"),
        Column("evidence", give=True),
    ]
    rows = [
        (
            str(each["import"]),
            each["campaign"],
            str(each["rows"]),
            str(each["accepted"]),
            say.moment(each["began_at"]),
            each["evidence"],
        )
        for each in page
    ]
    say.table(columns, rows)
    if not page:
        say.note("nothing was imported")
    elif following:
        say.note(f"there are more: add --before {following}")


@app.command("stop")
def stop(
    context: typer.Context,
    number: Annotated[int, typer.Argument(metavar="IMPORT", help="The import's number.", show_default=False)],
    reason: ReasonOption,
    yes: YesOption = False,
    json: JsonOption = False,
) -> None:
    """Take an import back.

    Every signature that came with it and still stands is ended; letters not sent yet are cancelled. No more rows of it
    are read. What was sent cannot be taken back. Can be said again.
    """
    from worker.operations.holds import checked_reason
    from worker.operations.imports import standing_of, stop_import

    with frame_of(context).ledger() as ledger:
        checked_reason(reason)
        ask_about(standing_of(ledger, number), "signature", f"of import {number} to be ended", yes=yes, json=json)
        with counting("signatures ended", wanted=not json) as told:
            done = stop_import(ledger, number, who(), reason, lambda so_far: told(so_far.signatures) if told else None)
    if json:
        say.as_json(
            {"signatures": done.signatures, "cancelled": done.cancelled, "notices": done.notices, "gone": done.gone}
        )
    else:
        say.line(_sentence(number, done))


def _sentence(number: int, done: "Stopped") -> str:
    if not done.signatures:
        return f"nothing of import {number} stands any more; nothing was changed"
    gone = f"{say.number(done.gone, 'letter')} had gone already" if done.gone else "none had gone already"
    unsent = f"{say.number(done.cancelled, 'letter')} and {say.number(done.notices, 'notice')}"
    return (
        f"import {number} is stopped: {say.number(done.signatures, 'signature')} ended,"
        f" {unsent} cancelled before being sent; {gone}"
    )
