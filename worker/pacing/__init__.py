"""Limits for the whole fleet, kept in Redis. Start with `Pacer`; docs/pacing.md says what a limit means."""

from worker.pacing.client import connect
from worker.pacing.pacer import Pacer
from worker.pacing.values import GRANT_LIFE_S, WINDOWS_S, Grant, NeedsRefill, PacingAway, Settling, Wait, Want

__all__ = [
    "GRANT_LIFE_S",
    "WINDOWS_S",
    "Grant",
    "NeedsRefill",
    "Pacer",
    "PacingAway",
    "Settling",
    "Wait",
    "Want",
    "connect",
]
