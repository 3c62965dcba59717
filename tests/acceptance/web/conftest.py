"""The stack, started once for all tests of this folder, and a web site of somebody else's."""

import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest

from tests.acceptance.command import argv, environment, free_port
from tests.acceptance.web.house import House, a_house
from tests.support import until


class Site(ThreadingHTTPServer):
    """A site that shows, in a frame, the address that stands behind its own "?"."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Frames)

    @property
    def origin(self) -> str:
        # another host than the pages' own: cross-site, not only cross-origin
        return f"http://localhost:{self.server_port}"


class _Frames(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        framed = self.path.partition("?")[2]
        body = f'<!doctype html><html lang="en"><title>Elsewhere</title><iframe title="form" src="{framed}"></iframe>'
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="package")
def site() -> Iterator[Site]:
    """Somebody else's site, being served."""
    server = Site()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="package")
def house(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """The home with its stack up."""
    with a_house(tmp_path_factory.mktemp("web") / "home", site.origin) as found:
        yield found


@pytest.fixture(scope="package")
def busy(house: House) -> Iterator[str]:
    """Other pages of the same home that ask for a proof of work from the second form a minute on: their origin."""
    with more_pages(house, LETTERSHOP_FORM__CHALLENGE_ABOVE="1/min") as base:
        yield base


@pytest.fixture
def slow(house: House) -> Iterator[str]:
    """Other pages of the same home, whose form may not come back within a minute: their origin."""
    with more_pages(house, LETTERSHOP_FORM__LEAST_SECONDS="60") as base:
        yield base


@contextmanager
def more_pages(house: House, **settings: str) -> Iterator[str]:
    port = free_port()
    log = house.home.root / f"web-{port}.log"
    command = argv("--home", house.home.root, "web", "--port", port)
    with log.open("w") as file:
        process = subprocess.Popen(command, env=environment(**settings), cwd=house.home.root, stdout=file, stderr=file)
    base = f"http://127.0.0.1:{port}"
    try:
        until(lambda: process.poll() is not None or answers(base), "other pages to be up", 60)
        assert process.poll() is None, log.read_text()
        yield base
    finally:
        process.terminate()
        process.wait(30)


def answers(base: str) -> bool:
    try:
        return httpx.get(f"{base}/").status_code == 200
    except httpx.TransportError:
        return False
