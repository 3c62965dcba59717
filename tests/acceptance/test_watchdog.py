"""`lettershop watchdog` and the logs of a whole stack, as an operator has them."""

import email
import email.policy
import json
import signal
import subprocess

import pytest

from tests.acceptance.command import SETTINGS, a_home, argv, environment, lettershop
from tests.support import until
from worker.embedded.maildir import Maildir

CAMPAIGN = "town-library"
ALARMS = """\
[alarms]
to = ["first@operators.example", "second@operators.example"]
sender = "alarms@town-library.example"
stalled_after = "2 s"
disk_free = 0.0
summary = ""
[log]
format = "json"
"""


@pytest.fixture
def home(tmp_path):
    with a_home(tmp_path / "home") as laid:
        (laid.root / "config" / "lettershop.toml").write_text(SETTINGS.format(port=laid.port) + ALARMS)
        yield laid


def sign(home, n: int) -> None:
    home.run(
        "sign", CAMPAIGN, "--name", f"Zebulon Quillfeather {n}", "--email", f"zebulon.{n}@signers.example",
        "--country", "NL", "--confirmed", "--evidence", "invented for a test",
    )  # fmt: skip


def to_operators(home):
    """The mails at the sink whose envelope names operators."""
    found = []
    for stored in Maildir(home.root / "var" / "sink").messages():
        mail = email.message_from_bytes(stored.content(), policy=email.policy.default)
        if (mail["Message-ID"] or "").startswith("<alarm."):
            found.append(mail)
    return found


def alarms_of(home) -> list[str]:
    return [mail.get_content() for mail in to_operators(home)]


def lines_of(home, part: str) -> list[dict]:
    """A part's log; every line of it must be an object."""
    found = []
    for line in (home.root / "var" / "log" / f"{part}.log").read_text().splitlines():
        read = json.loads(line)
        assert {"time", "level", "logger", "message", "process"} <= set(read), line
        assert read["time"].endswith("Z")
        found.append(read)
    return found


@pytest.mark.nights
@pytest.mark.timeout(240)
def test_a_stack_that_stands_still_is_told_and_its_logs_are_json(home) -> None:
    home.up()
    home.run("hold", "everything", "--reason", "to be resumed by nobody who sends", "--yes")
    for n in (1, 2):
        sign(home, n)
    watching = subprocess.Popen(
        argv("--home", home.root, "watchdog", "--every", "1"), env=environment(), stderr=subprocess.PIPE, text=True
    )
    try:
        home.run("resume", "everything", "--reason", "go on", "--yes")
        until(lambda: len(home.at_sink()) >= 4, "the letters to be sent", 60)
        home.part("worker").suspend()
        home.part("worker", "--express").suspend()
        sign(home, 3)
        words = "should go out now, and nothing stands in the way"
        text = until(lambda: [each for each in alarms_of(home) if words in each], "an alarm at the sink", 60)[0]
        assert "mend it lettershop up" in text
        assert "Quillfeather" not in text
        home.part("worker").resume()
        home.part("worker", "--express").resume()
        until(lambda: any("over:" in each["Subject"] for each in to_operators(home)), "the all-clear", 60)
    finally:
        watching.send_signal(signal.SIGTERM)
        _, said = watching.communicate(timeout=30)
    assert watching.returncode == 0
    assert all(json.loads(line)["process"]["kind"] == "watchdog" for line in said.splitlines())
    assert home.down() == 0

    kinds = {part: lines_of(home, part) for part in ("worker", "express", "beat", "web", "watchdog")}
    for part, lines in kinds.items():
        assert lines, part
        assert {line["process"]["kind"] for line in lines} == {part}
    everything = "".join(path.read_text() for path in (home.root / "var" / "log").glob("*.log")) + said
    for word in ("Quillfeather", "zebulon", "signers.example"):
        assert word not in everything


def test_settings_that_it_cannot_follow(home) -> None:
    for key, words in (("summary", "alarms.summary: 'soon' is no time"), ("time_zone", "alarms.time_zone: 'soon'")):
        done = lettershop("--home", home.root, "watchdog", **{f"LETTERSHOP_ALARMS__{key.upper()}": "soon"} | (
            {"LETTERSHOP_ALARMS__SUMMARY": "07:00"} if key == "time_zone" else {}))  # fmt: skip
        assert (done.returncode, done.stdout) == (2, "")
        assert words in done.stderr
        assert len(done.stderr.splitlines()) == 1
