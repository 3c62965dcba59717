"""Every metric that there is: its name, kind, labels and meaning. `docs/monitoring.md` has the same table; a test compares.

Names follow Prometheus: seconds and no other unit of time, `_total` for counters.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from worker.domain import tallying

SECOND_US = 1_000_000

BOUNDS_S = (0.005, 0.025, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 1800.0, 7200.0, 28800.0, 86400.0)
"""The upper bounds of a histogram's buckets: from one SMTP step to a night and a weekend."""

LE = (*(f"{bound:g}" for bound in BOUNDS_S), "+Inf")
"""The same as labels, and the bucket of all that is longer."""


@dataclass(frozen=True, slots=True)
class Family:
    """One metric."""

    name: str
    kind: Literal["gauge", "counter", "histogram"]
    labels: tuple[str, ...]
    meaning: str

    @property
    def scale(self) -> int:
        """By what a tallied number is divided to be shown: seconds are kept as microseconds."""
        return SECOND_US if "_seconds" in self.name else 1


_READ = (
    Family("lettershop_info", "gauge", ("mode", "version"), "1; says whether this is rehearsal or live"),
    Family(
        "lettershop_letters",
        "gauge",
        ("office", "state"),
        'letters in each state; those to signers have the office "signer"',
    ),
    Family("lettershop_letters_due", "gauge", ("office",), "letters that are due now"),
    Family(
        "lettershop_letters_unhindered",
        "gauge",
        (),
        "due letters to offices that no hold, break, limit or office hours keep waiting: a worker should be at them",
    ),
    Family("lettershop_oldest_due_seconds", "gauge", ("office",), "for how long the first of them has been due"),
    Family(
        "lettershop_oldest_confirmation_seconds",
        "gauge",
        (),
        "for how long the first confirmation mail has been due; 0 where none is",
    ),
    Family("lettershop_letters_in_doubt", "gauge", (), "letters of which nobody knows whether the relay took them"),
    Family(
        "lettershop_relay_state",
        "gauge",
        ("relay", "state"),
        "1 for the state that a relay is in: open, probing (tried again by one round), shut (its breaker is open), held",
    ),
    Family(
        "lettershop_lanes_shut",
        "gauge",
        ("why",),
        "lanes that wait: after trouble with their mailbox, for a limit, or held; mail domains after trouble",
    ),
    Family(
        "lettershop_relay_quota",
        "gauge",
        ("relay", "window"),
        "letters that a relay takes in any window of so many seconds",
    ),
    Family("lettershop_relay_quota_used", "gauge", ("relay", "window"), "letters that count against it now"),
    Family("lettershop_relay_quota_remaining", "gauge", ("relay", "window"), "what is left of it"),
    Family("lettershop_part_up", "gauge", ("part",), "1 where broker, ledger or pacing answer, else 0"),
    Family("lettershop_part_answer_seconds", "gauge", ("part",), "how long one short question to it took"),
    Family("lettershop_processes", "gauge", ("kind",), "processes that gave a sign of life in the last 30 seconds"),
    Family("lettershop_sendouts_waiting", "gauge", (), "yearly send-outs that need somebody"),
)

_TALLIED = (
    Family(tallying.ATTEMPTS, "counter", ("office", "relay", "result"), "attempts, by our reading of the reply"),
    Family(
        tallying.REPLIES,
        "counter",
        ("code", "enhanced"),
        'SMTP replies that ended an attempt; the code is "none" where the relay said nothing',
    ),
    Family(
        tallying.STAGE,
        "histogram",
        ("stage", "lane"),
        "delay by stage: queue (due to content begun), throttle (waiting in a round for leave), connect, transmit",
    ),
    Family(tallying.DENIALS, "counter", ("scope",), "how often a limit kept a round waiting"),
    Family(tallying.THROTTLED, "counter", ("scope",), "the waits that it was given"),
    Family(
        tallying.LEASES_EXPIRED, "counter", (), "rounds whose process died or stood still, and which others rescued"
    ),
    Family(tallying.LAST_STAGE, "gauge", ("lane",), "when a worker last looked for lanes with due letters, Unix time"),
    Family(
        tallying.FORMS,
        "counter",
        ("campaign", "result"),
        "forms sent: taken, returned (something is missing), limited, trapped, away (the ledger)",
    ),
    Family(
        tallying.ASKED, "counter", ("mail",), "signers who were asked to confirm, by the class of their mail domain"
    ),
    Family(tallying.CONFIRMED, "counter", ("campaign", "mail"), "signatures confirmed on the page"),
)

FAMILIES: Mapping[str, Family] = MappingProxyType({family.name: family for family in (*_READ, *_TALLIED)})
"""By name, in the order in which they are told."""

TALLIED = tuple(family.name for family in _TALLIED)
"""Those that come from what the processes counted; all others are read, or asked for, at the scrape."""
