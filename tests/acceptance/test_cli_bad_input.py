"""Each bad input that the command line can meet: its exit status, one clear line, and nothing changed."""

import json
import re
import shutil
import sqlite3
import subprocess
from pathlib import Path

import pytest

from tests.acceptance.command import CHECKOUT, argv, environment, lettershop
from worker.cli.app import run
from worker.ledger import witness

OFFICES, SETTINGS = "config/offices.toml", "config/lettershop.toml"
CAMPAIGN, TEXT = "config/campaigns/town-library.toml", "templates/town-library/en/letter.txt"
PERSON = ("--name", "Sample Signer 01", "--email", "one@mail.example", "--country", "GB")
AGREED = ("--confirmed", "--evidence", "invented for a test")


class Desk:
    """A home, and the verbs said to it in this process."""

    def __init__(self, root, capfd, monkeypatch):
        self.root, self._capfd, self._environ = root, capfd, monkeypatch

    def say(self, *words):
        """The exit status, standard output and standard error."""
        self._capfd.readouterr()
        status = run(["--home", str(self.root), *map(str, words)])
        return (status, *self._capfd.readouterr())

    def well(self, *words):
        status, out, err = self.say(*words)
        assert status == 0, err
        return out

    def badly(self, status, *words, lines=1):
        """The trouble that is said, without the program's name."""
        came, _, err = self.say(*words)
        assert came == status, err
        assert err.startswith("lettershop: ")
        assert err.count("\n") == lines, err
        assert "Traceback" not in err
        return err.removeprefix("lettershop: ").strip()

    def edit(self, name, old, new):
        path = self.root / name
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1))

    def append(self, name, text):
        with (self.root / name).open("a") as file:
            file.write(text)

    def set(self, name, value):
        self._environ.setenv(name, value)

    def letters(self):
        return json.loads(self.well("letters", "list", "--json"))["letters"]


@pytest.fixture(scope="module")
def fresh(tmp_path_factory):
    """A home with a ledger, made once and copied for each test."""
    root = tmp_path_factory.mktemp("fresh") / "home"
    assert run(["init", str(root)]) == 0
    assert run(["--home", str(root), "migrate"]) == 0
    return root


@pytest.fixture
def desk(fresh, tmp_path, capfd, monkeypatch):
    root = tmp_path / "home"
    shutil.copytree(fresh, root)
    for name in [name for name in environment() if name.startswith("LETTERSHOP")]:
        monkeypatch.delenv(name)
    return Desk(root, capfd, monkeypatch)


# -- the home and its files --------------------------------------------------------------------------------------------
def test_no_home_at_all(desk):
    shutil.rmtree(desk.root)
    assert "config/lettershop.toml" in desk.badly(2, "status")


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        (SETTINGS, "\n[limits\n", "lettershop.toml:"),
        (SETTINGS, '\n[retry]\nminimum = "1 min"\n', "lettershop.toml:"),  # the table stands there already
        (SETTINGS, "\n[mailbox]\nrate = 1\n", "mailbox"),
        (OFFICES, '\n[[offices]]\nid = "sampleton-mayor"\n', "offices.toml"),
        (CAMPAIGN, "\nslug = 'again'\n", "town-library.toml:"),
    ],
)
@pytest.mark.parametrize(
    "verb", [("letters", "list"), ("check",), ("migrate",), ("up",), ("worker",)], ids=lambda v: v[0]
)
def test_malformed_and_duplicate_config(desk, name, text, said, verb):
    desk.append(name, text)
    came, _, err = desk.say(*verb)
    assert came == 2
    assert said in err
    assert "Traceback" not in err


def test_an_unknown_key_names_the_nearest(desk):
    desk.edit(SETTINGS, "[limits]", '[limits]\nmailbx = "30/h"')
    said = desk.badly(2, "status")
    assert "limits.mailbx is not a known key" in said
    assert 'did you mean "mailbox"?' in said


def test_an_unknown_office_in_a_campaign(desk):
    desk.edit(CAMPAIGN, '"sampleton-council"', '"sampleton-mayr"')
    said = desk.badly(2, "check")
    assert "town-library.toml" in said
    assert "sampleton-mayr" in said


def test_check_says_malformed_config_as_json_too(desk):
    desk.append(SETTINGS, "\n[limits\n")
    status, out, err = desk.say("check", "--json")
    assert (status, err) == (2, "")
    assert json.loads(out)["findings"][0]["level"] == "error"


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{{ signer.nmae }}", "nmae"),
        ("{{ nobody }}", "nobody"),
        ("{% for n in range(100000000) %}x{% endfor %}", "range"),
        ("{{ 'a' * 100000000 }}", ""),
        ("{{ signer.__class__.__mro__ }}", ".__mro__"),
        ("{{ ''.__class__ }}", "__class__"),
        ("{% if signer.name %}", "endif"),
    ],
)
def test_templates_that_cannot_be_used(desk, template, said):
    body = (desk.root / TEXT).read_text()
    (desk.root / TEXT).write_text(f"{template}\n{body}")
    status, out, _ = desk.say("check")
    assert status == 2
    finding = next(line for line in out.splitlines() if line.startswith("error"))
    assert "town-library" in finding
    assert re.search(r"letter\.txt:\d+: ", finding)
    assert said in finding
    shown = desk.badly(2, "preview", "town-library", "--office", "sampleton-mayor")
    assert "town-library" in shown


def test_init_overwrites_nothing(desk, tmp_path):
    assert "overwrites nothing" in desk.badly(3, "init", desk.root)
    assert "choose another directory" in desk.badly(2, "init", "/dev/null/home")


def test_live_mode_with_placeholders(desk):
    status, out, _ = desk.say("check", "--live")
    assert status == 2
    assert "is a placeholder" in out
    desk.edit(SETTINGS, 'mode = "rehearsal"', 'mode = "live"')
    desk.set("LETTERSHOP_LEDGER__URL", "sqlite:///var/live.db")
    desk.well("migrate")
    assert "live mode is refused" in desk.badly(3, "worker")
    came, _, err = desk.say("up")
    assert (came, "live mode is refused" in err) == (3, True)


# -- signers -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--email", "one\x07@mail.example", "email:"),
        ("--email", "one\r\nBcc: two@mail.example", "email:"),
        ("--email", "nobody", "email:"),
        ("--email", "", "email:"),
        ("--name", "Sample\r\nBcc: two@mail.example", "name:"),
        ("--name", "Sample\x00Signer", "name:"),
        ("--name", " ", "name:"),
        ("--name", "x" * 30_000, "name:"),
        ("--country", "Holland", "country:"),
        ("--city", "a\x1bb", "city:"),
        ("--comment", "a\x00b", "comment:"),
        ("--language", "english!", "language:"),
    ],
)
def test_people_who_cannot_be_taken(desk, option, value, said):
    words = dict(zip(PERSON[::2], PERSON[1::2], strict=True)) | {option: value}
    told = desk.badly(2, "sign", "town-library", *(word for pair in words.items() for word in pair), *AGREED)
    assert told.startswith(said)
    assert len(told) < 300
    assert value.strip() == "" or value not in told, "what was written is not repeated"
    assert desk.letters() == []


def test_a_name_with_commas_and_quotes_is_a_name(desk):
    desk.well("sign", "town-library", "--name", 'Sample, "Signer"; 01', *PERSON[2:], *AGREED)
    assert len(desk.letters()) == 2


def test_consent_needs_evidence(desk):
    assert "--confirmed needs --evidence" in desk.badly(2, "sign", "town-library", *PERSON, "--confirmed")
    assert "evidence" in desk.badly(2, "sign", "town-library", *PERSON, "--confirmed", "--evidence", " ")
    assert "belongs to --confirmed" in desk.badly(2, "sign", "town-library", *PERSON, "--evidence", "a list")
    assert "--evidence" in desk.badly(2, "import", "town-library", "x.csv")
    assert desk.letters() == []


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (
            ("sign", "nothing", *PERSON),
            2,
            "there is no campaign 'nothing'; there are: justice-for-khojaly, town-library",
        ),
        (("confirm", "no-such-token"), 2, "this confirmation link is not valid"),
        (("withdraw", "17"), 2, "there is no signature 17"),
        (("erase", "17", "--yes"), 2, "there is no signature 17"),
        (("letters", "show", "17"), 2, "there is no letter 17"),
        (("letters", "show", "17", "--eml", "--reason", "a test"), 2, "there is no letter 17"),
        (("letters", "list", "--state", "lost"), 2, "'lost' is no state of a letter"),
        (("preview", "nothing", "--office", "x"), 2, "there is no campaign 'nothing'"),
        (("preview", "town-library", "--office", "nato-secretary-general"), 2, "writes to no office"),
        (("preview", "town-library", "--office", "sampleton-mayor", "--language", "fr"), 2, "has no text in 'fr'"),
        (("hold", "office", "nobody", "--reason", "x"), 2, "there is no office 'nobody'"),
        (("hold", "letter", "first", "--reason", "x"), 2, "'first' is not a letter's number"),
        (("hold", "everything", "--reason", " "), 2, "a reason is needed"),
        (("resume", "everything", "--reason", "x", "--yes"), 3, "everything is not held"),
        (("resume", "letter", "17", "--reason", "x"), 2, "there is no letter 17"),
        (("resolve", "sent", "--reason", "x"), 2, "name the letters in doubt, or say --all"),
        (("resolve", "sent", "1", "--all", "--reason", "x"), 2, "name the letters in doubt, or say --all"),
        (("resolve", "sent", "17", "--reason", "x"), 2, "there is no letter 17"),
        (("relay", "test", "--to", "me@mail.example"), 2, "no relay is configured"),
        (("signatures", "held", "--after", "17"), 2, "signature 17 never waited for a look"),
        (("signatures", "show", "17"), 2, "there is no signature 17"),
        (("signatures", "approve", "17", "--reason", "x"), 2, "there is no signature 17"),
        (("signatures", "reject", "17", "--reason", " "), 2, "a reason is needed"),
        (("signatures", "approve", "--reason", "x"), 2, "name the signature, or say --all"),
        (("signatures", "reject", "1", "--all", "--reason", "x"), 2, "name the signature, or say --all"),
        (("signatures", "approve", "--all", "--reason", "x"), 2, "--all and --reason-was belong together"),
        (("signatures", "approve", "1", "--reason-was", "comment", "--reason", "x"), 2, "belong together"),
        (("imports", "stop", "17", "--reason", "x"), 2, "there is no import 17"),
        (("imports", "stop", "17", "--reason", " "), 2, "a reason is needed"),
        (("ledger", "copy", "mysql://x"), 2, "the target must be"),
        (("ledger", "accept-restore", "--reason", "x"), 3, "this ledger is not behind"),
    ],
)
def test_what_is_not_there_and_what_cannot_be_done(desk, words, status, said):
    assert said in desk.badly(status, *words)


# -- files of signatures -----------------------------------------------------------------------------------------------
def imported(desk, text, *, encoding="utf-8"):
    path = desk.root / "people.csv"
    path.write_bytes(text.encode(encoding))
    return path, desk.say("import", "town-library", path, "--evidence", "invented for a test", "--json")


@pytest.mark.parametrize(
    ("text", "encoding", "said"),
    [
        ("nom,email,pays\n", "utf-8", "the first line must name the columns name, email, country"),
        ("name;email;country\n", "utf-8", "separated by commas"),
        ("", "utf-8", "the first line must name the columns"),
        ("name,email,country\nJosé,jose@mail.example,ES\n", "latin-1", "line 2 is not UTF-8"),
    ],
)
def test_files_that_cannot_be_read(desk, text, encoding, said):
    _, (status, _, err) = imported(desk, text, encoding=encoding)
    assert status == 2
    assert said in err
    assert err.count("\n") == 1
    assert desk.letters() == []
    assert "cannot be read" in desk.badly(2, "import", "town-library", desk.root / "none.csv", "--evidence", "x")


def test_a_byte_order_mark_and_rows_that_come_twice(desk):
    rows = "name,email,country\nSample Signer 01,one@mail.example,GB\nSample Signer 01,ONE@mail.example,GB\n"
    _, (status, out, _) = imported(desk, rows, encoding="utf-8-sig")
    told = json.loads(out)
    assert (status, told["accepted"], told["repeated"], told["rejected"]) == (0, 1, 1, 0)
    assert [each["sendout"] for each in desk.letters()] == ["signing", "signing", "imported-1"]


def test_a_field_of_ten_megabytes_is_one_rejected_row(desk):
    rows = f"name,email,country\n{'x' * 10_000_000},one@mail.example,GB\nSample Signer 02,two@mail.example,GB\n"
    path, (status, out, _) = imported(desk, rows)
    told = json.loads(out)
    assert (status, told["accepted"], told["rejected"]) == (0, 1, 1)
    assert "longer than 64 KiB" in Path(told["rejected_file"]).read_text()
    assert "1 row" not in desk.well("import", "town-library", path, "--evidence", "invented for a test").splitlines()[0]


# -- the ledger --------------------------------------------------------------------------------------------------------
def sql(desk, statement):
    with sqlite3.connect(desk.root / "var" / "ledger.db") as connection:
        connection.execute(statement)
    connection.close()


EVERYONE = [("sign", "town-library", *PERSON), ("letters", "list"), ("migrate",), ("worker",), ("ledger", "verify")]


@pytest.mark.parametrize("words", EVERYONE, ids=lambda words: words[0])
def test_a_ledger_of_a_newer_version(desk, words):
    sql(desk, "UPDATE alembic_version SET version_num = '9999'")
    assert "is of a newer version" in desk.badly(3, *words)


@pytest.mark.parametrize("words", EVERYONE, ids=lambda words: words[0])
def test_a_ledger_of_the_other_mode(desk, words):
    sql(desk, "UPDATE meta SET mode = 'live'")
    assert "live" in desk.badly(3, *words)


def test_a_ledger_that_was_not_made(desk):
    (desk.root / "var" / "ledger.db").unlink()
    assert "run `lettershop migrate`" in desk.badly(3, "letters", "list")
    status, out, _ = desk.say("status", "--json")
    assert status == 1
    assert "run `lettershop migrate`" in json.loads(out)["ledger"]["error"]


def test_a_ledger_from_a_backup(desk):
    desk.well("sign", "town-library", *PERSON, *AGREED)
    found = json.loads(desk.well("status", "--json"))
    assert found["ledger"]["ok"]
    with sqlite3.connect(desk.root / "var" / "ledger.db") as connection:
        ((ledger_id,),) = connection.execute("SELECT ledger_id FROM meta")
    connection.close()
    witness.note(desk.root / "var" / "witness.json", ledger_id, 12)
    status, out, _ = desk.say("status", "--json")
    assert (status, "accept-restore" in json.loads(out)["ledger"]["error"]) == (1, True)
    status, _, err = desk.say("up")
    assert (status, "was restored from a backup" in err) == (3, True)
    told = json.loads(desk.well("ledger", "accept-restore", "--reason", "the disk had died", "--json"))
    assert told["in_doubt"] == 2
    assert json.loads(desk.well("status", "--json"))["in_doubt"] == 2
    said = desk.well("resolve", "sent", "--all", "--reason", "asked both offices", "--yes")
    assert said.endswith("act 1: 2 letters resolved as sent\n")


def test_a_damaged_ledger(desk):
    file = desk.root / "var" / "ledger.db"
    file.write_bytes(b"this is no database" * 1000)
    assert "ledger" in desk.badly(1, "letters", "list")


@pytest.mark.parametrize("key", ["data", "lookup", "seal"])
def test_a_missing_and_a_wrong_key(desk, key):
    file = desk.root / "var" / "keys" / f"{key}.key"
    kept = file.read_text()
    file.unlink()
    assert str(file) in desk.badly(2, "letters", "list")
    file.write_text("0" * 64)
    file.chmod(0o600)
    assert f"{key}.key" in desk.badly(3, "letters", "list")
    file.write_text(kept)
    desk.well("letters", "list")


def test_postgresql_away(desk):
    desk.set("LETTERSHOP_LEDGER__URL", "postgresql://nobody@127.0.0.1:1/none")
    said = desk.badly(1, "letters", "list")
    assert "127.0.0.1" in said
    status, out, _ = desk.say("status", "--json")
    assert (status, json.loads(out)["ledger"]["ok"]) == (1, False)


def test_redis_away_delays_and_loses_nothing(desk):
    desk.set("LETTERSHOP_BROKER__URL", "redis://127.0.0.1:1/0")
    desk.set("LETTERSHOP_PACING__URL", "redis://127.0.0.1:1/1")
    told = json.loads(desk.well("sign", "town-library", *PERSON, *AGREED, "--json"))
    assert told["letters"] == 2
    found = json.loads(desk.well("status", "--json"))
    assert found["ledger"]["ok"]
    for part in ("broker", "pacing"):
        assert not found[part]["ok"]
        assert found[part]["error"]


def test_a_full_disk(desk):
    """With no room left nothing is acknowledged; with room again everything goes on."""
    desk.well("sign", "town-library", *PERSON, *AGREED)
    script = "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096)); import signal; "
    script += "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); from worker.cli import main; main()"
    words = [
        "--home",
        str(desk.root),
        "sign",
        "town-library",
        *PERSON[:2],
        "--email",
        "two@mail.example",
        *PERSON[4:],
        *AGREED,
    ]
    done = subprocess.run(
        [argv()[0], "-c", script, *words], cwd=CHECKOUT, env=environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 1, done.stdout
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("lettershop: ")
    assert done.stderr.count("\n") == 1
    assert "full" in done.stderr
    assert len(desk.letters()) == 2
    assert desk.well(*words[2:]) == "signature 2 is confirmed; 2 letters queued\n"
    assert len(desk.letters()) == 4


def test_no_traceback_from_the_process_itself(desk):
    done = lettershop("--home", desk.root, "letters", "show", "17")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "lettershop: there is no letter 17; `lettershop letters list` shows those there are\n"


@pytest.mark.parametrize(
    "words", [["why"], ["letters", "show"], ["acts", "show"], ["withdraw"], ["letters", "list", "--after"]]
)
def test_a_number_that_no_database_holds(cli, words):
    assert "a number is too large" in cli(*words, "9" * 20, status=2)
