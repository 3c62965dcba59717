"""`lettershop sendouts` as an operator says it."""

import contextlib
import json
import re
import sqlite3
from datetime import UTC, datetime, timedelta

import pytest

from worker.intake import SEND, YEARLY, PersonInput
from worker.wiring.home import open_intake, open_ledger, read_home

WEEK_US = 8 * 86_400_000_000
WHY = ("--reason", "as agreed")


@pytest.fixture
def home(cli):
    """Three supporters, two of whom agreed to be written for each year, and a birthday in two days."""
    day = datetime.now(UTC) + timedelta(days=2)
    path = cli.root / "config/campaigns/town-library.toml"
    text, places = re.subn(
        r"\[occasions\.anniversary\]\n(?:[^\[\n].*\n)*",
        f"[occasions.anniversary]\nmonth = {day.month}\nday = {day.day}\nfirst_year = {day.year}\n"
        'window = "1 working day"\n',
        path.read_text(),
    )
    assert places == 1
    path.write_text(text)
    at = read_home(cli.root)
    with open_ledger(at) as ledger:
        intake = open_intake(at, ledger, None)
        for n, consents in ((1, (SEND, YEARLY)), (2, (SEND, YEARLY)), (3, (SEND,))):
            person = PersonInput(f"Sample Signer {n}", f"s{n}@mail.example", "GB")
            intake.submit("town-library", person, consents=consents, evidence="invented for a test")
    return cli


@pytest.fixture
def told(home):
    """Everybody was told, and their mail servers took it a week ago. Its number."""
    assert re.fullmatch(r"\d+ steps done\n", home("sendouts", "plan"))
    number = row(home)["id"]
    with contextlib.closing(sqlite3.connect(home.root / "var/ledger.db")) as ledger, ledger:
        ledger.execute("UPDATE occurrences SET announced_at = announced_at - ? WHERE id = ?", (WEEK_US, number))
        ledger.execute(
            "UPDATE letters SET state = 'sent', ended_at = made_at - ? WHERE addressee = 'signer' AND rank = 1",
            (WEEK_US,),
        )
        told = "addressee = 'signer' AND sendout_id IN (SELECT id FROM sendouts WHERE name LIKE 'announce-%')"
        for counts in ("counts", "count_deltas"):
            ledger.execute(f"UPDATE {counts} SET state = 'sent' WHERE state = 'queued' AND {told}")
    return number


def row(cli):
    found = json.loads(cli("sendouts", "list", "--campaign", "town-library", "--json"))["sendouts"]
    assert len(found) == 1
    return found[0]


def test_what_is_ahead_before_anybody_looked(home):
    assert json.loads(home("sendouts", "list", "--json")) == {"sendouts": []}
    dates = json.loads(home("sendouts", "calendar", "--campaign", "town-library", "--years", "2", "--json"))["dates"]
    year = (datetime.now(UTC) + timedelta(days=2)).year
    assert {each["sendout"] for each in dates} == {f"anniversary-{year}", f"anniversary-{year + 1}"}
    assert "start, spread over 1 working day" in {each["what"] for each in dates}
    assert dates == sorted(dates, key=lambda each: each["when"])
    text = home("sendouts", "calendar", "--campaign", "town-library").splitlines()
    assert text[0].split("\t") == ["when", "campaign", "send-out", "what"]
    assert text[1].split("\t")[3] == "preflight, 1 day before"


def test_from_the_plan_to_the_last_letter(home, told):
    text = home("sendouts", "list", "--campaign", "town-library").splitlines()
    assert text[0].split("\t") == ["no", "campaign", "send-out", "starts", "state", "letters", "sent", "next"]
    assert text[1].split("\t")[4:] == ["announced", "0", "0", "approve it, or nothing is sent"]
    report = json.loads(home("sendouts", "preview", told, "--json"))
    assert (report["supporters"], report["letters"], report["errors"]) == (2, 4, [])
    assert "written for 2 supporters, 4 letters" in home("sendouts", "preview", told)

    assert "is approved; it begins at " in home("sendouts", "approve", told, *WHY)
    assert json.loads(home("sendouts", "run", told, *WHY, "--json")) == {"sendout": told}
    shown = json.loads(home("sendouts", "show", told, "--json"))
    assert (shown["state"], shown["audience"], shown["written"], shown["by_state"]) == ("sending", 2, 2, {"queued": 4})
    assert shown["left_out"] == {}
    assert "written for 2 of 2" in home("sendouts", "show", told)

    assert json.loads(home("sendouts", "hold", told, *WHY, "--json")) == {"sendout": told, "letters": 4}
    assert row(home)["next"] == "resume or cancel it: as agreed"
    assert home("sendouts", "resume", told, *WHY) == f"send-out {told} goes on; 4 letters queued\n"
    end = (datetime.now(UTC) + timedelta(days=20)).strftime("%Y-%m-%dT%H:%M:%S")
    assert json.loads(home("sendouts", "end", told, end, *WHY, "--json")) == {"sendout": told, "letters": 4}
    assert home("sendouts", "cancel", told, *WHY, "--yes") == f"send-out {told} is cancelled; 4 letters taken back\n"
    assert (row(home)["state"], row(home)["next"]) == ("cancelled", "")
    assert home("sendouts", "plan") == "nothing was due\n"
    assert json.loads(home("status", "--json"))["holds"] == []


def test_what_is_refused_has_status_3_and_says_why(home, told):
    soon = (datetime.now(UTC) + timedelta(days=2, minutes=1)).strftime("%Y-%m-%dT%H:%M:%S")
    assert f"send-out {told}" not in home("sendouts", "resume", told, *WHY, status=3)
    assert "it is announced, so it cannot be resumed" in home("sendouts", "resume", told, *WHY, status=3)
    home("sendouts", "cancel", told, *WHY, "--yes")
    for words in (("approve", told), ("run", told), ("hold", told), ("resume", told), ("end", told, soon)):
        assert "it is cancelled" in home("sendouts", *words, *WHY, status=3)
    assert "it is cancelled" in home("sendouts", "cancel", told, *WHY, "--yes", status=3)


def test_told_too_lately(home):
    home("sendouts", "plan")
    number = row(home)["id"]
    assert "its supporters were told too lately: it can begin at 20" in home("sendouts", "run", number, *WHY, status=3)
    assert row(home)["state"] == "announced"


def test_a_cancel_in_a_pipe_wants_yes_and_changes_nothing_without(home, told):
    said = home("sendouts", "cancel", told, *WHY, status=3)
    assert "this cannot be undone, and nobody is here to be asked: say --yes" in said
    assert row(home)["state"] == "announced"


@pytest.mark.parametrize("verb", ["show", "preview", "approve", "run", "hold", "resume", "cancel", "end"])
@pytest.mark.parametrize("number", ["99", "0", "-1", "9223372036854775808", "1e3", "1; DROP TABLE letters", "", "½"])
def test_a_number_that_is_none(home, verb, number):
    more = ["2030-01-01"] if verb == "end" else []
    reason = [] if verb in {"show", "preview"} else WHY
    yes = ["--yes"] if verb == "cancel" else []
    said = home("sendouts", verb, *reason, *yes, "--", number, *more, status=2)
    assert "Traceback" not in said
    if number in {"99", "0", "-1"}:
        assert f"there is no send-out {number}; `lettershop sendouts list` shows them" in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("approve", "1"), "--reason"),
        (("approve", "1", "--reason", " "), "a reason is needed, in one printable line of at most 500 characters"),
        (("cancel", "1", "--reason", "x\x1b[2J", "--yes"), "a reason is needed"),
        (("end", "1", "tomorrow", *WHY), "'moment'"),
        (("end", "1", "0001-01-01", *WHY), "the end must come after its start, and after now"),
        (("end", "1", "9999-12-31T23:59:59", *WHY), "the end must be within 366 days of its start"),
        (("calendar", "--years", "0"), "--years"),
        (("calendar", "--years", "51"), "--years"),
    ],
)
def test_bad_words(home, words, said):
    home("sendouts", "plan")
    before = row(home)
    assert said in home("sendouts", *words, status=2)
    assert row(home) == before


def test_a_preview_that_finds_something_has_status_1_and_holds_nothing(home, told, monkeypatch):
    monkeypatch.setenv("LETTERSHOP_LIMITS__MAILBOX_PER_DAY", "1")
    said = home("sendouts", "preview", told, status=1)
    assert "preflight: something must be mended" in said
    assert re.search(
        r"sampleton-mayor: of 2 letters its limits let 1 through in the window; they could all be sent", said
    )
    assert row(home)["state"] == "announced"
    shown = json.loads(home("sendouts", "show", told, "--json"))
    assert [each["passed"] for each in shown["preflights"] if each["name"].startswith("asked for at ")] == [False]


def test_an_end_with_an_offset_is_read_with_it(home, told):
    day = datetime.now(UTC) + timedelta(days=30)
    home("sendouts", "end", told, f"{day:%Y-%m-%d}T12:00:00+02:00", *WHY)
    assert json.loads(home("sendouts", "show", told, "--json"))["ends"] == f"{day:%Y-%m-%d}T10:00:00Z"
