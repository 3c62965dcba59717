"""Every kind of need, raised by real parts and gone when it is mended. Both databases."""

import dataclasses
import re

import pytest

from tests.fixtures.world import RELAY, World
from tests.integration.operations.watchdog.scene import (
    MINUTE,
    OFFICES,
    SECOND,
    execute,
    kinds,
    open_home,
    process,
    read,
    the,
)
from tests.smtp_server import Always, Drop, Say
from worker.domain.errors import Failed
from worker.intake import PersonInput
from worker.ledger import alarms, audit, gates, holds, reviews, witness
from worker.operations.barriers import SINK
from worker.operations.holds import Order, hold, resume
from worker.operations.needs import Disk, Parts, Quota, needs
from worker.operations.watchdog.rarely import Rarely

DAY = 24 * 60 * MINUTE


@pytest.fixture
def home(world, tmp_path):
    return open_home(world, tmp_path)


def person(n: int) -> PersonInput:
    return PersonInput(f"Sample Signer {n:02}", f"signer{n}@mail.example", "GB")


def test_nothing_needs_anybody(world: World, home) -> None:
    world.submit(2)
    assert read(world, home) == []
    with world.relay():
        world.until_idle()
    assert read(world, home, DAY) == []


def test_nobody_tries_what_is_due(world: World, home) -> None:
    world.submit(2)
    assert read(world, home, 4 * MINUTE) == []
    need = the(read(world, home, 6 * MINUTE), "stalled")
    assert (need.severity, need.letters, need.target) == ("act", 4, "")
    assert "nobody tries them" in need.text
    process(world, seen_at=world.ledger.now_us() - 2 * MINUTE)
    assert "no worker is alive" in the(read(world, home, 6 * MINUTE), "stalled").text
    with world.relay():
        world.until_idle()
    assert "stalled" not in kinds(read(world, home, 6 * MINUTE))


def test_what_stands_in_the_way_is_no_stall(world: World, home) -> None:
    world.submit(1)
    now = world.ledger.now_us()
    assert kinds(read(world, home, 6 * MINUTE)) == ["stalled"]
    with world.ledger.write() as connection:
        one = holds.place(connection, now, "everything", "", reason="look", who="tester")
    assert read(world, home, 6 * MINUTE) == []
    execute(world, "UPDATE holds SET lifted_at = :at WHERE id = :id", at=now + 3 * MINUTE, id=one)
    assert read(world, home, 6 * MINUTE) == [], "it was open for three minutes only"
    assert kinds(read(world, home, 9 * MINUTE)) == ["stalled"]
    with world.ledger.write() as connection:
        gates.strike(connection, now, "relay-pace", f"{SINK}:office", opens_at_us=now + 8 * MINUTE, reason="used up")
    assert read(world, home, 9 * MINUTE) == []
    closed = world.home.settings.model_copy()
    observed = dataclasses.replace(home, settings=closed)
    midnight = 24 * 60 * MINUTE - (now % DAY) + 90 * MINUTE
    assert "stalled" not in kinds(read(world, observed, midnight)), "nobody is in the office"


def test_a_held_campaign_does_not_hide_another_lane(world: World, home) -> None:
    world.submit(1)
    with world.ledger.write() as connection:
        holds.place(connection, world.ledger.now_us(), "campaign", world.campaign, reason="look", who="tester")
    assert read(world, home, 6 * MINUTE) == []


def test_only_some_lanes_are_served(world: World, home) -> None:
    world.submit(1)
    execute(
        world,
        "UPDATE lanes SET served_at = :at WHERE id = (SELECT min(id) FROM lanes)",
        at=world.ledger.now_us() + 5 * MINUTE,
    )
    need = the(read(world, home, 6 * MINUTE), "stalled")
    assert (need.severity, need.target, need.letters) == ("watch", "", 1)
    assert "more workers may be needed" in need.text


def test_workers_that_just_started_are_given_time(world: World, home) -> None:
    world.submit(1)
    process(world, later_us=6 * MINUTE, started_at=world.ledger.now_us() + 5 * MINUTE)
    assert read(world, home, 6 * MINUTE) == []


def test_a_confirmation_waits(world: World, home) -> None:
    world.intake.sign(world.campaign, person(1))
    assert read(world, home, 50 * SECOND) == []
    need = the(read(world, home, 90 * SECOND), "confirmations")
    assert (need.severity, need.letters) == ("act", 1)
    assert "longer than 60 s" in need.text
    with world.ledger.write() as connection:
        now = world.ledger.now_us()
        holds.place(connection, now, "lane", "signers:confirm", reason="too many", who="lettershop")
    held = the(read(world, home, 90 * SECOND), "confirmations")
    assert held.mend.startswith("lettershop resume lane signers:confirm")
    resume(world.ledger, home, Order("lane", "signers:confirm", "tester", "go on"))
    with world.relay():
        world.until_idle()
    assert read(world, home, 90 * SECOND) == []


def test_a_letter_in_doubt(world: World, home) -> None:
    world.submit(1)
    with world.relay({"DOT": [Drop()]}):
        world.until_idle()
    need = the(read(world, home), "in-doubt")
    assert (need.severity, need.letters) == ("act", 1)
    assert need.mend.startswith("lettershop resolve sent --all")
    again = {world.campaign: dataclasses.replace(home.campaigns[world.campaign], in_doubt="resend_once")}
    patient = dataclasses.replace(home, campaigns={**home.campaigns, **again})
    assert "in-doubt" not in kinds(read(world, patient)), "it is sent again by itself"
    assert "in-doubt" in kinds(read(world, patient, 30 * MINUTE))
    execute(world, "UPDATE letters SET state = 'sent' WHERE state = 'in_doubt'")
    assert "in-doubt" not in kinds(read(world, home))


def test_a_refused_mailbox(world: World, home) -> None:
    world.submit(2)
    with world.relay({"RCPT": [Say(b"550 5.1.1 no such mailbox")]}):
        world.until_idle()
    need = the(read(world, home), "mailbox")
    assert need.target in OFFICES
    assert need.letters == 2
    assert "550 5.1.1" in need.text
    assert re.match(rf"lettershop redirect {need.target} ", need.mend)
    resume(world.ledger, home, Order("office", need.target, "tester", "corrected"))
    assert read(world, home) == []


def test_refusals_in_a_row_hold_a_lane(world: World, home) -> None:
    world.submit(4)
    with world.relay({"DOT": Always(Say(b"554 5.6.0 cannot be read"))}):
        world.until_idle()
    found = read(world, home)
    assert {need.kind for need in found} >= {"mailbox"}
    assert all(need.mend.startswith("lettershop resume office ") for need in found if need.kind == "mailbox")


def strike(world: World, reason: str) -> None:
    with world.ledger.write() as connection:
        now = world.ledger.now_us()
        gates.strike(connection, now, "relay", SINK, opens_at_us=now + MINUTE, reason=reason)


def test_a_relay_that_refuses_our_login(world: World, home) -> None:
    strike(world, "535 5.7.8 bad credentials")
    need = the(read(world, home), "relay")
    assert (need.target, need.severity) == (SINK, "act")
    assert "refuses our login" in need.text
    resume(world.ledger, home, Order("relay", SINK, "tester", "mended"))
    assert read(world, home) == []


def test_a_relay_that_is_away(world: World, home) -> None:
    strike(world, "no connection to the relay: Connection refused")
    assert read(world, home) == [], "once is no news"
    strike(world, "no connection to the relay: Connection refused")
    assert "cannot be reached" in the(read(world, home), "relay").text
    resume(world.ledger, home, Order("relay", SINK, "tester", "mended"))
    assert read(world, home) == []


def test_a_hand_that_died(world: World, home) -> None:
    world.submit(1)
    execute(
        world,
        "INSERT INTO rounds (id, lane_id, slot, worker, relay, lone, opened_at, renewed_at, ended)"
        " VALUES (77, (SELECT min(id) FROM lanes), 0, 'gone:1', :relay, false, :at, :at, '')",
        relay=RELAY,
        at=world.ledger.now_us(),
    )
    execute(world, "UPDATE letters SET state = 'sending', claim = 77 WHERE id = (SELECT min(id) FROM letters)")
    assert "stuck" not in kinds(read(world, home, MINUTE))
    assert the(read(world, home, 3 * MINUTE), "stuck").letters == 1


def test_a_mail_server_that_is_slow(world: World, home) -> None:
    world.submit(1)
    execute(
        world,
        "INSERT INTO rounds (id, lane_id, slot, worker, relay, lone, opened_at, renewed_at, ended)"
        " VALUES (78, (SELECT lane_id FROM letters WHERE addressee = 'sampleton-mayor'), 0, 'alpha:1', :relay, false,"
        " :at, :at, '')",
        relay=RELAY,
        at=world.ledger.now_us(),
    )
    assert "slow" not in kinds(read(world, home, MINUTE))
    assert "slow" not in kinds(read(world, home, 2 * MINUTE)), "nobody renews it: that round is dead"
    for minutes, severity in ((2, "watch"), (4, "act")):
        execute(world, "UPDATE rounds SET renewed_at = :at", at=world.ledger.now_us() + minutes * MINUTE)
        found = the(read(world, home, minutes * MINUTE), "slow")
        assert (found.target, found.severity) == ("sampleton-mayor", severity)
        assert "very slow: by relay main one letter has waited" in found.text
        assert found.mend.startswith("lettershop hold office sampleton-mayor --for 1h ")


def test_a_letter_past_its_life(world: World, home) -> None:
    world.submit(1)
    hold(world.ledger, home, Order("everything", "", "tester", "a look"))
    assert read(world, home, DAY) == []
    life = 5 * DAY
    execute(world, "UPDATE letters SET life_us = :life WHERE addressee = :a", life=life, a=OFFICES[0])
    need = the(read(world, home, DAY), "past-life")
    assert (need.target, need.letters) == (OFFICES[0], 1)
    execute(world, "UPDATE letters SET life_us = 0, not_after = :at", at=world.ledger.now_us() + MINUTE)
    assert [need.target for need in read(world, home, DAY)] == sorted(OFFICES)
    execute(world, "UPDATE letters SET state = 'expired'")
    assert "past-life" not in kinds(read(world, home, DAY))


def test_letters_that_ended_badly(world: World, home) -> None:
    world.submit(2)
    now = world.ledger.now_us()
    for office, state in zip(OFFICES, ("refused", "faulty"), strict=True):
        ended = "UPDATE letters SET state = :state, reason = 'spam', ended_at = :at WHERE addressee = :office"
        execute(world, ended, at=now, office=office, state=state)
    found = read(world, home)
    assert [(need.kind, need.severity, need.letters) for need in found] == [
        ("faulty", "act", 2),
        ("refused", "watch", 2),
    ]
    assert read(world, home, 4 * DAY) == [], "no news any more"
    execute(world, "UPDATE letters SET state = 'held', reason = 'policy', ended_at = NULL")
    assert the(read(world, home), "set-aside").letters == 4
    for reason in ("an operator wants a look", reviews.COMMENT):
        execute(world, "UPDATE letters SET reason = :reason", reason=reason)
        assert read(world, home) == []


def test_machines(world: World, home) -> None:
    process(world, "alpha:1", skew_us=20 * SECOND)
    process(world, "beta:1", disk_free=50)
    process(world, "gamma:1", trouble="config/offices.toml:3: no such key")
    found = read(world, home)
    assert {(need.kind, need.target) for need in found} == {("clock", "alpha"), ("disk", "beta"), ("config", "gamma:1")}
    assert "20 s ahead" in the(found, "clock").text
    for name in ("alpha:1", "beta:1", "gamma:1"):
        process(world, name)
    assert read(world, home) == []
    gone = read(world, home, 2 * MINUTE)
    assert [need.kind for need in gone] == ["process"] * 3
    process(world, "alpha:9", later_us=2 * MINUTE, started_at=world.ledger.now_us() + MINUTE)
    assert read(world, home, 2 * MINUTE) == [], "another one has come in their place"
    process(world, "alpha:9", trouble="drained", drain_asked_at=1)
    assert read(world, home) == [], "somebody wants it so"


def test_signatures_to_look_at(world: World, home) -> None:
    receipt = world.intake.sign(world.campaign, person(1))
    with world.ledger.write() as connection:
        reviews.begin(connection, receipt.signature, "comment", world.ledger.now_us())
    need = the(read(world, home), "review")
    assert (need.severity, need.mend) == ("watch", "lettershop signatures held")
    with world.ledger.write() as connection:
        reviews.decide(connection, [receipt.signature], "approved", world.ledger.now_us())
    assert read(world, home) == []


def test_an_act_left_half_done(world: World, home) -> None:
    now = world.ledger.now_us()
    execute(
        world,
        "INSERT INTO bulk_acts (verb, filter, who, reason, expected, up_to, after, moved, skipped, began_at, renewed_at)"
        " VALUES ('cancel', '{}', 'tester', 'why', 10, 10, 4, 3, 1, :at, :at)",
        at=now,
    )
    assert read(world, home, MINUTE) == []
    need = the(read(world, home, 6 * MINUTE), "bulk-act")
    assert need.letters == 6
    execute(world, "UPDATE bulk_acts SET ended_at = :at", at=now)
    assert read(world, home, 6 * MINUTE) == []


def test_a_sendout_that_needs_somebody(world: World, home) -> None:
    campaign = execute_campaign(world)
    now = world.ledger.now_us()
    execute(
        world,
        "INSERT INTO occurrences (campaign_id, occasion, period, state, was, reason, starts_at, edition, told_to,"
        " approved_by, written_to, written, made_at)"
        " VALUES (:c, 'anniversary', 2027, 'held', 'planned', 'a mailbox is wrong', :at, 0, -1, '', 0, 0, :at)",
        c=campaign,
        at=now,
    )
    need = the(read(world, home), "sendout")
    assert "a mailbox is wrong" in need.text
    assert need.mend.startswith("lettershop sendouts resume ")
    execute(world, "UPDATE occurrences SET state = 'missed'")
    assert the(read(world, home), "sendout").mend.startswith("lettershop sendouts run ")
    execute(world, "UPDATE occurrences SET state = 'cancelled'")
    assert read(world, home) == []


def execute_campaign(world: World) -> int:
    world.submit(1)
    execute(world, "UPDATE letters SET due_at = due_at + :far", far=300 * DAY)
    return world.rows("SELECT min(id) FROM campaigns")[0][0]


# -- around the ledger -----------------------------------------------------------------------------------------------------
def test_the_ledger_is_away(home) -> None:
    found = needs(Failed("it does not answer"), home)
    assert [(need.kind, need.severity) for need in found] == [("ledger", "act")]
    assert "it does not answer" in found[0].text


def test_a_restored_ledger(world: World, home) -> None:
    witness.note(home.var / "witness.json", world.ledger.ledger_id, 7)
    need = the(needs(world.ledger, home), "restored")
    assert "accept-restore" in need.mend
    (home.var / "witness.json").unlink()
    assert needs(world.ledger, home) == []


def test_other_parts(world: World, home) -> None:
    quotas = (Quota("main", 95, 100), Quota("spare", 1, 100))
    parts = Parts("no broker", "no Redis", "no config", quotas, Disk("alpha", 1, 100))
    found = needs(world.ledger, home, parts)
    assert [need.kind for need in found] == ["pacing", "broker", "disk", "config", "quota"]
    assert found[-1].target == "main"
    assert needs(world.ledger, home, Parts(quotas=(Quota("main", 1, 100),), disk=Disk("alpha", 50, 100))) == []


def test_a_broken_audit_is_found_and_shown_by_all(world: World, home) -> None:
    with world.ledger.write() as connection:
        audit.append(connection, world.ledger.now_us(), "tester", "hold", "office x", "why")
    assert Rarely().look(world.ledger, home, 0.0) == []
    execute(world, "UPDATE audit SET reason = 'another'")
    need = the(Rarely().look(world.ledger, home, 0.0), "audit")
    assert needs(world.ledger, home) == [], "only the watchdog reads the whole audit"
    with world.ledger.write() as connection:
        alarms.found(connection, world.ledger.now_us(), need.kind, need.target, need.text, world.ledger.now_us())
    assert the(needs(world.ledger, home), "audit").text == need.text


def test_letters_that_will_be_too_late(world: World, home) -> None:
    world.submit(3)
    now = world.ledger.now_us()
    execute(world, "UPDATE sendouts SET not_after = :at", at=now + 60 * MINUTE)
    assert Rarely().look(world.ledger, home, 0.0) == []
    slow = home.settings.limits.model_copy(update={"mailbox_per_day": 2})
    tight = dataclasses.replace(home, settings=home.settings.model_copy(update={"limits": slow}))
    need = the(Rarely().look(world.ledger, tight, 0.0), "too-late")
    assert need.letters == 2, "one too many for each of two offices"
    execute(world, "UPDATE sendouts SET not_after = :at", at=now + 3 * DAY)
    assert Rarely().look(world.ledger, tight, 0.0) == []
