"""The witness: tells a ledger that was restored from a backup, and so has forgotten what it sent.

Rounds are numbered and no number is used twice. Two places outside the ledger keep (ledger id, highest number): the
pacing state, and a small file under `var/`. A ledger whose own highest number is lower has lost rounds, and with them
what they sent: it must send nothing until `lettershop ledger accept-restore` (see `worker.ledger.restore`).

Limit: a ledger and its witnesses that are all restored to the same moment agree, and nobody can tell.
"""

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from worker.domain.errors import Failed, RefusedByState
from worker.ledger.book import Ledger
from worker.ledger.schema import meta, rounds


def highest_round(connection: Connection) -> int:
    """The highest round the ledger knows of, or was told of by `accept_restore`; 0 before the first."""
    known = sa.select(sa.func.coalesce(sa.func.max(rounds.c.id), 0)).scalar_subquery()
    told = sa.select(meta.c.rounds_from).scalar_subquery()
    rows, stamp = connection.execute(sa.select(known, told)).one()
    return max(int(rows), int(stamp))


def behind(ledger: Ledger, witness: int) -> bool:
    """Whether the ledger has forgotten rounds: `witness` is the highest number any witness has seen."""
    with ledger.read() as connection:
        return highest_round(connection) < witness


def refuse_behind(ledger: Ledger, witness: int) -> None:
    """Raises RefusedByState, with what to do, where the ledger is behind its witness."""
    with ledger.read() as connection:
        own = highest_round(connection)
    if own < witness:
        raise RefusedByState(
            f"this ledger was restored from a backup: it knows of {own} rounds, and {witness} were opened."
            " Nothing is sent, because letters may have gone out since. Stop the workers, then run"
            " `lettershop ledger accept-restore`, which puts those letters in doubt for you to look at"
        )


def read(file: Path, ledger_id: str) -> int:
    """The highest round that the file has seen of this ledger; 0 where it has seen none. Raises Failed if unreadable."""
    return _load(file).get(ledger_id, 0)


def note(file: Path, ledger_id: str, number: int) -> None:
    """Keep `number` in the file if it is the highest yet. Processes may note at once; the file is whole at any instant."""
    with _locked(file):
        seen = _load(file)
        if number > seen.get(ledger_id, 0):
            _store(file, {**seen, ledger_id: number})


def _load(file: Path) -> dict[str, int]:
    try:
        seen = json.loads(file.read_text())
        return {str(ledger_id): int(number) for ledger_id, number in seen.items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, AttributeError, TypeError) as exc:
        raise Failed(
            f"{file} cannot be read: it tells whether the ledger was restored from a backup;"
            " if it was not, delete the file"
        ) from exc


def _store(file: Path, seen: dict[str, int]) -> None:
    draft = file.with_name(f".{file.name}.new")
    with draft.open("w") as handle:
        json.dump(seen, handle, sort_keys=True)
        handle.flush()
        os.fsync(handle.fileno())
    draft.replace(file)


@contextlib.contextmanager
def _locked(file: Path) -> Iterator[None]:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.with_name(f".{file.name}.lock").open("w") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
    except OSError as exc:
        raise Failed(f"{file} cannot be written ({exc.strerror}): it keeps the number of the last round") from exc
