"""Acting on the operators' pages: counted first, confirmed with that count, refused where things have changed.

Both databases, but for the form that comes back with its faults, before anything is read.
"""

import re

import pytest

from tests.fixtures.backlog import REFUSES, TARPITS


def fields(page):
    """What the form would send along."""
    return dict(re.findall(r'name="(expected|up_to)" value="(\d+)"', page))


def cancel(night, office=REFUSES):
    page = night.get(f"/ops/act/letters-cancel?office={office}")
    return {"step": "do", "office": office, "reason": "asked by the office", **fields(page)}


def test_an_act_is_counted_confirmed_done_and_taken_back(night):
    waiting = night.states(REFUSES)["queued"]
    form = cancel(night)
    assert form["expected"] == str(waiting)
    path = night.post("/ops/act/letters-cancel", form).headers["location"]
    night.finished(path)
    assert night.states(REFUSES)["cancelled"] == waiting
    page = night.get(f"{path}/undo")
    form = {"reason": "a mistake", **fields(page)}
    back = night.post(f"{path}/undo", form).headers["location"]
    night.finished(back)
    assert night.states(REFUSES)["queued"] == waiting
    assert "was undone" in night.post(f"{path}/undo", form, 409).text
    verbs = [verb for (verb,) in night.rows("SELECT verb FROM audit WHERE who = 'key act' ORDER BY id")]
    assert len(verbs) >= 4


def test_a_stale_count_does_nothing_and_asks_again(night):
    form = cancel(night) | {"expected": "3"}
    before = night.states(REFUSES)
    page = night.post("/ops/act/letters-cancel", form, 409).text
    assert "The number has changed since you looked" in page
    assert "asked by the office" in page
    assert night.states(REFUSES) == before
    again = form | fields(page)
    night.finished(night.post("/ops/act/letters-cancel", again).headers["location"])


def test_two_operators_at_once(night):
    """Both have seen the same count: one acts, the other is told that none is left."""
    mine, theirs = cancel(night), cancel(night)
    night.finished(night.post("/ops/act/letters-cancel", mine).headers["location"])
    page = night.post("/ops/act/letters-cancel", theirs, 409).text
    assert "left alone: a cancelled letter cannot be cancelled" in page
    assert "No letter fits" in page


@pytest.mark.parametrize("ledger_url", ["sqlite"], indirect=True)
def test_bad_input_comes_back_with_the_form(night):
    form = cancel(night)
    for wrong in ({"reason": ""}, {"reason": "two\nlines"}, {"code": "abc"}, {"letter": "x"}, {"older": "soon"}):
        page = night.post("/ops/act/letters-cancel", form | wrong, 400).text
        assert 'role="alert"' in page, wrong
        assert f'value="{REFUSES}"' in page
    page = night.post(
        "/ops/act/hold", {"step": "do", "scope": "office", "target": "nobody", "reason": "mine"}, 400
    ).text
    assert 'value="nobody"' in page
    assert 'value="mine"' in page
    assert night.rows("SELECT id FROM bulk_acts") == []


def test_a_verb_that_the_state_does_not_allow_is_refused_with_the_reason(night):
    (sent,) = night.rows("SELECT min(id) FROM letters WHERE state = 'sent'")[0]
    page = night.get(f"/ops/act/letters-cancel?letter={sent}")
    assert "a sent letter cannot be cancelled" in page
    form = {"step": "do", "letter": str(sent), "reason": "x", "expected": "0", "up_to": str(sent)}
    assert "cannot be cancelled" in night.post("/ops/act/letters-cancel", form, 409).text


def test_a_signature_that_waits_is_looked_at_and_decided_once(night):
    number, _ = night.site.confirmed(comment="<img src=x onerror=alert(1)> it's ours")
    path = f"/ops/reviews/{number}"
    assert f'action="{path}"' in night.get("/ops/reviews")
    night.post(path, {"step": "look"}, 403, night.look)
    page = night.post(path, {"step": "look"}, 200).text
    assert "&lt;img src=x onerror=alert(1)&gt; it&#39;s ours" in page
    assert night.rows(f"SELECT verb FROM audit WHERE target = 'signature {number}' ORDER BY id") == [("look",)]
    for wrong in ({"step": "burn", "reason": "x"}, {"step": "approved", "reason": ""}):
        assert 'role="alert"' in night.post(path, wrong, 400).text
    night.post(path, {"step": "approved", "reason": "read"})
    held = f"SELECT count(*) FROM letters WHERE signature_id = {number} AND state = 'held'"
    assert night.rows(held) == [(0,)]
    assert "was approved before" in night.post(path, {"step": "rejected", "reason": "x"}, 409).text
    assert "there is no signature 9999" in night.post("/ops/reviews/9999", {"step": "look"}, 400).text


def test_a_relay_is_resumed_once(night):
    form = {"step": "do", "scope": "relay", "target": "rehearsal", "reason": "the password is right now"}
    assert "login refused" in night.get("/ops")
    night.post("/ops/act/resume", form)
    assert "is not held" in night.post("/ops/act/resume", form, 409).text


@pytest.mark.parametrize(
    "path",
    [
        f"hold?scope=office&target={TARPITS}",
        f"resume?scope=office&target={TARPITS}",
        f"redirect?office={TARPITS}",
        f"suppress?office={TARPITS}",
    ],
)
def test_how_many_wait_there_is_said_first(night, path):
    waiting = night.states(TARPITS)["queued"]
    page = night.get(f"/ops/act/{path}")
    assert "How many wait there" in page
    assert f"<strong>{waiting}</strong> letters" in page
    assert "there is no office" in night.get(f"/ops/act/{path.replace(TARPITS, 'nobody')}", 400)


def test_everything_is_held_for_a_while(night):
    (queued,) = night.rows("SELECT count(*) FROM letters WHERE state IN ('queued', 'claimed')")[0]
    assert f"<strong>{queued:,}</strong> letters" in night.get("/ops/act/hold?scope=everything")
    form = {"step": "do", "scope": "everything", "target": "", "for": "2 h", "reason": "a false letter"}
    night.post("/ops/act/hold", form)
    ((until_us, since_us),) = night.rows("SELECT until, since FROM holds WHERE scope = 'everything'")
    assert abs(until_us - since_us - 7_200_000_000) < 60_000_000


def test_a_limit_is_changed_and_lifted(night):
    form = {"step": "do", "scope": "mailbox", "target": TARPITS, "rate": "60/h", "for": "2 h", "reason": "they agreed"}
    night.post("/ops/act/limit", form)
    assert "changed already" in night.post("/ops/act/limit", form, 409).text
    assert "they agreed" in night.get(f"/ops/offices/{TARPITS}")
    night.post("/ops/act/limit-lift", {"step": "do", "scope": "mailbox", "target": TARPITS, "reason": "enough"})
    assert "they agreed" not in night.get(f"/ops/offices/{TARPITS}")
    flood = form | {"rate": "100000/h"}
    assert "would flood" in night.post("/ops/act/limit", flood, 400).text


def test_a_worker_is_drained(night):
    form = {"step": "do", "target": "mill-1:4021", "reason": "an upgrade"}
    night.post("/ops/act/drain", form)
    assert "already" in night.post("/ops/act/drain", form, 409).text
    night.post("/ops/act/undrain", form)


def test_a_wrong_mailbox_is_corrected(night):
    form = {
        "step": "do", "office": REFUSES, "mailbox": "right@nato.example", "source": "its website", "reason": "it moved",
        "lift": "yes",
    }  # fmt: skip
    night.post("/ops/act/redirect", form)
    lanes = "SELECT DISTINCT l.key FROM letters t JOIN lanes l ON l.id = t.lane_id WHERE t.state = 'queued'"
    keys = {key for (key,) in night.rows(f"{lanes} AND t.addressee = '{REFUSES}'")}
    assert keys == {"mailbox:right@nato.example"}
    night.post("/ops/act/redirect", form | {"mailbox": "nonsense"}, 400)


def test_an_office_that_asks_is_not_written_to(night):
    form = {"step": "do", "office": TARPITS, "evidence": "their letter of 3 May", "reason": "they asked us"}
    night.post("/ops/act/suppress", form | {"evidence": ""}, 400)
    night.post("/ops/act/suppress", form)
    assert "queued" not in night.states(TARPITS)
    form = {"step": "do", "office": TARPITS, "requeue": "yes", "reason": "they wrote again"}
    night.finished(night.post("/ops/act/unsuppress", form).headers["location"])
    assert night.states(TARPITS)["queued"] > 0


def test_a_send_out_is_held_resumed_and_looked_over(night):
    from worker.schedule import tick
    from worker.wiring.schedule import open_board

    tick(open_board(night.site.shop.home, night.ledger))
    ((number,),) = night.rows("SELECT min(id) FROM occurrences WHERE state = 'planned'")
    path = f"/ops/sendouts/{number}"
    form = {"verb": "hold", "state": "planned", "reason": "the text is not final", "sure": "yes"}
    night.post(path, form | {"sure": ""}, 400)
    page = night.post(path, form | {"verb": "approve"}, 409).text
    assert "cannot be approved" in page
    assert 'value="the text is not final"' in page
    night.post(path, form)
    assert "the text is not final" in night.get(path)
    stale = night.post(path, form, 409).text
    assert "it was planned when you looked, and is held now" in stale
    night.post(path, form | {"verb": "end", "state": "held", "ends": "never"}, 400)
    night.post(path, form | {"verb": "resume", "state": "held"})
    night.post(f"{path}/preflight", {})
    assert "asked for at" in night.get(path)
