"""The frame: where errors become one line and an exit status, and what help costs."""

import errno
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from worker.cli import app, migrate
from worker.cli.app import hoisted, make_app, run
from worker.domain.errors import BadInput, Failed, LettershopError, RefusedByState

CHECKOUT = Path(__file__).resolve().parents[3]
SLOW = ("sqlalchemy", "celery", "kombu", "redis", "jinja2", "pydantic", "cryptography", "alembic", "aiosmtpd", "uvloop")


def verbs():
    """Every verb and group of verbs with its members, as they are typed."""
    command = typer.main.get_command(make_app())
    for name, verb in command.commands.items():
        members = getattr(verb, "commands", None)
        yield from ((name, member) for member in members) if members else ((name,),)


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["status", "--home", "x", "--json"], ["--home", "x", "status", "--json"]),
        (["status", "--home=x"], ["--home=x", "status"]),
        (["--home", "x", "status"], ["--home", "x", "status"]),
        (["status", "--home"], ["status", "--home"]),
        (["confirm", "--", "--home", "x"], ["confirm", "--", "--home", "x"]),
    ],
)
def test_the_home_may_stand_anywhere(words, wanted):
    assert hoisted(words) == wanted


@pytest.mark.parametrize(
    "words",
    [
        ["nonsense"],
        ["status", "--nonsense"],
        ["sign"],
        ["sign", "town-library", "--name"],
        ["letters", "show", "seventeen"],
        ["letters", "list", "--limit", "0"],
        ["hold", "nothing", "--reason", "x"],
        ["hold", "everything"],
        ["preview", "town-library", "--office", "sampleton-mayor", "--format", "pdf"],
        ["resolve", "maybe", "1", "--reason", "x"],
        ["import", "town-library", "people.csv"],
    ],
)
def test_usage_is_one_line_and_two(words, capsys):
    assert run(words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("lettershop: ")
    assert err.endswith("--help`)\n")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (Failed("the disk is full"), 1, "the disk is full"),
        (BadInput("no such office"), 2, "no such office"),
        (RefusedByState("it is held"), 3, "it is held"),
        (LettershopError("hm"), 1, "hm"),
        (KeyboardInterrupt(), 130, "stopped"),
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/x/y"), 1, "/x/y: No space left on device"),
    ],
)
def test_every_error_is_a_line_and_a_status(error, status, line, capsys, monkeypatch):
    def fail(_context: typer.Context) -> None:
        raise error

    monkeypatch.setitem(app._VERBS[app._KEEP], "migrate", fail)
    assert run(["migrate"]) == status
    assert capsys.readouterr().err == f"lettershop: {line}\n"


def test_an_error_of_ours_is_not_hidden(monkeypatch):
    monkeypatch.setattr(migrate, "bring_up", lambda _home: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run(["--home", str(CHECKOUT), "migrate"])


def test_help_needs_nothing_slow():
    script = (
        "import sys; from worker.cli.app import run; status = run(['--help']); "
        f"print([m for m in {SLOW} if m in sys.modules], file=sys.stderr); sys.exit(status)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=CHECKOUT)
    assert done.stderr == "[]\n"
    for words in verbs():
        assert words[0] in done.stdout


@pytest.mark.parametrize("words", list(verbs()), ids=" ".join)
def test_every_verb_has_help_and_a_place_in_the_manual(words, capsys):
    assert run([*words, "--help"]) == 0
    assert "Usage: lettershop" in capsys.readouterr().out
    manual = (CHECKOUT / "docs" / "cli.md").read_text()
    assert re.search(rf"^\| `{' '.join(words)}\b", manual, re.MULTILINE), f"docs/cli.md does not know {words}"


def test_options_of_the_manual_exist(capsys):
    """Every option named in a verb's row is one that the verb takes."""
    manual = (CHECKOUT / "docs" / "cli.md").read_text()
    for row in re.findall(r"^\| `([a-z][^`]*)` \|", manual, re.MULTILINE):
        words = [word for word in row.replace("\\|", "|").split() if re.fullmatch(r"[a-z-]+", word)]
        verb = next((list(known) for known in verbs() if words[: len(known)] == list(known)), None)
        assert verb is not None, row
        run([*verb, "--help"])
        known = capsys.readouterr().out
        for option in re.findall(r"--[a-z]+", row):
            assert option in known, f"{verb} takes no {option}"


def test_the_version(capsys):
    assert run(["--version"]) == 0
    assert re.fullmatch(r"lettershop \d+\.\d+\.\d+\n", capsys.readouterr().out)


def test_a_reader_that_has_gone():
    """`lettershop rules check --json | head -c 1`: no traceback, whatever the pipe's buffer."""
    script = (
        f"{sys.executable} -m worker.cli --home {CHECKOUT} preview town-library --office sampleton-mayor --format html"
    )
    done = subprocess.run(
        ["/bin/sh", "-c", f"{script} | head -c 1"], capture_output=True, text=True, check=False, cwd=CHECKOUT
    )
    assert "Traceback" not in done.stderr
    assert len(done.stdout) == 1


def test_completion_is_offered(capsys):
    for shell in ("bash", "zsh"):
        done = subprocess.run(
            [sys.executable, "-c", "from worker.cli import main; import sys; sys.argv[0] = 'lettershop'; main()"],
            env={**os.environ, "_LETTERSHOP_COMPLETE": f"complete_{shell}", "COMP_WORDS": "lettershop st", "COMP_CWORD": "1",
                 "_TYPER_COMPLETE_ARGS": "lettershop st"},
            capture_output=True, text=True, check=False, cwd=CHECKOUT,
        )  # fmt: skip
        assert "status" in done.stdout, done


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="--core is known on Linux only")
def test_a_core_that_is_not_there(capsys):
    assert run(["--home", str(CHECKOUT), "worker", "--core", "99999"]) == 2
    assert "--core 99999: this process may use" in capsys.readouterr().err
