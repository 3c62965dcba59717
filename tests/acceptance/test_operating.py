"""A night with three troubles: an office that refuses, one that is slow, a relay that lets us in no more.

Each is named in words by `status`, `why`, the dashboard and the alarms, and mended with one verb.

Nobody waits for minutes to pass: the round that hangs is made older in the ledger, and a second watchdog looks each second.
"""

import contextlib
import email
import email.policy
import json
import re
import sqlite3
from collections.abc import Callable

import httpx
import pytest

from tests.acceptance.command import lettershop, well
from tests.acceptance.town import PASSWORD, Servers, Town, a_town, mailbox
from tests.support import until
from worker.operations.needs.slow import ACT_S
from worker.operations.slow import SLOW_US

pytestmark = [  # a login in clear, on loopback
    pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS"),
    pytest.mark.filterwarnings("ignore:Session.login_data is deprecated"),
]

PEOPLE = 12
TOO_LONG_US = SLOW_US + ACT_S * 1_000_000
NEW = "chair@sampleton.test"
SECRET = "a long enough password"

TROUBLES = {"relay", "mailbox", "slow"}
LOGIN = "Relay main refuses our login"
REFUSED = "the mailbox was refused: 550 5.1.1 no such user here"
SLOW = "The mail server for library-committee is very slow"


@pytest.fixture
def servers():
    with Servers() as opened:
        yield opened


@pytest.fixture
def town(servers: Servers, tmp_path):
    with a_town(tmp_path / "home", servers) as laid:
        yield laid


@pytest.fixture
def often(town: Town):
    """Start a watchdog that looks each second, beside the stack's own."""
    with contextlib.ExitStack() as ends:

        def start() -> None:
            watching = town.spawn("watchdog", "--every", "1")
            ends.callback(watching.wait, 60)
            ends.callback(watching.terminate)

        yield start


def age_rounds(town: Town, office: str) -> bool:
    """Make the round that is under way to this office old enough for an alarm; whether there was one."""
    ours = "closed_at IS NULL AND lane_id = (SELECT id FROM lanes WHERE key = ?)"
    with contextlib.closing(sqlite3.connect(town.root / "var" / "ledger.db", timeout=30)) as ledger, ledger:
        aged = ledger.execute(
            f"UPDATE rounds SET opened_at = opened_at - ? WHERE {ours}", (TOO_LONG_US, f"mailbox:{mailbox(office)}")
        )
        return aged.rowcount > 0


def needs(town: Town) -> dict[str, str]:
    """What needs somebody, by kind."""
    return {each["kind"]: each["text"] for each in town.status()["needs"]}


def standing(town: Town) -> set[str]:
    """The kinds of alarms that stand in the watchdogs' book: cheap to ask again and again."""
    with contextlib.closing(sqlite3.connect(f"file:{town.root}/var/ledger.db?mode=ro", uri=True)) as ledger:
        return {kind for (kind,) in ledger.execute("SELECT kind FROM alarms WHERE cleared_at IS NULL")}


def alarms(servers: Servers) -> str:
    """All that the watchdog has mailed, unfolded."""
    mails = [email.message_from_bytes(each, policy=email.policy.default) for each in servers.mails()]
    return "\n".join(f"{mail['subject']}\n{mail.get_content()}" for mail in mails)


def why(town: Town, office: str) -> str:
    return json.loads(town.run("why", "--office", office, "--json"))["sentence"]


def dashboard(town: Town) -> str:
    """The overview as its operator sees it, after a log-in."""
    password = town.root / "password"
    password.write_text(SECRET + "\n")
    town.run("users", "add", "olga", "--role", "operator", "--reason", "on duty", "--password-file", password)
    site = f"http://127.0.0.1:{town.port}"
    named = {"Host": "letters.sampleton.test", "Origin": "https://letters.sampleton.test"}
    with httpx.Client(base_url=site, headers=named, follow_redirects=False) as browser:
        page = browser.get("/ops/login")
        fields = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', page.text))
        came = browser.post("/ops/login", data={**fields, "name": "olga", "password": SECRET})
        assert came.status_code == 303, came.text
        # the cookie is for https alone, and the proxy that would speak it is not here
        cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in browser.cookies.jar)
        return browser.get("/ops", headers={"Cookie": cookies}).text


@pytest.mark.nights
@pytest.mark.timeout(420)
def test_three_troubles_in_one_night(town: Town, servers: Servers, often: Callable[[], None]) -> None:
    servers.password["main"] = "changed by its owner"
    servers.refused.add(mailbox("mayor"))
    servers.slow.add(mailbox("library-committee"))
    town.sign_many("town-library", 1, PEOPLE)
    town.up()
    often()
    until(lambda: servers.to("school-board") == PEOPLE, "the other relay and the third office to go on", 90)

    # named
    until(lambda: servers.waiting, "the slow office to keep us waiting", 60)
    assert age_rounds(town, "library-committee")
    until(lambda: standing(town) >= TROUBLES, "all to be seen", 60)
    found = needs(town)
    assert found["relay"].startswith(LOGIN)
    assert REFUSED in found["mailbox"]
    assert found["slow"].startswith(SLOW)
    assert "its mailbox mayor@sampleton.test is refused: 550 5.1.1 no such user here" in why(town, "mayor")
    assert "its mail server is very slow" in why(town, "library-committee")
    plain = well("--home", town.root, "status")
    page = dashboard(town)
    for words in (LOGIN, REFUSED, SLOW):
        assert words in plain
        assert words in page
    until(lambda: all(words in alarms(servers) for words in (LOGIN, REFUSED, SLOW)), "the alarms", 60)
    assert "signer." not in alarms(servers), "nobody's address stands in an alarm"

    # mended, each with one verb
    town.run("redirect", "mayor", NEW, "--resume", "--reason", "the town's site names it", "--yes")
    until(lambda: at(servers, NEW) == PEOPLE, "what waited to reach the new mailbox", 60)
    town.run("hold", "office", "library-committee", "--for", "1h", "--reason", "its server is slow", "--yes")
    servers.let_go.set()
    servers.password["main"] = PASSWORD
    town.run("resume", "relay", "main", "--reason", "its owner gave us the password", "--yes")
    held = servers.to("library-committee")
    assert held < PEOPLE, "the hold came before the rest"
    town.run("resume", "office", "library-committee", "--reason", "it is quick again", "--yes")
    until(lambda: servers.to("library-committee") == PEOPLE, "the slow office to have its letters", 90)

    # over
    until(lambda: not standing(town) & TROUBLES, "all to be over", 60)
    assert not needs(town).keys() & TROUBLES, "nothing needs anybody"
    until(lambda: "over" in alarms(servers), "the all-clear", 60)
    assert {name for name, to, _ in servers.letters if to == (mailbox("library-committee"),)} & {"main"}
    assert once_each(servers)
    assert town.run("audit", "verify")
    assert lettershop("--home", town.root, "ledger", "verify").returncode == 0
    assert town.down() == 0


def at(servers: Servers, address: str) -> int:
    return sum(recipients == (address,) for _, recipients, _ in servers.letters)


def once_each(servers: Servers) -> bool:
    """No letter was taken twice by whichever relay."""
    ids = [
        re.search(rb"(?im)^Message-ID: *(\S+)", content)[1]  # type: ignore[index]
        for name, _, content in servers.letters
        if name != "alarms"
    ]
    return len(ids) == len(set(ids))
