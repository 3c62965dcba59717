import os
import subprocess
import sys

import pytest

from worker.domain.errors import Failed, RefusedByState
from worker.embedded.lock import HomeLock, running


def test_a_second_holder_is_refused_and_told_who_holds_it(tmp_path):
    with HomeLock.take(tmp_path / "var"), pytest.raises(RefusedByState, match=f"process {os.getpid()}"):
        HomeLock.take(tmp_path / "var")


def test_released_means_free_at_once(tmp_path):
    for _ in range(3):
        HomeLock.take(tmp_path / "var").release()
    assert running(tmp_path / "var") is None


def test_running_names_the_holder(tmp_path):
    assert running(tmp_path) is None
    with HomeLock.take(tmp_path):
        assert running(tmp_path) == os.getpid()


def test_remains_of_an_earlier_stack_are_waited_for(tmp_path):
    lock = HomeLock.take(tmp_path)
    part = subprocess.Popen(
        [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, pass_fds=[lock.parts_fd]
    )
    lock.release()
    with pytest.raises(Failed, match=r"parts of an earlier stack still run.*fuser"):
        HomeLock.take(tmp_path, remains_s=0.1)
    part.communicate(b"\n")
    HomeLock.take(tmp_path, remains_s=0.1).release()
