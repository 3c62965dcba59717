"""Acts: an operator's verb over many letters, previewed, begun, done page by page, and undone.

    wanted = Wanted("cancel", office="sampleton-mayor")
    seen = preview(ledger, home, wanted)                        # how many, and which are left alone and why
    act = begin(ledger, seen.wanted, seen.count, Order(who, reason))
    done = carry_on(ledger, act, progress)                      # here, in another process, or after a kill
    carry_on(ledger, undo(ledger, act, Order(who, reason)))

Letters that come back to the queue are in the lane they were made in: afterwards `worker.intake.sync_register` brings those
of an office whose mailbox has changed to where they belong, and `wake` rings.
"""

from worker.operations.acts.choosing import Preview, preview
from worker.operations.acts.running import begin, carry_on, carry_on_abandoned, stop
from worker.operations.acts.undoing import preview_undo, undo
from worker.operations.acts.verbs import VERBS
from worker.operations.acts.views import act_body, listing, shown
from worker.operations.acts.wanted import Order, Wanted

__all__ = [
    "VERBS",
    "Order",
    "Preview",
    "Wanted",
    "act_body",
    "begin",
    "carry_on",
    "carry_on_abandoned",
    "listing",
    "preview",
    "preview_undo",
    "shown",
    "stop",
    "undo",
]
