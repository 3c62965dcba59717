"""What a verdict means: the letter's next state, and which gates and holds move. Pure.

Letter scope moves the letter; every other scope moves a gate and leaves the letter queued, so that nobody is refused for
our own misconfiguration and ten thousand letters do not pay for one wrong register entry.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import NamedTuple

from worker.domain.retry import Retry
from worker.domain.states import Event, State
from worker.domain.verdict import Kind, Scope, Stage, Verdict
from worker.ledger.hot.lanes import Gate
from worker.ledger.hot.values import Claimed, Effect, Outcome, Place

MICROSECOND = timedelta(microseconds=1)
LANE_FUSE, RELAY_FUSE = 3, 10
"""So many refusals in a row hold a lane, or a relay, whatever the text says."""

RELAY_RETRY = Retry(timedelta(seconds=15), timedelta(minutes=10))
CONNECTION_RETRY = Retry(timedelta(seconds=5), timedelta(minutes=10))
_BEFORE_ENVELOPE = (Stage.CONNECT, Stage.GREETING, Stage.EHLO, Stage.STARTTLS, Stage.AUTH)


class Situation(NamedTuple):
    """What `decide` needs besides the verdict. `kind` is the lane's; `gates` is what the round saw when it opened."""

    claimed: Claimed
    place: Place
    kind: str
    domain: str
    started: bool
    now_us: int
    retry: Retry
    random: float
    gates: Mapping[tuple[str, str], Gate]
    steps: Mapping[str, int]


def decide(verdict: Verdict, at: Situation) -> tuple[Outcome, tuple[Effect, ...]]:
    """The outcome to record, and the gates and holds that move with it."""
    scope = _scope_here(verdict, at)
    if verdict.kind is Kind.ACCEPT:
        return _end(verdict, at, Event.ACCEPT, State.SENT), _cleared(at)
    if verdict.kind is Kind.LOSE:
        return _end(verdict, at, Event.LOSE, State.IN_DOUBT), ()
    if verdict.kind is Kind.SET_ASIDE:
        return _end(verdict, at, Event.SET_ASIDE, State.HELD), _fuses(verdict, at)
    if verdict.kind is Kind.REFUSE:
        return _refused(verdict, scope, at)
    return _deferred(verdict, scope, at)


def _scope_here(verdict: Verdict, at: Situation) -> Scope:
    """In a lane of mail to signers every letter has a mailbox of its own: mailbox and domain mean the letter there."""
    if at.kind == "signers" and verdict.scope in (Scope.MAILBOX, Scope.DOMAIN):
        return Scope.LETTER
    return verdict.scope


def _refused(verdict: Verdict, scope: Scope, at: Situation) -> tuple[Outcome, tuple[Effect, ...]]:
    if scope is Scope.LETTER:
        return _end(verdict, at, Event.REFUSE, State.REFUSED), _fuses(verdict, at)
    if scope in (Scope.RELAY, Scope.CONNECTION):
        return _deferred(verdict, Scope.RELAY, at)
    reason = f"the mailbox was refused: {_words(verdict)}"
    held = _strike("lane-fuse", at.place.lane_key, reason, at, "lane", 1)
    return _end(verdict, at, Event.DEFER, State.QUEUED), (held,)


def _deferred(verdict: Verdict, scope: Scope, at: Situation) -> tuple[Outcome, tuple[Effect, ...]]:
    if scope is Scope.LETTER:
        return _later(verdict, at), ()
    if scope is Scope.CONNECTION:
        gate = _shut("lane", at.place.lane_key, CONNECTION_RETRY, verdict, at)
        early = verdict.stage in _BEFORE_ENVELOPE
        return (_end(verdict, at, Event.DEFER, State.QUEUED) if early else _later(verdict, at)), (gate,)
    key = {
        Scope.MAILBOX: ("lane", at.place.lane_key, at.retry),
        Scope.DOMAIN: ("domain", at.domain, at.retry),
        Scope.RELAY: ("relay", at.place.relay, RELAY_RETRY),
    }[scope]
    return _end(verdict, at, Event.DEFER, State.QUEUED), (_shut(*key, verdict, at),)


def _later(verdict: Verdict, at: Situation) -> Outcome:
    """Wait as long as the letter has been waiting for retries so far; too old when its retry life is over.

    The life is the sum of the waits given, so it stands still while the lane or relay is held.
    """
    life = at.claimed.life_us * MICROSECOND
    if at.retry.expired(life):
        return _end(verdict, at, Event.AGE_OUT, State.EXPIRED)
    delay_us = at.retry.delay(life, at.random) // MICROSECOND
    return _end(verdict, at, Event.DEFER, State.QUEUED, delay_us=delay_us)


def _shut(kind: str, key: str, retry: Retry, verdict: Verdict, at: Situation) -> Effect:
    """Close a gate for as long as its trouble has lasted, within the bounds; a lane in trouble too long is held."""
    gate = at.gates.get((kind, key))
    trouble_us = at.now_us - gate.since if gate is not None and gate.strikes else 0
    opens_at = at.now_us + retry.delay(trouble_us * MICROSECOND, at.random) // MICROSECOND
    age_us = at.retry.expire_after // MICROSECOND if kind == "lane" else 0
    return Effect(
        kind,
        key,
        opens_at,
        _words(verdict),
        at.now_us,
        strike=True,
        hold_scope="lane",
        hold_target=key,
        hold_age_us=age_us,
    )


def _fuses(verdict: Verdict, at: Situation) -> tuple[Effect, ...]:
    lane, relay = at.place.lane_key, at.place.relay
    reason = f"refusals in a row, the last: {_words(verdict)}"
    mine = _strike("relay-fuse", relay, reason, at, "relay", RELAY_FUSE)
    if at.kind == "signers":  # each of these mailboxes is another person's: they say nothing about the lane
        return (mine,)
    return (_strike("lane-fuse", lane, reason, at, "lane", LANE_FUSE), mine)


def _strike(kind: str, key: str, reason: str, at: Situation, scope: str, most: int) -> Effect:
    """Count one refusal on a fuse; the `most`th in a row holds what it guards."""
    return Effect(kind, key, 0, reason, at.now_us, strike=True, hold_scope=scope, hold_target=key, hold_strikes=most)


def _cleared(at: Situation) -> tuple[Effect, ...]:
    """An accepted letter ends the trouble of everything it went through."""
    keys = [(kind, at.place.lane_key) for kind in ("lane", "lane-fuse")]
    keys += [("domain", at.domain), ("relay", at.place.relay), ("relay-fuse", at.place.relay)]
    troubled = [key for key in keys if key in at.gates and at.gates[key].strikes]
    return tuple(Effect(kind, key, 0, "", at.now_us, strike=False) for kind, key in troubled)


def _end(verdict: Verdict, at: Situation, event: Event, to: State, *, delay_us: int = 0) -> Outcome:
    return Outcome(
        claimed=at.claimed,
        place=at.place,
        started=at.started,
        event=event,
        to=to,
        at_us=at.now_us,
        due_at=at.now_us + delay_us,
        life_us=at.claimed.life_us + delay_us,
        reason=verdict.rule,
        verdict=verdict,
        steps=at.steps,
    )


def _words(verdict: Verdict) -> str:
    reply = verdict.reply
    return " ".join(part for part in (str(reply.code or ""), reply.enhanced, reply.text) if part)[:300]
