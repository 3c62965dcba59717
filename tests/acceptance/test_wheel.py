"""The wheel runs outside the checkout: it carries templates, config, migrations and scripts."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel's content, as an installer lays it out."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder / "dist")]
    subprocess.run(command, cwd=CHECKOUT, check=True, capture_output=True)
    (wheel,) = (folder / "dist").glob("lettershop-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def lettershop(site: Path, cwd: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("LETTERSHOP")}
    environment["PYTHONPATH"] = str(site)
    command = [sys.executable, "-m", "worker.cli", *arguments]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)


def test_a_home_is_laid_out_checked_and_used(unpacked: Path, tmp_path: Path) -> None:
    where = subprocess.run(
        [sys.executable, "-c", "import worker; print(worker.__file__)"],
        env={**os.environ, "PYTHONPATH": str(unpacked)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert where.stdout.startswith(str(unpacked))
    home = tmp_path / "home"
    for arguments in (
        ("init", str(home)),
        ("--home", str(home), "check"),
        ("--home", str(home), "migrate"),
        ("--home", str(home), "sign", "town-library", "--name", "Sample Signer 01", "--email", "one@mail.example",
         "--country", "GB", "--confirmed", "--evidence", "a test"),
        ("--home", str(home), "preview", "town-library", "--office", "sampleton-mayor"),
    ):  # fmt: skip
        done = lettershop(unpacked, tmp_path, *arguments)
        assert done.returncode == 0, f"{arguments}: {done.stderr}"
    assert (home / "config" / "offices.toml").exists()
    status = lettershop(unpacked, tmp_path, "--home", str(home), "status", "--json")
    assert '"queued": 2' in status.stdout
