"""Acting on letters from the command line: previewed, asked, done, undone; and what is refused."""

import contextlib
import json
import os
import pty
import signal
import sqlite3
import subprocess

import pytest

from tests.acceptance.command import argv, environment
from tests.support import until
from worker.operations.acts import running

MAYOR, COMMITTEE = "sampleton-mayor", "sampleton-library-committee"
WHY = ("--reason", "a test")


def as_json(text):
    return json.loads(text)


@pytest.fixture
def signed(cli, tmp_path):
    """Ten people signed: ten letters to each of two offices, and ten notices."""
    path = tmp_path / "people.csv"
    path.write_text(
        "name,email,country\n" + "".join(f"Sample Signer {n},signer{n}@mail.example,GB\n" for n in range(10))
    )
    cli("import", "town-library", path, "--evidence", "invented", "--no-wait")
    return cli


def letters(cli):
    """How many letters are in each state, read past the verbs: cheap, and no count that is kept apart."""
    with contextlib.closing(sqlite3.connect(cli.root / "var" / "ledger.db")) as ledger:
        return dict(ledger.execute("SELECT state, count(*) FROM letters GROUP BY state"))


def sound(cli):
    assert cli("ledger", "verify").startswith("the ledger is sound")


def test_letters_are_cancelled_and_the_act_is_undone(signed):
    seen = as_json(signed("cancel", "--office", MAYOR, "--preview", "--json"))
    assert (seen["count"], seen["by_state"], seen["by_office"]) == (10, {"queued": 10}, {MAYOR: 10})
    assert letters(signed) == {"queued": 30}, "a preview changes nothing"
    said = signed("cancel", "--office", MAYOR, "--yes", *WHY).splitlines()
    assert said == [
        "10 letters to be cancelled: 10 queued",
        "office\tletters",
        f"{MAYOR}\t10",
        "act 1: 10 letters cancelled",
    ]
    assert letters(signed) == {"queued": 20, "cancelled": 10}
    told = as_json(signed("status", "--json"))["letters"]
    assert {state: n for state, n in told.items() if n} == letters(signed)
    listed = [line.split("\t") for line in signed("acts", "list").splitlines()]
    assert [each[:5] for each in listed] == [
        ["act", "verb", "state", "moved", "left alone"],
        ["1", "cancel", "done", "10", "0"],
    ]
    assert "lettershop undo 1" in signed("acts", "show", 1)
    done = as_json(signed("undo", 1, "--yes", "--json", *WHY))
    assert (done["verb"], done["undoes"], done["moved"]) == ("requeue", 1, 10)
    assert "was undone by act 2" in signed("undo", 1, "--yes", *WHY, status=3)
    assert as_json(signed("acts", "show", 1, "--json"))["undone_by"] == 2
    assert letters(signed) == {"queued": 30}
    page = as_json(signed("acts", "list", "--limit", 1, "--json"))
    assert ([each["id"] for each in page["acts"]], page["next_before"]) == ([2], 2)
    sound(signed)


def test_letters_are_held_and_queued_again(signed):
    assert "act 1: 3 letters held" in signed("letters", "hold", 1, 2, 3, "--yes", *WHY)
    assert "act 2: 3 letters resumed" in signed("letters", "resume", "--state", "held", "--yes", *WHY)
    assert "act 3: 3 letters cancelled" in signed("letters", "cancel", 1, 2, 3, "--yes", *WHY)
    said = signed("requeue", "--state", "cancelled", "--campaign", "town-library", "--newer", "1 h", "--yes", *WHY)
    assert "act 4: 3 letters queued again" in said
    assert "act 5: 20 letters held" in signed("letters", "hold", "--sendout", "signing", "--yes", *WHY)
    sound(signed)


def test_in_a_pipe_nothing_is_done_unasked(signed):
    for words in (
        ("cancel", "--office", MAYOR),
        ("hold", "everything"),
        ("hold", "office", MAYOR, "--for", "2 h"),
        ("suppress", MAYOR, "--evidence", "a letter of theirs"),
        ("redirect", MAYOR, "mayor@elsewhere.example"),
    ):
        assert "say it again with --yes" in signed(*words, *WHY, status=2)
    assert letters(signed) == {"queued": 30}
    assert as_json(signed("status", "--json"))["holds"] == []
    assert as_json(signed("acts", "list", "--json"))["acts"] == []


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (("cancel",), 2, "say which letters"),
        (("cancel", "--office", MAYOR, "--reason", " "), 2, "a reason is needed"),
        (("cancel", "--office", "sampleton-mayer"), 2, "there is no office 'sampleton-mayer'"),
        (("cancel", "--campaign", "nothing"), 2, "no letter is of a campaign 'nothing'; there are: town-library"),
        (("cancel", "--sendout", "never"), 2, "there is no send-out 'never'"),
        (("cancel", "--state", "asleep"), 2, "'asleep' is no state"),
        (("cancel", "--state", "sent"), 3, "no letter can be cancelled"),
        (("cancel", 99), 2, "there is no letter 99"),
        (("cancel", 0), 2, "0 is not a letter's number"),
        (("cancel", "--code", "55%"), 2, "'55%' is no reply code"),
        (("cancel", "--older", "long"), 2, "--older: 'long' is not a length of time"),
        (("cancel", "--office", MAYOR, "--expect", 9), 3, "10 letters would be moved, not 9; nothing was changed"),
        (("requeue", 1), 3, "1 x a queued letter cannot be queued again"),
        (("letters", "resume", "--office", MAYOR), 3, "10 x a queued letter cannot be resumed"),
        (("undo", 7), 2, "there is no act 7"),
        (("hold", "sendout", 7), 2, "there is no send-out 7"),
        (("hold", "sendout", "signing"), 2, "'signing' is not a yearly send-out's number"),
        (("hold", "letter", 1, "--for", "2 h"), 2, "a letter is held until it is resumed"),
        (("hold", "everything", "--for", "2 h", "--until", "2999-01-01"), 2, "say --until or --for, not both"),
        (("hold", "everything", "--for", "a while"), 2, "--for: 'a while' is not a length of time"),
        (("redirect", MAYOR, "no address"), 2, "ADDRESS"),
        (("redirect", "nobody", "a@b.example"), 2, "there is no office 'nobody'"),
        (("redirect", MAYOR, "mayor@sampleton.example"), 3, "already; nothing was changed"),
        (("suppress", MAYOR, "--evidence", " "), 2, "evidence is needed"),
        (("suppress", "nobody", "--evidence", "x"), 2, "there is no office 'nobody'"),
        (("unsuppress", MAYOR), 3, "takes letters already"),
    ],
)
def test_what_is_refused(signed, words, status, said):
    reason = () if "--reason" in words else WHY
    assert said in signed(*words, "--yes", *reason, status=status)
    assert letters(signed) == {"queued": 30}


def test_acts_that_are_not_there(cli):
    for verb in ("show", "go-on"):
        assert "there is no act 7" in cli("acts", verb, 7, status=2)
    assert "there is no act 7" in cli("acts", "stop", 7, *WHY, status=2)


def test_a_hold_says_how_many_wait_and_ends_by_itself(signed):
    held = as_json(signed("hold", "office", MAYOR, "--for", "2 h", "--yes", "--json", *WHY))
    assert (held["waiting"], held["scope"], held["target"], held["until"][-1]) == (10, "office", MAYOR, "Z")
    assert "10 letters of lane mailbox:mayor@sampleton.example wait now" in signed(
        "hold", "lane", "mailbox:mayor@sampleton.example", "--yes", *WHY
    )
    for scope, name, n in (("campaign", "town-library", 30), ("relay", "rehearsal", 30), ("everything", "", 30)):
        words = [scope, name] if name else [scope]
        assert as_json(signed("hold", *words, "--yes", "--json", *WHY))["waiting"] == n
        assert as_json(signed("resume", *words, "--yes", "--json", *WHY))["lifted"] == 1


# -- the register ----------------------------------------------------------------------------------------------------------
def test_an_office_is_redirected_and_its_letters_follow(signed):
    signed("hold", "lane", "mayor@sampleton.example", "--yes", *WHY)
    said = signed("redirect", MAYOR, "new@sampleton.example", "--resume", "--yes", "--reason", "found on its website")
    assert "-To: " in said
    assert "+To: " in said
    assert "its old lane is held: a test" in said
    assert (
        said.splitlines()[-1]
        == f"letters to office {MAYOR} go to new@sampleton.example: 10 letters moved; 1 hold lifted"
    )
    moved = as_json(signed("letters", "list", "--office", MAYOR, "--json"))["letters"]
    assert {each["lane"] for each in moved} == {"mailbox:new@sampleton.example"}
    register = (signed.root / "config" / "offices.toml").read_text()
    assert 'source = "found on its website"' in register
    told = as_json(signed("redirect", MAYOR, "newer@sampleton.example", "--yes", "--json", *WHY))
    assert (told["moved"], told["lifted"], told["to_lane"]) == (10, 0, "mailbox:newer@sampleton.example")
    sound(signed)


def test_letters_queued_again_are_in_the_lane_of_today(signed):
    signed("cancel", "--office", MAYOR, "--yes", *WHY)
    signed("redirect", MAYOR, "new@sampleton.example", "--yes", *WHY)
    signed("undo", 1, "--yes", *WHY)
    lanes = {each["lane"] for each in as_json(signed("letters", "list", "--office", MAYOR, "--json"))["letters"]}
    assert lanes == {"mailbox:new@sampleton.example"}


def test_an_office_is_suppressed_and_exactly_its_letters_come_back(signed):
    signed("cancel", 1, "--yes", *WHY)
    told = signed("suppress", MAYOR, "--evidence", "their letter of today", "--yes", "--reason", "they asked")
    assert told.splitlines()[-1] == f"office {MAYOR} is written to no more: 9 letters suppressed"
    assert "is not written to since" in signed("suppress", MAYOR, "--evidence", "x", "--yes", *WHY, status=3)
    assert "its office asked not to be written to" in signed("requeue", 1, "--yes", *WHY, status=3)
    said = signed("unsuppress", MAYOR, "--yes", "--reason", "they changed their mind")
    assert "9 letters that were suppressed stay suppressed" in said
    assert letters(signed) == {"queued": 20, "cancelled": 1, "suppressed": 9}
    signed("suppress", COMMITTEE, "--evidence", "x", "--asked-on", "2026-01-02", "--yes", *WHY)
    again = as_json(signed("unsuppress", COMMITTEE, "--requeue", "--yes", "--json", *WHY))
    assert (again["verb"], again["moved"]) == ("requeue", 10)
    assert letters(signed) == {"queued": 20, "cancelled": 1, "suppressed": 9}
    sound(signed)


def test_what_an_earlier_suppression_took_does_not_come_back_with_a_later_one(signed):
    signed("suppress", MAYOR, "--evidence", "x", "--yes", *WHY)
    signed("unsuppress", MAYOR, "--yes", *WHY)
    signed("suppress", MAYOR, "--evidence", "x", "--yes", *WHY)
    assert "0 letters that were suppressed are queued again" in signed("unsuppress", MAYOR, "--requeue", "--yes", *WHY)
    assert letters(signed)["suppressed"] == 10


# -- on a terminal ---------------------------------------------------------------------------------------------------------
def on_terminal(cli, *words, answer):
    """Say a verb on a terminal and answer its question; what it showed, and its exit status."""
    ours, theirs = pty.openpty()
    command, place = argv("--home", cli.root, *words), environment(TERM="xterm")
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=place, cwd=cli.root)
    os.close(theirs)
    os.write(ours, answer)
    shown = b""
    try:
        while more := os.read(ours, 4096):
            shown += more
    except OSError:  # the other end is closed
        pass
    os.close(ours)
    return shown.decode(), process.wait(timeout=60)


def test_on_a_terminal_one_is_asked(signed):
    shown, status = on_terminal(signed, "cancel", "--office", MAYOR, *WHY, answer=b"n\n")
    assert ("10 letters, go on?" in shown, status) == (True, 130)
    assert letters(signed) == {"queued": 30}
    shown, status = on_terminal(signed, "cancel", "--office", MAYOR, *WHY, answer=b"y\n")
    assert ("act 1: 10 letters cancelled" in shown, status) == (True, 0)


# -- stopped in the middle -------------------------------------------------------------------------------------------------
def test_an_act_that_was_interrupted_is_carried_on_or_stopped(signed, monkeypatch):
    monkeypatch.setattr(running, "PAGE", 4)
    page, pages = running._page, iter([None, KeyboardInterrupt])

    def interrupted(*arguments, **named):
        if (stop := next(pages, None)) is not None:
            raise stop
        return page(*arguments, **named)

    monkeypatch.setattr(running, "_page", interrupted)
    said = signed("cancel", "--office", MAYOR, "--yes", *WHY, status=130)
    assert "`lettershop acts go-on 1` does so now, `lettershop acts stop 1` ends it" in said
    assert as_json(signed("acts", "show", 1, "--json"))["moved"] == 4
    assert "act 1 is still under way" in signed("undo", 1, "--yes", *WHY, status=3)
    assert "act 1: 10 letters cancelled" in signed("acts", "go-on", 1)
    assert "is over already" in signed("acts", "stop", 1, *WHY, status=3)
    sound(signed)


def test_ctrl_c_leaves_a_sound_ledger(signed):
    command = argv("--home", signed.root, "cancel", "--office", MAYOR, "--yes", *WHY)
    with sqlite3.connect(signed.root / "var" / "ledger.db") as other:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment(), cwd=signed.root)

        def begun():
            return other.execute("SELECT count(*) FROM bulk_acts").fetchone()[0] or process.poll() is not None

        until(begun, "the act to begin")
        process.send_signal(signal.SIGINT)
        process.wait(timeout=60)
    other.close()
    assert process.returncode in {0, 130, -signal.SIGINT}, "done already, or stopped"
    (act,) = as_json(signed("acts", "list", "--json"))["acts"]
    assert "cancelled" in signed("acts", "go-on", act["id"])
    assert letters(signed) == {"queued": 20, "cancelled": 10}
    sound(signed)
