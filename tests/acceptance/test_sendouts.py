"""A yearly send-out as an operator sees it: announced, approved, written and sent, with workers killed on the way."""

import contextlib
import json
import re
import sqlite3
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest

from tests.acceptance.command import Home, argv, environment
from tests.support import until
from worker.embedded.maildir import Maildir, Stored, message_id
from worker.intake import SEND, YEARLY, PersonInput
from worker.intake.bulk import Row
from worker.schedule.views import detail, overview
from worker.wiring.home import open_intake, open_ledger, read_home
from worker.wiring.schedule import open_board

CAMPAIGN = "town-library"
OFFICES = ("sampleton-library-committee", "sampleton-mayor")
PEOPLE = 480  # two pages of the expansion
LEADS = """
[sendouts]
preflight = ["40 s", "20 s"]
announce = "30 s"
announced_for = "5 s"
announce_rate = "100000/h"
"""
OCCASION = """\
[occasions.anniversary]
month = {at.month}
day = {at.day}
time_zone = "UTC"
start = "{at:%H:%M:%S}"
window = "10 s"
first_year = {at.year}
"""
NEW = b"On the birthday of the library in Market Street"


class Yearly(Home):
    """A home whose library has its birthday within a minute, and letters written for it each year."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        with (root / "config" / "lettershop.toml").open("a") as file:
            file.write(LEADS)
        self.birthday(timedelta(days=2))
        self.run("migrate")
        self.extra: list[psutil.Popen] = []

    def birthday(self, ahead: timedelta) -> None:
        """Keep it so far ahead."""
        path = self.root / "config" / "campaigns" / f"{CAMPAIGN}.toml"
        text = path.read_text()
        section = OCCASION.format(at=datetime.now(UTC) + ahead)
        changed, places = re.subn(r"\[occasions\.anniversary\]\n(?:[^\[\n].*\n)*", section, text)
        assert places == 1, text
        path.write_text(changed)

    def sign(self, people: int, consents: tuple, first: int = 1) -> None:
        """Let so many invented people sign at a producer's, with these consents."""
        home = read_home(self.root)
        rows = [
            Row(PersonInput(f"Sample Signer {n:04}", f"signer.{n}@signers.example", "NL"), consents)
            for n in range(first, first + people)
        ]
        with open_ledger(home) as ledger:
            tally = open_intake(home, ledger, None).submit_many(CAMPAIGN, rows, evidence="invented for a test")
        assert tally.accepted == people

    def beats(self, count: int) -> None:
        self.extra = [psutil.Popen(argv("--home", self.root, "beat"), cwd=self.root) for _ in range(count)]

    def row(self) -> dict:
        """The send-out as `sendouts show --json` has it, without a process for each look; {} before it is planned."""
        home = read_home(self.root, environment())
        with open_ledger(home) as ledger:
            board = open_board(home, ledger)
            listed = overview(board, CAMPAIGN)
            return detail(board, listed[0]["id"]) if listed else {}

    def reached(self, state: str, within_s: float = 90) -> dict:
        """The send-out once it is there."""

        def probe() -> dict | None:
            found = self.row()
            assert found.get("state") not in {"held", "missed", "cancelled"} - {state}, found
            return found if found.get("state") == state else None

        return until(probe, f"the send-out to be {state}", within_s)

    def told(self) -> dict:
        """The send-out once everybody's announcement was accepted for long enough."""
        self.reached("announced")
        return until(lambda: (row := self.row())["left_out"] == {} and row, "all to be told in time", 90)

    def birthday_letters(self) -> list[Stored]:
        return [each for each in Maildir(self.root / "var" / "sink").messages() if NEW in subject(each.content())]

    def stop(self) -> None:
        for process in self.extra:
            with contextlib.suppress(psutil.Error):
                process.terminate()
                process.wait(30)
        self.down()


def subject(content: bytes) -> bytes:
    head = content.partition(b"\r\n\r\n")[0].replace(b"\r\n ", b" ")
    return next(line for line in head.split(b"\r\n") if line.lower().startswith(b"subject:"))


def author(content: bytes) -> str:
    found = re.search(rb"Sample Signer \d{4}", content.partition(b"\r\n\r\n")[2])
    assert found, content
    return found.group().decode()


@pytest.fixture
def home(tmp_path):
    with contextlib.ExitStack() as stack:
        laid = Yearly(tmp_path / "home")
        stack.callback(laid.stop)
        yield laid


def each_once(home: Yearly, people: list[str]) -> None:
    """Every supporter's letter of this year reached every office once."""
    found = home.birthday_letters()
    ids = Counter(message_id(each.content()) for each in found)
    assert set(ids.values()) == {1}, "a letter came twice"
    came = Counter((author(each.content()), each.recipients) for each in found)
    assert came == Counter({(name, (f"{office}@rehearsal.invalid",)): 1 for name in people for office in OFFICES})


def names(people: range) -> list[str]:
    return [f"Sample Signer {n:04}" for n in people]


@pytest.mark.nights
@pytest.mark.timeout(300)
def test_from_the_preflight_to_the_last_letter(home):
    home.sign(6, (SEND, YEARLY))
    home.sign(2, (SEND,), first=7)  # who did not agree to be written for again
    home.birthday(timedelta(seconds=45))
    home.up()
    home.beats(2)

    told = home.told()
    assert told["next"] == "approve it, or nothing is sent"
    assert (told["letters"], told["audience"]) == (0, None)
    assert home.birthday_letters() == [], "nothing is sent without approval"
    home.run("sendouts", "approve", told["id"], "--reason", "read and found good")

    done = home.reached("done")
    assert {each["name"]: each["passed"] for each in done["preflights"]} == {"40 s before": True, "20 s before": True}
    assert (done["audience"], done["written"], done["by_state"]) == (6, 6, {"sent": 12})
    each_once(home, names(range(1, 7)))
    notices = [each for each in Maildir(home.root / "var" / "sink").messages() if "signer" in each.recipients[0]]
    assert len(notices) == 6, "one announcement each"
    assert all(b"birthday of the library" in each.content() for each in notices), "with the text that is sent"
    assert json.loads(home.run("sendouts", "plan", "--json")) == {"done": 0}
    assert len(home.birthday_letters()) == 12
    assert home.run("ledger", "verify").startswith("the ledger is sound")
    assert home.down() == 0


@pytest.mark.nights
@pytest.mark.timeout(400)
def test_killed_at_every_turn(home):
    home.sign(PEOPLE, (SEND, YEARLY))
    home.birthday(timedelta(seconds=45))
    home.up()
    home.beats(2)

    until(lambda: told_to(home) > 0, "the announcement to begin", 90)
    kill_workers(home)
    told = home.told()
    home.run("sendouts", "approve", told["id"], "--reason", "read and found good")
    kill_in_the_expansion(home)
    until(lambda: len(home.birthday_letters()) >= 50, "letters to flow", 120)
    kill_workers(home)
    home.extra[0].kill()

    until(lambda: settled(home), "every letter to end", 200)
    doubted = home.in_doubt()
    assert len(doubted) <= 3 * 8, "at most one letter for each open connection and kill"
    at_sink = {message_id(each.content()) for each in home.birthday_letters()}
    lost = {int(name.split(".")[0]) for name in at_sink} ^ numbers_of(home)
    assert lost <= {letter["id"] for letter in doubted}, "a letter is lost"
    if doubted:
        home.run("resolve", "sent", "--all", "--reason", "looked into the sink", "--yes")
    done = home.reached("done")
    assert (done["audience"], done["written"], done["by_state"]) == (PEOPLE, PEOPLE, {"sent": PEOPLE * len(OFFICES)})
    if not lost:
        each_once(home, names(range(1, PEOPLE + 1)))
    assert home.run("ledger", "verify").startswith("the ledger is sound")


def look(home: Yearly, query: str) -> list[tuple]:
    with contextlib.closing(sqlite3.connect(f"file:{home.root}/var/ledger.db?mode=ro", uri=True, timeout=30)) as ledger:
        return ledger.execute(query).fetchall()


def told_to(home: Yearly) -> int:
    return max((row[0] for row in look(home, "SELECT told_to FROM occurrences")), default=-1)


def numbers_of(home: Yearly) -> set[int]:
    query = "SELECT l.id FROM letters l JOIN sendouts o ON o.id = l.sendout_id WHERE o.name LIKE 'anniversary-%'"
    return {row[0] for row in look(home, query)}


def settled(home: Yearly) -> bool:
    states = home.row()["by_state"]
    return bool(states) and not {"queued", "claimed", "sending"} & set(states)


def kill_workers(home: Yearly) -> None:
    """Kill -9 both workers of the stack; it starts others."""
    for words in (("worker",), ("worker", "--express")):
        home.kill_part(*words)


def kill_in_the_expansion(home: Yearly) -> None:
    """Kill -9 the workers right after its first page."""
    victims = [home.part("worker"), home.part("worker", "--express")]
    with contextlib.closing(sqlite3.connect(home.root / "var" / "ledger.db", timeout=30)) as ledger:
        deadline = time.monotonic() + 90
        while ledger.execute("SELECT 1 FROM occurrences WHERE written_to > 0").fetchone() is None:
            assert time.monotonic() < deadline, "the expansion never began"
        for victim in victims:
            victim.kill()
    for victim in victims:
        until(lambda v=victim: not v.is_running() or v.status() == psutil.STATUS_ZOMBIE, "a worker to be dead")
    ((state, written),) = look(home, "SELECT state, written FROM occurrences WHERE written_to > 0")
    assert (state, 0 < written < PEOPLE) == ("expanding", True), "killed too late: make more supporters"
