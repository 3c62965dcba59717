"""Ringing after a commit: a hint that there is work, which may be lost, late or doubled without harm.

It must never cost the signer anything: a broker that hangs is waited for at most 200 ms, one that fails is logged, and
while a ring still hangs no other is begun.
"""

import logging
import threading
from collections.abc import Callable

LONGEST_S = 0.2

log = logging.getLogger(__name__)


class Bell:
    """Calls `wake` in a thread of its own. Safe to share between threads."""

    def __init__(self, wake: Callable[[], None] | None, longest_s: float = LONGEST_S) -> None:
        self._wake, self._longest_s = wake, longest_s
        self._ringing = threading.Lock()

    def ring(self) -> None:
        """Ring once; returns when that is done or after `longest_s` seconds. Never raises."""
        if self._wake is None or not self._ringing.acquire(blocking=False):
            return
        try:
            ringer = threading.Thread(target=self._ring, args=(self._wake,), name="bell", daemon=True)
            ringer.start()
        except RuntimeError:  # no more threads: the workers look by themselves every few seconds
            self._ringing.release()
            return
        ringer.join(self._longest_s)

    def _ring(self, wake: Callable[[], None]) -> None:
        try:
            wake()
        except Exception as exc:  # noqa: BLE001 - the signature is recorded; nothing here may undo that
            log.warning("workers were not woken (%s); they look by themselves within seconds", type(exc).__name__)
        finally:
            self._ringing.release()
