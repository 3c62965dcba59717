"""`lettershop users` and `lettershop audit`: as whoever runs the shop types them."""

import contextlib
import json
import sqlite3

import pytest

PASSWORD = "vier lose worte hier"


@pytest.fixture
def word(cli, tmp_path):
    path = tmp_path / "word"
    path.write_text(f"{PASSWORD}\n")
    return path


def listed(cli) -> list[dict]:
    return json.loads(cli("users", "list", "--json"))["users"]


def entries(cli, *words) -> list[dict]:
    return json.loads(cli("audit", "list", "--json", *words))["entries"]


def test_a_users_life(cli, word):
    assert listed(cli) == []
    made = cli("users", "add", "maria", "--role", "operator", "--reason", "on call", "--password-file", word)
    assert made == "user maria may log in, as operator\n"
    cli("users", "role", "maria", "admin", "-r", "runs it")
    assert "0 sessions ended" in cli("users", "password", "maria", "-r", "lost", "--password-file", word)
    assert "can log in no more" in cli("users", "disable", "maria", "-r", "on leave")
    (user,) = listed(cli)
    assert (user["name"], user["role"], user["state"]) == ("maria", "admin", "disabled")
    cli("users", "enable", "maria", "-r", "back")
    assert cli("users", "list").splitlines()[1].split("\t")[:3] == ["maria", "admin", "enabled"]
    done = entries(cli, "--target", "user maria")
    assert [each["verb"] for each in reversed(done)] == [
        "add user", "set role", "set password", "disable user", "enable user",
    ]  # fmt: skip
    assert done[-1]["reason"] == "on call"
    assert PASSWORD not in json.dumps(done)
    with contextlib.closing(sqlite3.connect(cli.root / "var" / "ledger.db")) as ledger:
        assert PASSWORD not in "\n".join(ledger.iterdump())


@pytest.mark.usefixtures("quick")
def test_what_is_refused(cli, word, tmp_path):
    with_word = ("-r", "x", "--password-file", word)
    assert "no terminal" in cli("users", "add", "maria", "--role", "viewer", "-r", "x", status=2)
    assert "Missing option" in cli("users", "add", "maria", "--role", "viewer", "--password-file", word, status=2)
    assert "a reason is needed" in cli(
        "users", "add", "maria", "--role", "viewer", "-r", " ", "--password-file", word, status=2
    )
    assert "no role 'king'" in cli("users", "add", "maria", "--role", "king", *with_word, status=2)
    assert "a user's name" in cli("users", "add", "Maria X", "--role", "viewer", *with_word, status=2)
    for text, words in (
        ("brief-one", "too short"),
        ("password1234", "tried first"),
        (f"{PASSWORD}\nand more", "more than one line"),
        ("x" * 5000, "more than 4096 bytes"),
    ):
        bad = tmp_path / "bad"
        bad.write_text(text)
        said = cli("users", "add", "maria", "--role", "viewer", "-r", "x", "--password-file", bad, status=2)
        assert words in said
        assert text not in said
    bad.write_bytes(b"\xff\xfe" * 10)
    assert "UTF-8" in cli("users", "add", "maria", "--role", "viewer", "-r", "x", "--password-file", bad, status=2)
    cli("users", "add", "maria", "--role", "viewer", "-r", "x", "--password-file", tmp_path / "none", status=1)
    assert listed(cli) == []
    cli("users", "add", "maria", "--role", "viewer", *with_word)
    assert "already" in cli("users", "add", "maria", "--role", "viewer", *with_word, status=3)
    assert "no user 'bob'" in cli("users", "disable", "bob", "-r", "x", status=2)
    assert "is not disabled" in cli("users", "enable", "maria", "-r", "x", status=3)
    assert "is viewer already" in cli("users", "role", "maria", "viewer", "-r", "x", status=3)
    cli("users", "disable", "maria", "-r", "x")
    assert "disabled already" in cli("users", "disable", "maria", "-r", "x", status=3)


@pytest.mark.usefixtures("quick")
def test_the_audit(cli, word):
    for name in ("ann", "bob", "cem"):
        cli("users", "add", name, "--role", "viewer", "-r", "x", "--password-file", word)
    assert [each["target"] for each in entries(cli)] == ["user cem", "user bob", "user ann"]
    page = json.loads(cli("audit", "list", "--limit", "2", "--json"))
    assert [each["target"] for each in entries(cli, "--before", page["next_before"])] == ["user ann"]
    assert entries(cli, "--verb", "hold") == []
    assert cli("audit", "list").splitlines()[0] == "row\twhen\twho\tverb\ttarget\treason"
    sound = cli("audit", "verify")
    assert sound.startswith("the audit is sound: 3 rows")
    head = sound.split()[-1]
    assert json.loads(cli("audit", "verify", "--json"))["hash"] == head
    cli("users", "disable", "ann", "-r", "x")
    cli("audit", "verify", "--noted", head)
    assert "64 hex digits" in cli("audit", "verify", "--noted", "xyz", status=2)
    assert "not there" in cli("audit", "verify", "--noted", "0" * 64, status=1)
    with contextlib.closing(sqlite3.connect(cli.root / "var" / "ledger.db")) as ledger, ledger:
        ledger.execute("UPDATE audit SET who = 'another' WHERE id = 2")
    broken = cli("audit", "verify", status=1)
    assert "audit row 2 was altered" in broken
    with contextlib.closing(sqlite3.connect(cli.root / "var" / "ledger.db")) as ledger, ledger:
        ledger.execute("DELETE FROM audit WHERE id = 2")
    assert "does not follow" in cli("audit", "verify", status=1)


def test_keys_for_programs(cli):
    cli("keys", "create", "monitor", "--scope", "ops:read", "--scope", "ops:act")
    said = cli("keys", "create", "other", "--scope", "ops:read", "--campaign", "town-library", status=2)
    assert "for all campaigns" in said


def test_the_stack_has_a_part_for_an_address_of_their_own(cli):
    from worker.cli.stack import parts_of
    from worker.wiring.home import read_home

    assert "ops" not in [part.name for part in parts_of(read_home(cli.root))]
    environ = {"LETTERSHOP_OPS__HOST": "127.0.0.1", "LETTERSHOP_OPS__PORT": "8481"}
    (part,) = [part for part in parts_of(read_home(cli.root, environ)) if part.name == "ops"]
    assert list(part.argv)[-3:] == ["web", "--only", "ops"]


def test_only_one_part_of_the_pages(cli):
    assert '"pages" or "ops"' in cli("web", "--only", "all", status=2)
    assert "no address of their own" in cli("web", "--only", "ops", status=2)
