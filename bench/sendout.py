"""A yearly send-out of a million letters: how long its letters take to be made, in what memory, and what a deep queue costs.

    python bench/sendout.py [--letters N] [--sqlite | --postgresql] [--no-depth]

`expand_s`: from the moment at which an approved occurrence begins to the moment at which its last letter is made, by one
process that runs the schedule's own tick; `peak_mb`: the most memory that process had, and `base_mb` what it had before it
began. While it works, another process submits signatures: `beside_per_s`, and the longest that one of them took.

`depth_ratio`: letters a second that two workers hand to a sink with so many letters queued, over the same with 10,000
queued, in the same run. Prints one line of JSON.
"""

import argparse
import contextlib
import dataclasses
import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bench.form import _database
from bench.ours import CAMPAIGN, OFFICES, ROOT, make_home, settings_for
from bench.sink import Sink, open_sink
from worker.domain.clock import SystemClock, to_us
from worker.intake import SEND, YEARLY, Consent, Intake, PersonInput
from worker.intake.bulk import Row
from worker.ledger import counts, occurrences
from worker.ledger.occurrences import Occurrence
from worker.schedule import Order, approve, tick
from worker.settings import Home
from worker.wiring.home import open_intake, open_ledger, read_home
from worker.wiring.schedule import open_board
from worker.wiring.servers import private_server

SHALLOW = 10_000
WARM_UP_S, MEASURED_S = 4.0, 15.0
ORDER = Order("bench", "a benchmark")
BEGIN = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=1)


def main() -> int:
    """Run, and print the line."""
    options = _options()
    if options.child:
        return _expand(Path(options.child))
    line: dict[str, Any] = {"bench": "sendout", "cores": os.cpu_count(), "letters": options.letters}
    for database in ("sqlite", "postgresql"):
        if options.only in {"", database}:
            prefix = "" if database == "sqlite" else "postgresql_"
            line |= {f"{prefix}{key}": value for key, value in _measure(database, options).items()}
    print(json.dumps(line))
    return 0


def _measure(database: str, options: argparse.Namespace) -> dict[str, Any]:
    with (
        tempfile.TemporaryDirectory(prefix="lettershop-bench-") as folder,
        _database(database) as url,
        open_sink() as sink,
    ):
        environment = os.environ | _settings(sink.port) | ({"LETTERSHOP_LEDGER__URL": url} if url else {})
        home = _home(Path(folder) / "home", environment)
        _tell(f"{database}: supporters are made")
        _fill(home, options.letters // OFFICES)
        _tell(f"{database}: the expansion")
        found = _run_expansion(home, environment)
        if options.depth:
            found |= _depth(home, environment, sink, options.letters)
        return found


# -- the home --------------------------------------------------------------------------------------------------------
def _settings(port: int) -> dict[str, str]:
    return {
        **settings_for(port, 2),
        "LETTERSHOP_SENDOUTS__PREFLIGHT": "[]",
        "LETTERSHOP_SENDOUTS__ANNOUNCED_FOR": "0 s",
    }


def _home(root: Path, environment: dict[str, str]) -> Home:
    """The sample home whose occasion begins now; its letters are due at once (a window of a second)."""
    home = make_home(root, environment)
    config = root / "config/campaigns" / f"{CAMPAIGN}.toml"
    text = config.read_text()
    head, _, _ = text.partition("[occasions.")
    config.write_text(
        head
        + "[occasions.anniversary]\n"
        + f'month = {BEGIN.month}\nday = {BEGIN.day}\ntime_zone = "UTC"\nstart = "{BEGIN:%H:%M:%S}"\n'
        + f'window = "1 s"\nfirst_year = {BEGIN.year}\napproval = true\n'
    )
    del home
    return read_home(root, environment)


def _fill(home: Home, supporters: int) -> None:
    """Supporters who agreed to anniversaries and were told of this one; no letter of their signing is left."""
    with open_ledger(home) as ledger:
        one = dataclasses.replace(home.campaigns[CAMPAIGN], offices=home.campaigns[CAMPAIGN].offices[:1])
        intake = Intake(ledger, ledger.keys, {CAMPAIGN: one}, home.offices, SystemClock())
        people = (
            Row(PersonInput(f"Sample Signer {n}", f"stored{n}@mail.example", "IE"), consents=_CONSENTS)
            for n in range(supporters)
        )
        intake.submit_many(CAMPAIGN, people, evidence="invented for a benchmark")
        _all_sent(ledger)
        with ledger.write() as connection:
            campaign_id = connection.exec_driver_sql("SELECT id FROM campaigns").scalar_one()
            occurrences.ensure(connection, campaign_id, "anniversary", BEGIN.year, to_us(_start(home)), ledger.now_us())
        board = open_board(home, ledger)
        tick(board)
        _all_sent(ledger)
        if ledger.dialect == "postgresql":  # as its own housekeeping does some minutes later
            with ledger.write() as connection:
                connection.exec_driver_sql("ANALYZE")


_CONSENTS: tuple[Consent, ...] = (SEND, YEARLY)


def _all_sent(ledger: Any) -> None:
    with ledger.write() as connection:
        connection.exec_driver_sql("UPDATE letters SET state = 'sent', ended_at = made_at WHERE state = 'queued'")
        connection.exec_driver_sql("UPDATE count_deltas SET state = 'sent' WHERE state = 'queued'")
        connection.exec_driver_sql("UPDATE counts SET state = 'sent' WHERE state = 'queued'")
        while counts.fold(connection):
            pass


def _start(home: Home) -> datetime:
    return home.campaigns[CAMPAIGN].occasions["anniversary"].starts_at(BEGIN.year)


# -- the expansion -----------------------------------------------------------------------------------------------------
def _run_expansion(home: Home, environment: dict[str, str]) -> dict[str, Any]:
    with open_ledger(home) as ledger:
        board = open_board(home, ledger)
        (seen,) = _occurrences(ledger)
        approve(board, seen.id, ORDER)
        with _submitting(home) as beside:
            command = [sys.executable, "-m", "bench.sendout", "--child", str(home.root)]
            done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=True)
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        (seen,) = _occurrences(ledger)
        with ledger.read() as connection:
            made = sum(n for cell, n in counts.read(connection).items() if cell.sendout_id == seen.sendout_id)
            wrong = counts.verify(connection)
    if wrong or made != (seen.audience or 0) * OFFICES or seen.written != seen.audience:
        raise RuntimeError(f"{made} letters for {seen.audience} supporters; counts differ in {len(wrong)} cells")
    return {**found, "made": made, **beside}


def _expand(root: Path) -> int:
    home = read_home(root)
    with open_ledger(home) as ledger:
        board = open_board(home, ledger)
        before, began = _peak_mb(), time.monotonic()
        tick(board)
        print(json.dumps({"expand_s": round(time.monotonic() - began, 1), "peak_mb": _peak_mb(), "base_mb": before}))
    return 0


def _occurrences(ledger: Any) -> list[Occurrence]:
    with ledger.read() as connection:
        return [each for each in occurrences.listed(connection) if each.period == BEGIN.year]


def _peak_mb() -> float:
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)


@contextlib.contextmanager
def _submitting(home: Home) -> Iterator[dict[str, Any]]:
    """Signatures submitted one after another, all the while; what came of it is in the dictionary afterwards."""
    told: dict[str, Any] = {}
    over = threading.Event()
    took: list[float] = []

    def submit() -> None:
        with open_ledger(home) as ledger:
            intake = open_intake(home, ledger)
            n = 0
            while not over.is_set():
                began = time.monotonic()
                person = PersonInput(f"Sample Signer {n}", f"beside{n}@mail.example", "IE")
                intake.submit(CAMPAIGN, person, evidence="invented for a benchmark")
                took.append(time.monotonic() - began)
                n += 1
                time.sleep(0.02)

    thread = threading.Thread(target=submit)
    thread.start()
    began = time.monotonic()
    try:
        yield told
    finally:
        over.set()
        thread.join()
        told["beside_per_s"] = round(len(took) / (time.monotonic() - began), 1)
        told["beside_longest_ms"] = round(max(took, default=0) * 1000, 1)


# -- a deep queue ------------------------------------------------------------------------------------------------------
def _depth(home: Home, environment: dict[str, str], sink: Sink, letters: int) -> dict[str, Any]:
    deep = _throughput(home, environment, sink)
    with open_ledger(home) as ledger, ledger.write() as connection:  # all but so many were sent long ago
        keep = f"SELECT id FROM letters WHERE state = 'queued' ORDER BY id LIMIT {SHALLOW}"
        connection.exec_driver_sql(f"UPDATE letters SET state = 'sent' WHERE state = 'queued' AND id NOT IN ({keep})")
    shallow = _throughput(home, environment, sink)
    _tell(f"{deep:.0f}/s with {letters} queued, {shallow:.0f}/s with {SHALLOW}")
    return {
        "deep_per_s": round(deep, 1),
        "shallow_per_s": round(shallow, 1),
        "depth_ratio": round(deep / shallow, 2),
    }


def _throughput(home: Home, environment: dict[str, str], sink: Sink) -> float:
    """Letters a second that arrive at the sink, after a warm-up, while the queue lasts."""
    command = [sys.executable, "-m", "worker.cli", "--home", str(home.root), "worker"]
    with private_server(home):
        start = sink.tally().count
        process = subprocess.Popen(
            command, env=environment, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            deadline = time.monotonic() + 60
            while sink.tally().count < start + 200:
                if time.monotonic() > deadline or process.poll() is not None:
                    raise RuntimeError("no letter arrives")
                time.sleep(0.05)
            before, began = sink.tally().count, time.monotonic()
            while time.monotonic() - began < MEASURED_S and sink.tally().count < start + SHALLOW - 500:
                time.sleep(0.05)
            return (sink.tally().count - before) / (time.monotonic() - began)
        finally:
            process.terminate()
            process.wait(30)


# -- helps -------------------------------------------------------------------------------------------------------------
def _tell(text: str) -> None:
    print(text, file=sys.stderr)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--letters", type=int, default=1_000_000, help="letters of the send-out")
    parser.add_argument("--sqlite", dest="only", action="store_const", const="sqlite", help="SQLite only")
    parser.add_argument("--postgresql", dest="only", action="store_const", const="postgresql", help="PostgreSQL only")
    parser.add_argument("--no-depth", dest="depth", action="store_false", help="leave the deep queue out")
    parser.add_argument("--child", default="", help=argparse.SUPPRESS)
    parser.set_defaults(only="")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
