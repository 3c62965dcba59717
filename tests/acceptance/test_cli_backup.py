"""`lettershop backup` and `lettershop restore`, as an operator types them: the drill of docs/backup.md."""

import json
import shutil
import sqlite3
import stat
import subprocess
from pathlib import Path

import pytest

from tests.acceptance.command import Home, argv, environment, lettershop
from worker.embedded.lock import HomeLock

pytestmark = pytest.mark.timeout(300)  # many commands in a row

REASON = ("--reason", "the drive died")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home with four letters and two notices in its ledger, and no stack."""
    made = Home(tmp_path / "home")
    made.run("migrate")
    made.sign_many("town-library", 1, 2)
    return made


def refused(home: Home, *words: object, status: int) -> str:
    done = lettershop("--home", home.root, *words)
    assert done.returncode == status, done.stderr
    return done.stderr


def test_back_up_lose_everything_restore(home: Home, tmp_path: Path) -> None:
    file, safe = tmp_path / "ledger.backup", tmp_path / "safe"
    said = home.run("backup", file)
    assert "backed up 6 letters" in said
    assert "not in it" in said
    assert str(home.root / "var/keys/data.key") in said
    body = json.loads(home.run("backup", "--force", file, "--keys", safe, "--json"))
    assert body["letters"] == 6
    assert body["bytes"] == file.stat().st_size
    assert body["audit"]["sound"]
    assert [Path(key).name for key in body["keys"]] == ["data.key", "lookup.key", "seal.key"]

    shutil.rmtree(home.root / "var")
    assert "there is no key file" in refused(home, "restore", file, *REASON, status=2)
    (home.root / "var").mkdir(mode=0o700)  # a refused restore has made nothing
    shutil.copytree(safe, home.root / "var/keys")
    said = home.run("restore", file, *REASON)
    assert "restored 6 letters" in said
    assert "Everything is on hold" in said
    assert said.index("accept-restore") < said.index("lettershop resolve") < said.index("lettershop resume everything")
    assert stat.S_IMODE((home.root / "var/ledger.db").stat().st_mode) == 0o600

    status = home.status()
    assert "restored from a backup" in status["ledger"]["error"]
    home.run("resume", "everything", "--yes", *REASON)  # too early, and no harm: the witness knows
    assert "restored from a backup" in refused(home, "up", status=3)
    accepted = home.run("ledger", "accept-restore", *REASON)  # without --anyway: the ledger is behind
    assert "6 letters in doubt" in accepted
    home.run("ledger", "verify")
    assert [each["state"] for each in json.loads(home.run("letters", "list", "--json"))["letters"]] == ["in_doubt"] * 6


def test_a_ledger_that_is_there_is_kept(home: Home, tmp_path: Path) -> None:
    file = tmp_path / "ledger.backup"
    home.run("backup", file)
    assert "--replace" in refused(home, "restore", file, *REASON, status=3)
    done = json.loads(home.run("restore", file, "--replace", "--json", *REASON))
    assert done["held"]
    assert done["letters"] == done["waiting"] == 6
    assert Path(done["moved_to"]).exists()


def test_a_pipe_takes_it_too(home: Home, tmp_path: Path) -> None:
    done = subprocess.run(
        argv("--home", home.root, "backup", "-"), env=environment(), capture_output=True, check=False, timeout=90
    )
    assert done.returncode == 0, done.stderr
    assert b"the keys are not in it" in done.stderr
    file = tmp_path / "piped.backup"
    file.write_bytes(done.stdout)
    with sqlite3.connect(f"file:{file}?mode=ro&immutable=1", uri=True) as connection:
        assert connection.execute("SELECT count(*) FROM letters").fetchone() == (6,)
    assert not list((home.root / "var").glob("backup-*"))
    assert "restored 6 letters" in home.run("restore", file, "--replace", *REASON)


def test_what_is_refused(home: Home, tmp_path: Path) -> None:
    file = tmp_path / "ledger.backup"
    home.run("backup", file)
    before = file.read_bytes()
    assert "--force" in refused(home, "backup", file, status=3)
    assert "there is no directory" in refused(home, "backup", tmp_path / "no/where", status=2)
    assert "belongs to the ledger" in refused(home, "backup", "--force", home.root / "var/ledger.db", status=2)
    assert "beside the backup" in refused(home, "backup", "--force", file, "--keys", tmp_path, status=2)
    assert "the backup alone" in refused(home, "backup", "-", "--json", status=2)
    assert "is not a backup" in refused(home, "restore", home.root / "config/offices.toml", *REASON, status=2)
    assert "a reason is needed" in refused(home, "restore", file, "--reason", " ", status=2)
    assert file.read_bytes() == before
    with HomeLock.take(home.root / "var"):  # as a stack does
        assert "already up" in refused(home, "restore", file, "--replace", *REASON, status=3)
        home.run("backup", "--force", file)
