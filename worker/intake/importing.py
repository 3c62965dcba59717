"""Importing a CSV of signatures that were confirmed elsewhere: streaming, resumable, idempotent.

The ledger remembers a file by its SHA-256 and, in the transaction of each chunk, how many of its rows are done. After a
crash the same call goes on from there; after the end it changes nothing and tells the same numbers. Rejected rows go to
`FILE.rejected.csv` (mode 0600: they are people's data) with their line and the reason. Whether a row is rejected depends
on the row alone, so on resuming the first ones are judged again and the file is complete whenever the import is.
"""

import contextlib
import csv
import itertools
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Protocol

from worker.domain.campaign import Campaign
from worker.domain.errors import Failed, RefusedByState
from worker.intake import table
from worker.intake.bulk import Row, chunk_size, prepare, submit_chunk
from worker.intake.desk import Desk, Floor, Origin, stated
from worker.intake.doors import Intake
from worker.intake.receipt import Outcome, Tally
from worker.intake.table import Record
from worker.ledger import imports
from worker.ledger.imports import Import

_NEW = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW


class _Writer(Protocol):
    def writerow(self, row: Iterable[object], /) -> object: ...


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an import has come. `bytes_done` of `size`: what a progress bar shows."""

    tally: Tally
    bytes_done: int
    size: int


@dataclass(frozen=True, slots=True)
class Report:
    """What an import came to, all its runs together. `number` is the ledger's for it, by which it is stopped.

    `letters` are those of this run, and `rejected_file` is None where no row was rejected in it. `finished_before`: the
    file had been imported whole already, and nothing was done now.
    """

    tally: Tally
    letters: int
    rejected_file: Path | None
    number: int
    finished_before: bool = False


def import_file(
    intake: Intake,
    campaign: str,
    path: Path,
    *,
    evidence: str,
    wait: timedelta = timedelta(0),
    progress: Callable[[Progress], None] | None = None,
) -> Report:
    """Import `path`. `progress` is called after each chunk was committed.

    Each signer is sent the link of their page at once; their letters are due after `wait`, so that a wrong import can be
    stopped (see `operations.imports`).

    Raises BadInput for a file that is not UTF-8 or has the wrong columns (before anything is recorded), for missing
    evidence or an unknown campaign; RefusedByState for a campaign that is not open, another run of the same import
    under way, or other evidence than it was begun with; Failed where the ledger is away: then call again.
    """
    opened = intake.open_campaign(campaign)
    evidence = stated(evidence, "evidence")
    looked = table.survey(path)
    begun = intake.desk.transact(opened, lambda floor: _begin(floor, looked.hash, evidence))
    if begun.evidence != evidence:
        raise RefusedByState(f"{path} was imported with other evidence; give the same: {begun.evidence!r}")
    before = Tally(begun.accepted, begun.repeated, begun.rejected)
    if begun.finished_at is not None:
        return Report(before, 0, None, begun.id, finished_before=True)
    with _rejected_rows(path, looked.columns) as rejected:
        return _Run(intake, opened, looked.columns, looked.size, begun, rejected, progress, wait).through(path, before)


def _begin(floor: Floor, file_hash: str, evidence: str) -> Import:
    return imports.begin(floor.connection, floor.ground.campaign_id, file_hash, evidence, floor.at_us)


class _Rejected:
    """The file of rejected rows while it is written; `path` is None until there is one."""

    def __init__(self, writer: _Writer, columns: tuple[str, ...]) -> None:
        self._writer, self._width = writer, len(columns)
        self._ours = [i for i, name in enumerate(columns) if name in table.OURS]
        self.rows = 0

    def add(self, record: Record, reason: str) -> None:
        cells = [*record.cells[: self._width], *[""] * (self._width - len(record.cells))]
        self._writer.writerow([*(c for i, c in enumerate(cells) if i not in self._ours), record.line, reason])
        self.rows += 1


@contextlib.contextmanager
def _rejected_rows(path: Path, columns: tuple[str, ...]) -> Iterator[_Rejected]:
    """Write beside the final name, and move there at the end: a half-written list is never taken for the whole."""
    final, draft = rejected_path(path), path.with_name(f"{path.name}.rejected.csv.part")
    try:
        with os.fdopen(os.open(draft, _NEW, 0o600), "w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow([*(name for name in columns if name not in table.OURS), *table.OURS])
            rejected = _Rejected(writer, columns)
            yield rejected
            file.flush()
            os.fsync(file.fileno())
        if rejected.rows:
            draft.replace(final)
    except OSError as exc:
        raise Failed(
            f"{path} could not be read or {final.name} beside it not be written ({exc.strerror});"
            " run the import again, it goes on where it was"
        ) from exc
    finally:
        draft.unlink(missing_ok=True)


def rejected_path(path: Path) -> Path:
    """Where the rejected rows of `path` are written."""
    return path.with_name(f"{path.name}.rejected.csv")


@dataclass(frozen=True, slots=True)
class _Run:
    """One run over the rows that are left."""

    intake: Intake
    campaign: Campaign
    columns: tuple[str, ...]
    size: int
    begun: Import
    rejected: _Rejected
    progress: Callable[[Progress], None] | None
    wait: timedelta

    @property
    def _desk(self) -> Desk:
        return self.intake.desk

    def through(self, path: Path, before: Tally) -> Report:
        stream = table.records(path)
        next(stream)  # the header
        self._judge_again(itertools.islice(stream, self.begun.rows_done))
        total, letters = before, 0
        while chunk := list(itertools.islice(stream, chunk_size(self._desk, self.campaign))):
            tally = self._chunk(chunk, total.rows)
            total, letters = total + tally, letters + tally.letters
            if self.progress:
                self.progress(Progress(total, chunk[-1].end, self.size))
        self._desk.transact(self.campaign, lambda floor: imports.finish(floor.connection, self.begun.id, floor.at_us))
        found = rejected_path(path) if self.rejected.rows else None
        return Report(total, letters, found, self.begun.id)

    def _chunk(self, chunk: list[Record], rows_done: int) -> Tally:
        rows = [self._row(record) for record in chunk]

        def checkpoint(floor: Floor, tally: Tally) -> None:
            added = (tally.accepted, tally.repeated, tally.rejected)
            if not imports.advance(floor.connection, self.begun.id, rows_done, added):
                raise RefusedByState(
                    "another run of this import is under way, or it was stopped: wait, then run it again"
                )

        origin = Origin(imports.source(self.begun.id), self.begun.evidence, notice="imported", wait=self.wait)
        outcomes, tally = submit_chunk(self._desk, self.campaign, rows, origin, checkpoint)
        if tally.letters:
            self.intake.bell.ring()
        for record, outcome in zip(chunk, outcomes, strict=True):
            self._note(record, outcome)
        return tally

    def _judge_again(self, done: Iterable[Record]) -> None:
        for record in done:
            outcome = prepare(self._desk, self.campaign, self._row(record))
            if isinstance(outcome, Outcome):
                self._note(record, outcome)

    def _row(self, record: Record) -> Row:
        return table.row(self.columns, record)

    def _note(self, record: Record, outcome: Outcome) -> None:
        if outcome.kind == "rejected":
            self.rejected.add(record, outcome.reason)
