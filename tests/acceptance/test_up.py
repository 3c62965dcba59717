"""`lettershop up`, killed in every way: each letter stands at the sink exactly once, or is listed in doubt."""

import email
import email.policy
import json
import socket

import httpx
import psutil
import pytest

from tests.acceptance.command import a_home, free_port, lettershop
from tests.support import until

CAMPAIGN = "town-library"  # two offices


@pytest.fixture
def home(tmp_path):
    with a_home(tmp_path / "home") as laid:
        yield laid


def settled(home):
    """The status once no letter waits any more."""

    def probe():
        found = home.status()
        letters = found["letters"]
        return found if letters and not any(letters[s] for s in ("queued", "claimed", "sending")) else None

    return until(probe, "every letter to end", 150)


def each_once_or_in_doubt(home, letters):
    """The promise, counted at the sink; letters in doubt may stand there or not, but never twice."""
    found = settled(home)
    doubted, at_sink = home.in_doubt(), home.at_sink()
    assert found["letters"]["sent"] + len(doubted) == letters
    assert set(at_sink.values()) <= {1}, "a letter came twice"
    came = {int(message_id.split(".")[0]) for message_id in at_sink}
    missing = set(range(1, letters + 1)) - came
    assert missing <= {letter["id"] for letter in doubted}, "a letter is lost"
    return doubted


@pytest.mark.nights
@pytest.mark.timeout(400)
def test_killed_in_mid_flow(home):
    home.up()
    found = until(lambda: (s := home.status()) and s["broker"]["ok"] and s["pacing"]["ok"] and s, "all parts to answer")
    assert found["ledger"] == {"ok": True, "error": ""}
    signed = home.run(
        "sign", CAMPAIGN, "--name", "Sample Signer 01", "--email", "signer.1@signers.example", "--country", "NL",
        "--confirmed", "--evidence", "invented for a test",
    )  # fmt: skip
    assert signed == "signature 1 is confirmed; 2 letters queued\n"
    until(lambda: len(home.at_sink()) == 2, "the first letters to arrive", 60)

    home.sign_many(CAMPAIGN, 2, 250)
    until(lambda: len(home.at_sink()) >= 20, "letters to flow", 60)
    home.kill_part("worker")
    until(lambda: len(home.at_sink()) >= 60, "letters to flow again", 90)
    home.kill_part("valkey-server", "redis-server")
    sent = len(home.at_sink())
    until(lambda: len(home.at_sink()) >= sent + 20, "letters to flow again", 90)
    home.kill_supervisor()

    home.up()
    doubted = each_once_or_in_doubt(home, 502 + 250)  # a notice to each of those who were imported
    to_offices = [letter for letter in doubted if letter["office"] != "signer"]
    assert len(to_offices) <= 3 * 2, "at most one letter per open connection and kill"
    assert home.run("ledger", "verify").startswith("the ledger is sound")
    assert home.down() == 0
    assert "stopped" in (home.root / "up.log").read_text()


@pytest.mark.timeout(300)
def test_the_notice_carries_a_token_that_confirms(home):
    home.up()
    home.run("sign", CAMPAIGN, "--name", "Sample Signer 01", "--email", "signer.1@signers.example", "--country", "NL")
    until(lambda: len(home.at_sink()) == 1, "the notice to arrive", 60)
    token = token_in(next(iter((home.root / "var" / "sink" / "new").iterdir())).read_bytes())
    told = json.loads(home.run("confirm", token, "--json"))
    assert (told["state"], told["letters"]) == ("confirmed", 2)
    until(lambda: len(home.at_sink()) == 4, "the letters to arrive, and the link of the own page", 60)
    again = home.run("confirm", token)
    assert "stood already" in again


def token_in(notice):
    """The token, which ends the link that stands in a paragraph of its own."""
    paragraphs = (
        email.message_from_bytes(notice, policy=email.policy.default)
        .get_body(("plain",))
        .get_content()
        .replace("\r", "")
    )
    return next(p for p in paragraphs.split("\n\n") if len(p) > 20 and " " not in p.strip()).strip().rpartition("/")[2]


@pytest.mark.timeout(200)
def test_a_stack_says_where_its_pages_are_and_refuses_another(home):
    home.up()
    second = lettershop("--home", home.root, "up")
    assert second.returncode == 3
    assert second.stderr.startswith("lettershop: a stack is already up on ")
    assert len(second.stderr.splitlines()) == 1
    parts = home.supervisor.children(recursive=True)
    copied = lettershop("--home", home.root, "ledger", "copy", f"sqlite:///{home.root}/copy.db")
    assert (copied.returncode, "the stack is up" in copied.stderr) == (3, True)

    base = f"http://127.0.0.1:{home.port}"
    said = [line.split() for line in (home.root / "up.log").read_text().splitlines()]
    assert ["pages", f"{base}/"] in said
    assert ["inbox", f"{base}/rehearsal"] in said
    assert CAMPAIGN in httpx.get(f"{base}/").text
    assert httpx.get(f"{base}/rehearsal").status_code == 200
    home.run("sign", CAMPAIGN, "--name", "Sample Signer 01", "--email", "signer.1@signers.example", "--country", "NL")
    until(lambda: 'href="/rehearsal/' in httpx.get(f"{base}/rehearsal").text, "the notice to be seen in the inbox", 60)

    home.kill_part("web")
    until(lambda: answers(base), "the pages to be back")
    taken = lettershop("--home", home.root, "web")
    assert (taken.returncode, taken.stdout) == (1, "")
    assert taken.stderr.startswith(f"lettershop: cannot serve pages on 127.0.0.1 port {home.port}: ")
    assert len(taken.stderr.splitlines()) == 1

    other = free_port()
    web = home.spawn("web", "--port", other)
    until(lambda: answers(f"http://127.0.0.1:{other}"), "the pages at another port")
    web.terminate()
    assert web.wait(30) == 0
    assert home.down() == 0
    assert not any(psutil.pid_exists(part.pid) and part.is_running() for part in parts)
    assert not answers(base)
    log = (home.root / "var" / "log" / "web.log").read_text()
    assert "GET /rehearsal 200" in log
    assert "signer.1" not in log
    assert "Traceback" not in log


def answers(base):
    try:
        return httpx.get(f"{base}/").status_code == 200
    except httpx.TransportError:
        return False


def test_a_taken_port_is_said_before_anything_is_started(home):
    with socket.create_server(("127.0.0.1", home.port)):
        done = lettershop("--home", home.root, "up")
    assert done.returncode == 1
    assert done.stderr.startswith(
        f"lettershop: cannot serve pages on 127.0.0.1 port {home.port}: Address already in use;"
    )
    assert len(done.stderr.splitlines()) == 1
    assert not (home.root / "var" / "log" / "worker.log").exists()


def test_the_pages_want_a_ledger(home):
    done = lettershop("--home", home.root, "web")
    assert (done.returncode, done.stdout) == (3, "")
    assert "lettershop migrate" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_the_pages_are_refused_in_an_unfit_live_mode(home):
    done = lettershop("--home", home.root, "web", LETTERSHOP_MODE="live", LETTERSHOP_LIMITS__OFFICE_HOURS="observe")
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith("lettershop: live mode is refused; run `lettershop check --live`. First: ")
