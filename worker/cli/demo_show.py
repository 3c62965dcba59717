"""What the demo shows: progress per office while letters go, a table per office, and one letter as its office sees it."""

import contextlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import sqlalchemy as sa

from worker.cli import say
from worker.cli.say import Column
from worker.domain.address_block import addressee_line
from worker.domain.states import WAITING, State
from worker.ledger import counts
from worker.ledger.schema import attempts, letters

if TYPE_CHECKING:
    from worker.cli.demo_count import Result
    from worker.ledger.book import Ledger
    from worker.settings import Home

_SHOWN_HEADERS = ("From", "Reply-To", "To", "Subject", "Date", "List-Id")


@dataclass(frozen=True, slots=True)
class Tally:
    """Letters sent and deferrals so far, by office, and how many letters have not ended."""

    sent: Mapping[str, int]
    deferred: Mapping[str, int]
    waiting: int


def read_tally(ledger: "Ledger") -> Tally:
    """Read it from the ledger, as it stands now."""
    deferrals = (
        sa.select(letters.c.addressee, sa.func.count())
        .join(attempts, attempts.c.letter_id == letters.c.id)
        .where(attempts.c.kind == "defer")
        .group_by(letters.c.addressee)
    )
    sent, waiting = Counter[str](), 0
    with ledger.read() as connection:
        for cell, n in counts.read(connection).items():
            if cell.state == State.SENT:
                sent[cell.addressee] += n
            waiting += n if cell.state in WAITING else 0
        deferred = {row.addressee: row[1] for row in connection.execute(deferrals)}
    return Tally(sent, deferred, waiting)


@dataclass(slots=True)
class Progress:
    """One bar per office on a terminal; in a pipe a line whenever the number sent has changed. A context manager."""

    offices: Sequence[str]
    each: int
    _stack: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)
    _bars: Any = None
    _tasks: dict[str, Any] = field(default_factory=dict)
    _last: int = -1

    def __enter__(self) -> Self:
        if say.on_terminal():
            self._bars = self._stack.enter_context(_bars())
            for office in self.offices:
                self._tasks[office] = self._bars.add_task(office, total=self.each, deferred="")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def show(self, tally: Tally) -> None:
        """Bring it up to date."""
        if self._bars is None:
            self._plainly(tally)
            return
        for office, task in self._tasks.items():
            later = tally.deferred.get(office, 0)
            self._bars.update(task, completed=tally.sent.get(office, 0), deferred=f"{later} deferred" if later else "")

    def _plainly(self, tally: Tally) -> None:
        sent = sum(tally.sent.values())
        if sent != self._last:
            total = self.each * len(self.offices)
            say.line(f"sent {sent} of {total}, deferred {sum(tally.deferred.values())}")
            self._last = sent


def _bars() -> Any:
    from rich import progress

    return progress.Progress(
        progress.TextColumn("  {task.description}"),
        progress.BarColumn(bar_width=12, complete_style="cyan", finished_style="green"),
        progress.MofNCompleteColumn(),
        progress.TextColumn("[yellow]{task.fields[deferred]}"),
        console=say.console(),
        transient=True,
        refresh_per_second=10,
    )


def offices_table(home: "Home", result: "Result", offices: Sequence[str]) -> None:
    """How many letters each office has at the sink, and how many distinct ones were deferred first."""
    columns = [
        Column("office", wrap=True),
        Column("letters", "right", "green"),
        Column("deferred first", "right", "yellow"),
    ]
    rows = [
        (addressee_line(home.offices[each]), str(result.offices.get(each, 0)), str(result.later.get(each, 0)))
        for each in offices
    ]
    say.table(columns, rows)


def letter_as_seen(result: "Result") -> None:
    """One letter out of the Maildir: its headers and its plain text."""
    message = result.sample
    if message is None:
        return
    headers = [(name, str(message[name])) for name in _SHOWN_HEADERS if message[name]]
    part = message.get_body(("plain",))
    text = str(part.get_content()).rstrip() if part is not None else ""
    if not say.on_terminal():
        say.line()
        say.line(f"one letter, as its office sees it; handed over for {result.handed_to}")
        say.line()
        for name, value in headers:
            say.line(f"    {name}: {value}")
        say.line()
        for line in text.splitlines():
            say.line(f"    {line}".rstrip())
        return
    from rich.panel import Panel
    from rich.text import Text

    shown = Text()
    for name, value in headers:
        shown.append(f"{name}: ", "bold").append(f"{value}\n")
    shown.append(f"\n{text}")
    say.show(
        Panel(
            shown,
            title="one letter, as its office sees it",
            title_align="left",
            subtitle=f"handed over for {result.handed_to}",
            subtitle_align="left",
            border_style="dim",
            width=min(say.console().width, 90),
        )
    )
