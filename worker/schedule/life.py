"""The tick: what falls due in the life of each occurrence, done by whoever sees it first.

    tick(board)         any number of processes, any number of times; nothing is remembered but in the ledger

Each act is one transaction that names what it saw (see `ledger.occurrences`). What it does depends on the ledger's rows,
the home's config and the ledger's clock alone: a clock that jumps forward and back begins nothing twice, and a start that
was missed for longer than its grace is for an operator to decide.
"""

from collections.abc import Callable, Mapping
from datetime import date, timedelta
from functools import partial
from typing import Any

from sqlalchemy.engine import Connection

from worker.domain.clock import from_us, to_us
from worker.domain.duration import duration_text
from worker.domain.occasion import Occasion
from worker.domain.occurrence import BEFORE, Life, Step
from worker.ledger import audit, occurrences, pins, preflights, sendout_letters
from worker.ledger.letters_write import ensure_campaign
from worker.ledger.occurrences import Occurrence
from worker.ledger.sql import now_us
from worker.ledger.transact import transact
from worker.schedule import announce, expand
from worker.schedule.board import MICROSECOND, Board
from worker.schedule.preflight import Preflight, look_over
from worker.schedule.stopping import bar_announcements, hold_at, sweep

WHO = "lettershop"
_EDITED = "the text was edited after it was announced: it is announced anew"
_MOVED = "the day was changed after it was announced: it is announced anew"
_UNTOLD: dict[str, Any] = {"told_to": -1, "announced_at": None, "approved_at": None, "approved_by": ""}

Act = Callable[[Connection], bool]
"""Does one thing in a transaction; False where somebody else did it or nothing is to be done."""


def tick(board: Board) -> int:
    """Plan what is ahead and do what is due. Returns how many acts fell to this call.

    What goes wrong with one occurrence stops none of the others; it is raised when all were seen to.
    """
    troubles: list[Exception] = []

    def tried(work: Callable[[], int]) -> int:
        try:
            return work()
        except Exception as exc:  # noqa: BLE001 - raised below
            troubles.append(exc)
            return 0

    done = tried(partial(plan, board))
    with board.ledger.read() as connection:
        still = occurrences.open_ones(connection)
    done += sum(tried(partial(_advance_all, board, each.id)) for each in still)
    done += tried(partial(sweep, board.ledger))
    if troubles:
        raise troubles[0]
    return done


def _advance_all(board: Board, number: int) -> int:
    done = 0
    while not board.draining() and advance(board, number):
        done += 1
    return done


def plan(board: Board) -> int:
    """Plan the next occurrence of each occasion, and move those whose date was changed. Returns how many."""
    now = from_us(board.ledger.now_us())
    wanted = [
        (slug, occasion, occasion.next_year(now))
        for slug, campaign in board.campaigns.items()
        for occasion in campaign.occasions.values()
    ]
    with board.ledger.read() as connection:
        known = {(each.campaign, each.occasion, each.period) for each in occurrences.listed(connection)}
    missing = [each for each in wanted if (each[0], each[1].name, each[2]) not in known]
    return sum(transact(board.ledger, lambda connection, each=each: _plan(connection, *each)) for each in missing)  # type: ignore[misc]


def _plan(connection: Connection, slug: str, occasion: Occasion, year: int) -> bool:
    campaign_id = ensure_campaign(connection, slug)
    start, at_us = to_us(occasion.starts_at(year)), now_us(connection)
    return occurrences.ensure(connection, campaign_id, occasion.name, year, start, at_us)


def advance(board: Board, number: int) -> bool:
    """Do the next thing that is due for one occurrence. Returns whether something was done by this very call."""
    with board.ledger.read() as connection:
        seen = occurrences.find(connection, number)
        hash_now = pins.hash_of(connection, seen.text_id) if seen.text_id is not None else ""
        looked = preflights.times(connection, number)
    occasion = board.occasion(seen)
    if occasion is None:
        return _unknown(board, seen)
    if seen.state is Life.EXPANDING:
        return _expand(board, seen, occasion)
    if seen.state is Life.SENDING:
        return transact(board.ledger, lambda connection: _finish(connection, seen))
    if (Life(seen.was) if seen.state is Life.HELD else seen.state) not in BEFORE:
        return False
    act = _due(board, seen, occasion, hash_now, looked)
    return act is not None and transact(board.ledger, act)


def _due(board: Board, seen: Occurrence, occasion: Occasion, text_hash: str, looked: Mapping[str, int]) -> Act | None:
    """The first act that is due before its letters are made."""
    start, now = to_us(occasion.starts_at(seen.period)), board.ledger.now_us()
    if start != seen.starts_at:
        told = seen.told_to >= 0 and _day(seen.starts_at, occasion) != _day(start, occasion)
        return lambda connection: _move(connection, seen, start, told=told)
    if now > seen.start_us + occasion.grace // MICROSECOND:
        return _miss(seen)
    if seen.state is Life.HELD:
        return None
    edited = seen.told_to >= 0 and text_hash != (occasion.text.hash if occasion.text else "")
    if edited:
        return lambda connection: _void(connection, seen)
    return _look(board, seen, occasion, looked) or _ONWARD[seen.state](board, seen, occasion, now)


def _look(board: Board, seen: Occurrence, occasion: Occasion, looked: Mapping[str, int]) -> Act | None:
    """The preflights whose time has come, all in one: a lead that is past already is due at once.

    What was looked at before that time was for another start: the date was changed.
    """
    now = board.ledger.now_us()
    times = {lead: seen.start_us - lead // MICROSECOND for lead in board.leads.preflight}
    unlooked = [lead for lead, due in times.items() if now >= due > looked.get(lead_name(lead), -1)]
    if not unlooked:
        return None
    report = look_over(board, seen, occasion)
    return lambda connection: _looked(connection, seen, unlooked, report)


def _announce(board: Board, seen: Occurrence, occasion: Occasion, now: int) -> Act | None:
    if now < seen.start_us - board.leads.announce // MICROSECOND:
        return None
    if seen.told_to < 0:
        return lambda connection: announce.begin(connection, seen, occasion)
    return lambda connection: announce.next_page(connection, board.ledger.keys, seen, occasion)


def _approve(_: Board, seen: Occurrence, occasion: Occasion, now: int) -> Act | None:
    if occasion.approval:
        return None
    return lambda connection: occurrences.take(
        connection, seen, Step.APPROVE, approved_at=now, approved_by="the configuration"
    )


def _begin(board: Board, seen: Occurrence, occasion: Occasion, now: int) -> Act | None:
    if now < begins_at(board, seen):
        return None
    supporters = expand.count(board, seen, occasion, now)
    return lambda connection: expand.begin(connection, seen, occasion, supporters, now)


_ONWARD: dict[Life, Callable[[Board, Occurrence, Occasion, int], Act | None]] = {
    Life.PLANNED: _announce,
    Life.ANNOUNCED: _approve,
    Life.APPROVED: _begin,
}


def begins_at(board: Board, seen: Occurrence) -> int:
    """When an approved occurrence begins: at its start, and not before its announcement was out for long enough."""
    told = seen.announced_at or 0
    return max(seen.start_us, told + board.leads.announced_for_us)


def lead_name(lead: timedelta) -> str:
    """How a preflight is called: "7 days before", "8 h before"."""
    if not lead % timedelta(days=1):
        return f"{lead.days} day{'s' * (lead.days != 1)} before"
    return f"{duration_text(lead)} before"


# -- acts ----------------------------------------------------------------------------------------------------------------
def _unknown(board: Board, seen: Occurrence) -> bool:
    """Its occasion is configured no longer: held, so that somebody says what is meant."""
    if seen.state in {Life.HELD, Life.MISSED}:
        return False
    if seen.state is Life.SENDING:  # its letters go on; nothing of them depends on the occasion
        return transact(board.ledger, lambda connection: _finish(connection, seen))
    why = f"{seen.campaign} has no occasion {seen.occasion!r} any more"
    return transact(board.ledger, lambda connection: hold_at(connection, seen, WHO, why))


def _expand(board: Board, seen: Occurrence, occasion: Occasion) -> bool:
    """All pages, one transaction each, until it is done, is held, or somebody else is at it."""
    ledger = board.ledger
    try:
        pages = transact(ledger, lambda connection: expand.Expansion(connection, board, seen, occasion))
    except ValueError as exc:
        why = str(exc)
        return transact(ledger, lambda connection: hold_at(connection, seen, WHO, why))
    moved = False
    while seen.state is Life.EXPANDING and not board.draining():
        here = seen
        if not transact(ledger, lambda connection, here=here: pages.next_page(connection, ledger.keys, here)):  # type: ignore[misc]
            break
        moved = True
        with ledger.read() as connection:
            seen = occurrences.find(connection, seen.id)
    return moved


def _finish(connection: Connection, seen: Occurrence) -> bool:
    if sendout_letters.unfinished(connection, seen.campaign_id, seen.sendout_id or 0):
        return False
    at_us = now_us(connection)
    taken = occurrences.take(connection, seen, Step.FINISH, done_at=at_us)
    if taken:
        _note(connection, seen, "finish")
    return taken


def _miss(seen: Occurrence) -> Act:
    why = f"it had not begun by the end of its grace: see `lettershop sendouts show {seen.id}`"

    def act(connection: Connection) -> bool:
        taken = occurrences.take(connection, seen, Step.MISS, was="", reason=why)
        if taken:
            _note(connection, seen, "miss")
        return taken

    return act


def _day(at_us: int, occasion: Occasion) -> date:
    return from_us(at_us).astimezone(occasion.zone).date()


def _move(connection: Connection, seen: Occurrence, start: int, *, told: bool) -> bool:
    """Follow a changed date. `told`: supporters know another day, so that it is announced anew and approved anew."""
    values: dict[str, Any] = {"starts_at": start}
    if told:
        place = {"was": Life.PLANNED.value} if seen.state is Life.HELD else {"state": Life.PLANNED, "reason": _MOVED}
        values |= _UNTOLD | place
    moved = occurrences.change(connection, seen, **values)
    if moved and told:
        bar_announcements(connection, seen, WHO, _MOVED)
    if moved:
        _note(connection, seen, "move", was=from_us(seen.starts_at).isoformat(), start=from_us(start).isoformat())
    return moved


def _void(connection: Connection, seen: Occurrence) -> bool:
    if seen.state is Life.PLANNED:
        done = occurrences.change(connection, seen, reason=_EDITED, **_UNTOLD)
    else:
        done = occurrences.take(connection, seen, Step.VOID, reason=_EDITED, **_UNTOLD)
    if done:
        bar_announcements(connection, seen, WHO, _EDITED)
        _note(connection, seen, "void")
    return done


def _looked(connection: Connection, seen: Occurrence, leads: list[timedelta], report: Preflight) -> bool:
    at_us = now_us(connection)
    names = [lead_name(lead) for lead in leads]
    if not occurrences.change(connection, seen, reason=seen.reason):
        return False
    for name in names:
        preflights.record(connection, seen.id, name, at_us, passed=report.passed, report=report.body())
    if not report.passed:
        why = f"preflight {names[-1]}: {report.errors[0].message}"
        hold_at(connection, seen, WHO, why)
        _note(connection, seen, "hold", preflight=names)
    return True


def _note(connection: Connection, seen: Occurrence, verb: str, **details: object) -> None:
    target = f"send-out {seen.campaign}/{seen.name}"
    audit.append(connection, now_us(connection), WHO, f"sendout-{verb}", target, "", dict(details))
