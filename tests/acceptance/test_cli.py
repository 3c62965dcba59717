"""Every verb at work, in a pipe: what it prints, and its JSON. `up` and `demo` have files of their own."""

import json
import os
import re
import signal
import sqlite3
import stat
import subprocess
import sys

import pytest

from tests.acceptance.command import argv, environment
from tests.smtp_server import SCENARIOS, Say, SmtpServer

PERSON = ("--name", "Sample Signer 01", "--email", "one@mail.example", "--country", "GB")
AGREED = ("--confirmed", "--evidence", "invented for a test")


def as_json(text):
    return json.loads(text)


def test_init_and_migrate(cli, tmp_path):
    said = cli("init", tmp_path / "other")
    assert f"lettershop --home {tmp_path / 'other'} up" in said
    keys = sorted((tmp_path / "other" / "var" / "keys").iterdir())
    assert [key.name for key in keys] == ["data.key", "lookup.key", "seal.key"]
    assert {stat.S_IMODE(key.stat().st_mode) for key in keys} == {0o600}
    assert "made the rehearsal ledger" in cli("--home", tmp_path / "other", "migrate")
    assert "nothing to do" in cli("migrate")


def test_letters_follow_a_changed_mailbox(cli):
    cli("sign", "town-library", *PERSON, *AGREED)
    offices = cli.root / "config" / "offices.toml"
    offices.write_text(offices.read_text().replace("mayor@sampleton.example", "office-of-mayor@sampleton.example"))
    assert "register" in json.dumps(as_json(cli("letters", "show", 1, "--json"))["chain"])
    assert "moved 1 letter to their offices' new mailboxes" in cli("migrate")
    assert as_json(cli("letters", "show", 1, "--json"))["lane"] == "mailbox:office-of-mayor@sampleton.example"


def test_check(cli):
    said = cli("check")
    assert said.splitlines()[-1].startswith("fit to use: 2 campaigns and 13 offices looked at, ")
    assert as_json(cli("check", "--json"))["ok"] is True
    assert "not fit to use" in cli("check", "--live", status=2)


def test_rules_check(cli):
    assert "every reply has a verdict" in cli("rules", "check")
    assert as_json(cli("rules", "check", "--json"))["problems"] == []
    rules = cli.root / "config" / "reply-rules.toml"
    text = rules.read_text()
    example = re.search(r'^examples = \["(?:\w+: )?(\d)', text, re.MULTILINE)
    place = example.start(1)
    rules.write_text(f"{text[:place]}{'4' if example[1] == '5' else '5'}{text[place + 1 :]}")
    assert "does not read its example" in cli("rules", "check", status=2)
    problems = as_json(cli("rules", "check", "--json", status=2))
    assert (problems["ok"], len(problems["problems"])) == (False, 1)


def test_preview_in_three_formats(cli):
    text = cli("preview", "town-library", "--office", "sampleton-mayor")
    assert text.startswith("From: Sample Signer 01 via Keep the Town Library Open <letters@town-library.example>\n")
    assert "To: mayor@sampleton.example\n" in text
    assert "[Town Library]" in text
    html = cli("preview", "town-library", "--office", "sampleton-mayor", "--format", "html")
    assert "<p>" in html
    assert html.lstrip().startswith("<")
    eml = cli("preview", "town-library", "--office", "sampleton-mayor", "--language", "en", "--format", "eml")
    assert "Message-ID: <" in eml
    again = cli("preview", "town-library", "--office", "sampleton-mayor", "--occasion", "anniversary")
    assert again != text
    unknown = cli("preview", "town-library", "--office", "sampleton-mayor", "--occasion", "jubilee", status=2)
    assert "no occasion 'jubilee'; it has: anniversary" in unknown


def test_signing_confirming_withdrawing_erasing(cli):
    assert "a notice that asks to confirm it" in cli("sign", "town-library", *PERSON)
    assert cli("sign", "town-library", *PERSON, *AGREED) == "signature 2 is confirmed; 2 letters queued\n"
    assert "stood already (confirmed); nothing was changed" in cli("sign", "town-library", *PERSON, *AGREED)
    told = as_json(cli("sign", "justice-for-khojaly", *PERSON, *AGREED, "--json"))
    assert (told["signature"], told["letters"]) == (3, 11)
    assert cli("withdraw", 2, "--reason", "asked by letter") == (
        "signature 2 withdrawn; 2 letters cancelled before being sent\n"
    )
    assert "had ended before" in cli("withdraw", 2)
    gone = as_json(cli("erase", 3, "--json"))
    assert (sorted(gone["signatures"]), gone["cancelled"]) == ([1, 2, 3], 11)
    assert "was erased before" in cli("erase", 3)
    states = {each["state"] for each in as_json(cli("letters", "list", "--json"))["letters"]}
    assert states == {"cancelled"}


def test_importing(cli, tmp_path):
    path = tmp_path / "people.csv"
    path.write_text("name,email,country\nSample Signer 01,one@mail.example,GB\nSample Signer 02,nobody,GB\n")
    said = cli("import", "town-library", path, "--evidence", "a list")
    rows, queued, wrong, rejected = said.splitlines()
    assert rows == "2 rows: 1 accepted, 0 stood already, 1 rejected"
    assert re.fullmatch(r"2 letters queued; they are due from \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC on", queued)
    assert wrong == 'was it the wrong list? `lettershop imports stop 1 --reason "..."` takes back what is unsent'
    assert rejected == f"the rejected rows with their reasons: {path}.rejected.csv"
    facts = as_json(cli("status", "--json"))
    assert (facts["due"], facts["letters"]["queued"], facts["notices"]["queued"]) == (1, 3, 1)  # only the notice is due
    assert "had been imported before; nothing was changed" in cli(
        "import", "town-library", path, "--evidence", "a list"
    )
    told = as_json(cli("import", "town-library", path, "--evidence", "a list", "--json"))
    assert (told["finished_before"], told["import"], told["due_at"]) == (True, 1, None)
    assert "give the same" in cli("import", "town-library", path, "--evidence", "another", status=3)


def test_status_in_a_pipe(cli):
    cli("sign", "town-library", *PERSON, *AGREED)
    lines = [line.split("\t") for line in cli("status").splitlines()]
    facts = {line[0]: line[1] for line in lines if len(line) == 2}
    assert (facts["mode"], facts["ledger"], facts["letters"], facts["due"]) == (
        "rehearsal",
        "ok",
        "2 letters: 2 queued",
        "2",
    )
    assert "lettershop up" in facts["broker"]
    table = {line[0]: line for line in lines if len(line) > 2}
    assert table["sampleton-mayor"][1:3] == ["1", "1"]
    found = as_json(cli("status", "--json"))
    assert found["letters"]["queued"] == 2
    assert {"mode", "letters", "offices", "due", "oldest_due_age_s", "in_doubt", "last_accept_at"} < set(found)


def test_letters(cli):
    cli("sign", "town-library", *PERSON, *AGREED)
    listed = cli("letters", "list").splitlines()
    assert listed[0].split("\t") == ["letter", "state", "office", "tries", "due or ended", "reason"]
    assert listed[1].split("\t")[:4] == ["1", "queued", "sampleton-mayor", "0"]
    page = as_json(cli("letters", "list", "--limit", "1", "--json"))
    assert (len(page["letters"]), page["next_after"]) == (1, 1)
    assert as_json(cli("letters", "list", "--after", "2", "--json"))["letters"] == []
    story = cli("letters", "show", 1)
    assert story.startswith("letter 1 is queued\n")
    assert "in lane mailbox:mayor@sampleton.example" in story
    assert "no content of it was ever started" in cli("letters", "show", 1, "--eml", "--reason", "a test", status=3)
    assert "say why you must see it" in cli("letters", "show", 1, "--eml", status=2)


def test_a_look_into_a_sqlite_ledger_imports_nothing_of_other_servers(cli):
    others = ("psycopg", "sqlalchemy.dialects.postgresql", "redis", "celery", "kombu", "jinja2", "holidays")
    script = (
        "import sys; from worker.cli.app import run; status = run(['letters', 'list']); "
        f"print([m for m in {others} if m in sys.modules], file=sys.stderr); sys.exit(status)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env=environment(LETTERSHOP_HOME=cli.root),
    )
    assert done.stderr == "no letter fits\n[]\n"


def test_holding_and_resuming(cli):
    cli("sign", "town-library", *PERSON, *AGREED)
    assert cli("hold", "office", "sampleton-mayor", "--reason", "a look first", "--yes") == (
        "1 letter of office sampleton-mayor waits now\noffice sampleton-mayor is held\n"
    )
    assert "office sampleton-mayor is held since" in cli("letters", "show", 1)
    assert "1 hold lifted" in cli("resume", "office", "sampleton-mayor", "--reason", "fine", "--yes")
    assert cli("hold", "letter", 1, "--reason", "x") == "letter 1 is held\n"
    assert "held for an operator" in cli("letters", "show", 1)
    assert cli("resume", "letter", 1, "--reason", "x") == "letter 1 is queued again\n"
    cli("hold", "everything", "--reason", "x", "--until", "2999-01-01", "--yes")
    assert "everything is held" in cli("status")
    cli("resume", "everything", "--reason", "x", "--yes")
    assert "past" in cli("hold", "everything", "--reason", "x", "--until", "2001-01-01", "--yes", status=2)
    story = cli("letters", "show", 1)
    assert story.count("audit") == 2


def test_resolving(cli):
    cli("sign", "town-library", *PERSON, *AGREED)
    with sqlite3.connect(cli.root / "var" / "ledger.db") as connection:  # as a crash between dot and reply leaves it
        connection.execute("UPDATE letters SET state = 'in_doubt', doubts = 1")
        connection.execute("DELETE FROM count_deltas")
        connection.execute("INSERT INTO count_deltas (campaign_id, sendout_id, addressee, state, n)"
                           " SELECT campaign_id, sendout_id, addressee, state, 1 FROM letters")  # fmt: skip
    connection.close()
    assert cli("resolve", "sent", 1, "--reason", "the mayor has it") == "letter 1 is resolved: sent\n"
    said = cli("resolve", "queued", "--all", "--reason", "it never came", "--yes")
    assert said.endswith("act 1: 1 letter resolved as not sent\n")
    assert as_json(cli("status", "--json"))["in_doubt"] == 0
    assert "cannot resolve" in cli("resolve", "sent", 2, "--reason", "x", status=3)
    assert cli("ledger", "verify").startswith("the ledger is sound")


def test_the_ledger_as_a_whole(cli, tmp_path, monkeypatch):
    cli("sign", "town-library", *PERSON, *AGREED)
    assert as_json(cli("ledger", "verify", "--json")) == {"ok": True, "problems": []}
    said = cli("ledger", "copy", f"sqlite:///{tmp_path}/copy.db")
    assert "counts and checksums agree" in said
    assert "copied to" in cli("status")
    assert "is a ledger already" in cli("ledger", "copy", f"sqlite:///{tmp_path}/copy.db", status=3)
    tables = as_json(cli("ledger", "copy", f"sqlite:///{tmp_path}/second.db", "--json"))
    assert {"letters", "audit"} < {each["table"] for each in tables}
    monkeypatch.setenv("LETTERSHOP_LEDGER__URL", f"sqlite:///{tmp_path}/copy.db")
    assert as_json(cli("status", "--json"))["holds"] == []
    with sqlite3.connect(tmp_path / "copy.db") as connection:
        connection.execute("UPDATE letters SET mac = x'00' WHERE id = 1")
    connection.close()
    assert "letter 1 was not made by this house" in cli("ledger", "verify", status=1)


# -- relay test --------------------------------------------------------------------------------------------------------
def with_relay(cli, port, **more):
    keys = {"name": "main", "host": "127.0.0.1", "port": port, "security": "none", **more}
    lines = "\n".join(f"{key} = {json.dumps(value)}" for key, value in keys.items())
    with (cli.root / "config" / "lettershop.toml").open("a") as file:
        file.write(f"\n[[relays]]\n{lines}\n")


TO = ("relay", "test", "--to", "operator@organisation.test")


def test_a_relay_that_takes_it(cli, monkeypatch):
    monkeypatch.setenv("LETTERSHOP_ALLOW_TEST_DOMAINS", "true")
    with SmtpServer() as server:
        with_relay(cli, server.port)
        said = cli(*TO, "--campaign", "town-library")
        told = as_json(cli(*TO, "--relay", "main", "--json"))
        assert "is the mailbox of office sampleton-mayor" in cli(
            "relay", "test", "--to", "Mayor@Sampleton.example", status=3
        )
        assert "there is no relay 'other'; there are: main" in cli(*TO, "--relay", "other", status=2)
        assert "there is no campaign 'none'" in cli(*TO, "--campaign", "none", status=2)
    first = server.letters[0]
    assert len(server.letters) == 2
    assert (first.sender, list(first.recipients)) == ("letters@town-library.example", ["operator@organisation.test"])
    assert b"Subject: [test] lettershop through the relay main" in first.data
    assert b"X-Lettershop-Test: yes" in first.data
    assert said.splitlines()[0].startswith(
        f"relay main at 127.0.0.1:{server.port} (none): from letters@town-library.example"
    )
    steps = [line.split()[0] for line in said.splitlines()[1:-1]]
    assert [step for step in steps if step != "final"] == ["greeting", "EHLO", "MAIL", "RCPT", "DATA", "QUIT"]
    assert "354" in said
    assert told["accepted"] is True
    assert [step["step"] for step in told["steps"]][:2] == ["greeting", "EHLO"]
    assert told["steps"][-2]["reply"].startswith("250")
    assert not list((cli.root / "var").glob("*.port")), "no stack was needed"


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ({"RCPT": [Say(b"550 5.1.1 no such user")]}, "relay main: declined at rcpt: 550 5.1.1"),
        ({"DOT": [Say(b"554 5.7.1 looks like spam")]}, "relay main: not accepted: 554 5.7.1"),
        ({"GREETING": [Say(b"554 5.7.1 not you")]}, "relay main: greeting: the relay does not serve us (554 5.7.1"),
        (SCENARIOS["disconnect_after_dot"], "relay main: dot: "),
    ],
    ids=["rcpt", "dot", "greeting", "lost"],
)
def test_a_relay_that_does_not(cli, monkeypatch, script, said):
    monkeypatch.setenv("LETTERSHOP_ALLOW_TEST_DOMAINS", "true")
    with SmtpServer(script=script) as server:
        with_relay(cli, server.port)
        assert said in cli(*TO, status=1)
        assert as_json(cli(*TO, "--json").splitlines()[0])["accepted"] is True, "the script's one fault is over"


def test_a_relay_that_is_away(cli, monkeypatch):
    monkeypatch.setenv("LETTERSHOP_ALLOW_TEST_DOMAINS", "true")
    with_relay(cli, 1)
    assert "relay main: connect: no connection to the relay" in cli(*TO, status=1)
    assert "not a usable e-mail address" in cli("relay", "test", "--to", "nobody", status=2)


def test_the_environment_names_the_home(cli):
    assert as_json(cli("status", "--json"))["home"] == os.environ["LETTERSHOP_HOME"]


def test_watching_ends_with_ctrl_c(cli):
    words = [*argv("--home", cli.root, "status", "--watch", "--json")]
    with subprocess.Popen(
        words, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert as_json(process.stdout.readline())["mode"] == "rehearsal"
        assert as_json(process.stdout.readline())["mode"] == "rehearsal"
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (0, "")
