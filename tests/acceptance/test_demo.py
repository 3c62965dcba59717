"""`lettershop demo`, run for real: 275 letters, each once, counted at the sink. Then what its home can still tell."""

import json
import shutil
import sqlite3
from collections import Counter
from dataclasses import replace

import pytest
from rich.console import Console

from tests.acceptance.command import environment, lettershop
from worker.cli import say
from worker.cli.app import run
from worker.cli.demo_count import count_at_sink, refuse_disagreement
from worker.cli.demo_show import Progress, letter_as_seen, offices_table, read_tally
from worker.domain.errors import Failed
from worker.embedded.maildir import Maildir, message_id
from worker.wiring.home import open_ledger, read_home

CAMPAIGN = "justice-for-khojaly"
pytestmark = pytest.mark.timeout(240)  # whichever comes first waits for the demo


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """What the demo said, and its home."""
    root = tmp_path_factory.mktemp("demo") / "home"
    done = lettershop("demo", "--into", root, LETTERSHOP_LEDGER__URL="sqlite:////nowhere/else.db", within_s=200)
    return done, root


@pytest.fixture
def root(demo, tmp_path, monkeypatch):
    """A copy of the demo's home, to be spoilt."""
    for name in [name for name in environment() if name.startswith("LETTERSHOP")]:
        monkeypatch.delenv(name)
    shutil.copytree(demo[1], tmp_path / "home", ignore=shutil.ignore_patterns("*.sock"))
    return tmp_path / "home"


def test_every_sample_letter_reaches_its_office_once(demo):
    done, root = demo
    assert (done.returncode, done.stderr) == (0, "")
    last = json.loads(done.stdout.splitlines()[-1])
    assert list(last) == ["signatures", "offices", "letters", "sent", "deferred_once", "lost", "duplicates", "seconds"]
    wanted = {"signatures": 25, "offices": 11, "letters": 275, "sent": 275, "lost": 0, "duplicates": 0}
    assert {name: last[name] for name in wanted} == wanted
    assert 5 <= last["deferred_once"] <= 60, "one in ten, by a hash of what is random"

    stored = list(Maildir(root / "var" / "sink").messages())
    assert len({message_id(each.content()) for each in stored}) == len(stored) == 275
    assert set(Counter(each.recipients for each in stored).values()) == {25}
    assert all(recipient.endswith("@rehearsal.invalid") for each in stored for recipient in each.recipients)


def test_it_tells_its_settings_a_letter_and_where_to_look(demo):
    said = demo[0].stdout
    for setting in ('office_hours = "ignore"', "defer = 0.1", 'minimum = "1 s"'):
        assert setting in said
    assert "Excellency," in said
    assert "handed over for " in said
    assert f"--home {demo[1]} letters show 1" in said
    assert "sent 275 of 275" in said
    table = [line.split("\t") for line in said.splitlines() if line.count("\t") == 2]
    assert table[0] == ["office", "letters", "deferred first"]
    assert [row[1] for row in table[1:]] == ["25"] * 11
    assert sum(int(row[2]) for row in table[1:]) == json.loads(said.splitlines()[-1])["deferred_once"]


def test_a_letter_is_made_again_byte_for_byte(root, capfdbinary):
    by_id = {message_id(each.content()): each.content() for each in Maildir(root / "var" / "sink").messages()}
    for letter in (1, 100, 275):
        assert run(["--home", str(root), "letters", "show", str(letter), "--eml", "--reason", "a test"]) == 0
        out, err = capfdbinary.readouterr()
        assert out in (by_id[message_id(out)], by_id[message_id(out)] + b"\r\n")
        assert err.startswith(b"byte for byte the message of attempt ")
    assert run(["--home", str(root), "letters", "show", "1", "--eml", "--reason", "a test", "--json"]) == 0
    assert json.loads(capfdbinary.readouterr().out)["same"] is True


def test_another_hash_and_an_erased_signer_are_said(root, capfd):
    with sqlite3.connect(root / "var" / "ledger.db") as connection:
        connection.execute("UPDATE attempts SET date_us = date_us + 60000000 WHERE letter_id = 1")
    connection.close()
    assert run(["--home", str(root), "letters", "show", "1", "--eml", "--reason", "a test"]) == 1
    assert "this is not what attempt" in capfd.readouterr().err
    assert run(["--home", str(root), "erase", "25"]) == 0
    capfd.readouterr()
    assert run(["--home", str(root), "letters", "show", "275", "--eml", "--reason", "a test"]) == 3
    assert "The hash that remains of attempt" in capfd.readouterr().err


@pytest.mark.parametrize("width", [80, 120])
def test_its_screens(root, width, monkeypatch, capsys):
    monkeypatch.setattr(
        say,
        "_CONSOLE",
        Console(width=width, force_terminal=True, color_system=None, highlight=False, _environ={"TERM": "xterm"}),
    )
    monkeypatch.setattr(say, "on_terminal", lambda: True)
    home = read_home(root)
    offices = home.campaigns[CAMPAIGN].offices
    result = count_at_sink(home, 275)
    offices_table(home, result, offices)
    letter_as_seen(result)
    with open_ledger(home) as ledger, Progress(offices, 25) as progress:
        tally = read_tally(ledger)
        progress.show(tally)
    assert (sum(tally.sent.values()), tally.waiting) == (275, 0)
    assert sum(tally.deferred.values()) == sum(result.later.values())
    for words in (["status"], ["letters", "list"], ["letters", "show", "1"]):
        assert run(["--home", str(root), *words]) == 0
    text = capsys.readouterr().out
    assert max(len(line) for line in text.splitlines() if "?25" not in line and "\x1b" not in line) <= width
    for words in (
        "one letter, as its office sees it",
        "handed over for",
        "25/25",
        "at dot",
        "rule accepted",
        "275 sent",
    ):
        assert words in text, words


# -- what it would say of a stack that broke its promises --------------------------------------------------------------
def test_a_letter_that_is_missing_at_the_sink(root):
    next((root / "var" / "sink" / "new").iterdir()).unlink()
    home = read_home(root)
    result = count_at_sink(home, 275)
    assert (result.body()["sent"], result.lost, result.duplicates) == (274, 1, 0)
    with pytest.raises(Failed, match="1 letters are sent in the ledger and not at the sink; 1 letters never came"):
        refuse_disagreement(home, result)


def test_a_letter_that_came_twice(root):
    sink = root / "var" / "sink"
    first = next((sink / "new").iterdir())
    shutil.copy(first, sink / "new" / f"9{first.name}")
    shutil.copy(sink / "envelopes" / f"{first.name}.json", sink / "envelopes" / f"9{first.name}.json")
    home = read_home(root)
    result = count_at_sink(home, 275)
    assert (result.body()["sent"], result.lost, result.duplicates) == (275, 0, 1)
    with pytest.raises(Failed, match="1 letters came twice"):
        refuse_disagreement(home, result)


def test_a_letter_that_the_ledger_does_not_call_sent(root):
    with sqlite3.connect(root / "var" / "ledger.db") as connection:
        connection.execute("UPDATE letters SET state = 'in_doubt' WHERE id = 7")
    connection.close()
    home = read_home(root)
    with pytest.raises(Failed, match="1 letters are at the sink and not sent in the ledger"):
        refuse_disagreement(home, count_at_sink(home, 275))
    assert replace(count_at_sink(home, 275), sample=None).lost == 0


def test_a_directory_that_is_not_empty_is_left_alone(tmp_path):
    (tmp_path / "mine").write_text("precious")
    done = lettershop("demo", "--into", tmp_path)
    assert done.returncode == 2
    assert done.stderr == f"lettershop: {tmp_path} is not empty: the demo wants a directory of its own\n"
