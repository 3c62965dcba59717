"""Letters that need somebody: confirmations that wait, letters nobody has in hand any more, the unusual states."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from worker.domain.clock import from_us
from worker.domain.states import State
from worker.ledger.lanes import CONFIRMATIONS
from worker.ledger.reviews import COMMENT
from worker.ledger.schema import lanes
from worker.operations.barriers import read_barriers, why_lane
from worker.operations.needs.need import Need, Severity, count
from worker.operations.needs.stall import due_in, fronts
from worker.settings import Home

MOST = 1_000
"""So many letters of one kind are looked at; more are "1,000 or more"."""

RECENT_US = 3 * 86_400_000_000
"""A letter that ended badly is news for so long: nothing but a requeue ends its state."""

_SECOND_US = 1_000_000
_DEAD_US = 120 * _SECOND_US
_LATE_US = 600 * _SECOND_US
_DOUBT_REST_US = 20 * 60 * _SECOND_US
_MOST_LINES, _AHEAD = 200, 20

_STUCK = sa.text("""
SELECT count(*) AS n, min(r.renewed_at) AS since
FROM letters l JOIN rounds r ON r.id = l.claim WHERE l.claim IS NOT NULL AND r.renewed_at < :dead
""")
# the first condition is that of the index, in its own words
_UNUSUAL = """
SELECT id, campaign_id, addressee, reason, ended_at, doubts FROM letters
WHERE state NOT IN ('queued', 'sent', 'claimed', 'sending') AND state = '{state}'
ORDER BY id DESC LIMIT :most
"""
_TOO_OLD = """
WITH p AS ({names})
SELECT p.a, (SELECT count(*) FROM (
    SELECT life_us, not_after FROM letters WHERE state = 'queued' AND addressee = p.a AND due_at <= :late
    ORDER BY due_at LIMIT :most
) oldest WHERE life_us >= :life OR not_after < :late) FROM p
"""
_NAMES = {
    "sqlite": "SELECT value AS a FROM json_each(:names)",
    "postgresql": "SELECT a FROM json_array_elements_text(CAST(:names AS json)) AS a",
}
_CAMPAIGNS = sa.text("SELECT id, slug FROM campaigns")


def confirmations(connection: Connection, home: Home, at_us: int) -> Iterator[Need]:
    """Confirmation mails that wait longer than `alarms.confirm_within`: people look into their mailboxes now."""
    lane = connection.execute(sa.select(lanes).where(lanes.c.key == CONFIRMATIONS)).first()
    if lane is None:
        return
    within = home.settings.alarms.confirm_within
    late_us = at_us - int(within.total_seconds() * _SECOND_US)
    late = [front for front in fronts(connection, [lane.id]) if front.first_us <= late_us]
    if not late:
        return
    n = due_in(connection, late, late_us)
    why = why_lane(read_barriers(connection, at_us), home, lane.key, lane.domain)
    text = f"{count(n, 'confirmation mail')} waited longer than {_span(within.total_seconds())}"
    text += f": {why[0].text}" if why else ": workers are too few, away or too slow"
    since = from_us(min(front.first_us for front in late) + at_us - late_us)
    yield Need("confirmations", "", text, since, "act", _open_lane(why), n)


def _open_lane(why: list[Any]) -> str:
    if any(reason.kind == "hold" for reason in why):
        return f'lettershop resume lane {CONFIRMATIONS} --reason "why it may go on"'
    return "lettershop worker --express" if not why else "lettershop status"


def _span(seconds: float) -> str:
    return f"{seconds:g} s" if seconds < 120 else f"{seconds / 60:g} min"  # noqa: PLR2004 -- two minutes


def stuck(connection: Connection, at_us: int) -> Iterator[Need]:
    """Letters in the hand of a round that died, and that nobody has taken back."""
    row = connection.execute(_STUCK, {"dead": at_us - _DEAD_US}).one()
    if row.n:
        text = f"{count(row.n, 'letter')} in the hand of a worker that died, and no other worker has taken them back"
        yield Need("stuck", "", text, from_us(row.since), "act", "lettershop worker", row.n)


def past_life(connection: Connection, home: Home, at_us: int, first: Mapping[str, int]) -> Iterator[Need]:
    """Letters that should have ended: their retry life, or their send-out, is over, and they still wait."""
    life_us = int(home.settings.retry.expire_after.total_seconds() * _SECOND_US)
    late_us = at_us - _LATE_US
    late = sorted((since, addressee) for addressee, since in first.items() if since <= late_us)[:_MOST_LINES]
    given = {
        "names": json.dumps([addressee for _, addressee in late]),
        "late": late_us,
        "life": life_us,
        "most": _AHEAD,
    }
    asked = sa.text(_TOO_OLD.format(names=_NAMES[connection.dialect.name]))
    over = {addressee: n for addressee, n in connection.execute(asked, given) if n}
    for since, addressee in late:
        if n := over.get(addressee):
            whom = "signers" if addressee == "signer" else addressee
            text = f"{count(n, 'letter', _AHEAD)} to {whom} should have ended as too old, and still waits"
            mend = f"lettershop letters list --state queued --office {addressee}"
            yield Need("past-life", addressee, text, from_us(since), "act", mend, n)


# -- letters in unusual states -------------------------------------------------------------------------------------------
def unusual(connection: Connection, home: Home, at_us: int) -> Iterator[Need]:
    """In doubt, faulty, set aside, refused, expired, bounced. Signers mistype their addresses: that needs nobody."""
    yield from _in_doubt(connection, home, at_us)
    yield from _set_aside(connection)
    for state, severity, words in _ENDED:
        rows = [
            row
            for row in _rows(connection, state)
            if (row.ended_at or 0) > at_us - RECENT_US and (state is State.FAULTY or row.addressee != "signer")
        ]
        if rows:
            since = from_us(min(row.ended_at for row in rows))
            reasons = sorted({row.reason for row in rows if row.reason})[:3]
            why = f" ({', '.join(reasons)})" if reasons else ""
            text = f"{count(len(rows), 'letter', MOST)} {words} in the last three days{why}"
            kind = "faulty" if state is State.FAULTY else "refused"
            mend = f"lettershop letters list --state {state.value}"
            yield Need(kind, state.value, text, since, severity, mend, len(rows))


_ENDED: tuple[tuple[State, Severity, str], ...] = (
    (State.FAULTY, "act", "could not be made"),
    (State.REFUSED, "watch", "to offices refused"),
    (State.EXPIRED, "watch", "to offices given up as too old"),
    (State.BOUNCED, "watch", "to offices came back"),
)


def _in_doubt(connection: Connection, home: Home, at_us: int) -> Iterator[Need]:
    """Campaigns that send again by themselves have some minutes for it."""
    slugs: dict[int, str] = {row.id: row.slug for row in connection.execute(_CAMPAIGNS)}
    again = {slug for slug, campaign in home.campaigns.items() if campaign.in_doubt == "resend_once"}

    def left_alone(row: Any) -> bool:
        tried = slugs.get(row.campaign_id) not in again or row.doubts > 1
        return tried or (row.ended_at or 0) < at_us - _DOUBT_REST_US

    rows = [row for row in _rows(connection, State.IN_DOUBT) if left_alone(row)]
    if rows:
        since = from_us(min(row.ended_at or at_us for row in rows))
        text = (
            f"{count(len(rows), 'letter', MOST)} may or may not have gone out: the relay's answer was lost."
            " Look in the relay's log, then say which"
        )
        mend = 'lettershop resolve sent --all --reason "what the log says"'
        yield Need("in-doubt", "", text, since, "act", mend, len(rows))


def _set_aside(connection: Connection) -> Iterator[Need]:
    """Letters that a rule set aside; those that an operator holds, or that wait for a look, are no news."""
    rules = [row for row in _rows(connection, State.HELD) if _by_rule(row.reason)]
    if rules:
        names = ", ".join(sorted({row.reason for row in rules})[:3])
        text = f"{count(len(rules), 'letter', MOST)} set aside, because of what the relay said ({names})"
        yield Need("set-aside", "", text, None, "watch", "lettershop letters list --state held", len(rules))


def _by_rule(reason: str) -> bool:
    """A rule's name is one word; an operator's reason is a sentence. What waits for a look is counted elsewhere."""
    return " " not in reason and reason not in {"", COMMENT}


def _rows(connection: Connection, state: State) -> list[Any]:
    """The newest letters in an unusual state, up to `MOST`."""
    query = sa.text(_UNUSUAL.format(state=state.value))
    return list(connection.execute(query, {"most": MOST}).all())
