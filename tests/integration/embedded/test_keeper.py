"""The keeper alone, with a pipe of ours as the lifeline."""

import os
import signal
import subprocess
import sys

import psutil
import pytest

from tests.integration.embedded.stack import alive
from tests.support import until
from worker.embedded import keeper

SLEEPER = "import time; print('here', flush=True); time.sleep(600)"


@pytest.fixture
def lifeline():
    reading, writing = os.pipe()
    ends = [reading, writing]
    yield ends
    for fd in ends:
        os.close(fd)


def keep(lifeline, *argv):
    return subprocess.Popen(
        [sys.executable, "-I", "-S", keeper.__file__, str(lifeline[0]), *argv],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        pass_fds=[lifeline[0]],
        start_new_session=True,
    )


@pytest.mark.parametrize(
    ("command", "status"),
    [
        (["/bin/sh", "-c", "exit 7"], 7),
        (["/bin/sh", "-c", "kill -9 $$"], 128 + 9),
        (["/nonexistent"], keeper.CANNOT_START),
    ],
)
def test_exits_as_the_part_did(lifeline, command, status):
    with keep(lifeline, *command) as kept:
        kept.communicate(timeout=30)
    assert kept.returncode == status


def test_end_of_the_lifeline_ends_the_part_and_what_left_its_session(lifeline):
    python = f"{sys.executable} -S -c"
    script = f'{python} "{SLEEPER}" & setsid {python} "{SLEEPER}" & wait'
    with keep(lifeline, "/bin/sh", "-c", script) as kept:
        words = [kept.stdout.readline() for _ in range(2)]
        descendants = psutil.Process(kept.pid).children(recursive=True)
        assert len(descendants) == 3, words
        os.close(lifeline.pop())
        assert kept.wait(30) == 128 + signal.SIGKILL
    assert not any(alive(process.pid) for process in descendants)


def test_a_lifeline_that_ended_before_the_start_starts_nothing(lifeline, tmp_path):
    os.close(lifeline.pop())
    with keep(lifeline, "/bin/sh", "-c", f"touch {tmp_path}/started") as kept:
        assert kept.wait(30) == 128 + signal.SIGKILL
    assert not (tmp_path / "started").exists()


def test_leftovers_of_a_part_that_ended_by_itself_go_too(lifeline):
    with keep(lifeline, "/bin/sh", "-c", "setsid sleep 600 & echo $!; exit 0") as kept:
        leftover = int(kept.stdout.readline())
        assert kept.wait(30) == 0
    assert not alive(leftover)


def test_sigterm_reaches_the_part_alone_and_sigquit_kills_all(lifeline):
    script = "trap 'echo heard' TERM; echo ready; while :; do sleep 0.05; done"
    with keep(lifeline, "/bin/sh", "-c", script) as kept:
        assert kept.stdout.readline() == b"ready\n"
        kept.send_signal(signal.SIGTERM)
        assert kept.stdout.readline() == b"heard\n"
        kept.send_signal(signal.SIGQUIT)
        assert kept.wait(30) == 128 + signal.SIGKILL


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="PR_SET_PDEATHSIG is Linux's")
def test_a_killed_keeper_takes_the_part_with_it(lifeline):
    with keep(lifeline, sys.executable, "-S", "-c", SLEEPER) as kept:
        kept.stdout.readline()
        (part,) = psutil.Process(kept.pid).children()
        kept.kill()
        until(lambda: not alive(part.pid), "the part to be gone")
