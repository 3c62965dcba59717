"""A running fleet whose limits, workers and config are changed under way. Each test has a stack of its own."""

import contextlib
import json
import sqlite3

import pytest

from tests.acceptance.command import a_home, lettershop
from tests.support import until

CAMPAIGN, OFFICE, OTHER = "town-library", "sampleton-mayor", "sampleton-library-committee"
PEOPLE = 40


@pytest.fixture
def home(tmp_path):
    with a_home(tmp_path / "home") as laid:
        yield laid


def rows(home, query, *parameters):
    """Read the ledger past the verbs: cheap to ask again and again, and no config stands in the way."""
    with contextlib.closing(sqlite3.connect(f"file:{home.root}/var/ledger.db?mode=ro", uri=True)) as database:
        database.row_factory = sqlite3.Row
        return database.execute(query, parameters).fetchall()


def running(home):
    return rows(home, "SELECT * FROM processes WHERE stopped_at IS NULL")


def all_of(home, column):
    return {process[column] for process in running(home)}


def sent(home, office):
    return rows(home, "SELECT count(*) FROM letters WHERE addressee = ? AND state = 'sent'", office)[0][0]


def never_more(home, office, most):
    """Whether as many letters were sent as there may be; more at any look fails."""
    found = sent(home, office)
    assert found <= most, f"{found} letters where {most} are allowed"
    return found == most


def rounds_of(home, name):
    found = rows(home, "SELECT count(*), count(*) - count(closed_at) FROM rounds WHERE worker = ?", name)
    return tuple(found[0])


def set_limit(home, rate, *more):
    return lettershop("--home", home.root, "limit", "set", "mailbox", OFFICE, rate, "--for", "1h", "-r", "why", *more)


@pytest.mark.nights
@pytest.mark.timeout(400)
def test_a_limit_holds_for_two_workers_together_and_one_of_them_drains(home):
    home.up()
    second, log = home.spawn("worker"), home.root / "spawned.log"
    try:
        until(
            lambda: any(process["name"].endswith(f":{second.pid}") for process in running(home)), "it to be seen", 120
        )
        name = next(process["name"] for process in running(home) if process["name"].endswith(f":{second.pid}"))

        # a limit, for both workers together
        assert set_limit(home, "10/h").returncode == 0
        home.sign_many(CAMPAIGN, 1, PEOPLE)
        until(lambda: sent(home, OTHER) == PEOPLE, "the other office's letters", 120)
        until(lambda: never_more(home, OFFICE, 10), "ten letters", 60)
        again = set_limit(home, "25/h")
        assert again.returncode == 3
        assert "changed already, to 10/h" in again.stderr
        assert set_limit(home, "25/h", "--replace").returncode == 0
        until(lambda: never_more(home, OFFICE, 25), "twenty-five letters", 60)
        assert "25/h" in home.run("limit", "list")

        # one worker drains: the other does all of it
        home.run("workers", "drain", name, "--reason", "the machine is moved")
        until(lambda: any("drained" in trouble for trouble in all_of(home, "trouble")), "it to drain", 60)
        until(lambda: rounds_of(home, name)[1] == 0, "its rounds to end")
        before = rounds_of(home, name)
        home.run("limit", "lift", "mailbox", OFFICE, "--reason", "the day is over")
        until(lambda: never_more(home, OFFICE, PEOPLE), "all letters", 60)
        assert rounds_of(home, name) == before
        assert second.poll() is None  # it stays, so that nobody starts it anew
        assert "Canceling queue" in log.read_text()
        home.run("workers", "undrain", name, "--reason", "it stays here")
        until(lambda: "Started consuming" in log.read_text(), "it to listen again", 60)
    finally:
        second.terminate()
        second.wait(60)
    listed = json.loads(home.run("workers", "list", "--json"))
    assert [each["stopped"] for each in listed if each["name"] == name] == [True]
    assert home.down() == 0


@pytest.mark.nights
@pytest.mark.timeout(300)
def test_a_config_is_taken_by_all_or_by_none(home):
    """A bad edit is said by everybody and taken by nobody, a good one is taken by all."""
    home.up()
    until(lambda: all_of(home, "kind") == {"worker", "express", "web", "watchdog"}, "all four to be seen", 120)
    settings = home.root / "config" / "lettershop.toml"
    good, before = settings.read_text(), all_of(home, "config")
    settings.write_text(good.replace("100000", "-1"))
    until(lambda: all("stays in force" in trouble for trouble in all_of(home, "trouble")), "all to refuse it", 60)
    assert all("config/lettershop.toml:4: limits.mailbox_per_day" in trouble for trouble in all_of(home, "trouble"))
    assert all_of(home, "config") == before
    settings.write_text(good.replace("100000", "90000"))
    until(lambda: all_of(home, "trouble") == {""}, "all to be well", 60)
    until(lambda: len(all_of(home, "config")) == 1 and all_of(home, "config") != before, "all to take it", 60)
    assert home.down() == 0
