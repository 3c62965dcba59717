"""A supervisor in a process of its own, stopped and killed at every stage; all with real processes."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.embedded import stack as stack_module
from tests.support import until
from worker.embedded.lock import HomeLock

ROOT = Path(stack_module.__file__).parents[3]


class Stack:
    def __init__(self, var, parts=3, temper="kind"):
        self.var = var
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.integration.embedded.stack", str(var), str(parts), temper],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=ROOT,
        )
        self.said = []

    def hear(self, words):
        for line in self.process.stdout:
            self.said.append(line.strip())
            if words in line:
                return line.strip()
        raise AssertionError(f"{words!r} not among {self.said}")

    def pids(self):
        return [int(pid) for mark in self.var.glob("part-?") for pid in mark.read_text().split()]

    def end(self):
        self.process.kill()
        self.process.communicate(timeout=30)


@pytest.fixture
def start(tmp_path):
    started = []

    def begin(*args, **options):
        started.append(Stack(tmp_path / "var", *args, **options))
        return started[-1]

    yield begin
    for stack in started:
        stack.end()


def alive(pids):
    return [pid for pid in pids if stack_module.alive(pid)]


def all_gone(stack):
    until(lambda: not alive(stack.pids()), f"{stack.pids()} to be gone")
    HomeLock.take(stack.var, remains_s=30).release()  # handed on to all of them, also to those that wrote no number


def test_kill_9_in_mid_run_leaves_nobody(start):
    stack = start()
    stack.hear("up")
    assert len(alive(stack.pids())) == 6
    stack.process.kill()
    all_gone(stack)


@pytest.mark.parametrize("so_many", [0, 1, 2])
def test_kill_9_while_starting_leaves_nobody(start, so_many):
    stack = start()
    stack.hear("locked")
    until(lambda: len(list(stack.var.glob("part-?"))) >= so_many, f"{so_many} parts")
    stack.process.kill()
    all_gone(stack)


def test_restarts_at_once_after_kill_9(start):
    for _ in range(3):
        stack = start()
        stack.hear("up")
        stack.process.kill()
    last = start()
    last.hear("up")
    assert len(alive(last.pids())) == 6


def test_a_second_stack_on_the_same_home_is_refused(start):
    first = start(1)
    first.hear("up")
    second = start(1)
    output, _ = second.process.communicate(timeout=30)
    assert second.process.returncode == 3
    assert f"process {first.process.pid}" in output
    assert alive(first.pids())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_it_cleanly_and_it_starts_again(start, number):
    stack = start(2)
    stack.hear("up")
    stack.process.send_signal(number)
    assert stack.process.wait(30) == 0
    assert not alive(stack.pids())
    start(2).hear("up")


def test_a_signal_while_starting_stops_it(start, tmp_path):
    stack = start(200)
    stack.hear("locked")
    stack.process.send_signal(signal.SIGTERM)
    stack.hear("stopped while starting")
    assert stack.process.wait(30) == 0
    all_gone(stack)


def test_a_second_ctrl_c_kills_what_will_not_stop(start):
    stack = start(2, temper="stubborn")
    stack.hear("up")
    stack.process.send_signal(signal.SIGINT)
    stack.hear("stopping")
    stack.process.send_signal(signal.SIGTERM)  # a second SIGTERM is no hurry
    stack.process.send_signal(signal.SIGINT)
    stack.hear("killing what is left")
    assert stack.process.wait(30) == 0
    assert not alive(stack.pids())
