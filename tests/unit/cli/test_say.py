"""What is printed, in a pipe and on a terminal."""

import io
import json

import pytest
from rich.console import Console

from worker.cli import say
from worker.cli.say import Column
from worker.cli.status import _drawn, summary


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, ""),
        (0.4, "0 s"),
        (59.9, "59 s"),
        (60, "1 min"),
        (3599, "59 min"),
        (3661, "1 h 1 min"),
        (200_000, "2 d 7 h"),
    ],
)
def test_spans(seconds, text):
    assert say.span(seconds) == text


def test_numbers_and_their_nouns():
    assert [say.number(1, "letter"), say.number(0, "letter"), say.number(1234, "letter")] == [
        "1 letter",
        "0 letters",
        "1,234 letters",
    ]
    assert say.number(2, "office takes", "offices take") == "2 offices take"


def test_a_pipe_gets_plain_lines(capsys):
    say.styled(f"[bold]kept[/] {say.plain('[in brackets]')}")
    say.table([Column("a"), Column("b", "right")], [("1\t1", "2"), ("x\ny", "[bold]z[/]")])
    say.as_json({"ä": 1})
    with say.busy("working"):
        pass
    assert capsys.readouterr().out == 'kept [in brackets]\na\tb\n1 1\t2\nx y\t[bold]z[/]\n{"ä": 1}\nworking\n'


@pytest.fixture
def terminal(monkeypatch):
    """A terminal of a width, and what was drawn on it."""

    def make(width):
        screen = io.StringIO()
        drawn = Console(file=screen, width=width, force_terminal=True, color_system=None, highlight=False)
        monkeypatch.setattr(say, "_CONSOLE", drawn)
        monkeypatch.setattr(say, "on_terminal", lambda: True)
        return screen

    return make


def found(**changes):
    """A status with two offices."""
    letters = dict.fromkeys(
        ("queued", "claimed", "sending", "sent", "refused", "held", "expired", "in_doubt", "faulty", "bounced",
         "cancelled", "suppressed", "bound"), 0,
    )  # fmt: skip
    office = {
        "title": "",
        "organisation": "",
        "next_opening": "2026-11-24T09:00:00Z",
        "oldest_due_age_s": 61.0,
        "due": 2,
    }
    waits = [
        {
            "kind": "hours",
            "text": "outside its hours (Mo-Fr 09:00-17:00, Europe/Dublin)",
            "until": "2026-11-24T09:00:00Z",
        }
    ]
    return {
        "mode": "rehearsal", "home": "/srv/home", "at": "2026-11-23T20:00:00Z",
        "letters": {**letters, "queued": 4, "sent": 7, "in_doubt": 1}, "notices": letters, "due": 4,
        "oldest_due_age_s": 61.0, "in_doubt": 1, "last_accept_at": "2026-11-23T19:59:00Z", "rounds": 0,
        "offices": [{"id": i, "letters": {**letters, "queued": 2, "sent": 3}, "waits": waits, **office}
                    for i in ("sampleton-mayor", "un-representative-russian-federation")],
        "sendouts": [],
        "holds": [{"text": "lane mailbox:a@b.example is held since then by lettershop: 550 5.1.1 no such mailbox"}],
        "broker": {"ok": True, "error": ""}, "ledger": {"ok": True, "error": ""},
        "pacing": {"ok": False, "error": "no Redis", "ready": False}, **changes,
    }  # fmt: skip


@pytest.mark.parametrize("width", [80, 120])
def test_the_status_fits_its_terminal(width, terminal):
    screen = terminal(width)
    say.show(_drawn(found()))
    lines = screen.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    text = " ".join(" ".join(lines).split())
    due = "4 due, the oldest for 1 min"
    offices = ("sampleton-mayor", "un-representative-russian-federation")
    for words in (*offices, due, "pacing: no Redis", "550 5.1.1", "1 letter in doubt", "opens 11-24 09:00"):
        assert words in text, words


def test_the_status_in_one_line():
    assert summary(found()) == (
        "rehearsal: 12 letters: 4 queued, 7 sent, 1 in doubt; 4 due, the oldest for 1 min; 1 hold; pacing away"
    )
    away = {"ok": False, "error": "the ledger is away"}
    assert summary(found(ledger=away, letters={})) == "rehearsal: the ledger is away"
    quiet = found(letters={}, due=0, holds=[], pacing={"ok": True, "error": "", "ready": True})
    assert summary(quiet) == "rehearsal: no letters yet"


def test_json_for_a_reader_is_indented(terminal, capsys):
    terminal(80)
    say.as_json({"a": [1]})
    assert capsys.readouterr().out == json.dumps({"a": [1]}, indent=2) + "\n"
