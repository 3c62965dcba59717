"""What dashboards that lie open cost the dispatch. Prints one line of JSON.

    python -m bench.streams [--letters N] [--clients N] [--pairs N]

A worker sends the same letters twice in each pair, once with the web process beside it that nobody asks, once with so many
clients that read its event stream (`/ops/live`) all the while; which comes first changes from pair to pair.

`kept`     letters a second with the clients over that without them, the median of the pairs
`events`   what the clients were sent, over all pairs: none of them may have been left without
"""

import argparse
import contextlib
import json
import os
import selectors
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import cast

import httpx

from bench.ours import run_ours
from tests.acceptance.command import free_port
from tests.support import until
from worker.ledger import api_keys
from worker.operations.users import By, add
from worker.settings import Home
from worker.wiring.home import open_ledger

OF_EACH_KEY = 4
TARGET = 0.95


class Readers:
    """Clients of the event stream, each with a connection of its own, as browsers are; one thread empties them all.

    They are elsewhere in real life: so they only count, and cost this machine as little as can be.
    """

    def __init__(self, port: int, keys: list[str]) -> None:
        self.events = [0] * len(keys)
        self._over = False
        self._selector = selectors.DefaultSelector()
        for number, key in enumerate(keys):
            client = socket.create_connection(("127.0.0.1", port))
            lines = ("GET /ops/live HTTP/1.1", f"Host: 127.0.0.1:{port}", f"Authorization: Bearer {key}")
            client.sendall("\r\n".join([*lines, "Accept: text/event-stream", "", ""]).encode())
            self._selector.register(client, selectors.EVENT_READ, number)

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """All of them read, from their first event to the end of the body."""
        thread = threading.Thread(target=self._read)
        thread.start()
        try:
            until(lambda: all(self.events), "every client to be told something", 60)
            yield
        finally:
            self._over = True
            thread.join()

    def _read(self) -> None:
        while not self._over:
            for key, _ in self._selector.select(1.0):
                client = cast("socket.socket", key.fileobj)
                self.events[key.data] += client.recv(1 << 20).count(b"\nevent:")
        for key in list(self._selector.get_map().values()):
            cast("socket.socket", key.fileobj).close()


@contextlib.contextmanager
def beside(
    home: Home, environment: Mapping[str, str], *, clients: int, told: Callable[[list[int]], None]
) -> Iterator[None]:
    """The web process of `home`, and its readers; `told` is given how many events each of them got."""
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    keys = _keys(home, clients)
    log = home.root / "web.log"
    with log.open("wb") as sheet:
        command = [sys.executable, "-m", "worker.cli", "--home", str(home.root), "web", "--port", str(port)]
        web = subprocess.Popen(command, env=os.environ | environment, stdout=sheet, stderr=sheet)
    try:
        until(partial(_answers, base), "the pages to be up", 60)
        readers = Readers(port, keys)
        with readers.reading():
            yield
        told(readers.events)
    finally:
        web.terminate()
        web.wait(60)


def _keys(home: Home, clients: int) -> list[str]:
    """A key for each client; one key is good for some streams. There is no dashboard without a user."""
    with open_ledger(home) as ledger:
        add(ledger, "bench", "viewer", "a password for a benchmark", By("bench", "to have a dashboard"))
        with ledger.write() as connection:
            made = [
                api_keys.make(connection, f"bench-{n}", ["ops:read"], "", ledger.now_us())
                for n in range(-(-clients // OF_EACH_KEY))
            ]
    return [made[n // OF_EACH_KEY] for n in range(clients)]


def _answers(base: str) -> bool:
    try:
        return httpx.get(f"{base}/healthz").is_success
    except httpx.TransportError:
        return False


def main() -> int:
    """Run, print, and return 1 if the clients cost more than they may."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--letters", type=int, default=20_000, help="of each run")
    parser.add_argument("--clients", type=int, default=20)
    parser.add_argument("--pairs", type=int, default=5)
    options = parser.parse_args()
    events: list[int] = []

    def rate(clients: int) -> float:
        side = partial(beside, clients=clients, told=events.extend)
        with tempfile.TemporaryDirectory(prefix="lettershop-bench-") as folder:
            found = run_ours(options.letters, 1, Path(folder), own_sink=False, beside=side).rate
        print(f"{found:>8.0f}/s  {clients} clients", file=sys.stderr)
        return found

    kept = []
    for pair in range(options.pairs):
        first, second = (0, options.clients) if pair % 2 == 0 else (options.clients, 0)
        rates = {first: rate(first), second: rate(second)}
        kept.append(rates[options.clients] / rates[0])
    line = {
        "clients": options.clients,
        "letters": options.letters,
        "kept": round(statistics.median(kept), 3),
        "pairs": [round(each, 3) for each in kept],
        "events": sum(events),
    }
    print(json.dumps(line))
    return int(line["kept"] < TARGET)


if __name__ == "__main__":
    sys.exit(main())
