"""`lettershop backup` and `lettershop restore`: the ledger in one file, and a ledger out of it."""

import asyncio
import contextlib
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from worker.cli import say
from worker.cli.frame import JsonOption, ReasonOption, frame_of, who
from worker.domain.errors import BadInput

if TYPE_CHECKING:
    from worker.ledger.from_backup import BroughtBack
    from worker.operations.backup import Made
    from worker.settings import Home

_File = Annotated[Path, typer.Argument(metavar="FILE", help="The backup.", show_default=False)]


def backup(
    context: typer.Context,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="Where to; - is standard output, into a pipe.", show_default=False)
    ],
    force: Annotated[bool, typer.Option("--force", help="Replace an older backup, once the new one is whole.")] = False,
    keys: Annotated[
        Path | None,
        typer.Option("--keys", metavar="DIR", help="Copy the three keys too, to another place.", show_default=False),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Back the ledger up into one file, while workers run.

    It fits a SQLite and a PostgreSQL ledger alike. The keys are not in it, and nobody can read it without them.
    """
    home = frame_of(context).home()
    began = time.monotonic()
    if str(file) == "-":
        _to_stdout(context, home, force=force, keys=keys, json=json)
        return
    made = _make(context, home, file.expanduser(), force=force, keys=keys, quiet=json)
    seconds = time.monotonic() - began
    if json:
        say.as_json(_body(made, seconds))
    else:
        _tell_made(home, made, seconds)
    _tell_broken(made)


def _make(context: typer.Context, home: "Home", file: Path, *, force: bool, keys: Path | None, quiet: bool) -> "Made":
    from worker.operations.backup import back_up

    with frame_of(context).ledger(home) as ledger, _progress("copying", quiet=quiet) as tell:
        directory = keys.expanduser() if keys else None
        return back_up(ledger, file, who(), force=force, keys=home.settings.keys, keys_to=directory, progress=tell)


def _to_stdout(context: typer.Context, home: "Home", *, force: bool, keys: Path | None, json: bool) -> None:
    """Made whole and verified under var/ first: what goes into a pipe cannot be taken back."""
    if sys.stdout.isatty():
        raise BadInput("a backup is no text for a terminal: name a file, or send - into a pipe")
    if json or force:
        raise BadInput("standard output takes the backup alone: leave --json and --force away")
    passing = home.var / f"backup-{os.getpid()}"
    try:
        made = _make(context, home, passing, force=False, keys=keys, quiet=True)
        with passing.open("rb") as whole:
            shutil.copyfileobj(whole, sys.stdout.buffer)
            sys.stdout.buffer.flush()
    finally:
        passing.unlink(missing_ok=True)
    say.note(f"{say.number(made.note.letters, 'letter')} in {_size(made.size)}; the keys are not in it")
    _tell_broken(made)


def _body(made: "Made", seconds: float) -> dict[str, object]:
    note = made.note
    return {
        "file": str(made.file),
        "bytes": made.size,
        "letters": note.letters,
        "rows": sum(each.rows for each in note.tables),
        "made_at": _moment(note.made_at),
        "version": note.version,
        "ledger": note.ledger_id,
        "audit": {"id": note.audit_id, "hash": note.audit_head, "sound": not made.broken},
        "keys": [str(path) for path in made.keys],
        "seconds": round(seconds, 3),
    }


def _tell_made(home: "Home", made: "Made", seconds: float) -> None:
    note = made.note
    took = f"{seconds:.1f} s" if seconds < 60 else say.span(seconds)  # noqa: PLR2004 -- a minute
    say.line(f"backed up {say.number(note.letters, 'letter')} in {took}; read again and compared")
    say.field("file", f"{made.file} ({_size(made.size)})")
    say.field("as of", say.moment(_moment(note.made_at)))
    say.field("audit", f"ends with row {note.audit_id}, {note.audit_head or 'which is none'}")
    say.field("keys", _where_keys(home, made))


def _where_keys(home: "Home", made: "Made") -> str:
    keys = home.settings.keys
    if made.keys:
        return f"copied to {made.keys[0].parent}; keep them on another drive than the backup"
    return f"not in it: {keys.data}, {keys.lookup}, {keys.seal}. Without them nobody can read it: keep copies elsewhere"


def _tell_broken(made: "Made") -> None:
    for sentence in made.broken[:1]:
        say.trouble(f"the audit's chain is broken, in the ledger as in the backup: {sentence}")


def restore(
    context: typer.Context,
    file: _File,
    reason: ReasonOption,
    replace: Annotated[
        bool, typer.Option("--replace", help="Move a SQLite ledger that is there aside; it is kept.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Make the ledger out of a backup. It starts on hold.

    With the stack stopped, into an empty ledger, SQLite or PostgreSQL as the settings say. Nothing is sent until you
    have accepted it and resumed.
    """
    from worker.embedded.lock import HomeLock
    from worker.operations.backup import bring_back
    from worker.operations.holds import checked_reason
    from worker.wiring.home import open_keys

    checked_reason(reason)
    home = frame_of(context).home()
    keys = open_keys(home)
    with HomeLock.take(home.var), _progress("restoring", quiet=json) as tell:
        done = bring_back(home, keys, file.expanduser(), who(), reason, replace=replace, progress=tell)
        told = _tell_pacing(context, home, done)
    if json:
        say.as_json(_restored(done, pacing=told))
    else:
        _tell_restored(home, done)


def _tell_pacing(context: typer.Context, home: "Home", done: "BroughtBack") -> bool:
    """Let the witness in Redis know as well, for workers on other machines; whether it answered."""
    from worker.pacing import PacingAway
    from worker.wiring.servers import open_pacer

    with frame_of(context).ledger(home) as ledger:

        async def note() -> bool:
            pacer = open_pacer(home, ledger)
            try:
                await pacer.note_round(ledger.ledger_id, done.highest_round + 1)
            except PacingAway:
                return False
            else:
                return True
            finally:
                await pacer.aclose()

        return asyncio.run(note())


def _restored(done: "BroughtBack", *, pacing: bool) -> dict[str, object]:
    return {
        "letters": done.note.letters,
        "waiting": done.note.waiting,
        "made_at": _moment(done.note.made_at),
        "version": done.note.version,
        "moved_to": str(done.moved_to) if done.moved_to else None,
        "held": True,
        "pacing_told": pacing,
    }


def _tell_restored(home: "Home", done: "BroughtBack") -> None:
    from worker.ledger.engine import shown

    note = done.note
    say.line(f"restored {say.number(note.letters, 'letter')} into {shown(home.settings.ledger.url)}")
    say.field("as of", f"{say.moment(_moment(note.made_at))}: what was signed later is not in it")
    if done.moved_to:
        say.field("old one", f"moved to {done.moved_to}")
    say.line("")
    say.line(f"""\
Everything is on hold. {say.number(note.waiting, "letter")} waited when the backup was made, and any of them may have
gone out since: this ledger cannot know. So nothing is sent until you have done three things:

  1. lettershop ledger accept-restore --reason "..."    puts them in doubt: shown, and never sent again by themselves
  2. lettershop resolve sent|queued ... --reason "..."  says what became of them, by the relay's log
  3. lettershop resume everything --reason "..."        lets new letters go; those in doubt stay where they are

Erase again whoever was erased since the backup, and revoke keys that were revoked. docs/backup.md tells all of it.""")


@contextlib.contextmanager
def _progress(doing: str, *, quiet: bool) -> Iterator[Callable[[str, int], None]]:
    """On a terminal, which table is under way and how many rows went over so far."""
    if quiet or not say.on_terminal():
        yield lambda _table, _rows: None
        return
    total = 0
    with say.console().status(f"{doing} ...") as line:

        def tell(table: str, rows: int) -> None:
            nonlocal total
            total += rows
            line.update(f"{doing} {table}: {say.number(total, 'row')}")

        yield tell


def _moment(at_us: int) -> str:
    from worker.domain.clock import from_us

    return from_us(at_us).strftime("%Y-%m-%dT%H:%M:%SZ")


def _size(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"
