"""What operators see of yearly send-outs: all of them, one of them, and what is ahead. Plain values, fit for JSON."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy.engine import Connection

from worker.domain.clock import from_us
from worker.domain.occasion import Occasion
from worker.domain.occurrence import Life
from worker.ledger import audience, counts, occurrences, pins, preflights
from worker.ledger.counts import Cell
from worker.ledger.occurrences import Occurrence
from worker.schedule.audience import announcements_of, terms_of
from worker.schedule.board import Board
from worker.schedule.life import begins_at, lead_name


def overview(board: Board, campaign: str = "") -> list[dict[str, Any]]:
    """Every send-out with its numbers and what is next, the next to start first."""
    with board.ledger.read() as connection:
        found = occurrences.listed(connection, campaign)
        cells = counts.read(connection) if found else {}
    return [_row(board, each, _states(each, cells)) for each in found]


def detail(board: Board, number: int) -> dict[str, Any]:
    """One send-out: its row, its letters by state, who is left out by reason, its preflights."""
    with board.ledger.read() as connection:
        seen = occurrences.find(connection, number)
        states = _states(seen, counts.read(connection, seen.campaign_id))
        looked = preflights.results(connection, number)
        occasion = board.occasion(seen)
        text = _text(connection, seen, occasion)
        left: dict[str, int] = {}
        if occasion is not None:
            moment = seen.begun_at if seen.begun_at is not None else max(board.ledger.now_us(), seen.start_us)
            terms = terms_of(connection, seen, occasion, told_by=moment - board.leads.announced_for_us)
            told = seen.announced_at is not None
            numbers = audience.numbers(connection, terms, told=told)
            left = {why: n for why, n in numbers.items() if why not in {"", audience.NO_CONSENT}}
    return {
        **_row(board, seen, states),
        "reason": seen.reason,
        "window": str(occasion.window) if occasion else "",
        "ends": _moment(seen.ends_at),
        "text": text,
        "announced": _moment(seen.announced_at),
        "announcements": list(announcements_of(seen)) if seen.edition else [],
        "approved": f"{_minute(seen.approved_at)} by {seen.approved_by}" if seen.approved_at else None,
        "begun": _moment(seen.begun_at),
        "done": _moment(seen.done_at),
        "audience": seen.audience,
        "written": seen.written,
        "by_state": dict(states),
        "left_out": left,
        "preflights": [{**asdict(each), "at": _moment(each.at)} for each in looked],
    }


def _text(connection: Connection, seen: Occurrence, occasion: Occasion | None) -> str:
    if seen.text_id is not None:
        return pins.hash_of(connection, seen.text_id)
    own = occasion.text if occasion else None
    return f"{own.hash} (not announced yet)" if own else "the text that each signed"


def ahead(board: Board, campaign: str = "", years: int = 1) -> list[dict[str, Any]]:
    """What happens when, from now on: preflights, announcements and starts of the next `years` periods of each occasion."""
    now = from_us(board.ledger.now_us())
    found = [
        {"when": moment_text(when), "campaign": slug, "sendout": occasion.send_out(year), "what": what}
        for slug, each in board.campaigns.items()
        if campaign in {"", slug}
        for occasion in each.occasions.values()
        for year in range(occasion.next_year(now), occasion.next_year(now) + years)
        for when, what in _dates(board, occasion, year)
        if when >= now
    ]
    return sorted(found, key=lambda each: each["when"])


def moment_text(moment: datetime) -> str:
    """A moment in JSON: ISO 8601, UTC, whole seconds."""
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")


def _dates(board: Board, occasion: Occasion, year: int) -> Iterator[tuple[datetime, str]]:
    start = occasion.starts_at(year)
    for lead in board.leads.preflight:
        yield start - lead, f"preflight, {lead_name(lead)}"
    yield start - board.leads.announce, "announcement to supporters"
    yield start - board.leads.announced_for, "last moment at which an announcement counts"
    yield start, f"start, spread over {occasion.window}"
    yield start + occasion.grace, "end of its grace: if it has not begun by then, it is missed"


def _row(board: Board, seen: Occurrence, states: Counter[str]) -> dict[str, Any]:
    return {
        "id": seen.id,
        "campaign": seen.campaign,
        "name": seen.name,
        "starts": _moment(seen.start_us),
        "state": seen.state.value,
        "letters": sum(states.values()),
        "sent": states["sent"],
        "next": _next(board, seen, states),
    }


def _next(board: Board, seen: Occurrence, states: Counter[str]) -> str:
    """What happens next, or what somebody must do."""
    told = f"its supporters are told from {_minute(seen.start_us - _us(board))} on"
    left = sum(n for state, n in states.items() if state not in {"sent", "cancelled", "refused", "expired"})
    return {
        Life.PLANNED: "its supporters are being told" if seen.told_to >= 0 else told,
        Life.ANNOUNCED: "approve it, or nothing is sent",
        Life.APPROVED: f"it begins at {_minute(begins_at(board, seen))}",
        Life.EXPANDING: "its letters are being made",
        Life.SENDING: f"{left:,} letters are still to be sent",
        Life.HELD: f"resume or cancel it: {seen.reason}",
        Life.MISSED: "run or cancel it: it was missed",
    }.get(seen.state, "")


def _us(board: Board) -> int:
    return int(board.leads.announce.total_seconds() * 1_000_000)


def _states(seen: Occurrence, cells: dict[Cell, int]) -> Counter[str]:
    found: Counter[str] = Counter()
    for cell, n in cells.items():
        if cell.sendout_id == seen.sendout_id:
            found[cell.state] += n
    return found


def _moment(at_us: int | None) -> str | None:
    return None if at_us is None else moment_text(from_us(at_us))


def _minute(at_us: int) -> str:
    return f"{from_us(at_us):%Y-%m-%d %H:%M} UTC"
