"""Helpers for all tests: waiting for a condition instead of sleeping."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def until(probe: Callable[[], T], what: str, within_s: float = 30.0) -> T:
    """The first truthy value of `probe()`. Fails the test with `what` if there is none within `within_s` seconds.

    A probe that is dear is asked less often: what is waited for needs the processors more.
    """
    deadline = time.monotonic() + within_s
    while True:
        began = time.monotonic()
        value = probe()
        if value:
            return value
        asked = time.monotonic()
        if asked > deadline:
            raise AssertionError(f"waited {within_s:g} s in vain: {what}")
        time.sleep(min(0.5, max(0.02, 3 * (asked - began))))
