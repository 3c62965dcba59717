"""When it will be done: the finish date per office, from limits, hours, public holidays and what is to be sent.

    forecast(home, ledger, gauge, at)                            what is queued now, not yet due letters too
    forecast(home, ledger, gauge, at, "town-library", 10_000)    the same with so many more signers, before a launch

A day at a time, each office gets what its own limits let through in its open time that day; offices that share a mailbox,
a mail domain or the relays share those limits in equal parts. Holds and troubles are not foreseen: they are named beside
the date that would hold without them. The pacer reaches about 98 % of a limit (docs/pacing.md), so an end may come a
little later than said.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from worker.domain.clock import from_us, to_us
from worker.domain.errors import BadInput
from worker.domain.limits import Rate
from worker.domain.states import State
from worker.ledger import counts
from worker.ledger import due as ledger_due
from worker.ledger.book import Ledger
from worker.ledger.schema import campaigns
from worker.operations.barriers import iso, read_barriers, relay_names, why_office
from worker.operations.course import Course, Flow, Shared
from worker.operations.limits_view import DAY_S, Gauge
from worker.settings import Home

MOST_SIGNATURES = 10_000_000
_LEFT = (State.QUEUED, State.CLAIMED, State.SENDING)


def forecast(
    home: Home, ledger: Ledger, gauge: Gauge, at: datetime, campaign: str = "", signatures: int = 0
) -> dict[str, Any]:
    """The finish date of all offices, the slowest first; of one campaign's offices where it is named.

    Letters of other campaigns that share a mailbox or a relay are reckoned with. Raises BadInput for an unknown campaign, or
    a number of signatures without one where there are several.
    """
    slug = _campaign(home, campaign, signatures)
    backlog, last, stopped, opens = _backlog(home, ledger)
    if signatures:
        for office in home.campaigns[slug].offices:
            backlog[slug, office] = backlog.get((slug, office), 0) + signatures
    flows = [_flow(home, gauge, key, n, opens.get(key[1], 0)) for key, n in backlog.items() if key[1] in home.offices]
    Course(home, at, flows, _shared(home, gauge)).run()
    shown = [flow for flow in flows if not slug or flow.campaign == slug]
    rows = _rows(home, shown, last, stopped)
    return {
        "at": iso(at),
        "campaign": slug or None,
        "signatures": signatures,
        "letters": sum(row["letters"] for row in rows),
        "ends": None if any(row["ends"] is None for row in rows) else max((row["ends"] for row in rows), default=None),
        "working_days": max((row["working_days"] for row in rows), default=0),
        "sentence": _sentence(home, rows, signatures),
        "offices": rows,
    }


def _campaign(home: Home, campaign: str, signatures: int) -> str:
    if not 0 <= signatures <= MOST_SIGNATURES:
        raise BadInput(f"a number of signatures is from 1 to {MOST_SIGNATURES:,}")
    if campaign and campaign not in home.campaigns:
        raise BadInput(f"there is no campaign {campaign!r}; there are: {', '.join(sorted(home.campaigns))}")
    if signatures and not campaign:
        if len(home.campaigns) > 1:
            raise BadInput(f"say of which campaign: {', '.join(sorted(home.campaigns))}")
        return next(iter(home.campaigns))
    return campaign


def _backlog(
    home: Home, ledger: Ledger
) -> tuple[dict[tuple[str, str], int], dict[str, int], dict[str, str], dict[str, int]]:
    """Letters to be sent by (campaign, office); and by office: when the last is due, why it stands still, when it opens."""
    found: Counter[tuple[str, str]] = Counter()
    with ledger.read() as connection:
        at_us = ledger.now_us()
        slugs = {row.id: row.slug for row in connection.execute(sa.select(campaigns.c.id, campaigns.c.slug))}
        for cell, n in counts.read(connection).items():
            if cell.state in _LEFT:
                found[slugs[cell.campaign_id], cell.addressee] += n
        last = ledger_due.last(connection, sorted({office for _, office in found}))
        barriers = read_barriers(connection, at_us)
    stopped: dict[str, str] = {}
    opens: dict[str, int] = {}
    for slug, name in found:
        if (office := home.offices.get(name)) is not None:
            reasons = why_office(barriers, home, office, [slug])
            text = next((reason.text for reason in reasons if reason.until is None), "")
            stopped |= {name: text} if text else {}
            shut = [to_us(reason.until) for reason in reasons if reason.until and reason.kind in {"gate", "hold"}]
            opens[name] = max([opens.get(name, 0), *shut])
    return dict(found), last, stopped, opens


def _flow(home: Home, gauge: Gauge, key: tuple[str, str], letters: int, begins_us: int) -> Flow:
    slug, office = key[0], home.offices[key[1]]
    rates = tuple(limit.rate for limit in gauge.of_office(home, office, [slug]))
    return Flow(office, slug, letters, rates, letters, begins_us)


def _shared(home: Home, gauge: Gauge) -> Shared:
    def of(flow: Flow, kind: str) -> list[Rate]:
        limits = gauge.of_office(home, flow.office, [flow.campaign])
        return [limit.rate for limit in limits if limit.key.startswith(kind)]

    names = relay_names(home)
    relays = [
        (name, [limit for limit in gauge.limits_of(name, "office", "", "", "") if limit.key.startswith("relay:")])
        for name in names
    ]
    quotas = [limit for _, limits in relays for limit in limits if limit.rate.window_s == DAY_S]
    return Shared(lambda flow: of(flow, "mailbox:"), lambda flow: of(flow, "domain:"), relays, gauge.ask(quotas))


# -- the answer ----------------------------------------------------------------------------------------------------------
def _rows(
    home: Home, flows: Sequence[Flow], last: Mapping[str, int], stopped: Mapping[str, str]
) -> list[dict[str, Any]]:
    by_office: defaultdict[str, list[Flow]] = defaultdict(list)
    for flow in flows:
        by_office[flow.office.id].append(flow)
    rows = [_row(home, name, of, last.get(name), stopped.get(name, "")) for name, of in by_office.items()]
    return sorted(rows, key=lambda row: (row["ends"] is not None, _reversed(row["ends"]), row["id"]))


def _reversed(stamp: str | None) -> float:
    return -datetime.fromisoformat(stamp).timestamp() if stamp else 0.0


def _row(home: Home, name: str, flows: Sequence[Flow], last_us: int | None, stopped: str) -> dict[str, Any]:
    unfinished = any(flow.left for flow in flows)
    ends = max((flow.ends_us or 0 for flow in flows), default=0)
    held_by: Counter[str] = Counter()
    for flow in flows:
        held_by.update(flow.held_by)
    by = held_by.most_common(1)[0][0] if held_by else ""
    if last_us is not None and last_us > ends and not unfinished:
        ends, by = last_us, "drip"
    return {
        "id": name,
        "title": home.offices[name].title,
        "letters": sum(flow.letters for flow in flows),
        "ends": None if unfinished or not ends else iso(from_us(ends - ends % 1_000_000)),
        "working_days": len(set[date]().union(*(flow.days for flow in flows))),
        "limit": by,
        "hours": str(home.offices[name].hours),
        "stopped": stopped,
    }


def _sentence(home: Home, rows: Sequence[Mapping[str, Any]], signatures: int) -> str:
    if not rows:
        return "nothing is queued: there is nothing to wait for"
    slowest = rows[0]
    letters = sum(row["letters"] for row in rows)
    what = f"{signatures:,} signers" if signatures else f"{letters:,} letters to {len(rows)} offices"
    hours = home.settings.limits.office_hours == "observe" and slowest["hours"] != "always"
    if slowest["limit"] == "relay":
        what += " at the relays' limit"
    elif slowest["limit"] == "drip":
        what += " spread over their send-out's days"
    elif slowest["limit"]:
        what += f" at {slowest['limit']}"
    what += " in office hours" if hours else ""
    if slowest["ends"] is None:
        return f"{what}: not done within five years; the slowest is {slowest['id']}"
    end = datetime.fromisoformat(slowest["ends"]).astimezone(home.offices[slowest["id"]].zone)
    days = slowest["working_days"]
    span = f"{days:,} {'working ' if hours else ''}day{'s' if days != 1 else ''}"
    return f"{what}: {span}; ends {end.day} {end:%B %Y} ({slowest['id']})"


def days_of(found: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """Each office with the days from now to its end, for a drawing; -1 where it has none."""
    at = datetime.fromisoformat(found["at"])
    for row in found["offices"]:
        end = row["ends"]
        yield row["id"], (datetime.fromisoformat(end) - at) / timedelta(days=1) if end else -1.0
