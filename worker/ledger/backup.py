"""Write the ledger into one file, while workers run.

One reading transaction sees one moment of the ledger: on SQLite its write-ahead log keeps writers free of it, on
PostgreSQL it is a REPEATABLE READ snapshot. Rows go over page by page, as `ledger copy` takes them, so that both ledgers
make the same file, and nothing that was deleted is in it: not a destroyed key, nor a page that held one. Then the file is
read again from the disk, and compared table by table with what was read from the ledger.

The three keys are never in it. Limit: while it runs, SQLite's log cannot be emptied and grows by what is written meanwhile.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from worker.domain.errors import Failed
from worker.ledger import audit, backup_file
from worker.ledger.backup_file import Note
from worker.ledger.book import Ledger
from worker.ledger.copy import TABLES, Copied, Rows, Sum, insert, pages, raise_sequences, sum_up
from worker.ledger.engine import failures
from worker.ledger.migrate import upgrade
from worker.ledger.migrations import HEAD
from worker.ledger.restore import PATHS
from worker.ledger.schema import letters, meta

Progress = Callable[[str, int], None]
"""Is told (table, rows just copied)."""

Failing = Callable[[], AbstractContextManager[None]]
"""Around whatever is asked of one side: makes of its driver's errors a `Failed` that names that side."""


def write(ledger: Ledger, draft: Path, progress: Progress = lambda _table, _rows: None) -> Note:
    """Fill the empty file `draft` with the ledger as it stands now; returns what is in it. Raises Failed."""
    with ledger.read() as source:
        at_us = ledger.now_us()
        number, head = audit.head(source)  # the first thing read: from here on it is one moment
        with backup_file.building(draft) as target:
            upgrade(target)
            sides = partial(failures, ledger.url), partial(backup_file.failures, draft)
            tables = pour(source, target, sides, progress)
            stamp = pour_stamp(source, target)
            note = Note(
                made_at=at_us,
                ledger_id=stamp["ledger_id"],
                version=HEAD,
                letters=next(each.rows for each in tables if each.table == letters.name),
                waiting=_waiting(target),
                audit_id=number,
                audit_head=head,
                tables=tuple(tables),
            )
            backup_file.put_note(target, note)
    return note


def verify(file: Path, note: Note) -> list[str]:
    """Read the file once more, and compare it with `note`. Raises Failed with what is wrong.

    Returns where the audit's chain is broken: then it is so in the ledger, of which there must be a backup all the same.
    """
    with backup_file.reading(file) as connection:
        backup_file.check_whole(connection)
        if backup_file.read_note(connection) != note:
            raise Failed("the backup is damaged: its note is not what was written")
        backup_file.check_sums(note.tables, sums(connection), "the backup")
        if audit.head(connection) != (note.audit_id, note.audit_head):
            raise Failed("the backup is damaged: its audit does not end where the ledger's did")
        return audit.verify(connection)


def pour(source: Connection, target: Connection, sides: tuple[Failing, Failing], progress: Progress) -> list[Copied]:
    """Copy every table but the stamp within the two transactions; what was read, table by table."""
    found = []
    for table in TABLES:
        read = Sum()
        for rows in _pages(source, table, sides[0]):
            with sides[1]():
                insert(target, table, rows)
            read.add(rows)
            progress(table.name, len(rows))
        found.append(read.of(table))
    raise_sequences(source, target)
    return found


def _pages(source: Connection, table: sa.Table, failing: Failing) -> Iterator[Rows]:
    found = pages(source, table)
    while True:
        with failing():
            rows = next(found, None)
        if rows is None:
            return
        yield rows


def pour_stamp(source: Connection, target: Connection) -> dict[str, str]:
    """Copy who the ledger is; with it the target is one."""
    stamp = dict(source.execute(sa.select(meta)).mappings().one())
    target.execute(meta.insert().values(**stamp))
    return stamp


def sums(connection: Connection) -> list[Copied]:
    """Number of rows and checksum of every table but the stamp."""
    return [sum_up(connection, table) for table in TABLES]


def _waiting(connection: Connection) -> int:
    there = letters.c.state.in_([state.value for state in PATHS])
    found: int = connection.execute(sa.select(sa.func.count()).select_from(letters).where(there)).scalar_one()
    return found
