"""`init`: lay out a home with the sample campaigns, and make its key files.

The sample travels inside the wheel (`worker/sample/`); in a checkout, an editable install included, it is the
checkout's own `config/` and `templates/`.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path

import worker
from worker.domain.errors import BadInput, Failed, RefusedByState
from worker.ledger.keys import make_key_files
from worker.settings import KeyFiles

PARTS = ("config", "templates")
SETTINGS = "config/lettershop.toml"
_SQLITE = "sqlite:///"


@dataclass(frozen=True, slots=True)
class Laid:
    """What `init_home` did: where, and which key files it made."""

    root: Path
    keys: tuple[Path, ...]


def sample_root() -> Path:
    """Where the sample home stands. Raises Failed where the installation has lost it."""
    package = Path(worker.__file__).resolve().parent
    for root in (package / "sample", package.parent):
        if all((root / part).is_dir() for part in PARTS):
            return root
    raise Failed(f"this installation has lost its sample home ({package / 'sample'}); install lettershop again")


def init_home(directory: Path) -> Laid:
    """Lay out `config/`, `templates/` and `var/` under `directory`, with key files of mode 0600.

    Where config and templates stand there already and neither keys nor ledger do (a fresh checkout), only `var/` and
    the keys are made. Raises RefusedByState where there is more or less of a home: nothing is ever overwritten.
    BadInput where the directory cannot be made.
    """
    root = directory.expanduser().resolve()
    source = sample_root()
    files = KeyFiles()
    paths = [root / files.data, root / files.lookup, root / files.seal]
    begun = all((root / part).is_dir() for part in PARTS) and (root / SETTINGS).is_file()
    there = [path for path in (*paths, root / "var/ledger.db") if path.exists()]
    there += [] if begun else [root / part for part in (*PARTS, "var") if (root / part).exists()]
    if there:
        raise RefusedByState(f"{there[0]} is there already; `init` overwrites nothing: choose another directory")
    try:
        root.mkdir(parents=True, exist_ok=True)
        for part in () if begun else PARTS:
            _copy(source / part, root / part)
        (root / "var").mkdir(mode=0o700, exist_ok=True)
        made = make_key_files(paths)
    except OSError as exc:
        raise BadInput(f"{exc.filename or root} cannot be made: {exc.strerror}; choose another directory") from exc
    return Laid(root, tuple(made))


def _copy(source: Path, target: Path) -> None:
    """Contents only: a package's files may be read-only, a home's are there to be edited."""
    target.mkdir()
    for entry in sorted(source.iterdir()):
        if entry.is_dir():
            _copy(entry, target / entry.name)
        else:
            shutil.copyfile(entry, target / entry.name)


def ensure_keys(files: KeyFiles, ledger_url: str) -> tuple[Path, ...]:
    """Make a home's key files where none of them and no ledger exists yet; returns those made.

    For a checkout that is used as a home. Where some keys or a ledger exist nothing is made: a new key would not open
    what the old one sealed.
    """
    paths = (files.data, files.lookup, files.seal)
    ledger = Path(ledger_url.removeprefix(_SQLITE)) if ledger_url.startswith(_SQLITE) else None
    if ledger is None or ledger.exists() or any(path.exists() for path in paths):
        return ()
    return tuple(make_key_files(paths))
