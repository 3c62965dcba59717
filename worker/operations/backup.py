"""`backup` and `restore`: what stands around writing and reading the file.

A backup never has the keys in it: whoever finds one can read nobody's name. They may be copied into a directory of their
own. A restore tells the witness under `var/` that the ledger is behind, so that nothing is sent before `accept-restore`,
even if somebody lifts the hold first.
"""

from dataclasses import dataclass
from pathlib import Path

from worker.domain.errors import BadInput, Failed, RefusedByState
from worker.ledger import audit, backup, backup_file, from_backup, witness
from worker.ledger.backup import Progress
from worker.ledger.backup_file import Note
from worker.ledger.book import Ledger
from worker.ledger.engine import dialect_of, sqlite_file
from worker.ledger.from_backup import BroughtBack, Wish
from worker.ledger.keys import Keys
from worker.operations.holds import checked_reason
from worker.settings import Home, KeyFiles


@dataclass(frozen=True, slots=True)
class Made:
    """A backup that stands: its file and size in bytes, what is in it, copied keys, and where the audit is broken."""

    file: Path
    size: int
    note: Note
    keys: tuple[Path, ...]
    broken: tuple[str, ...]


def back_up(
    ledger: Ledger,
    file: Path,
    who: str,
    *,
    force: bool = False,
    keys: KeyFiles | None = None,
    keys_to: Path | None = None,
    progress: Progress = lambda _table, _rows: None,
) -> Made:
    """Write a backup to `file`, verified and on the disk before it has its name, and `keys` into `keys_to` where given.

    Raises BadInput for a place that cannot hold it, RefusedByState where something is there (unless `force`, and it is
    a backup), Failed where the ledger or the disk fails: then what was there is untouched.
    """
    file = file.absolute()
    check_place(file, ledger.url, force=force)
    copied = tuple(keep_keys(keys, keys_to, file)) if keys is not None and keys_to is not None else ()
    with backup_file.draft_of(file) as draft:
        note = backup.write(ledger, draft.path, progress)
        broken = backup.verify(draft.path, note)
        check_place(file, ledger.url, force=force)  # it took a while
        draft.publish()
    details = {"file": file.name, "letters": note.letters, "audit": [note.audit_id, note.audit_head]}
    with ledger.write() as connection:
        audit.append(connection, ledger.now_us(), who, "backup", "ledger", details=details)
    return Made(file, file.stat().st_size, note, copied, tuple(broken))


def check_place(file: Path, url: str, *, force: bool) -> None:
    """Raises BadInput or RefusedByState where a backup may not be written to `file`."""
    if not file.parent.is_dir():
        raise BadInput(f"there is no directory {file.parent}: make it, on another drive than the ledger's if you can")
    if file.is_dir():
        raise BadInput(f"{file} is a directory: name a file in it")
    if _of_the_ledger(file, url):
        raise BadInput(f"{file} belongs to the ledger itself: choose another name")
    if not file.exists() and not file.is_symlink():
        return
    if not force:
        raise RefusedByState(f"{file} is there already: choose another name, or say --force to replace it")
    if not file.is_file() or not backup_file.looks_like_one(file):
        raise RefusedByState(f"{file} is not a backup, and only backups are replaced: choose another name")


def _of_the_ledger(file: Path, url: str) -> bool:
    if dialect_of(url) != "sqlite":
        return False
    ledger = sqlite_file(url)
    names = [ledger, *(ledger.with_name(ledger.name + ending) for ending in ("-wal", "-shm", "-turn", "-journal"))]
    return any(file.resolve() == name.resolve() or (name.exists() and _same(file, name)) for name in names)


def _same(file: Path, other: Path) -> bool:
    return file.exists() and file.samefile(other)


# -- the keys ------------------------------------------------------------------------------------------------------------
def keep_keys(files: KeyFiles, directory: Path, backup_to: Path) -> list[Path]:
    """Copy the three key files into `directory`, 0600, as data.key, lookup.key and seal.key; those that were copied.

    Raises BadInput for the directory of the backup or of the keys themselves, RefusedByState where other keys are there.
    """
    directory = directory.absolute()
    _refuse_place(files, directory, backup_to)
    Keys.load(files.data, files.lookup, files.seal)  # a copy of the wrong thing helps nobody
    try:
        directory.mkdir(mode=0o700, exist_ok=True)
        wanted = {directory / f"{name}.key": path.read_bytes() for name, path in _named(files)}
        for path, content in wanted.items():
            if path.exists() and path.read_bytes() != content:
                raise RefusedByState(f"{path} is another key, and no key is ever overwritten: choose another directory")
        return [path for path, content in wanted.items() if _put(path, content)]
    except OSError as exc:
        raise BadInput(
            f"{exc.filename or directory} cannot be written: {exc.strerror}; choose another directory"
        ) from exc


def _refuse_place(files: KeyFiles, directory: Path, backup_to: Path) -> None:
    there = directory.resolve()
    if there == backup_to.parent.resolve():
        raise BadInput(
            "the keys must not lie beside the backup: whoever has both can read it; choose another directory"
        )
    if any(there == path.resolve().parent for _, path in _named(files)):
        raise BadInput(f"{directory} is where the keys are in use: choose another directory, on another drive")


def _named(files: KeyFiles) -> list[tuple[str, Path]]:
    return [("data", files.data), ("lookup", files.lookup), ("seal", files.seal)]


def _put(path: Path, content: bytes) -> bool:
    if path.exists():
        return False
    with backup_file.draft_of(path, ".new") as draft:
        draft.path.write_bytes(content)
        draft.publish()
    return True


# -- restoring -----------------------------------------------------------------------------------------------------------
def bring_back(
    home: Home,
    keys: Keys,
    file: Path,
    who: str,
    reason: str,
    *,
    replace: bool = False,
    progress: Progress = lambda _table, _rows: None,
) -> BroughtBack:
    """Make the home's ledger out of the backup, held, and its witness ahead of it. Raises as `from_backup.bring_back`."""
    checked_reason(reason)
    url, mode = home.settings.ledger.url, home.settings.mode
    wish = Wish(url, keys, mode, who, reason, home.var / "restore.db", replace)
    done = from_backup.bring_back(file, wish, progress)
    try:
        witness.note(home.var / "witness.json", done.note.ledger_id, done.highest_round + 1)
    except Failed as exc:
        raise Failed(
            f"{exc}. The ledger is restored and on hold: do not resume before `ledger accept-restore`"
        ) from exc
    return done
