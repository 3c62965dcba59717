"""What is looked at now and then, because it takes long: found needs stand until the next time."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from worker.ledger.book import Ledger
from worker.operations.needs import Need, backlog, machines
from worker.settings import Home

AUDIT_S = 6 * 3600.0
BACKLOG_S = 600.0


@dataclass(slots=True)
class Rarely:
    """The audit's chain every six hours, letters that will be too late every ten minutes. `every`: seconds by name."""

    audit_s: float = AUDIT_S
    backlog_s: float = BACKLOG_S
    _found: dict[str, tuple[float, list[Need]]] = field(default_factory=dict)

    def look(self, ledger: Ledger, home: Home, now: float) -> list[Need]:
        """What stands, looked at anew where it is time; `now` is monotonic. Raises Failed where the ledger is away."""
        audit = self._at("audit", self.audit_s, now, lambda: machines.audit_chain(ledger))
        return [*audit, *self._at("backlog", self.backlog_s, now, lambda: backlog.too_late(ledger, home))]

    def _at(self, name: str, every_s: float, now: float, look: Callable[[], Iterable[Need]]) -> list[Need]:
        last, found = self._found.get(name, (None, []))
        if last is None or now - last >= every_s:
            found = list(look())
            self._found[name] = (now, found)
        return found
