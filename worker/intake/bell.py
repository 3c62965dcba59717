"""Ringing after a commit: a hint that there is work, which may be lost, late or doubled without harm.

It must never cost the signer anything: a broker that hangs is waited for at most 200 ms, one that fails is logged, and
while a ring still hangs no other is begun. Nor must many signers cost the workers much: those who come within 200 ms of
a ring share the next one.
"""

import logging
import threading
import time
from collections.abc import Callable

LONGEST_S = 0.2
APART_S = 0.2

log = logging.getLogger(__name__)


class Bell:
    """Calls `wake` in a thread of its own, `apart_s` seconds apart. Safe to share between threads."""

    def __init__(
        self, wake: Callable[[], None] | None, longest_s: float = LONGEST_S, *, apart_s: float = APART_S
    ) -> None:
        self._wake, self._longest_s, self._apart_s = wake, longest_s, apart_s
        self._lock = threading.Lock()
        self._due = self._manned = False  # a ring is wanted; somebody is at the bell, who will see to it

    def ring(self) -> None:
        """Ring now, and return when that is done or after `longest_s` seconds; or soon, with others. Never raises."""
        if self._wake is None:
            return
        with self._lock:
            self._due = True
            if self._manned:
                return
            self._manned = True
        rung = threading.Event()
        try:
            threading.Thread(target=self._ring_while_due, args=(self._wake, rung), name="bell", daemon=True).start()
        except RuntimeError:  # no more threads: the workers look by themselves every few seconds
            self._manned = False
            return
        rung.wait(self._longest_s)

    def _ring_while_due(self, wake: Callable[[], None], rung: threading.Event) -> None:
        while self._is_due():
            _ring(wake)
            rung.set()
            time.sleep(self._apart_s)

    def _is_due(self) -> bool:
        with self._lock:
            due, self._due = self._due, False
            self._manned = due
            return due


def _ring(wake: Callable[[], None]) -> None:
    try:
        wake()
    except Exception as exc:  # noqa: BLE001 - the signature is recorded; nothing here may undo that
        log.warning("workers were not woken (%s); they look by themselves within seconds", type(exc).__name__)
