"""The daily summary: when it is due, and what it says. Once a day in the zone of `[alarms]`, whatever its clocks do."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from worker.domain.clock import from_us, to_us
from worker.domain.errors import BadInput
from worker.ledger import counts, occurrences
from worker.operations.needs import Need
from worker.settings.operating import AlarmKeys

LATEST = timedelta(hours=6)
"""A summary that is later than this is left out: nobody was there to write it."""

_NEXT = 5
_ACCEPTED = sa.text(
    "SELECT count(*) FROM attempts WHERE started_at >= :begin AND started_at < :end AND kind = 'accept'"
)
# the first condition is that of the index letters_unusual, in its own words
_ENDED = """
SELECT count(*) FROM letters WHERE state NOT IN ('queued', 'sent', 'claimed', 'sending') AND state = '{state}'
AND ended_at >= :begin AND ended_at < :end
"""


@dataclass(frozen=True, slots=True)
class Plan:
    """When summaries are due: at this time of the day in this zone."""

    at: time
    zone: ZoneInfo

    @classmethod
    def of(cls, keys: AlarmKeys) -> "Plan | None":
        """What the settings say; None for never. Raises BadInput for no time, or no zone."""
        if not keys.summary:
            return None
        try:
            at = time.fromisoformat(keys.summary)
        except ValueError as exc:
            raise BadInput(f'alarms.summary: {keys.summary!r} is no time of the day; write it like "07:00"') from exc
        if at.tzinfo is not None:
            raise BadInput(f"alarms.summary: {keys.summary!r} has a zone; that is alarms.time_zone's to say")
        return cls(at, zone_of(keys))

    def due(self, now: datetime) -> date | None:
        """The local day whose summary is due at `now`, within `LATEST` of its time; None where none is.

        A time that the clocks skip counts from the moment that they do; one that comes twice is the first.
        """
        today = now.astimezone(self.zone).date()
        for day in (today, today - timedelta(days=1)):
            moment = datetime.combine(day, self.at, self.zone).astimezone(UTC)
            if moment <= now < moment + LATEST:
                return day
        return None

    def span(self, day: date) -> tuple[int, int]:
        """The day before `day`, from midnight to midnight there, in microseconds."""
        begin, end = (datetime.combine(d, time(), self.zone) for d in (day - timedelta(days=1), day))
        return to_us(begin), to_us(end)


def zone_of(keys: AlarmKeys) -> ZoneInfo:
    """The zone of the settings. Raises BadInput for one that is not known."""
    try:
        return ZoneInfo(keys.time_zone)
    except (ValueError, OSError, LookupError) as exc:  # ZoneInfoNotFoundError is a KeyError
        raise BadInput(f'alarms.time_zone: {keys.time_zone!r} is not known; write it like "Europe/Lisbon"') from exc


def summary(connection: Connection, plan: Plan, day: date, needs: Sequence[Need], forecast: str = "") -> str:
    """The text of `day`'s summary: what happened the day before, what waits, what needs somebody, what begins next.

    `forecast` says in a sentence until when what waits will be done.
    """
    begin, end = plan.span(day)
    where = {"begin": begin, "end": end}
    accepted = connection.execute(_ACCEPTED, where).scalar_one()
    ended = {
        state: connection.execute(sa.text(_ENDED.format(state=state)), where).scalar_one()
        for state in ("refused", "expired", "faulty", "in_doubt")
    }
    waiting = sum(n for cell, n in counts.read(connection).items() if cell.state == "queued")
    lines = [
        f"Yesterday, {day - timedelta(days=1):%A %d %B %Y} ({plan.zone.key})",
        "",
        f"  accepted    {accepted:>9,}",
        *(f"  {state.replace('_', ' '):<11} {n:>9,}" for state, n in ended.items()),
        "",
        f"Waiting now   {waiting:>9,}",
        *([forecast] if forecast and waiting else []),
        "",
        "What needs somebody",
        "",
        *([f"- {need.text}\n  mend it: {need.mend}" for need in needs] or ["nothing"]),
    ]
    if ahead := occurrences.open_ones(connection)[:_NEXT]:
        lines += ["", "Send-outs ahead", ""]
        lines += [
            f"- {each.id} {each.name} of {each.campaign}: {each.state.value},"
            f" begins {from_us(each.start_us).astimezone(plan.zone):%Y-%m-%d %H:%M}"
            for each in ahead
        ]
    return "\n".join(lines)
