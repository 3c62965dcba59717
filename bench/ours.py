"""Runs our stack: a home of its own, `submit_many`, then `lettershop worker` processes against the same sink.

Pacing is in the path with limits that are never reached; the ledger is fully durable (SQLite: WAL, synchronous=FULL).
"""

import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from bench.measure import Run, measured
from bench.sink import open_sink
from worker.intake import PersonInput
from worker.ledger.keys import make_key_files
from worker.ledger.migrate import migrate
from worker.settings import Home
from worker.wiring.home import open_intake, open_keys, open_ledger, read_home
from worker.wiring.servers import private_server

ROOT = Path(__file__).parents[1]
CAMPAIGN = "justice-for-khojaly"
OFFICES = 10
CONNECTIONS = 30  # of each worker process


Beside = Callable[[Home, Mapping[str, str]], AbstractContextManager[None]]
"""What runs beside the workers, given the home and its settings."""


def run_ours(
    letters: int,
    workers: int,
    folder: Path,
    *,
    own_sink: bool,
    ledger: str | None = None,
    beside: Beside = lambda *_: nullcontext(),
) -> Run:
    """`letters` through so many worker processes. `ledger`: a PostgreSQL URL of an empty database instead of SQLite."""
    with open_sink(own=own_sink) as sink:
        environment = settings_for(sink.port, workers) | ({"LETTERSHOP_LEDGER__URL": ledger} if ledger else {})
        home = make_home(folder / "home", environment)
        with private_server(home) as server:
            began = time.monotonic()
            taken = _submit(home, letters)
            enqueued = time.monotonic() - began
            command = [sys.executable, "-m", "worker.cli", "--home", str(home.root), "worker"]
            cores = [["--core", str(core)] for core in _cores()] or [[]]
            with beside(home, environment):
                return measured(
                    f"{workers} worker{'s' if workers > 1 else ''}, {'PostgreSQL' if ledger else 'SQLite'}, {sink.name}",
                    [([*command, *cores[n % len(cores)]], os.environ | environment) for n in range(workers)],
                    folder / "worker.log",
                    sink,
                    taken,
                    enqueued,
                    server.pid or 0,
                )


def settings_for(port: int, workers: int) -> dict[str, str]:
    return {
        "LETTERSHOP_REHEARSAL__HOST": "127.0.0.1",
        "LETTERSHOP_REHEARSAL__PORT": str(port),
        "LETTERSHOP_LIMITS__MAILBOX": "1000000/h",
        "LETTERSHOP_LIMITS__MAILBOX_PER_DAY": "10000000",
        "LETTERSHOP_LIMITS__MAILBOX_CONNECTIONS": str(CONNECTIONS * workers // OFFICES),
        "LETTERSHOP_WORKER__CONNECTIONS": str(CONNECTIONS),
        "LETTERSHOP_LIMITS__OFFICE_HOURS": "ignore",
    }


def make_home(root: Path, environment: dict[str, str]) -> Home:
    """The sample home with one campaign that writes to ten offices, its keys, and an empty ledger."""
    for part in ("config", "templates"):
        shutil.copytree(ROOT / part, root / part)
    for file in (root / "config/campaigns").iterdir():
        if file.stem != CAMPAIGN:
            file.unlink()
    config = root / "config/campaigns" / f"{CAMPAIGN}.toml"
    lines = config.read_text().splitlines(keepends=True)
    last = max(number for number, line in enumerate(lines) if line.startswith('  "un-representative'))
    config.write_text("".join(lines[:last] + lines[last + 1 :]))
    home = read_home(root, environment)
    files = home.settings.keys
    make_key_files([files.data, files.lookup, files.seal])
    migrate(home.settings.ledger.url, home.settings.mode, open_keys(home))
    return home


def _submit(home: Home, letters: int) -> int:
    """Through the bulk door. Returns the number of letters made."""
    ledger = open_ledger(home)
    try:
        intake = open_intake(home, ledger)
        tally = intake.submit_many(CAMPAIGN, _people(letters // OFFICES), evidence="invented for a benchmark")
    finally:
        ledger.close()
    if tally.letters != letters:
        raise RuntimeError(f"{tally.letters} letters were made instead of {letters}")
    return tally.letters


def _people(number: int) -> Iterator[PersonInput]:
    for n in range(number):
        comment = "I ask you to read this letter with care." if n % 3 == 0 else ""
        yield PersonInput(f"Sample Signer {n:05}", f"signer{n}@mail.example", "IE", "Sampleton", comment)


def _cores() -> list[int]:
    """The processor cores to put workers on, one each in turn; none where the system does not tell."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
