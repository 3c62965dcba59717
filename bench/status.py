"""What an operator's look costs with a million letters and attempts going on. Prints one line of JSON.

    python -m bench.status [--letters N] [--readings N] [--rate N] [--sqlite | --postgresql]

A ledger with N letters to ten offices: half of them sent, with their attempts; the rest queued, a tenth of these due,
and the others dripping over the coming days. All the while a writer moves letters as rounds do (sent, with an attempt
each, a lane after the other) and folds the counts: one after the other, 20 a second, which is what 30 an hour for each
mailbox come to with 2,400 offices. It has moved 1,700 before: as many as PostgreSQL's autovacuum leaves untidied at this
rate (500, and what moves in the minute until it looks again). Then, in this process and on warm connections, the median of
so many readings:

`status_ms`     all of `status --json` with what needs somebody, which the dashboard shows too (but for asking broker and
                pacing, which are other servers)
`shape_ms`      the grid of `status --shape`
`why_ms`        `why LETTER`, and `why_office_ms` `why --office`
`full_count_ms` what it replaces, in the same run: the whole backlog counted, due and by state
`status_flat_out_ms` the status while the writer moves letters, 20 in a transaction, as fast as it can (`flat_out_per_s`)

What is due and the states are held against a full count of the same snapshot while letters move, and the whole status in
the end; a difference is an error.
"""

import argparse
import contextlib
import itertools
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from bench.form import _database
from bench.ours import CAMPAIGN, ROOT, make_home, settings_for
from worker.intake import PersonInput
from worker.ledger import counts, samples
from worker.ledger.book import Ledger
from worker.operations.due import due_now, read_letters
from worker.operations.needs import Parts, needs, quotas_of
from worker.operations.shape import shape
from worker.operations.status import Seen, status
from worker.operations.why import why_letter, why_office
from worker.settings import Home
from worker.wiring.home import open_intake, open_ledger, read_home

DAY_US = 86_400_000_000
BATCH, OFFICES, WORN = 20, 10, 1_700

_SIGNATURES = """
INSERT INTO signatures (id, campaign_id, signer_id, signer_version, person_key, text_id, language, state, source, evidence,
                        made_at, confirmed_at)
SELECT n.n + {last}, m.campaign_id, m.signer_id, 1, {key}, m.text_id, m.language, 'confirmed', 'bench', m.evidence,
       m.made_at, m.confirmed_at
FROM (SELECT * FROM signatures WHERE id = {last}) m CROSS JOIN ({numbers}) n
"""
_LETTERS = """
INSERT INTO letters (signature_id, campaign_id, sendout_id, addressee, lane_id, rank, state, due_at, made_at, attempts,
                     life_us, suspect, doubts, reason, mac, ended_at)
SELECT {last} + n.n, m.campaign_id, m.sendout_id, m.addressee, m.lane_id, m.rank,
       CASE WHEN n.n % 2 = 0 THEN 'sent' ELSE 'queued' END,
       CASE WHEN n.n % 20 = 1 THEN {now} - (n.n % 997) * 100000000 ELSE {now} + (n.n % 997) * 600000000 END,
       {now} - {day}, CASE WHEN n.n % 2 = 0 THEN 1 ELSE 0 END, 0, 0, 0, '', m.mac,
       CASE WHEN n.n % 2 = 0 THEN {now} - {day} ELSE NULL END
FROM (SELECT * FROM letters WHERE addressee <> 'signer' AND signature_id = {last}) m CROSS JOIN ({numbers}) n
"""
_KEYS = {"sqlite": "CAST('p' || n.n AS BLOB)", "postgresql": "convert_to('p' || n.n, 'UTF8')"}
_ATTEMPTS = """
INSERT INTO attempts (letter_id, number, round_id, relay, lane_id, started_at, ended_at, kind, scope, stage, code, enhanced,
                      text, rule, steps)
SELECT id, 1, 1, 'rehearsal', lane_id, ended_at - id, ended_at - id, 'accept', 'letter', 'dot', 250, '2.0.0', 'ok',
       'accepted', '{{}}' FROM letters WHERE state = 'sent'
"""
_COUNTED = """
INSERT INTO counts (campaign_id, sendout_id, addressee, state, n)
SELECT campaign_id, sendout_id, addressee, state, count(*) FROM letters GROUP BY 1, 2, 3, 4
"""
_NUMBERS = {
    "sqlite": "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < {many}) SELECT n FROM c",
    "postgresql": "SELECT generate_series(1, CAST({many} AS bigint)) AS n",
}
_OLD_DUE = """
SELECT addressee, count(*), min(due_at) FROM letters WHERE state = 'queued' AND due_at <= :now GROUP BY addressee
"""
_OLD_STATES = "SELECT addressee, state, count(*) FROM letters GROUP BY addressee, state"


def main() -> int:
    """Run, and print the line."""
    options = _options()
    if options.child:
        return _write(Path(options.child), options.rate)
    line: dict[str, Any] = {"bench": "status", "cores": os.cpu_count(), "letters": options.letters}
    for database in ("sqlite", "postgresql"):
        if options.only in {"", database}:
            line |= {f"{database}_{key}": value for key, value in _measure(database, options).items()}
    print(json.dumps(line))
    return 0


def _measure(database: str, options: argparse.Namespace) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="lettershop-bench-") as folder, _database(database) as url:
        settings = settings_for(1, 1) | ({"LETTERSHOP_LEDGER__URL": url} if url else {})
        home = make_home(Path(folder) / "home", settings)
        with open_ledger(home) as ledger:
            _fill(home, ledger, options.letters)
            _tell(f"{database}: filled")
            with _writer(home, os.environ | settings, options.rate) as moved:
                found = _readings(home, ledger, options.readings)
                _reconcile(home, ledger)
            with _writer(home, os.environ | settings) as fast:
                found |= _timed("status_flat_out_ms", lambda: _told(home, ledger), options.readings)
                _reconcile(home, ledger)
            _reconcile_whole(home, ledger)
            return {**found, "moved_per_s": moved[0], "flat_out_per_s": fast[0]}


def _readings(home: Home, ledger: Ledger, readings: int) -> dict[str, float]:
    with ledger.read() as connection:
        letter = connection.execute(sa.text("SELECT max(id) FROM letters WHERE state = 'queued'")).scalar_one()
    office = home.campaigns[CAMPAIGN].offices[0]
    looks: dict[str, Callable[[], object]] = {
        "status_ms": lambda: _told(home, ledger),
        "shape_ms": lambda: shape(ledger, home),
        "why_ms": lambda: why_letter(ledger, home, letter),
        "why_office_ms": lambda: why_office(ledger, home, office),
    }
    found: dict[str, float] = {}
    for name, look in looks.items():
        found |= _timed(name, look, readings)
    return found | _timed("full_count_ms", lambda: _full(ledger), max(3, readings // 10))


def _timed(name: str, look: Callable[[], object], readings: int) -> dict[str, float]:
    look()
    took = []
    for _ in range(readings):
        began = time.perf_counter()
        look()
        took.append((time.perf_counter() - began) * 1000)
        time.sleep(0.01)
    slowest = name.removesuffix("_ms") + "_p95_ms"
    return {name: round(statistics.median(took), 1), slowest: round(sorted(took)[int(len(took) * 0.95)], 1)}


def _told(home: Home, ledger: Ledger) -> dict[str, Any]:
    """The data of `status --json`, but for the words of broker and pacing."""
    found = status(home, ledger, Seen())
    needed = needs(ledger, home, Parts(quotas=quotas_of(found["relays"])))
    return {**found, "needs": [need.body() for need in needed]}


def _full(ledger: Ledger) -> tuple[Any, Any]:
    with ledger.read() as connection:
        due = connection.execute(sa.text(_OLD_DUE), {"now": ledger.now_us()}).all()
        return due, connection.execute(sa.text(_OLD_STATES)).all()


def _reconcile(home: Home, ledger: Ledger) -> None:
    """Raises RuntimeError where what is said differs from a full count of the same snapshot."""
    for _ in range(3):
        with ledger.read() as connection:
            at_us = ledger.now_us()
            letters = read_letters(connection)
            due = {
                addressee: (each.n, each.first_us) for addressee, each in due_now(connection, at_us, letters).items()
            }
            full = {a: (n, first) for a, n, first in connection.execute(sa.text(_OLD_DUE), {"now": at_us})}
            states = {(a, s): n for a, s, n in connection.execute(sa.text(_OLD_STATES))}
        said = {(a, s): n for a, each in letters.by_addressee.items() for s, n in each.items() if n}
        if due != full or said != states:
            raise RuntimeError(f"status says {due} due and {said}; a full count says {full} and {states}")
    grid = shape(ledger, home)
    if sum(grid["total"]["ages"]) != grid["total"]["due"]:
        raise RuntimeError(f"the grid's cells do not add up: {grid['total']}")


def _reconcile_whole(home: Home, ledger: Ledger) -> None:
    """Raises RuntimeError where the status of a ledger at rest differs from a full count."""
    found = _told(home, ledger)
    due, by_state = _full(ledger)
    states = Counter[str]()
    for _, state, n in by_state:
        states[state] += n
    said = {state: n for state, n in found["letters"].items() if n}
    offices = {each["id"]: each["due"] for each in found["offices"] if each["due"]}
    wanted = {addressee: n for addressee, n, _ in due if addressee != "signer"}
    if said != states or offices != wanted or found["due"] != sum(n for _, n, _ in due):
        raise RuntimeError(f"status says {said} and {offices}; a full count says {dict(states)} and {wanted}")


# -- the ledger --------------------------------------------------------------------------------------------------------
def _fill(home: Home, ledger: Ledger, letters: int) -> None:
    """One signature through the door, then copies of it and of its letters."""
    open_intake(home, ledger).submit_many(
        CAMPAIGN, [PersonInput("Sample Signer 1", "signer1@mail.example", "IE")], evidence="invented for a benchmark"
    )
    with ledger.write() as connection:
        dialect, now = connection.dialect.name, ledger.now_us()
        last = connection.execute(sa.text("SELECT max(id) FROM signatures")).scalar_one()
        many = letters // len(home.campaigns[CAMPAIGN].offices)
        given = {"last": last, "now": now, "day": DAY_US, "key": _KEYS[dialect]}
        numbers = _NUMBERS[dialect].format(many=many)
        for statement in (_SIGNATURES, _LETTERS, _ATTEMPTS, "DELETE FROM count_deltas", _COUNTED):
            connection.execute(sa.text(statement.format(numbers=numbers, **given)))
        for minute in range(60):
            samples.take(connection, now - minute * samples.MINUTE_US, 0, None, {"sent": letters // 2 - 60 * minute})
    with ledger.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if ledger.dialect == "postgresql":
            connection.exec_driver_sql("VACUUM ANALYZE")  # as autovacuum does sooner or later


@contextlib.contextmanager
def _writer(home: Home, environment: Mapping[str, str], rate: int = 0) -> Iterator[list[float]]:
    """A process that moves letters all the while, as a worker would; the list has its rate afterwards. `rate` 0: any."""
    told: list[float] = []
    command = [sys.executable, "-m", "bench.status", "--child", str(home.root), "--rate", str(rate)]
    with subprocess.Popen(command, env=dict(environment), cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()  # it has begun
        try:
            yield told
        finally:
            process.terminate()
            told.append(float(process.stdout.readline()))


def _write(root: Path, rate: int) -> int:
    """Move letters until told to end, a group in a transaction; say when it begins, and how fast it was (per second)."""
    over = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: over.set())
    with open_ledger(read_home(root)) as ledger:
        turns = itertools.count()
        worn = sum(_move(ledger, next(turns), BATCH) for _ in range(WORN // BATCH if rate else 0))
        print("moving", worn, flush=True)
        began, moved = time.monotonic(), 0
        while not over.is_set():
            moved += _move(ledger, next(turns), 1 if rate else BATCH)
            if rate:
                over.wait(began + moved / rate - time.monotonic())
        print(round(moved / (time.monotonic() - began), 1), flush=True)
    return 0


def _move(ledger: Ledger, turn: int, most: int) -> int:
    """Some due letters of one lane become sent, each with its attempt, as a round's group of outcomes does."""
    with ledger.write() as connection:
        now = ledger.now_us()
        rows = connection.execute(
            sa.text(
                "SELECT id, campaign_id, sendout_id, addressee, lane_id FROM letters WHERE state = 'queued'"
                " AND due_at <= :now AND lane_id ="
                " (SELECT id FROM lanes WHERE kind = 'office' ORDER BY id LIMIT 1 OFFSET :k) LIMIT :n"
            ),
            {"now": now, "n": most, "k": turn % OFFICES},
        ).all()
        if not rows:
            return 0
        deltas: dict[tuple[int, int, str, str], int] = {}
        for row in rows:
            for state, n in (("queued", -1), ("sent", 1)):
                cell = (row.campaign_id, row.sendout_id, row.addressee, state)
                deltas[cell] = deltas.get(cell, 0) + n
        values = [{"id": row.id, "now": now, "lane": row.lane_id} for row in rows]
        sent = "UPDATE letters SET state = 'sent', ended_at = :now, attempts = 1 WHERE id = :id"
        connection.execute(sa.text(sent), values)
        connection.execute(
            sa.text(
                "INSERT INTO attempts (letter_id, number, round_id, relay, lane_id, started_at, ended_at, kind, steps)"
                " VALUES (:id, 1, 1, 'rehearsal', :lane, :now, :now, 'accept', '{}')"
            ),
            values,
        )
        counts.add(connection, deltas)
    with ledger.write() as connection:
        counts.fold(connection)
    return len(rows)


# -- helps -------------------------------------------------------------------------------------------------------------
def _tell(text: str) -> None:
    print(text, file=sys.stderr)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--letters", type=int, default=1_000_000, help="letters in the ledger")
    parser.add_argument("--readings", type=int, default=50, help="of each kind")
    parser.add_argument("--rate", type=int, default=20, help="letters that are moved in a second")
    parser.add_argument("--sqlite", dest="only", action="store_const", const="sqlite", help="SQLite only")
    parser.add_argument("--postgresql", dest="only", action="store_const", const="postgresql", help="PostgreSQL only")
    parser.add_argument("--child", default="", help=argparse.SUPPRESS)
    parser.set_defaults(only="")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
