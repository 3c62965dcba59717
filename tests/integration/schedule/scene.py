"""A campaign that writes again each 20 June at nine, a board on a clock that stands still until a test moves it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from tests.integration.intake.scene import OFFICES, make_intake, person, rows, text
from tests.integration.intake.travel import Traveller, linked, send_due
from worker.domain.campaign import Campaign, TextVersion
from worker.domain.limits import Rate
from worker.domain.occasion import Occasion, Window
from worker.domain.occurrence import Life
from worker.domain.office import Office
from worker.intake import SEND, YEARLY, Intake
from worker.ledger import counts, occurrences
from worker.ledger.book import Ledger
from worker.ledger.keys import Keys
from worker.ledger.occurrences import Occurrence
from worker.ledger.schema import letters, sendouts
from worker.schedule import Board, Fault, Leads, Order, approve, tick

DAY = timedelta(days=1)
START = datetime(2026, 6, 20, 9, tzinfo=UTC)
ORDER = Order("ops", "as agreed")
LEADS = Leads((30 * DAY, 7 * DAY, DAY), 14 * DAY, 7 * DAY)
AGAIN = text("A year has passed. Keep it open.")


def occasion(**changes: Any) -> Occasion:
    values: dict[str, Any] = {
        "name": "anniversary",
        "month": 6,
        "day": 20,
        "start": time(9),
        "zone": ZoneInfo("UTC"),
        "window": Window(working_days=2),
        "first_year": 2026,
        "text": AGAIN,
        "not_after": 60 * DAY,
        "grace": 7 * DAY,
    }
    return Occasion(**(values | changes))


def yearly(*occasions: Occasion, **changes: Any) -> Campaign:
    """The campaign, with notices of the kind that announces."""
    own = {each.name: each for each in occasions or (occasion(),)}
    announce = TextVersion("library", text("On {{ day }}: {{ link }} {{ copy }}").wordings)
    return linked(**{"occasions": own, "notices": {"announce": announce}, **changes})


@dataclass
class Scene:
    """The parts, and short ways to use them."""

    ledger: Ledger
    keys: Keys
    clock: Traveller
    campaign: Campaign
    offices: dict[str, Office]
    faults: Sequence[Fault] = ()
    rates: Sequence[Rate] = (Rate(1000, 3600),)
    leads: Leads = LEADS
    draining: Callable[[], bool] = lambda: False

    @property
    def board(self) -> Board:
        return Board(
            ledger=self.ledger,
            campaigns={self.campaign.slug: self.campaign},
            offices=self.offices,
            leads=self.leads,
            closed=lambda _country, _day: "",
            rates=lambda _campaign, _office: self.rates,
            look_over=lambda _campaign: self.faults,
            observe_hours=False,
            draining=self.draining,
        )

    @property
    def intake(self) -> Intake:
        return make_intake(self.ledger, self.keys, self.campaign, clock=self.clock, offices=self.offices)

    def sign(self, *numbers: int, **changes: Any) -> list[int]:
        """Confirmed signatures of supporters who agreed to anniversaries."""
        options = {"evidence": "on paper", "consents": (SEND, YEARLY), **changes}
        return [self.intake.submit("library", person(n), **options).signature for n in numbers]

    def at(self, moment: datetime) -> "Scene":
        self.clock.moment = moment
        return self

    def tick(self) -> Occurrence:
        tick(self.board)
        return self.now()

    def now(self, period: int = 2026) -> Occurrence:
        with self.ledger.read() as connection:
            found = occurrences.of_period(connection, "library", "anniversary", period)
        assert found is not None
        return found

    def announce(self) -> Occurrence:
        """Tell everybody, two weeks ahead, and have the notices accepted."""
        self.at(START - 14 * DAY).tick()
        send_due(self.ledger)
        return self.now()

    def through(self) -> Occurrence:
        """Announced, approved, begun on its day."""
        approve(self.board, self.announce().id, ORDER)
        return self.at(START).tick()

    def letters(self, name: str = "anniversary-2026") -> list[Any]:
        query = sa.select(letters).join(sendouts, sendouts.c.id == letters.c.sendout_id).where(sendouts.c.name == name)
        return rows(self.ledger, query.order_by(letters.c.id))

    def send_letters(self, name: str = "anniversary-2026") -> None:
        """Let every letter of the send-out be sent, as the workers would."""
        with self.ledger.write() as connection:
            for each in self.letters(name):
                if each["state"] == "queued":
                    done = {"state": "sent", "ended_at": self.ledger.now_us(), "attempts": 1}
                    connection.execute(sa.update(letters).where(letters.c.id == each["id"]).values(done))
                    cell = (each["campaign_id"], each["sendout_id"], each["addressee"])
                    counts.add(connection, {(*cell, "queued"): -1, (*cell, "sent"): 1})

    def put(self, signature: int, addressee: str, state: str, **more: Any) -> None:
        """Move one letter of this year as the workers would, counts included."""
        mine = [each for each in self.letters() if (each["signature_id"], each["addressee"]) == (signature, addressee)]
        with self.ledger.write() as connection:
            for each in mine:
                connection.execute(sa.update(letters).where(letters.c.id == each["id"]).values(state=state, **more))
                cell = (each["campaign_id"], each["sendout_id"], addressee)
                counts.add(connection, {(*cell, each["state"]): -1, (*cell, state): 1})

    def counted(self) -> bool:
        with self.ledger.read() as connection:
            return counts.verify(connection) == []


def each_once(scene: Scene, signatures: Sequence[int], name: str = "anniversary-2026") -> bool:
    """Whether each of these signatures, and no other, has one letter to each office."""
    made = sorted((each["signature_id"], each["addressee"]) for each in scene.letters(name))
    assert made == sorted((signature, office) for signature in signatures for office in scene.offices)
    return True


def is_(found: Occurrence, life: Life) -> bool:
    """Whether it stands there; the reason is shown where not."""
    assert found.state is life, (found.state, found.reason)
    return True


__all__ = ["OFFICES", "date"]
