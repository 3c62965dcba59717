"""Helpers for all tests: waiting for a condition instead of sleeping."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def until(probe: Callable[[], T], what: str, within_s: float = 30.0) -> T:
    """The first truthy value of `probe()`. Fails the test with `what` if there is none within `within_s` seconds."""
    deadline = time.monotonic() + within_s
    while True:
        value = probe()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {within_s:g} s in vain: {what}")
        time.sleep(0.02)
