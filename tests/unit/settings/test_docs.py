"""The generated pages: current, and noticed when they are not."""

import importlib.util
from pathlib import Path

import pytest

from worker.domain.states import Event, State
from worker.settings import Settings
from worker.settings.problems import known_keys

SCRIPT = Path(__file__).resolve().parents[3] / "docs" / "generate.py"


@pytest.fixture
def generate():
    spec = importlib.util.spec_from_file_location("generate", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_pages_are_current(generate):
    assert generate.main(["--check"]) == 0


def test_a_stale_page_is_named_and_mended(generate, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(generate, "DOCS", tmp_path)
    (tmp_path / "states.md").write_text("old")
    assert generate.main(["--check"]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "docs/configuration.md is stale; run `python docs/generate.py`",
        "docs/states.md is stale; run `python docs/generate.py`",
    ]
    assert generate.main([]) == 0
    assert generate.main(["--check"]) == 0
    assert generate.main(["--chekc"]) == 2


def test_every_key_state_and_event_is_there(generate):
    pages = generate.pages()
    for path in known_keys(Settings):
        assert f"`{path[-1]}`" in pages["configuration.md"] or f"[{path[-1]}]" in pages["configuration.md"]
    for name in (*State, *Event):
        assert f"| `{name}` |" in pages["states.md"]
    assert "sending --> in_doubt: lose" in pages["states.md"]


def test_every_key_has_its_meaning(generate):
    rows = [row for row in generate.pages()["configuration.md"].splitlines() if row.startswith("| `")]
    assert all("|  |" not in row for row in rows)
