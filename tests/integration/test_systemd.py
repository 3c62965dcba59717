"""`config/systemd/`: systemd reads the units without a word, and they say what the house needs."""

import re
import shutil
import subprocess
from configparser import ConfigParser
from pathlib import Path

import pytest
import typer.main

from worker.cli.app import make_app

CHECKOUT = Path(__file__).resolve().parents[2]
UNITS = CHECKOUT / "config/systemd"
PROGRAM = "/opt/lettershop/bin/lettershop"
FILES = sorted(path.name for path in UNITS.iterdir())
SERVICES = [name for name in FILES if name.endswith(".service")]
STAYING = [name for name in SERVICES if "backup" not in name]
SENDING = ["lettershop.service", "lettershop-express.service", "lettershop-worker@.service"]

NEWER = re.compile(r"Unknown key (name )?'(RestartSteps|RestartMaxDelaySec)' in section .*, ignoring")
"""What a systemd before 254 says of the two; it goes on without them."""


class Unit(ConfigParser):
    """A unit file's sections; keys as they are written."""

    def __init__(self, name: str) -> None:
        super().__init__(interpolation=None, delimiters=("=",), strict=True)
        self.optionxform = str  # type: ignore[assignment,method-assign]
        self.read_string((UNITS / name).read_text())


def verify(directory: Path) -> list[str]:
    """What `systemd-analyze verify` has to say of our units in `directory`."""
    units = [str(directory / name.replace("@.", "@1.")) for name in FILES]
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", "--generators=no", *units],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "/usr/bin:/bin", "SYSTEMD_UNIT_PATH": f"{directory}:/lib/systemd/system", "LC_ALL": "C"},
    )
    said = [line for line in done.stderr.splitlines() if "lettershop" in line and not NEWER.search(line)]
    return said if said or done.returncode == 0 else [f"status {done.returncode}: {done.stderr}"]


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The units as they would stand in /etc/systemd/system, with a program that there is here."""
    program = tmp_path / "lettershop"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    directory = tmp_path / "units"
    directory.mkdir()
    for name in FILES:
        text = (UNITS / name).read_text()
        (directory / name).write_text(text.replace(PROGRAM, str(program)))
    return directory


needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None,
    reason="needs systemd-analyze (Debian's package systemd; .ci/run installs it)",
)


@needs_systemd
def test_systemd_has_nothing_to_say(installed: Path) -> None:
    assert verify(installed) == []


@needs_systemd
@pytest.mark.parametrize(
    ("old", "new"),
    [("KillMode=mixed", "KillMode=gently"), ("ProtectSystem=", "ProtectSytem="), ("ExecStart=/", "ExecStart=/no")],
)
def test_it_would_say_it(installed: Path, old: str, new: str) -> None:
    unit = installed / "lettershop-beat.service"
    assert old in unit.read_text()
    unit.write_text(unit.read_text().replace(old, new))
    assert any("lettershop-beat.service" in line for line in verify(installed))


def test_there_is_a_unit_for_each_part() -> None:
    parts = ["backup", "beat", "express", "watchdog", "web", "worker@"]
    wanted = [f"lettershop-{part}.service" for part in parts]
    assert sorted([*wanted, "lettershop-backup.timer", "lettershop.service", "lettershop.target"]) == FILES


@pytest.mark.parametrize("name", SERVICES)
def test_the_verb_is_one_that_there_is(name: str) -> None:
    line = Unit(name)["Service"]["ExecStart"]
    verb, *options = line.partition(PROGRAM)[2].partition('"')[0].split()
    command = typer.main.get_command(make_app()).commands[verb]  # type: ignore[attr-defined]
    known = {name for parameter in command.params for name in parameter.opts}
    assert set(options) <= known


@pytest.mark.parametrize("name", STAYING)
def test_a_part_is_kept_and_stopped_as_the_contract_says(name: str) -> None:
    service = Unit(name)["Service"]
    assert service["Restart"] == "always"
    assert Unit(name)["Unit"]["StartLimitIntervalSec"] == "0"
    assert service["KillMode"] == "mixed"
    stop = int(service["TimeoutStopSec"])
    assert stop == 660 if name in SENDING else stop >= 30


@pytest.mark.parametrize("name", SERVICES)
def test_none_runs_as_root_or_may_write_where_it_need_not(name: str) -> None:
    service = Unit(name)["Service"]
    assert service["User"] == "lettershop"
    for key in ("NoNewPrivileges", "PrivateTmp", "ProtectHome", "PrivateDevices", "RestrictSUIDSGID"):
        assert service[key] == "yes", key
    assert service["ProtectSystem"] == "strict"
    assert service["ReadWritePaths"].split()[0] == "/srv/lettershop/var"
    assert service["CapabilityBoundingSet"] == ""
    assert service["EnvironmentFile"].startswith("-"), "it need not be there"


def test_the_documentation_names_them_all() -> None:
    page = (CHECKOUT / "docs/deployment.md").read_text()
    for name in FILES:
        assert name.removesuffix(".service") in page, name
