"""Mail servers that keep letters waiting: nothing is wrong with the letters, but few go out."""

from collections.abc import Iterator

from sqlalchemy.engine import Connection

from worker.domain.clock import from_us
from worker.ledger import holds
from worker.operations.needs.need import Need, Severity
from worker.operations.needs.stall import lane_named, offices_of
from worker.operations.slow import SPARED, slow_rounds
from worker.settings import Home

ACT_S = 120
"""A server that keeps one letter for longer is no passing hiccup."""


def slow(connection: Connection, home: Home, at_us: int) -> Iterator[Need]:
    """One need for each lane whose mail server takes long to answer."""
    held = {(hold.scope, hold.target) for hold in holds.standing(connection, at_us)}
    for each in slow_rounds(connection, at_us):
        offices, waited = offices_of(home, each.lane), each.waited_s(at_us)
        target = offices[0] if offices else f"lane {each.lane_id}"  # never a mailbox: this stands in logs and mails
        text = (
            f"The mail server for {lane_named(home, each.lane)} is very slow: by relay {each.relay} one letter has waited"
            f" {waited} s or more for its answer. "
        )
        spared = {("office", target), ("lane", each.lane), ("everything", "")} & held
        severity: Severity = "act" if waited >= ACT_S and not spared else "watch"
        if spared:
            text += "It is held, so that only the one that waits is left"
        else:
            text += "Letters to it go on by themselves, one after the other"
        mend = f"lettershop hold office {target} --for 1h {SPARED}" if offices and not spared else "lettershop status"
        yield Need("slow", target, text, from_us(each.since_us), severity, mend)
