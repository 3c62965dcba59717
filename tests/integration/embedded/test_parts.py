"""Parts under a supervisor in this process: they die, do not come up, or do not stop."""

import queue
import re
import signal
import sys

import psutil
import pytest

from tests.support import until
from worker.domain.errors import Failed
from worker.embedded.part import Part
from worker.embedded.supervisor import StopAsked, Supervisor, say_plainly


class Ear:
    def __init__(self):
        self._lines = queue.SimpleQueue()
        self.all = []

    def __call__(self, part, line):
        self._lines.put((part, line))

    def hear(self, pattern):
        while True:
            part, line = self._lines.get(timeout=30)
            self.all.append(f"{part}: {line}")
            if re.search(pattern, line):
                return line


@pytest.fixture
def ear():
    return Ear()


@pytest.fixture
def stack(tmp_path, ear):
    with Supervisor(tmp_path / "var", ear) as supervisor:
        yield supervisor


def python(script):
    return [sys.executable, "-S", "-c", script]


SLEEP = "import time; time.sleep(600)"


def child(kept):
    return until(lambda: psutil.Process(kept.pid).children(), "the part to run")[0]


def test_a_part_that_dies_is_started_again_loudly(stack, ear, tmp_path):
    log = tmp_path / "var/log/sleeper.log"
    kept = stack.start(Part("sleeper", python(f"print('my last word'); {SLEEP}"), ready=log.exists))
    for restart in (1, 2):
        process = child(kept)
        until(lambda restart=restart: log.read_text().count("my last word") == restart, "its word")
        process.kill()
        assert "killed by SIGKILL (my last word); starting it again" in ear.hear("ended")
        ear.hear(f"is back .restart {restart} in a row")


def test_a_killed_keeper_is_no_escape(stack, ear):
    kept = stack.start(Part("sleeper", ["/bin/sh", "-c", "sleep 600 & sleep 601; wait"]))
    whole = until(lambda: (d := psutil.Process(kept.pid).children(recursive=True)) and len(d) == 3 and d, "three")
    psutil.Process(kept.pid).kill()
    ear.hear("is back")
    psutil.wait_procs(whole, timeout=30)
    assert not any(process.is_running() for process in whole)


def test_a_part_that_ends_before_it_is_ready_fails_the_start_with_its_words(stack):
    part = Part("broken", python("import sys; sys.exit('no such key')"), ready=lambda: False)
    with pytest.raises(Failed, match=r"(?s)broken ended: exit status 1; its log is .*broken\.log.*no such key"):
        stack.start(part)


def test_a_part_that_is_not_ready_in_time_fails_the_start_and_is_gone(stack):
    with pytest.raises(Failed, match=r"slow is not ready after 0\.2 s"):
        stack.start(Part("slow", python(SLEEP), ready=lambda: False, ready_within=0.2))
    assert stack.parts[0].gone.is_set()


def test_a_command_that_is_not_there(stack):
    with pytest.raises(Failed, match=r"(?s)exit status 127.*cannot start /nonexistent"):
        stack.start(Part("nobody", ["/nonexistent"], ready=lambda: False))


def test_a_folder_that_is_not_there(stack, tmp_path):
    with pytest.raises(Failed, match="cannot be started"):
        stack.start(Part("nobody", python(SLEEP), cwd=tmp_path / "none"))


def test_two_parts_of_one_name(stack):
    stack.start(Part("one", python(SLEEP)))
    with pytest.raises(ValueError, match="two parts named 'one'"):
        stack.start(Part("one", python(SLEEP)))


def test_higher_tiers_stop_first_and_a_tier_together(stack, tmp_path):
    log = tmp_path / "order"
    script = (
        "import signal, sys, time\n"
        f"def end(*_):\n    open({str(log)!r}, 'a').write(sys.argv[1] + chr(10)); sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, end); open(sys.argv[2], 'w').close()\n" + SLEEP
    )
    for name, tier in (("redis", 0), ("sink", 0), ("worker", 2), ("beat", 1)):
        mark = tmp_path / name
        stack.start(Part(name, [*python(script), str(tier), str(mark)], ready=mark.exists, tier=tier))
    stack.stop()
    assert log.read_text().split() == ["2", "1", "0", "0"]


def test_what_does_not_stop_in_time_is_killed(stack, ear, tmp_path):
    mark = tmp_path / "ready"
    script = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); open({str(mark)!r}, 'w').close(); {SLEEP}"
    kept = stack.start(Part("stubborn", python(script), ready=mark.exists, stop_within=0.1))
    process = child(kept)
    stack.stop()
    assert not process.is_running()
    ear.hear(r"did not stop within 0\.1 s: killed")


def test_environment_and_output(stack, tmp_path):
    kept = stack.start(Part("speaker", python(f"import os; print(os.environ['WORD']); {SLEEP}"), env={"WORD": "here"}))
    until(lambda: (log := tmp_path / "var/log/speaker.log").exists() and log.read_text() == "here\n", "its output")
    assert child(kept).environ()["PYTHONUNBUFFERED"] == "1"


def test_asked_to_stop_while_starting(tmp_path, ear):
    with Supervisor(tmp_path / "var", ear) as supervisor:
        supervisor.ask_to_stop()
        assert supervisor.wait(0)
        with pytest.raises(StopAsked):
            supervisor.start(Part("never-ready", python(SLEEP), ready=lambda: False))


def test_waits_no_longer_than_told_and_gives_the_signals_back(stack):
    before = signal.getsignal(signal.SIGTERM)
    assert stack.wait(0) is False
    stack.obey_signals()
    assert signal.getsignal(signal.SIGTERM) != before
    signal.raise_signal(signal.SIGTERM)
    assert stack.wait() is True
    stack.__exit__(None, None, None)
    assert signal.getsignal(signal.SIGTERM) == before
    stack.__enter__()  # for the fixture's own end


def test_the_plain_voice(capsys):
    say_plainly("sink", "is back")
    assert capsys.readouterr().out == "    sink | is back\n"
