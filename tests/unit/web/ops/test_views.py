"""What the operators' pages are filled with: figures, one letter's story, lists of offices, the coming year."""

from datetime import UTC, date, datetime

import pytest

from worker.domain.occurrence import Life
from worker.domain.states import State
from worker.web.ops import figures, offices_view, sendouts_view, story
from worker.web.ops.filters import amount, clean, group, moment, step


def office(name, due=0, waits=(), **letters):
    return {
        "id": name, "title": "Mayor", "organisation": "Town", "letters": letters, "due": due, "oldest_due_age_s": 60.0,
        "next_opening": None, "waits": [{"text": text, "until": None} for text in waits], "limits": [],
    }  # fmt: skip


# -- figures -------------------------------------------------------------------------------------------------------------
def test_every_state_is_drawn_in_one_group():
    drawn = [state for states in figures.GROUPS.values() for state in states]
    assert sorted(drawn) == sorted(State)
    assert {group(state) for state in State} == set(figures.GROUPS)


def test_the_longest_backlog_stands_first():
    offices = [office("a", 1, queued=1), office("b", 5, queued=9), office("c", 0, sent=3), office("d")]
    assert [bar.id for bar in figures.office_bars(offices)] == ["b", "a", "c"]


def test_bars_are_in_proportion_to_the_longest():
    long, short = figures.office_bars([office("a", 2, queued=2, sent=6), office("b", 1, queued=2)])
    assert sum(each.width for each in long.segments) == pytest.approx(100)
    assert sum(each.width for each in short.segments) == pytest.approx(25)


def test_what_all_wait_for_is_said_once():
    offices = [office("a", 1, ["relay down", "closed"], queued=1), office("b", 1, ["relay down"], queued=1)]
    assert [each["text"] for each in figures.in_common(offices)] == ["relay down"]
    assert [bar.why for bar in figures.office_bars(offices)] == ["closed", ""]


def test_one_office_has_nothing_in_common():
    assert figures.in_common([office("a", 1, ["closed"], queued=1)]) == []


def test_numbers_lead_to_their_lists():
    assert figures.letters_path(state="queued", office="a&b", after=None) == "/ops/letters?state=queued&office=a%26b"
    assert figures.letters_path() == "/ops/letters"


def test_a_limit_nobody_can_tell_the_use_of_has_no_gauge():
    limit = {"scope": "mailbox", "count": 30, "window_s": 3600, "used": None, "opens_at": None}
    assert figures.limit_gauge(limit).gauge is None
    assert figures.limit_gauge(limit).rate == "30 an hour"


# -- how things are written ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("n", "text"), [(None, "\N{EN DASH}"), (0, "0"), (1234567, "1,234,567"), (2.5, "2.5"), (3.0, "3"), (12.4, "12")]
)
def test_amounts(n, text):
    assert amount(n) == text


def test_moments_are_utc():
    assert ">2026-11-25 08:30 UTC</time>" in moment("2026-11-25T09:30:00+01:00")
    assert 'datetime="2026-11-25T08:30:05Z"' in moment(datetime(2026, 11, 25, 8, 30, 5, tzinfo=UTC), seconds=True)


def test_what_nobody_sees_is_shown():
    assert clean("a\u202eb\x00c\nd") == "a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}c\nd"
    assert clean("Åsa Ö") == "Åsa Ö"
    assert clean(None) is None


# -- a letter ------------------------------------------------------------------------------------------------------------
def attempt(number, at, **steps):
    return {
        "number": number, "relay": "main", "round": 1, "worker": "w", "started_at": None, "ended_at": at,
        "verdict": "defer", "scope": "letter", "stage": "rcpt", "code": 450, "enhanced": "4.7.1", "text": "later",
        "rule": "r", "steps_ms": steps, "hash": None,
    }  # fmt: skip


def test_a_letters_life_is_told_in_order():
    letter = {
        "attempts_made": [attempt(1, "2026-01-01T10:00:00Z"), attempt(2, "2026-01-01T12:00:00Z")],
        "audit": [{"at": "2026-01-01T11:00:00Z", "who": "ana", "verb": "hold", "reason": "x"}],
    }
    told = story.happenings(letter)
    assert [each.attempt.number if each.attempt else each.verb for each in told] == [1, "hold", 2]


def test_steps_are_drawn_in_the_order_of_the_dialogue():
    letter = {"attempts_made": [attempt(1, "x", dot=5.0, connect=3.0, odd=2.0)], "audit": []}
    segments = story.happenings(letter)[0].attempt.segments
    assert [each.name for each in segments] == ["connect", "dot", "odd"] == story.step_names(letter)
    assert [each.width for each in segments] == [30, 50, 20]


def test_a_step_has_one_colour_of_its_own():
    assert len({step(name) for name in (*story.STEPS, "odd")}) == len(story.STEPS) + 1


def test_an_attempt_of_another_length_is_drawn_shorter():
    letter = {"attempts_made": [attempt(1, "a", dot=10.0), attempt(2, "b", dot=5.0)], "audit": []}
    first, second = (each.attempt.segments[0].width for each in story.happenings(letter))
    assert (first, second) == (100, 50)


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("queued", ["Hold", "Cancel"]),
        ("held", ["Resume", "Cancel"]),
        ("in_doubt", ["Say it was sent", "Send it again", "Cancel"]),
        ("sent", []),
        ("refused", ["Requeue"]),
    ],
)
def test_a_letter_offers_what_its_state_allows(state, words):
    assert [each for each, _ in story.verbs({"id": 7, "state": state})] == words


# -- offices -------------------------------------------------------------------------------------------------------------
def test_ten_thousand_offices_come_page_by_page():
    offices = [office(f"o-{number:05}", number % 7, queued=number % 7) for number in range(10_000)]
    first = offices_view.listed(offices, "", "due", 1)
    assert (first["found"], first["pages"], len(first["rows"])) == (10_000, 200, 50)
    assert first["rows"][0].due == 6
    assert (first["earlier"], first["following"]) == ("", "/ops/offices?page=2")
    last = offices_view.listed(offices, "", "id", 999)
    assert (last["number"], last["following"], last["earlier"]) == (200, "", "/ops/offices?sort=id&page=199")


def test_offices_are_found_by_any_part():
    offices = [office("x"), office("nato")]
    assert [row.id for row in offices_view.listed(offices, " NATO ", "due", 1)["rows"]] == ["nato"]
    assert len(offices_view.listed(offices, "mayor", "due", 1)["rows"]) == 2
    assert offices_view.listed(offices, "nowhere", "due", 1)["rows"] == []


def test_an_office_without_letters_has_a_page():
    assert figures.office_bar(office("a")).segments == ()


# -- send-outs -----------------------------------------------------------------------------------------------------------
def test_the_year_has_every_month_once():
    dates = [{"when": "2027-02-26T05:00:00Z"}, {"when": "2026-11-30T00:00:00Z"}, {"when": "2031-01-01T00:00:00Z"}]
    months = sendouts_view.year(dates, datetime(2026, 11, 25, tzinfo=UTC))
    assert [month for month, _ in months][::12] == [date(2026, 11, 1), date(2027, 11, 1)]
    assert {month: len(found) for month, found in months if found} == {
        date(2026, 11, 1): 1,
        date(2027, 2, 1): 1,
        date(2027, 11, 1): 1,
    }


@pytest.mark.parametrize("life", list(Life))
def test_a_send_out_that_is_over_offers_nothing(life):
    offered = [verb for verb, _ in sendouts_view.verbs(life.value)]
    assert bool(offered) == (life not in {Life.DONE, Life.CANCELLED})
    assert ("approve" in offered) == (life is Life.ANNOUNCED)
