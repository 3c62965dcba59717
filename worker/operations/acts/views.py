"""Acts as operators see them: the newest first, each with what it moved, what it left and why."""

from typing import Any

from worker.domain.clock import from_us
from worker.ledger import bulk_acts
from worker.ledger.book import Ledger
from worker.ledger.bulk_acts import LEASE_US, Act
from worker.operations.acts.undoing import why_not
from worker.operations.barriers import iso

LONGEST_PAGE = 1_000


def listing(ledger: Ledger, limit: int = 50, before: int | None = None) -> list[dict[str, Any]]:
    """The newest acts, or those below the number `before`; as `act_body` has them."""
    with ledger.read() as connection:
        at_us = ledger.now_us()
        return [act_body(act, at_us) for act in bulk_acts.listed(connection, min(limit, LONGEST_PAGE), before)]


def shown(ledger: Ledger, act_id: int) -> dict[str, Any]:
    """One act, with `undone_by` (an act or None) and `cannot_undo` (why not, "" where one may try). Raises BadInput."""
    with ledger.read() as connection:
        act = bulk_acts.read(connection, act_id)
        undone_by = bulk_acts.undone_by(connection, act_id)
        at_us = ledger.now_us()
    return {**act_body(act, at_us), "undone_by": undone_by, "cannot_undo": _cannot(act, undone_by)}


def act_body(act: Act, at_us: int) -> dict[str, Any]:
    """The JSON form. `state` is under way, abandoned (nobody is at it), done or stopped."""
    return {
        "id": act.id,
        "verb": act.verb,
        "state": _state(act, at_us),
        "wanted": dict(act.wanted),
        "who": act.who,
        "reason": act.reason,
        "undoes": act.undoes,
        "expected": act.expected,
        "moved": act.moved,
        "skipped": act.skipped,
        "why_skipped": dict(act.why_skipped),
        "began_at": iso(from_us(act.began_us)),
        "renewed_at": iso(from_us(act.renewed_us)),
        "ended_at": iso(from_us(act.ended_us)) if act.ended_us is not None else None,
        "ended_by": act.ended_by,
    }


def _state(act: Act, at_us: int) -> str:
    if act.over:
        return "stopped" if act.ended_by else "done"
    return "abandoned" if act.renewed_us < at_us - LEASE_US else "under way"


def _cannot(act: Act, undone_by: int | None) -> str:
    if undone_by is not None:
        return f"it was undone by act {undone_by}"
    return why_not(act) or ("" if act.over else "it is still under way")
