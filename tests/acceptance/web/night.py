"""A bad night for operators: a home with a backlog and all kinds of trouble, its pages served, somebody who may act."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.acceptance.command import Home, argv, environment
from tests.fixtures import backlog
from tests.support import until
from worker.operations import users
from worker.schedule import tick
from worker.wiring.home import open_intake, open_ledger, read_home
from worker.wiring.schedule import open_board
from worker.wiring.servers import private_server

PASSWORD = "a long password for a night 3"


@contextmanager
def a_night(root: Path, people: int) -> Iterator[tuple[Home, str]]:
    """The home, and where its pages are; its Redis runs as long as the block, but no worker does."""
    night = Home(root)
    night.run("migrate")
    home = read_home(root, {})
    with private_server(home), open_ledger(home) as ledger:
        for name, role in (("vera", "viewer"), ("olga", "operator")):
            users.add(ledger, name, role, PASSWORD, users.By("console", "for a night"))
        backlog.fill(ledger, home, open_intake(home, ledger), people)
        tick(open_board(home, ledger))
        log = root / "web.log"
        with log.open("w") as file:
            command = argv("--home", root, "web")
            process = subprocess.Popen(command, env=environment(), cwd=root, stdout=file, stderr=file)
        base = f"http://127.0.0.1:{night.port}"
        try:
            until(lambda: process.poll() is not None or _answers(base), "the pages to be up", 60)
            assert process.poll() is None, log.read_text()
            yield night, base
        finally:
            process.terminate()
            process.wait(30)


def _answers(base: str) -> bool:
    try:
        return httpx.get(f"{base}/ops/login").status_code == httpx.codes.OK
    except httpx.TransportError:
        return False
