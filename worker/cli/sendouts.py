"""`lettershop sendouts ...`: the yearly send-outs, their coming dates, and what operators do to them."""

from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from worker.cli import say
from worker.cli.counting import counting
from worker.cli.frame import JsonOption, ReasonOption, bell, frame_of, who
from worker.cli.say import Column
from worker.domain.errors import RefusedByState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from worker.schedule import Board, Order
    from worker.settings import Home

app = typer.Typer(help="Yearly send-outs.")
_Number = Annotated[int, typer.Argument(help="The send-out's number.", show_default=False)]
_Campaign = Annotated[str, typer.Option("--campaign", help="Only this campaign's.", show_default=False)]


@app.callback()
def _group() -> None:
    """Yearly send-outs: what is ahead, and stepping in."""


@app.command("list")
def list_(context: typer.Context, campaign: _Campaign = "", json: JsonOption = False) -> None:
    """List the send-outs of all years, the next to start first."""
    from worker.schedule.views import overview

    with _board(context) as (_, board):
        found = overview(board, campaign)
    if json:
        say.as_json({"sendouts": found})
        return
    _table(found)


@app.command("show")
def show(context: typer.Context, number: _Number, json: JsonOption = False) -> None:
    """Show one send-out: where it stands, why, what is next, its preflights, who is left out and why."""
    from worker.schedule.views import detail

    with _board(context) as (_, board):
        found = detail(board, number)
    if json:
        say.as_json(found)
        return
    _print(found)


@app.command("calendar")
def calendar(
    context: typer.Context,
    campaign: _Campaign = "",
    years: Annotated[int, typer.Option(min=1, max=50, help="How many years ahead.")] = 1,
    json: JsonOption = False,
) -> None:
    """Show what is ahead: each occasion's dates, with those of its preflights and its announcement."""
    from worker.schedule.views import ahead

    with _board(context) as (_, board):
        found = ahead(board, campaign, years)
    if json:
        say.as_json({"dates": found})
        return
    say.table(
        [Column("when"), Column("campaign", give=True), Column("send-out"), Column("what", wrap=True)],
        [(say.moment(each["when"]), each["campaign"], each["sendout"], each["what"]) for each in found],
    )
    if not found:
        say.note("no campaign has an occasion; see [occasions] in docs/configuration.md")


@app.command("plan")
def plan(context: typer.Context, json: JsonOption = False) -> None:
    """Do now what is due of all send-outs, as the workers do every few seconds."""
    from worker.schedule import tick

    with _board(context) as (home, board):
        _refuse_behind(home, board)
        done = tick(board)
        _ring(home, done)
    if json:
        say.as_json({"done": done})
    else:
        say.line(f"{say.number(done, 'step')} done" if done else "nothing was due")


@app.command("preview")
def preview(context: typer.Context, number: _Number, json: JsonOption = False) -> None:
    """Look a send-out over now: holders, mailboxes, templates, relays, limits, and how many letters it will be.

    The result is kept with the send-out. Exit status 1 where something is found wrong.
    """
    from worker.schedule import preflight

    with _board(context) as (_, board):
        report = preflight(board, number, who())
    if json:
        say.as_json(report.body())
    else:
        _print_report(report.body())
    if not report.passed:
        raise typer.Exit(1)


@app.command("approve")
def approve(context: typer.Context, number: _Number, reason: ReasonOption, json: JsonOption = False) -> None:
    """Let an announced send-out begin when its time comes."""
    from worker.schedule import approve as take

    with _board(context) as (_, board):
        found = take(board, number, _order(reason))
        from worker.schedule import begins_at

        begins = say.moment(_iso(begins_at(board, found)))
    _tell(found.name, f"is approved; it begins at {begins}", json=json, number=number)


@app.command("run")
def run(context: typer.Context, number: _Number, reason: ReasonOption, json: JsonOption = False) -> None:
    """Begin an approved or missed send-out now."""
    from worker.schedule import run as take
    from worker.schedule import tick

    with _board(context) as (home, board):
        _refuse_behind(home, board)
        found = take(board, number, _order(reason))
        _ring(home, tick(board))
    _tell(found.name, "begins now", json=json, number=number)


@app.command("hold")
def hold(context: typer.Context, number: _Number, reason: ReasonOption, json: JsonOption = False) -> None:
    """Stop a send-out where it is; letters that wait are set aside."""
    from worker.schedule import hold as take

    moved = _moving(context, "letters set aside", lambda board, told: take(board, number, _order(reason), told), json)
    _tell(f"send-out {number}", f"is held; {say.number(moved, 'letter')} set aside", json=json, number=number, n=moved)


@app.command("resume")
def resume(context: typer.Context, number: _Number, reason: ReasonOption, json: JsonOption = False) -> None:
    """Let a held send-out go on where it was."""
    from worker.schedule import resume as take

    moved = _moving(context, "letters queued", lambda board, told: take(board, number, _order(reason), told), json)
    _tell(f"send-out {number}", f"goes on; {say.number(moved, 'letter')} queued", json=json, number=number, n=moved)


@app.command("cancel")
def cancel(
    context: typer.Context,
    number: _Number,
    reason: ReasonOption,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    json: JsonOption = False,
) -> None:
    """End a send-out for this year. What is not sent is taken back; this cannot be undone."""
    from worker.schedule import cancel as take

    _order(reason)
    if not yes:
        _ask(f"End send-out {number} for this year?")
    moved = _moving(context, "letters taken back", lambda board, told: take(board, number, _order(reason), told), json)
    _tell(
        f"send-out {number}",
        f"is cancelled; {say.number(moved, 'letter')} taken back",
        json=json,
        number=number,
        n=moved,
    )


@app.command("end")
def end(
    context: typer.Context,
    number: _Number,
    moment: Annotated[datetime, typer.Argument(help="Its new end; UTC where no offset stands.", show_default=False)],
    reason: ReasonOption,
    json: JsonOption = False,
) -> None:
    """Move the end of a send-out's window; letters that wait are spread anew. Refused where the limits do not allow it."""
    from worker.domain.clock import to_us
    from worker.schedule import move_end

    end_us = to_us(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    moved = _moving(
        context, "letters spread anew", lambda board, told: move_end(board, number, end_us, _order(reason), told), json
    )
    _tell(
        f"send-out {number}", f"ends then; {say.number(moved, 'letter')} spread anew", json=json, number=number, n=moved
    )


# -- the steps -----------------------------------------------------------------------------------------------------------
@contextmanager
def _board(context: typer.Context) -> "Iterator[tuple[Home, Board]]":
    from worker.wiring.schedule import open_board

    home = frame_of(context).home()
    with frame_of(context).ledger(home) as ledger:
        yield home, open_board(home, ledger)


def _refuse_behind(home: "Home", board: "Board") -> None:
    """Nothing is begun on a ledger that was restored and not accepted yet. Raises RefusedByState."""
    from worker.ledger import witness

    seen = witness.read(home.var / "witness.json", board.ledger.ledger_id)
    witness.refuse_behind(board.ledger, seen)


def _order(reason: str) -> "Order":
    from worker.schedule import Order

    return Order(who(), reason)


def _moving(
    context: typer.Context, what: str, work: "Callable[[Board, Callable[[int], None]], int]", json: bool
) -> int:
    with _board(context) as (home, board), counting(what, wanted=not json) as told:
        moved = work(board, told or (lambda _: None))
        _ring(home, moved)
    return moved


def _ring(home: "Home", done: int) -> None:
    wake = bell(home) if done else None
    if wake is not None:
        wake()


def _ask(question: str) -> None:
    import sys

    if not sys.stdin.isatty():
        raise RefusedByState("this cannot be undone, and nobody is here to be asked: say --yes")
    if not typer.confirm(question, err=True):
        raise typer.Abort


def _tell(what: str, became: str, *, json: bool, number: int, **more: Any) -> None:
    if json:
        say.as_json({"sendout": number, **({"letters": more["n"]} if "n" in more else {})})
    else:
        say.line(f"{what} {became}")


def _iso(at_us: int) -> str:
    from worker.domain.clock import from_us
    from worker.schedule.views import moment_text

    return moment_text(from_us(at_us))


def _table(found: list[dict[str, Any]]) -> None:
    columns = [
        Column("no", "right"),
        Column("campaign", give=True),
        Column("send-out"),
        Column("starts"),
        Column("state"),
        Column("letters", "right"),
        Column("sent", "right"),
        Column("next", wrap=True),
    ]
    say.table(
        columns,
        [
            (
                str(each["id"]),
                each["campaign"],
                each["name"],
                say.moment(each["starts"]),
                each["state"],
                f"{each['letters']:,}",
                f"{each['sent']:,}",
                each["next"],
            )
            for each in found
        ],
    )
    if not found:
        say.note("no send-out is planned: no campaign has an occasion, or no worker has looked yet (`sendouts plan`)")


def _print(found: dict[str, Any]) -> None:
    say.styled(
        f"send-out [bold]{found['id']}[/], {say.plain(found['name'])} of {say.plain(found['campaign'])}: {found['state']}"
    )
    moments = {"starts", "ends", "announced", "begun", "done"}
    for label in ("reason", "next", "starts", "window", "ends", "text", "announced", "approved", "begun", "done"):
        if found.get(label):
            say.field(label, say.moment(found[label]) if label in moments else str(found[label]))
    say.field(
        "written for",
        f"{found['written']:,} of {found['audience']:,}" if found["audience"] is not None else "not begun",
    )
    for state, n in sorted(found["by_state"].items()):
        say.field(state, f"{n:,}")
    for why, n in sorted(found["left_out"].items()):
        say.field("left out", f"{n:,}: {why}")
    for each in found["preflights"]:
        say.field("preflight", f"{each['name']}: {'passed' if each['passed'] else 'failed'} ({say.moment(each['at'])})")


def _print_report(report: dict[str, Any]) -> None:
    say.styled(
        "[bold]preflight[/]: " + ("nothing is in the way" if not report["errors"] else "something must be mended")
    )
    say.field("written for", f"{report['supporters']:,} supporters, {report['letters']:,} letters")
    for why, n in sorted(report["left_out"].items()):
        say.field("left out", f"{n:,}: {why}")
    if report["quota_days"] is not None:
        say.field("relays", f"{report['quota_days']} days of their daily quota")
    for level in ("errors", "warnings"):
        for place, message in report[level]:
            say.field(level.removesuffix("s"), f"{place}: {message}")
    say.table(
        [
            Column("office", give=True),
            Column("letters", "right"),
            Column("fit in the window", "right"),
            Column("until"),
        ],
        [
            (office, f"{n:,}", f"{fit:,}", say.moment(ends) if ends else "-")
            for office, n, fit, ends in report["offices"]
        ],
    )
