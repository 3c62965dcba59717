"""`lettershop up`, killed in every way: each letter stands at the sink exactly once, or is listed in doubt."""

import email
import email.policy
import json

import psutil
import pytest

from tests.acceptance.command import a_home, lettershop
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
    doubted = each_once_or_in_doubt(home, 502)
    assert len(doubted) <= 3 * 2, "at most one letter per open connection and kill"
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
    until(lambda: len(home.at_sink()) == 3, "the letters to arrive", 60)
    again = home.run("confirm", token)
    assert "stood already" in again


def token_in(notice):
    """The token, which stands in a paragraph of its own."""
    paragraphs = (
        email.message_from_bytes(notice, policy=email.policy.default)
        .get_body(("plain",))
        .get_content()
        .replace("\r", "")
    )
    return next(p for p in paragraphs.split("\n\n") if len(p) > 20 and " " not in p.strip()).strip()


@pytest.mark.timeout(200)
def test_a_second_stack_is_refused_and_the_first_goes_on(home):
    home.up()
    second = lettershop("--home", home.root, "up")
    assert second.returncode == 3
    assert second.stderr.startswith("lettershop: a stack is already up on ")
    assert len(second.stderr.splitlines()) == 1
    parts = home.supervisor.children(recursive=True)
    copied = lettershop("--home", home.root, "ledger", "copy", f"sqlite:///{home.root}/copy.db")
    assert (copied.returncode, "the stack is up" in copied.stderr) == (3, True)
    assert home.down() == 0
    assert not any(psutil.pid_exists(part.pid) and part.is_running() for part in parts)
    home.up()  # restartable at once
