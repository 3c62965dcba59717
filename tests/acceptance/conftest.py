"""A home, and verbs said to it in this process."""

import pytest

from tests.acceptance.command import environment
from worker.cli.app import run


@pytest.fixture
def cli(tmp_path, capfd, monkeypatch):
    """A home with a ledger; say a verb to it and get what it printed."""
    for name in [name for name in environment() if name.startswith("LETTERSHOP")]:
        monkeypatch.delenv(name)
    root = tmp_path / "home"
    assert run(["init", str(root)]) == 0
    monkeypatch.setenv("LETTERSHOP_HOME", str(root))
    assert run(["migrate"]) == 0

    def say(*words, status=0):
        capfd.readouterr()
        came = run([str(word) for word in words])
        out, err = capfd.readouterr()
        assert came == status, err
        return out if status == 0 else out + err

    say.root = root
    return say
