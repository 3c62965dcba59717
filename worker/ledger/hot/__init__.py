"""The hot path of the ledger: claim, start, outcome, rounds and rescue, as named SQL on the driver.

Everything a round asks of the ledger goes through one `Committer` per process: one thread, one connection, and one
commit for whatever gathered while the last commit ran. `values` are what is handed in and out, `sql` names every
statement, `sqlite` and `postgresql` are the two ways of running them, `lanes` and `rescue` the reading that chooses work
and the clearing up after the dead.
"""

from worker.ledger.hot.committer import Committer, LedgerAway
from worker.ledger.hot.values import Call, Claimed, Effect, Outcome, Start

__all__ = ["Call", "Claimed", "Committer", "Effect", "LedgerAway", "Outcome", "Start"]
