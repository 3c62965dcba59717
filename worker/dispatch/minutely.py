"""What any worker does once a minute: several may be at it at once, and each step is done by one of them."""

from collections.abc import Callable

from worker.ledger import counts
from worker.ledger.book import Ledger
from worker.operations.acts import carry_on_abandoned
from worker.operations.throughput import sample

__all__ = ["carry_on", "fold", "sample"]


def fold(ledger: Ledger, stopping: Callable[[], bool]) -> None:
    """Fold the counts' deltas, all there are: a busy minute leaves ten thousand, and every reading adds them up."""
    while True:
        with ledger.write() as connection:
            folded = counts.fold(connection)
        if folded < counts.FOLD_ROWS or stopping():
            break
    ledger.tidy()


def carry_on(ledger: Ledger, stopping: Callable[[], bool], moved: Callable[[], object]) -> None:
    """Carry on operators' acts whose process has gone; `moved` is called where letters moved."""
    if carry_on_abandoned(ledger, stopping=stopping):
        moved()
