"""The public form under load: durable signatures per second, while letters are being sent. Prints one line of JSON.

    python bench/form.py [--seconds N] [--connections N] [--letters-per-s N] [--stored N] [--sqlite | --postgresql]

A home of its own, its private Redis, one `lettershop worker`, one `lettershop web`, a sink; a feeder that submits confirmed
signatures so that `--letters-per-s` letters are being sent all the while. Then `--connections` clients post the form, each
the next one as soon as it was answered: a new person each time, with stamp, consents and offices as a browser sends them.
The limits of the form are opened (everybody comes from one address here), but they are asked: every post is counted in
Redis. An answer means that the signature is committed (SQLite: WAL, synchronous=FULL; PostgreSQL: fsync).

Beside it, in the same run and under the same load, an empty FastAPI route on the same server and settings: what the
framework alone would do. `--stored` signatures are put into the ledger beforehand through the bulk door, and the same
is measured without them: `depth_ratio` is signatures/s with them over signatures/s without.
"""

import argparse
import asyncio
import contextlib
import dataclasses
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from bench.ours import CAMPAIGN, OFFICES, ROOT, make_home, settings_for
from bench.sink import Sink, open_sink
from worker.domain.clock import SystemClock
from worker.intake import Intake, PersonInput
from worker.settings import Home
from worker.wiring.home import open_intake, open_ledger, read_home
from worker.wiring.servers import private_server

WARM_UP_S = 2.0
PATIENCE_S = 60.0
_CONSENTS = ("send", "yearly", "copy")


@dataclass(frozen=True, slots=True)
class Load:
    """What one stretch of posting came to. Times in milliseconds."""

    per_s: float
    p50_ms: float
    p99_ms: float
    posts: int


def main() -> int:
    """Run, and print the line."""
    options = _options()
    if options.feed:
        return _feed(Path(options.feed), options.letters_per_s)
    line: dict[str, Any] = {"bench": "form", "cores": os.cpu_count(), "connections": options.connections}
    for database in ("sqlite", "postgresql"):
        if options.only in {"", database}:
            prefix = "" if database == "sqlite" else "postgresql_"
            line |= {f"{prefix}{key}": value for key, value in _measure(database, options).items()}
    print(json.dumps(line))
    return 0


def _measure(database: str, options: argparse.Namespace) -> dict[str, Any]:
    found = _one_run(database, options, 0)
    if options.stored:
        deep = _one_run(database, options, options.stored)
        found |= {f"stored_{key}": value for key, value in deep.items() if key in {"per_s", "p50_ms", "p99_ms"}}
        found |= {"stored": options.stored, "depth_ratio": round(deep["per_s"] / found["per_s"], 2)}
    return found


def _one_run(database: str, options: argparse.Namespace, stored: int) -> dict[str, Any]:
    with (
        tempfile.TemporaryDirectory(prefix="lettershop-bench-") as folder,
        _database(database) as url,
        open_sink() as sink,
    ):
        environment = os.environ | _form_settings(sink.port) | ({"LETTERSHOP_LEDGER__URL": url} if url else {})
        home = make_home(Path(folder) / "home", environment)
        _fill(home, stored)
        _tell(f"{database}: {stored} signatures stored")
        with private_server(home), _running(home, environment, options.letters_per_s) as ports:
            return _under_load(home, sink, ports, options)


def _under_load(home: Home, sink: Sink, ports: tuple[int, int], options: argparse.Namespace) -> dict[str, Any]:
    pages, empty = ports
    _await(lambda: sink.tally().count > options.letters_per_s, "letters flow")
    bare = asyncio.run(_post(empty, "/empty", _Bodies("", ""), options.connections, options.seconds))
    body = _Bodies(*_fetch_form(pages))
    before, began = sink.tally().count, time.monotonic()
    load = asyncio.run(_post(pages, f"/c/{CAMPAIGN}", body, options.connections, options.seconds))
    sent = (sink.tally().count - before) / (time.monotonic() - began)
    recorded = _recorded(home)
    if recorded < load.posts:
        raise RuntimeError(f"{load.posts} posts were acknowledged and {recorded} signatures are in the ledger")
    _tell(f"{load.per_s:.0f}/s beside {sent:.0f} letters/s; the empty route {bare.per_s:.0f}/s")
    return {
        "per_s": round(load.per_s, 1),
        "p50_ms": round(load.p50_ms, 1),
        "p99_ms": round(load.p99_ms, 1),
        "letters_per_s": round(sent, 1),
        "empty_route_per_s": round(bare.per_s, 1),
        "empty_route_p99_ms": round(bare.p99_ms, 1),
    }


# -- the home and its processes ----------------------------------------------------------------------------------------
def _form_settings(sink_port: int) -> dict[str, str]:
    wide = {
        f"LETTERSHOP_FORM__{name}": "10000000/h" for name in ("PER_IP", "PER_NETWORK", "PER_DOMAIN", "PER_CAMPAIGN")
    }
    return {
        **settings_for(sink_port, 1),
        **wide,
        "LETTERSHOP_FORM__CHALLENGE_ABOVE": "10000000/min",
        "LETTERSHOP_FORM__LEAST_SECONDS": "0",
        "LETTERSHOP_WEB__PORT": str(_free_port()),
    }


def _fill(home: Home, signatures: int) -> None:
    """Confirmed signatures, each with one letter that was sent long ago."""
    if not signatures:
        return
    with open_ledger(home) as ledger:
        campaign = dataclasses.replace(home.campaigns[CAMPAIGN], offices=home.campaigns[CAMPAIGN].offices[:1])
        intake = Intake(ledger, ledger.keys, {CAMPAIGN: campaign}, home.offices, SystemClock())
        people = (PersonInput(f"Sample Signer {n}", f"stored{n}@mail.example", "IE") for n in range(signatures))
        intake.submit_many(CAMPAIGN, people, evidence="invented for a benchmark")
        with ledger.write() as connection:  # they were written for long ago
            connection.exec_driver_sql("UPDATE letters SET state = 'sent'")
            connection.exec_driver_sql("UPDATE count_deltas SET state = 'sent'")


@contextlib.contextmanager
def _running(home: Home, environment: dict[str, str], letters_per_s: int) -> Iterator[tuple[int, int]]:
    """Worker, web, feeder and the empty route; the ports of the pages and of the empty route."""
    lettershop = [sys.executable, "-m", "worker.cli", "--home", str(home.root)]
    empty = _free_port()
    commands: list[Sequence[str]] = [
        [*lettershop, "worker"],
        [*lettershop, "web"],
        [sys.executable, "-m", "bench.form", "--feed", str(home.root), "--letters-per-s", str(letters_per_s)],
        [sys.executable, "-m", "bench.empty_route", str(empty)],
    ]
    log = home.root / "bench.log"
    with log.open("ab") as sheet, contextlib.ExitStack() as held:
        for command in commands:
            process = subprocess.Popen(command, env=environment, stdout=sheet, stderr=sheet, cwd=ROOT)
            held.callback(_end, process)
        pages = home.settings.web.port
        for port in (pages, empty):
            _await(lambda port=port: _answers(port), f"port {port} answers; see {log}")  # type: ignore[misc]
        try:
            yield pages, empty
        except BaseException:
            _tell("\n".join(log.read_text(errors="replace").splitlines()[-15:]))
            raise


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(30)
        return
    process.kill()
    process.wait()


def _feed(root: Path, letters_per_s: int) -> int:
    """Submit confirmed signatures, every tenth of a second as many as are due, until told to end."""
    home = read_home(root)
    began, made = time.monotonic(), 0
    with open_ledger(home) as ledger:
        intake = open_intake(home, ledger)
        while True:
            due = int((time.monotonic() - began) * letters_per_s / OFFICES)
            people = [PersonInput(f"Sample Signer {n}", f"fed{n}@mail.example", "IE") for n in range(made, due)]
            intake.submit_many(CAMPAIGN, people, evidence="invented for a benchmark")
            made = due
            time.sleep(0.1)


@contextlib.contextmanager
def _database(kind: str) -> Iterator[str]:
    """The URL of an empty PostgreSQL database of our own, or "" for SQLite."""
    if kind == "sqlite":
        yield ""
        return
    from tests.fixtures.postgres import PostgresServer  # the server that the tests run on

    server = PostgresServer()
    server.start("autovacuum=on", "shared_buffers=128MB")  # as it is where nobody has changed anything
    try:
        yield server.url(server.new_database())
    finally:
        server.remove()


# -- the clients -------------------------------------------------------------------------------------------------------
class _Bodies:
    """Forms as a browser sends them, each of a new person. With no stamp: an empty body."""

    def __init__(self, stamp: str, version: str) -> None:
        self._fixed = {"stamp": stamp, "version": version, "country": "IE", "city": "Sampleton", "language": "en"}
        self._n = 0

    def next(self) -> bytes:
        if not self._fixed["stamp"]:
            return b""
        self._n += 1
        own = {"name": f"Sample Signer {self._n}", "email": f"form{self._n}@mail{self._n % 50}.example", "website": ""}
        return urlencode({**self._fixed, **own, "consent": _CONSENTS, "office": _OFFICES}, doseq=True).encode()


_OFFICES: list[str] = []


def _fetch_form(port: int) -> tuple[str, str]:
    """Stamp and version of a form, and its offices."""
    from urllib.request import urlopen

    with urlopen(f"http://127.0.0.1:{port}/c/{CAMPAIGN}") as answer:
        page = answer.read().decode()
    _OFFICES[:] = re.findall(r'name="office" value="([a-z0-9-]+)"', page)
    return tuple(re.search(rf'name="{name}" value="([^"]+)"', page)[1] for name in ("stamp", "version"))  # type: ignore[index, return-value]


async def _post(port: int, path: str, bodies: _Bodies, connections: int, seconds: float) -> Load:
    """Post on so many kept connections for `seconds`, after a warm-up."""
    took: list[float] = []
    began = time.monotonic() + WARM_UP_S
    await asyncio.gather(*(_client(port, path, bodies, took, began, began + seconds) for _ in range(connections)))
    ordered = sorted(took)
    return Load(len(took) / seconds, _at(ordered, 0.5), _at(ordered, 0.99), len(took))


async def _client(port: int, path: str, bodies: _Bodies, took: list[float], began: float, until: float) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    kind = "Content-Type: application/x-www-form-urlencoded\r\n"
    while (now := time.monotonic()) < until:
        body = bodies.next()
        head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{kind}Content-Length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        status, length = _head(await reader.readuntil(b"\r\n\r\n"))
        await reader.readexactly(length)
        if status not in {200, 303}:
            raise RuntimeError(f"a form was answered {status}")
        if now >= began:
            took.append((time.monotonic() - now) * 1000)
    writer.close()


def _head(head: bytes) -> tuple[int, int]:
    length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
    return int(head.split(b" ", 2)[1]), int(length[1]) if length else 0


def _at(ordered: Sequence[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


# -- helps -------------------------------------------------------------------------------------------------------------
def _recorded(home: Home) -> int:
    with open_ledger(home) as ledger, ledger.read() as connection:
        found: int = connection.exec_driver_sql("SELECT count(*) FROM signatures WHERE source = 'web'").scalar_one()
        return found


def _await(true: Any, what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not true():
        if time.monotonic() > deadline:
            raise RuntimeError(f"waited in vain: {what}")
        time.sleep(0.05)


def _answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _tell(text: str) -> None:
    print(text, file=sys.stderr)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=10.0, help="of posting, after a warm-up")
    parser.add_argument("--connections", type=int, default=16, help="clients at once")
    parser.add_argument("--letters-per-s", type=int, default=200, help="letters that are being sent meanwhile")
    parser.add_argument("--stored", type=int, default=0, help="also measure with so many signatures in the ledger")
    parser.add_argument("--sqlite", dest="only", action="store_const", const="sqlite", help="SQLite only")
    parser.add_argument("--postgresql", dest="only", action="store_const", const="postgresql", help="PostgreSQL only")
    parser.add_argument("--feed", default="", help=argparse.SUPPRESS)
    parser.set_defaults(only="")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
