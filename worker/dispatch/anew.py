"""A worker's change to a new config, while its rounds go on.

New rounds work to the new plan; those under way keep the old one to their end, and with it the old connections. What
follows from the change is done at once, and once more when the old rounds are over and other processes have had time to
change too: until then they make and give back letters by the old register, and shut gates by the old limits.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from worker.domain.office import Office
from worker.intake import sync_register
from worker.ledger import limit_changes
from worker.ledger.book import Ledger
from worker.rounds.house import House, Plan, RelayPlan
from worker.rounds.relays import Connections

OTHERS_S = 30.0
"""By then every process on these files has changed to them."""


@dataclass(frozen=True, slots=True)
class Old:
    """What is left of a config that was changed: its rounds, its connections, and until when others may work to it."""

    rounds: frozenset[int]
    relays: Connections
    until: float  # monotonic
    uncounted: bool  # its rounds do not count something that is limited now

    @classmethod
    def of(cls, house: House, new: Plan) -> "Old":
        until = house.clock.monotonic() + OTHERS_S
        return cls(house.leases.under_way(), house.relays, until, uncounted(house.plan, new))

    def over(self, house: House) -> bool:
        """Whether nothing works to it any more."""
        return house.clock.monotonic() > self.until and not self.rounds & house.leases.under_way()


def follow(ledger: Ledger, offices: Mapping[str, Office]) -> int:
    """Let queued letters follow their offices, and open what used-up limits had shut: they may be others now.

    Harmless to repeat. Returns how many letters moved. Raises Failed.
    """
    moved = sync_register(ledger, offices)
    with ledger.write() as connection:
        limit_changes.open_all(connection, ledger.now_us())
    return moved


def uncounted(old: Plan, new: Plan) -> bool:
    """Whether something is limited now that was not before, so that the pacer has no counts of it."""
    return (
        (new.domain is not None and old.domain is None)
        or bool(_limited(new.relays) - _limited(old.relays))
        or any(
            campaign.per_office and slug in old.campaigns and not old.campaigns[slug].per_office
            for slug, campaign in new.campaigns.items()
        )
    )


def _limited(relays: tuple[RelayPlan, ...]) -> set[str]:
    return {relay.name for relay in relays if relay.rate is not None or relay.per_day is not None}
