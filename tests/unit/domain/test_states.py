"""The state table: every legal move, and that every other one raises."""

import itertools

import pytest

from worker.domain import states
from worker.domain.states import FINAL, MOVES, WAITING, WRITTEN, Event, IllegalMove, State, events_from, move, sources

LEGAL = """
age_out: claimed held queued sending -> expired
bind: queued -> bound
bounce_notice: in_doubt sent -> bounced
cancel: claimed held in_doubt queued -> cancelled
claim: queued -> claimed
defer: claimed sending -> queued
fault: claimed -> faulty
hold: claimed queued -> held
late_reply: in_doubt -> queued refused sent
lose: sending -> in_doubt
accept: sending -> sent
refuse: claimed sending -> refused
release: claimed -> queued
requeue: bounced cancelled expired faulty refused suppressed -> queued
resolve: in_doubt -> queued sent
resume: held -> queued
set_aside: claimed sending -> held
start: claimed -> sending
suppress: claimed held queued -> suppressed
unbind: bound -> queued
"""


def test_the_table_as_printed():
    printed = {f"{e}: {' '.join(sorted(origin))} -> {' '.join(sorted(ends))}" for e, (origin, ends) in MOVES.items()}
    assert printed == set(LEGAL.strip().splitlines())
    assert set(MOVES) == set(Event)


@pytest.mark.parametrize("event", Event)
def test_a_move_is_legal_or_raises(event):
    origin, ends = MOVES[event]
    for state, to in itertools.product(State, State):
        if state in origin and to in ends:
            assert move(state, event, to) is to
        else:
            with pytest.raises(IllegalMove) as caught:
                move(state, event, to)
            assert (caught.value.state, caught.value.event) == (state, event)


def test_the_only_outcome_need_not_be_named():
    assert move(State.QUEUED, Event.CLAIM) is State.CLAIMED


def test_one_of_several_outcomes_must_be_named():
    with pytest.raises(IllegalMove):
        move(State.IN_DOUBT, Event.LATE_REPLY)


def test_the_message_says_what_is_legal():
    with pytest.raises(IllegalMove, match="a bound letter cannot claim; legal here: unbind"):
        move(State.BOUND, Event.CLAIM)


def test_every_state_is_reached_and_every_state_but_the_first_has_a_way_in():
    reached = {end for _, ends in MOVES.values() for end in ends}
    assert reached == set(State)


def test_only_sending_leads_into_doubt_and_nothing_sends_twice():
    ways_in = {e for e, (_, ends) in MOVES.items() if State.IN_DOUBT in ends}
    assert ways_in == {Event.LOSE}
    # out of doubt, a letter is queued again only by an operator or by the relay's own late reply
    ways_back = {e for e in events_from(State.IN_DOUBT) if State.QUEUED in MOVES[e][1]}
    assert ways_back == {Event.RESOLVE, Event.LATE_REPLY}


def test_sets_and_sources():
    assert set(State) == WAITING | FINAL
    assert not WAITING & FINAL
    assert {State.SENDING, State.SENT, State.IN_DOUBT, State.BOUNCED} == WRITTEN
    assert sources(Event.CANCEL) == ("claimed", "held", "in_doubt", "queued")
    assert events_from(State.SENT) == {Event.BOUNCE_NOTICE}
    assert states.__doc__
