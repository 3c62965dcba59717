"""Every example of `docs/api.md`, run in order against `lettershop web` on the sample home."""

import contextlib
import doctest
import http.client
import re
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.command import argv, environment, free_port, well
from tests.support import until

PAGE = Path(__file__).parents[2] / "docs" / "api.md"
PORT = "8480"
WIDE = {f"LETTERSHOP_FORM__{name}": "1000/h" for name in ("PER_IP", "PER_NETWORK", "PER_ADDRESS")}
"""A process that serves alone, without Redis, allows a quarter of each limit; the page's reader has a whole stack."""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    root = tmp_path / "my-home"
    well("init", root)
    well("--home", root, "migrate")
    return root


@pytest.fixture
def port(home: Path) -> Iterator[int]:
    """Where the pages are served, as long as the test lasts."""
    number = free_port()
    with (home / "web.log").open("w") as log:
        served = subprocess.Popen(
            argv("--home", home, "web", "--port", number), env=environment(**WIDE), stdout=log, stderr=log
        )
    try:
        until(lambda: served.poll() is not None or _listens(number), "the pages to be served", 60)
        assert served.poll() is None, (home / "web.log").read_text()
        yield number
    finally:
        served.terminate()
        served.wait(timeout=30)
    assert served.returncode == 0


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def examples(text: str) -> doctest.DocTest:
    """The page's Python blocks as one doctest; other lines are blank, so that line numbers are the page's own."""
    kept = [""] * len(text.splitlines())
    for block in re.finditer(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        first = text[: block.start(1)].count("\n")
        for number, line in enumerate(block[1].splitlines(), first):
            kept[number] = line
    return doctest.DocTestParser().get_doctest("\n".join(kept) + "\n", {}, PAGE.name, str(PAGE), 0)


def test_the_examples_do_what_the_page_says(home: Path, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    text = PAGE.read_text()
    (command,) = re.findall(r"^\$ lettershop (.*)$", text, re.MULTILINE)
    monkeypatch.setenv("PARTNER_KEY", well("--home", home, *command.split()).strip())
    monkeypatch.setenv("no_proxy", "*")
    told: list[str] = []
    result = doctest.DocTestRunner(verbose=False).run(examples(text.replace(PORT, str(port))), out=told.append)
    assert result.failed == 0, "".join(told)
    assert result.attempted >= 30
    assert "mail.example" not in (home / "web.log").read_text()
    assert "lsk_" not in (home / "web.log").read_text()


def test_head_over_the_wire(port: int) -> None:
    """The connection stays in step: what follows is not read as the body that HEAD does not have."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    with contextlib.closing(connection):
        for method in ("HEAD", "GET", "HEAD", "GET"):
            connection.request(method, "/api/v1/campaigns/town-library")
            answer = connection.getresponse()
            body = answer.read()
            assert answer.status == 200
            assert int(answer.headers["content-length"]) > 0
            assert len(body) == (int(answer.headers["content-length"]) if method == "GET" else 0)


def test_the_page_names_every_operation_and_status() -> None:
    from worker.web.api_document import _WHY
    from worker.web.routes import api

    text = PAGE.read_text()
    for path in ("/campaigns/SLUG/counters", "/campaigns/SLUG/offices", "/campaigns/SLUG/preview",
                 "/campaigns/SLUG/signatures", "/signatures/ID", "/signatures/ID/withdraw"):  # fmt: skip
        assert path in text
    assert api.PREFIX in text
    of_http_itself = {405, 408, 414, 431}
    for status in _WHY.keys() - of_http_itself:
        assert re.search(rf"^\|[ 0-9,]*\b{status}\b", text, re.MULTILINE), status
