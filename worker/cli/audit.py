"""`lettershop audit list|verify`: what operators and the house itself did, and the proof that nobody changed it since."""

from typing import Annotated, Any

import typer

from worker.cli import say
from worker.cli.frame import JsonOption, frame_of
from worker.cli.say import Column

app = typer.Typer(help="What was done, by whom, and why.")


@app.callback()
def _group() -> None:
    """What was done, by whom, and why."""


@app.command("list")
def list_(
    context: typer.Context,
    target: Annotated[
        str, typer.Option(help='How the target begins, like "office town-mayor".', show_default=False)
    ] = "",
    verb: Annotated[str, typer.Option(help='Like "hold" or "log in".', show_default=False)] = "",
    by: Annotated[str, typer.Option("--who", help="The operator.", show_default=False)] = "",
    before: Annotated[int, typer.Option(min=0, help="Begin before this row: the next page.", show_default=False)] = 0,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Rows on a page.")] = 50,
    json: JsonOption = False,
) -> None:
    """List the audit, newest first, a page at a time."""
    from worker.operations.audit import Sought, entries

    with frame_of(context).ledger() as ledger:
        found = entries(ledger, Sought(target, verb, by, before), limit + 1)
    page, following = say.paged(found, limit, "id")
    if json:
        say.as_json({"entries": page, "next_before": following})
        return
    columns = [
        Column("row", "right"), Column("when"), Column("who", give=True), Column("verb"), Column("target", give=True),
        Column("reason", wrap=True),
    ]  # fmt: skip
    say.table(columns, [_row(each) for each in page])
    if not page:
        say.note("no row fits")
    elif following:
        say.note(f"there are more: add --before {following}")


def _row(entry: dict[str, Any]) -> tuple[str, ...]:
    when = say.moment(entry["at"]) if say.on_terminal() else entry["at"]
    return str(entry["id"]), when, entry["who"], entry["verb"], entry["target"] or "everything", entry["reason"]


@app.command("verify")
def verify(
    context: typer.Context,
    noted: Annotated[
        str, typer.Option(help="The head (64 hex digits) noted earlier, which must still be there.", show_default=False)
    ] = "",
    json: JsonOption = False,
) -> None:
    """Look through the whole chain of the audit; exit status 1 where it is broken.

    Each row holds the hash of the row before. A row altered, removed or slipped in shows; rows cut off at the end show
    with --noted alone, so keep the head that is printed somewhere else.
    """
    from worker.operations.audit import proof

    with frame_of(context).ledger() as ledger:
        found = proof(ledger, noted)
    if json:
        say.as_json(found.body())
    else:
        for sentence in found.problems:
            say.line(sentence)
        if not found.problems:
            say.line(f"the audit is sound: {say.number(found.rows, 'row')}, none altered, removed or slipped in")
        say.line(f"head: row {found.head} {found.hash}".rstrip())
        say.note("note the head somewhere else; `audit verify --noted` compares")
    if found.problems:
        raise typer.Exit(1)
