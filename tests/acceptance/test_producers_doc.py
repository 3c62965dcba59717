"""Every Python example of `docs/producers.md`, run in order on the sample home."""

import doctest
import re
import shutil
from pathlib import Path

import pytest

from worker.ledger.keys import make_key_files
from worker.ledger.migrate import migrate
from worker.wiring.home import open_keys, read_home

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "producers.md"


@pytest.fixture
def in_a_directory_with_a_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for part in ("config", "templates"):
        shutil.copytree(ROOT / part, tmp_path / "my-home" / part)
    home = read_home(tmp_path / "my-home", {})
    home.var.mkdir(parents=True, exist_ok=True)
    files = home.settings.keys
    make_key_files([files.data, files.lookup, files.seal])
    migrate(home.settings.ledger.url, home.settings.mode, open_keys(home))
    monkeypatch.chdir(tmp_path)


def examples() -> doctest.DocTest:
    """The page's Python blocks as one doctest; other lines are blank, so that line numbers are the page's own."""
    text = PAGE.read_text()
    kept = [""] * len(text.splitlines())
    for block in re.finditer(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        first = text[: block.start(1)].count("\n")
        for number, line in enumerate(block[1].splitlines(), first):
            kept[number] = line
    return doctest.DocTestParser().get_doctest("\n".join(kept) + "\n", {}, PAGE.name, str(PAGE), 0)


@pytest.mark.usefixtures("in_a_directory_with_a_home")
def test_the_examples_do_what_the_page_says() -> None:
    told: list[str] = []
    page = examples()
    result = doctest.DocTestRunner(verbose=False).run(page, out=told.append)
    assert result.failed == 0, "".join(told)
    assert result.attempted >= 25
