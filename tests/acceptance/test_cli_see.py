"""What operators look at, as a pipe gets it: status, its shape, why, limits, forecast, letters by criteria."""

import io
import json

import pytest

from tests.acceptance.test_cli_waiting import AGREED
from worker.cli.app import run
from worker.ledger import holds
from worker.wiring.home import open_ledger, read_home

MAYOR = "sampleton-mayor"


def signed(cli, *numbers):
    for n in numbers:
        person = ("--name", f"Sample Signer {n}", "--email", f"signer{n}@mail.example", "--country", "GB")
        cli("sign", "town-library", *person, *AGREED)


def test_status_says_speed_relays_and_needs(cli):
    signed(cli, 1)
    found = json.loads(cli("status", "--json"))
    assert (found["throughput"]["hour"], found["throughput"]["per_min"]) == (0, [])
    assert [relay["name"] for relay in found["relays"]] == ["rehearsal"]
    assert (found["workers"], found["acts"], found["refused"], found["held"]) == ([], [], 0, 0)
    assert {"pacing", "broker"} <= {need["kind"] for need in found["needs"]}
    text = cli("status")
    assert ", 0 in the last hour\n" in text
    assert "needs you\t" in text


@pytest.mark.parametrize("file", ["offices.toml", "campaigns/town-library.toml"])
def test_a_broken_edit_stops_no_look_and_no_hold(cli, file):
    signed(cli, 1)
    broken = cli.root / "config" / file
    broken.write_text(broken.read_text() + "\n[\n")
    found = json.loads(cli("status", "--json"))
    (need,) = [need for need in found["needs"] if need["kind"] == "config"]
    assert f"config/{file}:" in need["text"]
    assert need["mend"] == "lettershop check"
    assert found["letters"]["queued"] == 2
    said = cli("status")
    assert f"config/{file}:" in said
    assert "no longer in config" not in said
    cli("workers", "list")
    assert json.loads(cli("status", "--shape", "--json"))["total"]["due"] == 2
    for verb in ("hold", "resume"):
        cli(verb, "everything", "--reason", "a broken edit", "--yes")
        cli(verb, "letter", 1, "--reason", "a broken edit")
        cli(verb, "relay", "rehearsal", "--reason", "a broken edit", "--yes")
        assert f"config/{file}:" in cli(verb, "office", MAYOR, "--reason", "a broken edit", "--yes", status=2)


def test_the_shape(cli):
    signed(cli, 1, 2)
    found = json.loads(cli("status", "--shape", "--json"))
    assert found["total"] == {"due": 4, "ages": [4, *[0] * 9]}
    lines = [line.split("\t") for line in cli("status", "--shape").splitlines()]
    assert lines[0] == ["office", "due", "5", "10", "20", "40", "80", "160", "320", "640", "1280", "1280+"]
    assert lines[1][:3] == ["TOTAL", "4", "4"]
    assert "leave out --watch" in cli("status", "--shape", "--watch", status=2)


def test_why(cli):
    signed(cli, 1)
    said = cli("why", 1).splitlines()
    assert said[0] == "Letter 1 waits: no worker is alive: nobody takes letters."
    assert said[1] == "workers\tno worker is alive: nobody takes letters\t-\tmend: lettershop up"
    cli("hold", "letter", 1, "--reason", "look first")
    found = json.loads(cli("why", 1, "--json"))
    assert found["letter"] == 1
    assert found["chain"][0]["mend"] == 'lettershop resume letter 1 --reason "why"'
    assert "The letter to sampleton-library-committee waits" in cli("why", "--office", "sampleton-library-committee")
    assert "there is no letter 99" in cli("why", 99, status=2)
    assert "there is no office 'nobody'" in cli("why", "--office", "nobody", status=2)
    assert "name one letter" in cli("why", status=2)
    assert "name one letter" in cli("why", 1, "--office", MAYOR, status=2)


def test_limits(cli):
    (cli.root / "config" / "lettershop.toml").write_text('mode = "rehearsal"\n[limits]\nmailbox = "20/h"\n')
    lines = [line.split("\t") for line in cli("limits", "--office", MAYOR).splitlines()]
    assert ["its mailbox", "20/h", "?", "-", "config/lettershop.toml:3"] in lines
    found = json.loads(cli("limits", "--office", MAYOR, "--json"))
    assert found["limits"][1]["set_by"] == "the default of [limits] mailbox_per_day"
    cli("limit", "set", "mailbox", MAYOR, "60/h", "--for", "2 h", "--reason", "they agreed to it")
    changed = json.loads(cli("limits", "--office", MAYOR, "--json"))["limits"][0]
    assert changed["rate"] == "60/h"
    assert changed["set_by"].startswith("changed by ")
    assert "they agreed to it" in changed["set_by"]
    assert "did you mean" in cli("limits", "--office", "sampleton-mayer", status=2)


def test_forecast(cli):
    said = cli("forecast", "town-library", "--signatures", 10_000).splitlines()
    assert said[0].startswith("10,000 signers at 30/h in office hours: 4")
    assert said[1].split("\t") == ["office", "letters", "working days", "ends", "limit", "stands still"]
    assert {line.split("\t")[0] for line in said[2:]} == {MAYOR, "sampleton-library-committee"}
    assert json.loads(cli("forecast", "--json"))["offices"] == []
    assert "there is no campaign 'none'" in cli("forecast", "none", status=2)
    assert "say of which campaign" in cli("forecast", "--signatures", 5, status=2)


def test_letters_by_criteria(cli, monkeypatch):
    signed(cli, 1, 2)

    def listed(*words, status=0):
        return [each["id"] for each in json.loads(cli("letters", "list", *words, "--json", status=status))["letters"]]

    assert len(listed("--newer", "2 h")) == 4
    assert listed("--older", "2 h") == listed("--code", "4xx") == listed("--sendout", "anniversary-2027") == []
    assert "--older: 'soon' is not a length of time" in cli("letters", "list", "--older", "soon", status=2)
    assert len(listed("--due", "now")) == len(listed("--due", "0-5")) == len(listed("--state", "queued,sent")) == 4
    assert listed("--due", "5-") == listed("--state", "sent,refused") == []
    assert 'is none of "now"' in cli("letters", "list", "--due", "later", status=2)
    assert "'gone' is no state" in cli("letters", "list", "--state", "queued,gone", status=2)
    assert "no reply code" in cli("letters", "list", "--code", "9xx", status=2)
    monkeypatch.setattr("sys.stdin", io.StringIO("signer2@mail.example\n"))
    assert listed("--signer", "--reason", "they asked") == [3, 4]
    assert "belong together" in cli("letters", "list", "--signer", status=2)
    monkeypatch.setattr("sys.stdin", io.StringIO("secret-name at nowhere\n"))
    assert "secret-name" not in cli("letters", "list", "--signer", "--reason", "x", status=2)
    shown = cli("letters", "show", 1)
    assert "why        Letter 1 waits: no worker is alive" in shown
    assert "made  made for send-out signing" in shown


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize(
    "words", [("status",), ("status", "--shape"), ("why", "1"), ("forecast",), ("letters", "show", "1")], ids=" ".join
)
def test_every_screen_fits_its_terminal(cli, monkeypatch, capfd, words, width):
    from rich.console import Console

    from worker.cli import say

    signed(cli, 1)
    with open_ledger(read_home(cli.root)) as ledger, ledger.write() as connection:
        long = "a long reason that has to be wrapped on every terminal there is " * 2
        holds.place(connection, ledger.now_us(), "office", MAYOR, reason=long, who="tester")
    screen = io.StringIO()
    monkeypatch.setattr(say, "on_terminal", lambda: True)
    monkeypatch.setattr(say, "_CONSOLE", Console(file=screen, width=width, force_terminal=False, highlight=False))
    capfd.readouterr()
    assert run([str(word) for word in words]) == 0
    printed = screen.getvalue().splitlines()
    assert printed
    assert max(map(len, printed)) <= width
