"""How many letters stand where and how many are due: one reading, which `status`, `shape`, samples and metrics share."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from sqlalchemy.engine import Connection

from worker.domain.states import State
from worker.ledger import counts
from worker.ledger import due as ledger_due
from worker.ledger.due import Due

SIGNER = "signer"
"""The addressee of a notice."""

_SECOND_US = 1_000_000


@dataclass(frozen=True)
class Letters:
    """Letters by addressee and state, from the counts."""

    by_addressee: Mapping[str, Counter[str]]

    @cached_property
    def all(self) -> Counter[str]:
        """By state, over all addressees."""
        total = Counter[str]()
        for each in self.by_addressee.values():
            total.update(each)
        return total

    @property
    def queued(self) -> dict[str, int]:
        """Queued letters by addressee."""
        return {addressee: n[State.QUEUED] for addressee, n in self.by_addressee.items() if n[State.QUEUED]}

    def of(self, addressee: str) -> Counter[str]:
        """By state, to one addressee."""
        return self.by_addressee.get(addressee) or Counter()


def read_letters(connection: Connection, campaign_id: int | None = None) -> Letters:
    """The letters of one campaign, or of all, in the caller's snapshot."""
    found: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for cell, n in counts.read(connection, campaign_id).items():
        found[cell.addressee][cell.state] += n
    return Letters(found)


def due_now(connection: Connection, at_us: int, letters: Letters | None = None) -> dict[str, Due]:
    """What is due at `at_us`, by addressee, in the snapshot that `letters` come from. Exact (see `ledger.due`)."""
    known = read_letters(connection) if letters is None else letters
    return ledger_due.due(connection, at_us, known.queued)


def age_s(due: Due, at_us: int) -> float:
    """For how long the first of them has been due."""
    return round(max(0, at_us - due.first_us) / _SECOND_US, 1)


def states(found: Counter[str]) -> dict[str, int]:
    """Every state by name, those without letters too: readers need no special case."""
    return {state.value: found[state] for state in State}
