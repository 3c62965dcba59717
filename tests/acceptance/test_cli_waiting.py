"""Imports and signatures that wait, in a pipe: listed, stopped, seen, decided."""

import io
import json

from worker.intake import PersonInput
from worker.intake.own_page import OwnPages
from worker.ledger import audit, tokens
from worker.wiring.home import open_intake, open_ledger, read_home

PERSON = ("--name", "Sample Signer 01", "--email", "one@mail.example", "--country", "GB")
AGREED = ("--confirmed", "--evidence", "invented for a test")


def as_json(text):
    return json.loads(text)


def a_list(tmp_path, first, people):
    path = tmp_path / f"people-{first}.csv"
    rows = [f"Sample Signer {n},signer{n}@mail.example,GB" for n in range(first, first + people)]
    path.write_text("\n".join(["name,email,country", *rows]) + "\n")
    return path


def test_letters_of_an_import_that_need_not_wait(cli, tmp_path):
    told = as_json(cli("import", "town-library", a_list(tmp_path, 1, 1), "--evidence", "a list", "--no-wait", "--json"))
    assert (told["import"], told["letters"], told["due_at"]) == (1, 2, None)
    assert as_json(cli("status", "--json"))["due"] == 3


def test_the_wait_of_an_import_is_a_setting(cli, tmp_path, monkeypatch):
    monkeypatch.setenv("LETTERSHOP_SIGNING__IMPORT_WAIT", "0 s")
    said = cli("import", "town-library", a_list(tmp_path, 1, 1), "--evidence", "a list").splitlines()
    assert said[1] == "2 letters queued"


def test_imports_listed_and_stopped(cli, tmp_path):
    assert as_json(cli("imports", "list", "--json")) == {"imports": [], "next_before": None}
    for first in (1, 100):
        cli("import", "town-library", a_list(tmp_path, first, 30), "--evidence", f"list {first}")
    listed = [line.split("\t") for line in cli("imports", "list").splitlines()]
    assert listed[0] == ["import", "campaign", "rows", "accepted", "began", "evidence"]
    assert [(line[0], line[1], line[2], line[5]) for line in listed[1:]] == [
        ("2", "town-library", "30", "list 100"),
        ("1", "town-library", "30", "list 1"),
    ]
    page = as_json(cli("imports", "list", "--limit", "1", "--json"))
    assert ([each["import"] for each in page["imports"]], page["next_before"]) == ([2], 2)
    assert as_json(cli("imports", "list", "--before", "2", "--json"))["imports"][0]["import"] == 1
    cli("withdraw", 3)
    assert "29 signatures of import 1 to be ended\nlettershop: nothing was changed" in cli(
        "imports", "stop", 1, "--reason", "the wrong list", status=2
    )
    assert cli("imports", "stop", 1, "--reason", "the wrong list", "--yes") == (
        "29 signatures of import 1 to be ended\n"
        "import 1 is stopped: 29 signatures ended, 58 letters and 29 notices cancelled before being sent;"
        " none had gone already\n"
    )
    assert "nothing was changed" in cli("imports", "stop", 1, "--reason", "again")
    assert as_json(cli("status", "--json"))["letters"]["queued"] == 90  # the second list's
    assert as_json(cli("imports", "stop", 2, "--reason", "x", "--yes", "--json")) == {
        "signatures": 30, "cancelled": 60, "notices": 30, "gone": 0,
    }  # fmt: skip
    assert cli("ledger", "verify").startswith("the ledger is sound")


# -- signatures that wait ----------------------------------------------------------------------------------------------
def signed_and_confirmed(cli, number, comment):
    """A signature with a comment, confirmed by its token: its letters wait for a look."""
    home = read_home(cli.root)
    with open_ledger(home) as ledger:
        intake = open_intake(home, ledger)
        person = PersonInput(f"Sample Signer {number}", f"signer{number}@mail.example", "GB", "Sampleton", comment)
        signature = intake.sign("town-library", person).signature
        with ledger.read() as connection:
            token = tokens.reveal(connection, ledger.keys, signature)
        intake.confirm(token)
    return signature


def held(cli):
    return [each["signature"] for each in as_json(cli("signatures", "held", "--json"))["signatures"]]


def test_signatures_that_wait_are_seen_and_decided(cli):
    assert held(cli) == []
    first, second, third = (signed_and_confirmed(cli, n, f"Words {n}\nand more") for n in (1, 2, 3))
    lines = [line.split("\t") for line in cli("signatures", "held").splitlines()]
    assert lines[0] == ["signature", "campaign", "state", "why", "since"]
    assert [line[:4] for line in lines[1:]] == [
        [str(n), "town-library", "confirmed", "comment"] for n in (first, second, third)
    ]
    page = as_json(cli("signatures", "held", "--limit", "2", "--json"))
    assert page["next_after"] == second
    assert [e["signature"] for e in as_json(cli("signatures", "held", "--after", second, "--json"))["signatures"]] == [
        third
    ]
    shown = cli("signatures", "show", first)
    assert "Sample Signer 1" in shown
    assert "Sampleton, GB" in shown
    assert [line.split() for line in shown.splitlines() if "comment " in line] == [
        ["comment", "Words", "1"],
        ["comment", "and", "more"],
    ]
    assert "mail.example" not in shown + cli("signatures", "show", first, "--json")
    assert (
        cli("signatures", "approve", first, "--reason", "fine") == f"signature {first} is approved; 2 letters queued\n"
    )
    assert "was approved before; nothing was changed" in cli("signatures", "approve", first, "--reason", "fine")
    assert "was approved before" in cli("signatures", "reject", first, "--reason", "x", status=3)
    assert "was approved before" in cli("signatures", "show", first, status=3)
    assert cli("signatures", "reject", second, "--reason", "an insult") == (
        f"signature {second} is rejected; 3 letters cancelled before being sent\n"
    )
    assert "was rejected before; nothing was changed" in cli("signatures", "reject", second, "--reason", "x")
    assert "was rejected before" in cli("signatures", "approve", second, "--reason", "x", status=3)
    cli("withdraw", third)
    assert "has ended" in cli("signatures", "approve", third, "--reason", "x", status=3)
    cli("sign", "town-library", *PERSON, *AGREED)
    assert "does not wait for a look" in cli("signatures", "reject", 4, "--reason", "x", status=3)
    assert held(cli) == []


def test_all_that_wait_for_one_reason(cli):
    signatures = [signed_and_confirmed(cli, n, "Words") for n in range(30)]
    assert "0 signatures approved; 0 letters queued" in cli(
        "signatures", "approve", "--all", "--reason-was", "another", "--reason", "x"
    )
    all_of_them = ("--all", "--reason-was", "comment")
    assert "nothing was changed" in cli("signatures", "approve", *all_of_them, "--reason", "read", status=2)
    assert cli("signatures", "approve", *all_of_them, "--reason", "read", "--yes") == (
        "30 signatures to be approved: why they wait is 'comment'\n30 signatures approved; 60 letters queued\n"
    )
    more = signed_and_confirmed(cli, 50, "Words")
    assert as_json(
        cli("signatures", "reject", *all_of_them, "--reason", "spam", "--yes", "--json")
    ) == {"signatures": 1, "letters": 3}  # fmt: skip
    assert more not in signatures
    assert held(cli) == []


def test_an_address_that_may_be_written_to_again(cli, monkeypatch):
    home = read_home(cli.root)
    with open_ledger(home) as ledger:
        intake = open_intake(home, ledger)
        signature = intake.sign("town-library", PersonInput("Sample Signer 1", "One@mail.example", "GB")).signature
        with ledger.read() as connection:
            token = tokens.reveal(connection, ledger.keys, signature)
        OwnPages(intake).never(token)
    assert cli("sign", "town-library", *PERSON) == (
        "nothing was recorded: this address asked never to be written to again\n"
    )
    for line, said in (
        ("one@mail.example\n", "the address may be written to again\n"),
        ("one@mail.example", "the address asked for no quiet; nothing was changed\n"),
    ):
        monkeypatch.setattr("sys.stdin", io.StringIO(line))
        assert cli("signatures", "write-again", "--reason", "they asked by letter") == said
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    assert "no address came" in cli("signatures", "write-again", "--reason", "x", status=2)
    monkeypatch.setattr("sys.stdin", io.StringIO("secret-name at nowhere\n"))
    assert "secret-name" not in cli("signatures", "write-again", "--reason", "x", status=2)
    with open_ledger(home) as ledger, ledger.read() as connection:
        rows = [entry for entry in audit.latest(connection) if entry.verb == "write-again"]
    assert [(entry.target, entry.reason) for entry in rows] == [("signer 1", "they asked by letter")]
    assert "a notice that asks to confirm it" in cli("sign", "town-library", *PERSON)
    assert "stood already (unconfirmed); its signer is sent another notice" in cli("sign", "town-library", *PERSON)
    assert "stood already (unconfirmed); nothing was changed" in cli("sign", "town-library", *PERSON)
