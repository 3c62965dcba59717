"""A home, and verbs said to it in this process."""

import os
import shutil

import pytest

from worker.cli.app import run


@pytest.fixture(scope="session")
def made_home(tmp_path_factory):
    """A home with a ledger, made once by its verbs; every test takes a copy."""
    root = tmp_path_factory.mktemp("made") / "home"
    with pytest.MonkeyPatch.context() as patch:
        without_settings(patch)
        assert run(["init", str(root)]) == 0
        patch.setenv("LETTERSHOP_HOME", str(root))
        assert run(["migrate"]) == 0
    assert not (root / "var" / "ledger.db-wal").exists(), "nobody has the ledger open"
    return root


def without_settings(patch):
    for name in [name for name in os.environ if name.startswith("LETTERSHOP")]:
        patch.delenv(name)


@pytest.fixture
def cli(made_home, tmp_path, capfd, monkeypatch):
    """A home with a ledger; say a verb to it and get what it printed."""
    without_settings(monkeypatch)
    root = tmp_path / "home"
    shutil.copytree(made_home, root)
    monkeypatch.setenv("LETTERSHOP_HOME", str(root))

    def say(*words, status=0):
        capfd.readouterr()
        came = run([str(word) for word in words])
        out, err = capfd.readouterr()
        assert came == status, err
        return out if status == 0 else out + err

    say.root = root
    return say
