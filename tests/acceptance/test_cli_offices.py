"""`lettershop offices` as an operator says it."""

import json
import re
from pathlib import Path

import pytest

from tests.fixtures.homes import CHECKOUT

MAYOR = "sampleton-mayor"
AGREED = ("--country", "GB", "--confirmed", "--evidence", "invented for a test")


@pytest.fixture
def signed(cli):
    for n in (1, 2):
        cli("sign", "town-library", "--name", f"Sample Signer {n}", "--email", f"s{n}@mail.example", *AGREED)
    return cli


def rows(cli):
    return {row["id"]: row for row in json.loads(cli("offices", "list", "--json"))["offices"]}


def register(cli) -> Path:
    return cli.root / "config/offices.toml"


def test_list_and_show(signed):
    assert rows(signed)[MAYOR]["unsent"] == 2
    assert rows(signed)["nato-secretary-general"]["holder"] == "stale"
    text = signed("offices", "list", "--tag", "sampleton-council").splitlines()
    assert text[0].split("\t") == ["office", "title", "organisation", "holder", "lane", "accepts", "unsent"]
    assert [line.split("\t")[0] for line in text[1:]] == [MAYOR, "sampleton-library-committee"]
    shown = signed("offices", "show", MAYOR)
    assert "Alex Sample" in shown
    assert "30/h, 240 in 24 hours, 1 connection" in shown
    assert json.loads(signed("offices", "show", MAYOR, "--json"))["campaigns"] == ["town-library"]


def test_check_has_a_status_of_its_own(cli):
    found = json.loads(cli("offices", "check", MAYOR, "pace-president", "--json"))
    assert found["ok"]
    assert {re.search(r"office ([\w-]+)", each["message"])[1] for each in found["findings"]} >= {"pace-president"}
    assert "there is no office 'mayor'" in cli("offices", "check", "mayor", status=2)


def test_a_change_asks_and_nobody_can_be_asked_in_a_pipe(signed):
    before = register(signed).read_text()
    told = signed("offices", "set-mailbox", MAYOR, "town@sampleton.example", "--source", "their page", status=2)
    assert "-To: mayor@sampleton.example\n    +To: town@sampleton.example" in told
    assert "2 letters not sent yet follow" in told
    assert "nothing was changed: look at what would be, then say it again with --yes" in told
    assert register(signed).read_text() == before


def test_a_holder_a_mailbox_a_retirement_and_back(signed):
    words = ("--name", "Robin Sample", "--form", "Ms.", "--from", "2026-12-01", "--verified", "2026-11-20", "--yes")
    assert "1 office changed" in signed("offices", "set-holder", MAYOR, *words)
    assert "nothing was changed" in signed("offices", "set-holder", MAYOR, *words)
    out = signed("offices", "set-mailbox", MAYOR, "town@sampleton.example", "--source", "their page", "--yes")
    assert "2 letters moved to the new mailbox's lane" in out
    out = signed("offices", "retire", MAYOR, "--reason", "asked", "--evidence", "mail", "--date", "2026-11-02", "--yes")
    assert "2 letters suppressed" in out
    row = rows(signed)[MAYOR]
    assert (row["accepts_letters"], row["refusal"], row["unsent"]) == (False, "2026-11-02: asked (mail)", 0)
    signed("offices", "retire", MAYOR, "--reason", "asked", "--evidence", "mail", "--yes", status=3)
    signed("offices", "unretire", MAYOR, "--reason", "they changed their mind", "--yes")
    assert rows(signed)[MAYOR]["accepts_letters"]
    assert "# -- justice-for-khojaly" in register(signed).read_text()
    signed("ledger", "verify")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("set-holder", "nobody", "--name", "X"), "there is no office 'nobody'"),
        (("set-holder", MAYOR, "--name", "X"), "--from: office sampleton-mayor has a holder whose entry has no end"),
        (("set-holder", MAYOR, "--name", "X", "--from", "yesterday"), "yesterday"),
        (("set-mailbox", MAYOR, "nobody", "--source", "x"), "ADDRESS: mailbox: not a usable e-mail address"),
        (
            ("set-mailbox", MAYOR, "x@y.example", "--source", "a\x00b"),
            "--source: source: holds a line break or another",
        ),
        (("retire", MAYOR, "--reason", " ", "--evidence", "x"), "a reason is needed"),
        (("retire", MAYOR, "--reason", "x", "--evidence", ""), "--evidence: refusal.evidence: is empty"),
        (("import", "missing.csv"), "missing.csv cannot be read"),
        (("export", "--csv", "--toml"), "say --csv or --toml, not both"),
    ],
)
def test_bad_input_changes_nothing(cli, words, said):
    before = register(cli).read_bytes()
    yes = () if words[0] == "export" else ("--yes",)
    assert said in cli("offices", *words, *yes, status=2)
    assert register(cli).read_bytes() == before


def test_export_and_import(cli, tmp_path):
    table = tmp_path / "offices.csv"
    assert "13 offices written" in cli("offices", "export", table)
    assert "nothing was changed" in cli("offices", "import", table, "--yes")
    table.write_text(table.read_text().replace("Mayor", "Lord Mayor", 1))
    assert "title: Mayor -> Lord Mayor" in cli("offices", "import", table, "--yes")
    assert cli("offices", "export") == register(cli).read_text()
    assert "is there already" in cli("offices", "export", table, status=2)


def test_the_manual_shows_every_verb(cli):
    from worker.cli.offices import app

    manual = (CHECKOUT / "docs/offices.md").read_text()
    assert [each.name for each in app.registered_commands if f"$ lettershop offices {each.name}" not in manual] == []
