"""The command line as its users run it: `lettershop` in a process of its own, on a home of the test's."""

import contextlib
import csv
import json
import os
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psutil

from tests.support import until
from worker.cli.status import gather
from worker.embedded.maildir import Maildir, message_id
from worker.wiring.home import read_home

CHECKOUT = Path(__file__).resolve().parents[2]

SETTINGS = """\
mode = "rehearsal"
[limits]
mailbox = "10000/min"
mailbox_per_day = 100000
office_hours = "ignore"
[retry]
minimum = "1 s"
maximum = "2 s"
[web]
port = {port}
"""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def environment(**more: str) -> dict[str, str]:
    """This process's environment without settings of its own."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("LETTERSHOP_")}
    return {**clean, "COLUMNS": "100", **more}


def argv(*words: object) -> list[str]:
    return [sys.executable, "-P", "-m", "worker.cli", *map(str, words)]


def lettershop(
    *words: object, cwd: Path = CHECKOUT, within_s: float = 90, **more: str
) -> subprocess.CompletedProcess[str]:
    """Run one verb and give what came of it."""
    return subprocess.run(
        argv(*words), cwd=cwd, env=environment(**more), capture_output=True, text=True, check=False, timeout=within_s
    )


def well(*words: object) -> str:
    """What a verb printed; it must have gone well."""
    done = lettershop(*words)
    assert done.returncode == 0, f"{words}: {done.returncode}: {done.stderr}"
    return done.stdout


class Home:
    """A home with open hours and wide limits, and the stack on it."""

    signers_at = "signers.example"
    """The mail domain of invented people."""

    def __init__(self, root: Path) -> None:
        self.root = root
        well("init", root)
        self.port = free_port()
        (root / "config" / "lettershop.toml").write_text(SETTINGS.format(port=self.port))
        self._up: subprocess.Popen[str] | None = None
        self._ids: dict[str, str] = {}  # of what was seen at the sink

    def run(self, *words: object) -> str:
        return well("--home", self.root, *words)

    def spawn(self, *words: object) -> subprocess.Popen[str]:
        """Start a verb that stays."""
        with (self.root / "spawned.log").open("a") as log:
            return subprocess.Popen(
                argv("--home", self.root, *words), env=environment(), cwd=self.root, stdout=log, stderr=log, text=True
            )

    def status(self) -> dict:
        """What `status --json` says, without a process for each look."""
        return gather(read_home(self.root, environment()))

    # -- the stack
    def up(self) -> None:
        """Start it, and wait until it says where things are."""
        log = self.root / "up.log"
        with log.open("a") as file:
            begin = file.tell()
            self._up = subprocess.Popen(
                argv("--home", self.root, "up"), cwd=self.root, env=environment(), stdout=file, stderr=file, text=True
            )
        process = self._up
        until(
            lambda: process.poll() is not None or "Ctrl-C or SIGTERM stops it" in log.read_text()[begin:],
            "the stack to be up",
            90,
        )
        assert process.poll() is None, log.read_text()

    @property
    def supervisor(self) -> psutil.Process:
        assert self._up is not None
        return psutil.Process(self._up.pid)

    def part(self, *words: str) -> psutil.Process:
        """The process of the part whose command line ends with `words`, or whose program they name."""

        def find() -> psutil.Process | None:
            for process in self.supervisor.children(recursive=True):
                with contextlib.suppress(psutil.Error):
                    line = process.cmdline()
                    if "keeper.py" in " ".join(line[:4]) or not line:
                        continue
                    if tuple(line[-len(words) :]) == words or process.name() in words:
                        return process
            return None

        return until(find, f"the part {words}")

    def kill_part(self, *words: str) -> None:
        victim = self.part(*words)
        victim.kill()
        until(lambda: not victim.is_running() or victim.status() == psutil.STATUS_ZOMBIE, "the part to be dead")

    def kill_supervisor(self) -> None:
        """Kill -9 it, and see that all its parts go with it."""
        assert self._up is not None
        parts = self.supervisor.children(recursive=True)
        self._up.kill()
        self._up.wait()
        gone, alive = psutil.wait_procs(parts, timeout=30)
        assert not alive, f"{len(gone)} parts ended, these did not: {alive}"

    def down(self) -> int:
        """Stop it as an operator does; its exit status."""
        if self._up is None:
            return 0
        process, self._up = self._up, None
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            return process.wait(timeout=60)
        finally:
            process.kill()
            process.wait()

    # -- letters
    def sign_many(self, campaign: str, first: int, people: int) -> None:
        """Import so many invented people."""
        path = self.root / f"signers-{first}.csv"
        with path.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["name", "email", "country"])
            for number in range(first, first + people):
                writer.writerow([f"Sample Signer {number}", f"signer.{number}@{self.signers_at}", "NL"])
        self.run("import", campaign, path, "--evidence", "invented for a test", "--no-wait")

    def at_sink(self) -> Counter[str]:
        """How often each Message-ID stands in the sink's Maildir."""
        sink = Maildir(self.root / "var" / "sink")
        for name in sink.names(1_000_000):
            if name not in self._ids:
                self._ids[name] = message_id(sink.read(name).content())
        return Counter(self._ids.values())

    def in_doubt(self) -> list[dict]:
        listed = json.loads(self.run("letters", "list", "--state", "in_doubt", "--limit", "1000", "--json"))
        return listed["letters"]


@contextlib.contextmanager
def a_home(root: Path) -> Iterator[Home]:
    """A home whose stack is down in the end, whatever the test did."""
    home = Home(root)
    try:
        yield home
    finally:
        home.down()
