import signal

from worker.embedded.part import describe, pause_before


def test_the_whole_schedule_of_pauses():
    assert [pause_before(n) for n in range(1, 11)] == [0, 0.5, 1, 2, 4, 8, 16, 30, 30, 30]


def test_pauses_stay_finite_for_a_part_that_never_comes_up():
    assert pause_before(10**9) == 30


def test_statuses_in_words():
    assert describe(0) == "exit status 0"
    assert describe(3) == "exit status 3"
    assert describe(127) == "exit status 127"
    assert describe(128 + signal.SIGKILL) == "killed by SIGKILL"
    assert describe(-signal.SIGTERM) == "killed by SIGTERM"
    assert describe(255) == "exit status 255"
