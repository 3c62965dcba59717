"""What each verdict does to a letter, its lane and its relay."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.domain.retry import Retry
from worker.domain.states import MOVES, Event, State
from worker.domain.verdict import Kind, Reply, Scope, Stage, Verdict
from worker.ledger.hot.lanes import Gate
from worker.ledger.hot.values import Claimed, Place
from worker.rounds.after import Situation, decide

NOW = 1_800_000_000_000_000
MINUTE = 60 * 1_000_000
LANE = "mailbox:office@council.example"


def claimed(**changes: Any) -> Claimed:
    values: dict[str, Any] = {
        "letter": 1, "campaign_id": 1, "sendout_id": 1, "addressee": "council", "number": 1, "life_us": 0,
        "not_after": None, "resend_of": None, "mac": b"", "signature_id": 1, "text_id": 1, "language": "en",
        "signer_id": 1, "signer_version": 1, "wrapped_key": b"", "sealed": b"",
    }  # fmt: skip
    return Claimed(**{**values, **changes})


def situation(**changes: Any) -> Situation:
    values: dict[str, Any] = {
        "claimed": claimed(),
        "place": Place(7, 3, LANE, "main"),
        "kind": "office",
        "domain": "council.example",
        "started": True,
        "now_us": NOW,
        "retry": Retry(jitter=0),
        "random": 0.5,
        "gates": {},
        "steps": {"dot": 1200},
    }
    return Situation(**{**values, **changes})


def verdict(kind: Kind, scope: Scope = Scope.LETTER, stage: Stage = Stage.DOT) -> Verdict:
    return Verdict(kind, scope, stage, Reply(450, "4.0.0", "words"), "a-rule")


@given(
    kind=st.sampled_from(Kind),
    scope=st.sampled_from(Scope),
    stage=st.sampled_from(Stage),
    lane=st.sampled_from(["office", "signers"]),
    started=st.booleans(),
    life_us=st.integers(0, 10**13),
)
def test_every_verdict_leads_along_the_table(
    kind: Kind, scope: Scope, stage: Stage, lane: str, started: bool, life_us: int
) -> None:
    if kind in (Kind.ACCEPT, Kind.LOSE):
        started = True
    at = situation(kind=lane, started=started, claimed=claimed(life_us=life_us))
    outcome, effects = decide(verdict(kind, scope, stage), at)
    sources, targets = MOVES[outcome.event]
    assert (State.SENDING if started else State.CLAIMED) in sources
    assert outcome.to in targets
    assert outcome.due_at >= NOW
    assert all(effect.opens_at >= NOW or effect.opens_at == 0 for effect in effects)
    if outcome.to is State.REFUSED:
        assert kind is Kind.REFUSE
        assert scope not in (Scope.RELAY, Scope.CONNECTION)


def test_accepted() -> None:
    outcome, effects = decide(verdict(Kind.ACCEPT), situation())
    assert (outcome.event, outcome.to, effects) == (Event.ACCEPT, State.SENT, ())


def test_an_accepted_letter_clears_the_trouble_before_it() -> None:
    gates = {("lane", LANE): Gate(NOW, "r", NOW, 2), ("relay", "main"): Gate(0, "", NOW, 0)}
    _, effects = decide(verdict(Kind.ACCEPT), situation(gates=gates))
    assert [(e.kind, e.strike, e.opens_at) for e in effects] == [("lane", False, 0)]


@pytest.mark.parametrize(
    ("life_minutes", "wait_minutes"), [(0, 5), (5, 5), (10, 10), (20, 20), (40, 40), (80, 67), (6000, 67)]
)
def test_a_deferred_letter_waits_as_long_as_it_has_waited(life_minutes: int, wait_minutes: int) -> None:
    at = situation(claimed=claimed(life_us=life_minutes * MINUTE))
    outcome, effects = decide(verdict(Kind.DEFER), at)
    assert (outcome.to, effects) == (State.QUEUED, ())
    assert outcome.due_at == NOW + wait_minutes * MINUTE
    assert outcome.life_us == (life_minutes + wait_minutes) * MINUTE


def test_a_letter_whose_retry_life_is_over_expires() -> None:
    at = situation(claimed=claimed(life_us=5 * 24 * 60 * MINUTE))
    outcome, _ = decide(verdict(Kind.DEFER), at)
    assert (outcome.event, outcome.to) == (Event.AGE_OUT, State.EXPIRED)


@pytest.mark.parametrize(
    ("scope", "gate"),
    [(Scope.MAILBOX, ("lane", LANE)), (Scope.DOMAIN, ("domain", "council.example")), (Scope.RELAY, ("relay", "main"))],
)
def test_wider_trouble_shuts_a_gate_and_costs_the_letter_nothing(scope: Scope, gate: tuple[str, str]) -> None:
    outcome, (effect,) = decide(verdict(Kind.DEFER, scope), situation())
    assert (outcome.to, outcome.due_at, outcome.life_us) == (State.QUEUED, NOW, 0)
    assert (effect.kind, effect.key) == gate
    assert effect.opens_at > NOW
    assert effect.strike


def test_a_gate_stays_shut_as_long_as_its_trouble_has_lasted() -> None:
    gates = {("lane", LANE): Gate(0, "r", NOW - 30 * MINUTE, 3)}
    _, (effect,) = decide(verdict(Kind.DEFER, Scope.MAILBOX), situation(gates=gates))
    assert effect.opens_at == NOW + 30 * MINUTE
    assert effect.hold_age_us == timedelta(days=5) // timedelta(microseconds=1)


def test_mail_to_signers_has_no_mailbox_scope() -> None:
    outcome, effects = decide(verdict(Kind.REFUSE, Scope.MAILBOX), situation(kind="signers"))
    assert outcome.to is State.REFUSED
    assert [effect.kind for effect in effects] == ["relay-fuse"]


def test_a_refused_office_holds_its_lane_at_once() -> None:
    outcome, (effect,) = decide(verdict(Kind.REFUSE, Scope.MAILBOX), situation(started=False))
    assert outcome.to is State.QUEUED
    assert (effect.hold_scope, effect.hold_target, effect.hold_strikes) == ("lane", LANE, 1)


def test_refused_letters_feed_the_fuses() -> None:
    for kind, to in ((Kind.REFUSE, State.REFUSED), (Kind.SET_ASIDE, State.HELD)):
        outcome, effects = decide(verdict(kind), situation())
        assert outcome.to is to
        assert [(e.kind, e.hold_strikes) for e in effects] == [("lane-fuse", 3), ("relay-fuse", 10)]


def test_our_own_misconfiguration_refuses_nobody() -> None:
    outcome, (effect,) = decide(verdict(Kind.REFUSE, Scope.RELAY, Stage.AUTH), situation(started=False))
    assert outcome.to is State.QUEUED
    assert effect.kind == "relay"


def test_a_connection_lost_before_any_envelope_costs_the_letter_nothing() -> None:
    early, _ = decide(verdict(Kind.DEFER, Scope.CONNECTION, Stage.GREETING), situation(started=False))
    late, (gate,) = decide(verdict(Kind.DEFER, Scope.CONNECTION, Stage.CONTENT), situation())
    assert early.life_us == 0
    assert late.life_us > 0
    assert gate.kind == "lane"
