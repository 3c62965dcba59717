"""`lettershop acts ...`: what operators did to many letters, and acts that were left half done."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from worker.cli import say
from worker.cli.acting import run_act
from worker.cli.frame import JsonOption, ReasonOption, frame_of, who

app = typer.Typer(help="Verbs over many letters: see them, carry them on, stop them.")
_Number = Annotated[int, typer.Argument(metavar="ACT", help="The act's number.", show_default=False)]


@app.callback()
def _group() -> None:
    """Verbs over many letters: see them, carry them on, stop them."""


@app.command("list")
def list_(
    context: typer.Context,
    before: Annotated[
        int | None, typer.Option(help="Those before this act: the next page.", show_default=False)
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Acts on a page.")] = 50,
    json: JsonOption = False,
) -> None:
    """List acts, the newest first."""
    from worker.operations.acts import listing

    with frame_of(context).ledger() as ledger:
        found = listing(ledger, limit + 1, before)
    page, following = say.paged(found, limit, "id")
    if json:
        say.as_json({"acts": page, "next_before": following})
        return
    columns = [
        say.Column("act", "right"),
        say.Column("verb", style="cyan"),
        say.Column("state"),
        say.Column("moved", "right"),
        say.Column("left alone", "right"),
        say.Column("began"),
        say.Column("by"),
        say.Column("why", give=True),
    ]
    say.table(columns, [_row(each) for each in page])
    if following:
        say.note(f"there are more: add --before {following}")


def _row(act: Mapping[str, Any]) -> tuple[str, ...]:
    moved = f"{act['moved']:,}" if act["state"] == "done" else f"{act['moved']:,} of {act['expected']:,}"
    began = say.moment(act["began_at"]) if say.on_terminal() else act["began_at"]
    return (str(act["id"]), act["verb"], act["state"], moved, f"{act['skipped']:,}", began, act["who"], act["reason"])


@app.command("show")
def show(context: typer.Context, number: _Number, json: JsonOption = False) -> None:
    """Show one act: which letters, how far it is, what it left and why."""
    from worker.operations.acts import shown

    with frame_of(context).ledger() as ledger:
        found = shown(ledger, number)
    if json:
        say.as_json(found)
        return
    say.styled(f"act [bold]{found['id']}[/] ({found['verb']}) is [bold]{found['state']}[/]")
    said = {name: value for name, value in found["wanted"].items() if name not in {"verb", "up_to"}}
    say.field("letters", ", ".join(f"{name} {_written(value)}" for name, value in said.items()))
    say.field("moved", f"{found['moved']:,} of {found['expected']:,}")
    for why, n in found["why_skipped"].items():
        say.field("left alone", f"{n:,} x {why}")
    say.field("by", f"{found['who']}, {say.moment(found['began_at'])}: {found['reason']}")
    if found["ended_at"]:
        say.field("ended", say.moment(found["ended_at"]) + (f", by {found['ended_by']}" if found["ended_by"] else ""))
    say.field("undo", found["cannot_undo"] or f"lettershop undo {found['id']} --reason WHY")


def _written(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


@app.command("go-on")
def go_on(context: typer.Context, number: _Number, json: JsonOption = False) -> None:
    """Carry on an act that was left half done. Workers do so by themselves within a minute."""
    home = frame_of(context).home()
    with frame_of(context).ledger(home) as ledger:
        run_act(home, ledger, number, json=json)


@app.command("stop")
def stop(context: typer.Context, number: _Number, reason: ReasonOption, json: JsonOption = False) -> None:
    """End an act where it is; what it has moved stays moved, and `undo` takes that back."""
    from worker.operations.acts import Order, act_body
    from worker.operations.acts import stop as end

    order = Order(who(), reason)
    with frame_of(context).ledger() as ledger:
        done = end(ledger, number, order)
        at_us = ledger.now_us()
    if json:
        say.as_json(act_body(done, at_us))
    else:
        say.line(f"act {number} is stopped: {say.number(done.moved, 'letter')} moved")
