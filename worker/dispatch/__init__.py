"""Celery as the doorbell: a thin app, four tasks, and the process that runs rounds.

No letter's fate depends on a message here. A wake-up means "look": losing, repeating or delaying one is harmless, because
what is due, what is claimed and when to try again stand in the ledger. So acks are early, prefetch is one, ticks expire,
and nothing uses `countdown`, `eta`, `retry` or `rate_limit`.
"""

from worker.dispatch.doorbell import ring
from worker.dispatch.process import run_beat, run_worker

__all__ = ["ring", "run_beat", "run_worker"]
