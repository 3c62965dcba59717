"""The operators' pages: what they show of a night's backlog, to whom, and that nothing in them can do harm.

Both databases, as each page has queries of its own; but for the tests that are marked `drawing`. Those ask for no page that
others do not ask of both databases: how it is drawn from what was read, and what is refused before anything is read, is
the same code, and is tested on SQLite alone.
"""

import re

import pytest
import sqlalchemy as sa

from tests.fixtures.backlog import HELD, IN_DOUBT, REFUSES, TARPITS
from worker.ledger.schema import attempts, holds, letters

drawing = pytest.mark.parametrize("ledger_url", ["sqlite"], indirect=True)

PAGES = (
    "/ops", "/ops?span=day", "/ops/letters", "/ops/letters?state=queued", "/ops/letters/1", "/ops/offices",
    f"/ops/offices/{REFUSES}", "/ops/offices/sampleton-mayor", "/ops/sendouts", "/ops/acts", "/ops/search?q=nato",
    "/ops/reviews",
)  # fmt: skip


def test_every_page_is_there_for_a_viewer_without_verbs(night):
    for path in PAGES:
        page = night.get(path, headers=night.look)
        assert 'href="/ops/act/' not in page, path
        assert "style=" not in page, path
        assert "<script>" not in page, path


def test_the_overview_names_each_cause(night):
    page = night.get("/ops?span=day")
    assert "login refused" in page
    assert "the mailbox was refused" in page
    assert "Correct the mailbox" in page
    assert "may or may not have gone out" in page
    for office in (REFUSES, TARPITS, IN_DOUBT, HELD):
        assert f'href="/ops/offices/{office}"' in page
    assert page.count('class="line"') >= 3


@drawing
def test_drawings_have_words_and_tables(night):
    page = night.get("/ops?span=day")
    drawn = re.findall(r'<svg class="(?:plot-box|bar|gauge)[^>]*>', page)
    assert len(drawn) > 10
    assert all('role="img"' in each and 'aria-label="' in each for each in drawn)
    assert page.count("As a table") == 3


def test_numbers_lead_to_their_letters(night):
    for path in set(re.findall(r'href="(/ops/letters\?[^"]+)"', night.get("/ops"))):
        night.get(path.replace("&amp;", "&"))


def test_a_number_of_due_letters_leads_to_just_these(night):
    found = re.findall(r'href="/ops/letters\?([^"]*due=[^"]*)">([\d,]+)(?: due)?</a>', night.get("/ops"))
    assert len({query for query, _ in found}) > 10, "cells, offices and totals"
    for query, n in found:
        listed = night.site.get(f"/ops/api/letters?{query.replace('&amp;', '&')}&limit=1000", headers=night.look).json()
        assert len(listed["letters"]) == int(n.replace(",", "")), query


def test_letters_are_filtered_and_paged(night):
    first = night.get("/ops/letters")
    following = re.search(r'rel="next" href="([^"]+)"', first)[1].replace("&amp;", "&")
    numbers = [set(re.findall(r'href="/ops/letters/(\d+)"', page)) for page in (first, night.get(following))]
    assert len(numbers[0]) == 50
    assert numbers[0].isdisjoint(numbers[1])
    only = night.get(f"/ops/letters?office={TARPITS}&code=452")
    assert set(re.findall(r'data-head="State"><span class="state">.*?</svg>(\w+)<', only)) == {"queued"}


@drawing
def test_a_filter_that_cannot_be_is_told_with_the_form(night):
    for query in ("state=nothing", "signature=abc", "older=soon", "code=999", "due=later"):
        page = night.get(f"/ops/letters?{query}", 400)
        assert 'role="alert"' in page
        assert query.partition("=")[2] in page


def test_what_is_not_there(night):
    for path in ("letters/999999", "offices/nobody", "sendouts/999", "acts/999", "act/fly"):
        night.get(f"/ops/{path}", 404)


def test_a_letters_page_tells_its_life(night):
    (number,) = night.rows(f"SELECT min(id) FROM letters WHERE addressee = '{TARPITS}' AND attempts = 2")[0]
    page = night.get(f"/ops/letters/{number}")
    assert "450 4.7.1 Greylisted" in page
    assert page.index("attempt 1") < page.index("attempt 2")
    assert page.count('class="bar steps"') == 2
    assert f"Letter {number} " in re.search(r'class="sentence[^"]*">([^<]*)', page)[1]


@drawing
def test_a_viewer_may_not_act(night):
    for path in ("/ops/act/hold", "/ops/act/letters-cancel?state=queued"):
        night.get(path, 403, headers=night.look)
    for path in ("/ops/act/hold", "/ops/letters/1/signer", "/ops/search", "/ops/sendouts/1", "/ops/acts/1/undo"):
        night.post(path, {"reason": "x"}, 403, headers=night.look)


@drawing
def test_strangers_see_nothing(night):
    answer = night.site.get("/ops", headers={"Accept": "text/html"})
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/ops/login")
    assert night.site.get("/ops/api/status").status_code == 401


# -- signers -------------------------------------------------------------------------------------------------------------
def test_a_signer_is_shown_on_request_and_the_audit_says_so(night):
    (number, signature) = night.rows("SELECT id, signature_id FROM letters ORDER BY id LIMIT 1")[0]
    assert "mail.example" not in night.get(f"/ops/letters/{number}")
    page = night.post(f"/ops/letters/{number}/signer", {"reason": "they asked by telephone"}, 200).text
    assert "signer1@mail.example" in page
    query = "SELECT who, target, reason FROM audit WHERE verb = 'look'"
    assert night.rows(query) == [("key act", f"signature {signature}", "they asked by telephone")]


@drawing
def test_a_look_without_a_reason_shows_nothing(night):
    page = night.post("/ops/letters/1/signer", {"reason": " "}, 400).text
    assert "a reason is needed" in page
    assert "mail.example" not in page
    assert night.rows("SELECT id FROM audit WHERE verb = 'look'") == []


def test_a_signers_letters_are_found_by_exact_address(night):
    found = night.post("/ops/search", {"address": "SIGNER2@mail.example", "reason": "a complaint"}, 200).text
    assert len(set(re.findall(r'href="/ops/letters/(\d+)"', found))) == 11
    assert "signer2@mail.example" not in found.lower()
    none = night.post("/ops/search", {"address": "other@mail.example", "reason": "a complaint"}, 200).text
    assert "0 letters" in none
    assert len(night.rows("SELECT id FROM audit WHERE verb = 'look-up'")) == 2
    night.post("/ops/search", {"address": "nonsense", "reason": "x"}, 400)


HOSTILE = "<img src=x onerror=alert(1)>\"'</code></script><script>alert(2)</script>\u202eevil\u2066"


@drawing
def test_hostile_words_are_inert_everywhere(night):
    with night.ledger.write() as connection:
        connection.execute(sa.update(attempts).values(text=HOSTILE, enhanced="<b>", rule="<i>r"))
        connection.execute(sa.update(letters).values(reason=HOSTILE))
        connection.execute(sa.update(holds).values(reason=HOSTILE))
    (number,) = night.rows(f"SELECT min(id) FROM letters WHERE addressee = '{TARPITS}'")[0]
    for path in (*PAGES, f"/ops/letters/{number}"):
        page = night.get(path)
        assert "<img" not in page, path
        assert "<script>" not in page, path
        assert "\u202e" not in page, path
    assert "&lt;img src=x onerror" in night.get(f"/ops/letters/{number}")


@drawing
def test_a_hostile_signer_is_inert(night):
    person = {"name": "<b>Mallory</b>", "city": "</dd><script>alert(1)</script>"}
    number = night.site.signed(**person, email="mallory@mail.example")
    (letter,) = night.rows(f"SELECT min(id) FROM letters WHERE signature_id = {number}")[0]
    page = night.post(f"/ops/letters/{letter}/signer", {"reason": "a look"}, 200).text
    assert "<b>Mallory" not in page
    assert "<script>" not in page
    assert "&lt;b&gt;Mallory" in page


# -- for programs --------------------------------------------------------------------------------------------------------
def test_programs_read_the_same_numbers(night):
    status = night.site.get("/ops/api/status", headers=night.look).json()
    assert status["letters"]["in_doubt"] == night.states(IN_DOUBT)["in_doubt"]
    needs = night.site.get("/ops/api/needs", headers=night.look).json()["needs"]
    assert {"relay", "mailbox", "in-doubt"} <= {need["kind"] for need in needs}
    page = night.site.get("/ops/api/letters?limit=3", headers=night.look).json()
    assert len(page["letters"]) == 3
    assert page["next_after"] == page["letters"][-1]["id"]
    letter = night.site.get(f"/ops/api/letters/{page['next_after']}", headers=night.look).json()
    assert letter["why"].startswith("Letter ")


def test_programs_act_by_preview_and_count(night):
    ask = {"verb": "cancel", "office": REFUSES}
    answer = night.site.runner.run(night.site.client.post("/ops/api/acts", json=ask, headers=night.act))
    found = answer.json()["preview"]
    assert found["by_state"] == {"queued": night.states(REFUSES)["queued"]}
    stale = ask | {"expected": found["count"] - 1, "reason": "x"}
    answer = night.site.runner.run(night.site.client.post("/ops/api/acts", json=stale, headers=night.act))
    assert answer.status_code == 409
    good = ask | {"expected": found["count"], "reason": "asked by the office"}
    answer = night.site.runner.run(night.site.client.post("/ops/api/acts", json=good, headers=night.act))
    assert answer.status_code == 201
    night.finished(f"/ops/acts/{answer.json()['act']}")
    answer = night.site.runner.run(night.site.client.post("/ops/api/acts", json=good, headers=night.look))
    assert answer.status_code == 403
