"""SMTP in steps, and what its replies mean.

`Connection` speaks to a relay: `open`, then `offer(envelope)` and `content(bytes, next envelope)` for each letter.
`classify` reads a reply by the rules of `config/reply-rules.toml`. Nothing here knows letters, lanes or the ledger.
"""

from worker.delivery.checking import check_rules
from worker.delivery.connection import Connection
from worker.delivery.rules import Rule, Rules, load_rules
from worker.delivery.values import (
    DEFAULT_TIMEOUTS,
    Declined,
    Envelope,
    Extensions,
    Ready,
    Target,
    Timeouts,
    Trouble,
)
from worker.delivery.verdicts import classify, classify_trouble

__all__ = [
    "DEFAULT_TIMEOUTS",
    "Connection",
    "Declined",
    "Envelope",
    "Extensions",
    "Ready",
    "Rule",
    "Rules",
    "Target",
    "Timeouts",
    "Trouble",
    "check_rules",
    "classify",
    "classify_trouble",
    "load_rules",
]
