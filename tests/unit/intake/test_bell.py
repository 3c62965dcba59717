"""Ringing for the workers: at once for one, together for many, never in anybody's way."""

import threading

import pytest

from tests.support import until
from worker.intake.bell import Bell


def test_one_ring_is_heard_before_the_call_returns() -> None:
    heard: list[str] = []
    Bell(lambda: heard.append("ding"), longest_s=30).ring()
    assert heard == ["ding"]


def test_many_share_the_next_ring_and_the_last_of_them_is_not_forgotten() -> None:
    heard: list[int] = []
    asked, go_on = [0], threading.Semaphore(1)

    def hear() -> None:
        assert go_on.acquire(timeout=30)
        heard.append(asked[0])

    bell = Bell(hear, longest_s=30, apart_s=0)
    bell.ring()
    bell = Bell(hear, longest_s=0, apart_s=0)
    for n in range(1, 101):
        asked[0] = n
        bell.ring()  # the first of these is under way and hangs
    go_on.release(2)
    until(lambda: len(heard) == 3, "the ring that the others share")
    assert heard[-1] == 100


def test_after_a_rest_it_rings_at_once_again() -> None:
    heard: list[str] = []
    bell = Bell(lambda: heard.append("ding"), longest_s=30, apart_s=0)
    for n in range(1, 4):
        until(lambda: not bell._manned, "nobody to be at the bell")
        bell.ring()
        assert len(heard) == n


def test_a_machine_without_a_thread_to_spare_is_no_reason_to_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[str] = []
    bell = Bell(lambda: heard.append("ding"), longest_s=30, apart_s=0)
    with monkeypatch.context() as patch:

        def refuse(_: threading.Thread) -> None:
            raise RuntimeError("can't start new thread")

        patch.setattr(threading.Thread, "start", refuse)
        bell.ring()
    assert heard == []
    bell.ring()
    assert heard == ["ding"]
