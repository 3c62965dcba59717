"""Letters in whatever state a test wants, and how acts are said to them."""

from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa

from tests.fixtures.world import World
from worker.domain.states import State
from worker.ledger import audit, counts
from worker.ledger.letters_write import move_found
from worker.ledger.schema import letters
from worker.operations.acts import Order, Wanted, begin, carry_on, preview

MAYOR, COUNCIL = "sampleton-mayor", "sampleton-library-committee"
BY = Order("tester", "a test")
HOUR = 3_600_000_000


def ids(world: World, **where: Any) -> list[int]:
    """The numbers of the letters whose columns have these values."""
    conditions = [letters.c[name] == value for name, value in where.items()]
    with world.ledger.read() as connection:
        return list(connection.execute(sa.select(letters.c.id).where(*conditions).order_by(letters.c.id)).scalars())


def put(world: World, which: Iterable[int], state: State, **values: Any) -> None:
    """Put letters into a state, as the house's own parts would leave them, with their counts."""
    columns = [letters.c[name] for name in ("id", "campaign_id", "sendout_id", "addressee", "state")]
    with world.ledger.write() as connection:
        found = connection.execute(sa.select(*columns).where(letters.c.id.in_(list(which)))).all()
        move_found(connection, found, state, {"reason": state.value, **values})


def row(world: World, letter: int) -> Any:
    """The whole letter."""
    with world.ledger.read() as connection:
        return connection.execute(sa.select(letters).where(letters.c.id == letter)).one()


def do(world: World, wanted: Wanted) -> Any:
    """Preview it, begin it as previewed, carry it out."""
    seen = preview(world.ledger, world.home, wanted)
    return carry_on(world.ledger, begin(world.ledger, seen.wanted, seen.count, BY))


def sound(world: World) -> None:
    """The counts agree with the letters, and the audit's chain holds."""
    with world.ledger.read() as connection:
        assert counts.verify(connection) == []
        assert audit.verify(connection) == []


def audited(world: World) -> Sequence[tuple[str, str, str]]:
    """What was done, oldest first: verb, target, reason."""
    with world.ledger.read() as connection:
        return [(each.verb, each.target, each.reason) for each in reversed(audit.latest(connection))]
