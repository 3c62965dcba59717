"""`lettershop import`: many signatures that were confirmed elsewhere, from a CSV."""

import contextlib
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from worker.cli import say
from worker.cli.frame import JsonOption, frame_of
from worker.domain.clock import from_us

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from worker.intake import Progress, Report


def import_(
    context: typer.Context,
    campaign: Annotated[str, typer.Argument(help="The campaign's slug.", show_default=False)],
    file: Annotated[
        Path,
        typer.Argument(help="CSV, UTF-8: name, email, country [city, comment, language, yearly].", show_default=False),
    ],
    evidence: Annotated[
        str, typer.Option(help="Where and how these people agreed, to be looked up later.", show_default=False)
    ],
    no_wait: Annotated[
        bool, typer.Option("--no-wait", help="Let the letters leave at once, not after [signing] import_wait.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Import confirmed signatures from a CSV.

    They agreed elsewhere, as --evidence states. Each is told of it at once; their letters wait, so that a wrong import
    can be stopped. Run it again after a crash: it goes on where it was. Rejected rows are written to FILE.rejected.csv,
    each with its reason.
    """
    from worker.intake import import_file

    frame = frame_of(context)
    home = frame.home()
    wait = timedelta(0) if no_wait else home.settings.signing.import_wait
    with frame.intake(home) as intake, _bar(file, wanted=not json) as progress:
        due = from_us(intake.desk.ledger.now_us()) + wait
        report = import_file(intake, campaign, file, evidence=evidence, wait=wait, progress=progress)
    leave = due if wait and report.letters else None
    if json:
        say.as_json(_body(report, leave))
    else:
        _print(report, file, leave)


def _body(report: "Report", leave: datetime | None) -> dict[str, object]:
    from worker.operations.barriers import iso

    tally = report.tally
    return {
        "import": report.number,
        "rows": tally.rows,
        "accepted": tally.accepted,
        "repeated": tally.repeated,
        "rejected": tally.rejected,
        "letters": report.letters,
        "due_at": iso(leave),
        "rejected_file": str(report.rejected_file) if report.rejected_file else None,
        "finished_before": report.finished_before,
    }


def _print(report: "Report", file: Path, leave: datetime | None) -> None:
    tally = report.tally
    if report.finished_before:
        say.line(f"{file} had been imported before; nothing was changed")
    say.styled(
        f"{say.number(tally.rows, 'row')}: [green]{tally.accepted:,} accepted[/], {tally.repeated:,} stood already, "
        f"[{'red' if tally.rejected else 'default'}]{tally.rejected:,} rejected[/]"
    )
    if report.letters:
        from worker.operations.barriers import clock

        due = f"; they are due from {clock(leave)} on" if leave else ""
        say.line(f"{say.number(report.letters, 'letter')} queued{due}")
        say.line(
            f'was it the wrong list? `lettershop imports stop {report.number} --reason "..."` takes back what is unsent'
        )
    if report.rejected_file:
        say.line(f"the rejected rows with their reasons: {report.rejected_file}")


@contextlib.contextmanager
def _bar(file: Path, *, wanted: bool) -> "Iterator[Callable[[Progress], None] | None]":
    """A progress bar on a terminal, nothing elsewhere."""
    if not (wanted and say.on_terminal()):
        yield None
        return
    from rich import progress as rich_progress

    columns = (
        rich_progress.TextColumn("{task.description}"),
        rich_progress.BarColumn(),
        rich_progress.TaskProgressColumn(),
        rich_progress.TextColumn("{task.fields[rows]}"),
        rich_progress.TimeRemainingColumn(),
    )
    with rich_progress.Progress(*columns, console=say.console(), transient=True) as bar:
        task = bar.add_task(file.name, total=None, rows="")

        def advance(to: "Progress") -> None:
            bar.update(task, completed=to.bytes_done, total=to.size, rows=say.number(to.tally.rows, "row"))

        yield advance
