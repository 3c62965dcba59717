"""Rounds on real parts: what arrives, what is recorded, and what each kind of trouble does. Both databases."""

import asyncio
import email
import email.policy
import logging
from dataclasses import replace
from typing import Any

import pytest

from tests.fixtures.world import World
from tests.smtp_server import SCENARIOS, Always, Say, Then
from worker.domain.clock import SystemClock
from worker.domain.limits import Limit, parse_rate
from worker.ledger.hot.database import Database
from worker.ledger.hot.recorded import recorded
from worker.pacing import Pacer, connect
from worker.rendering import Renderer, digest
from worker.rounds import run_round
from worker.rounds.making import Pins
from worker.rounds.round import _Round
from worker.wiring.home import connect_hot

HOUR_US = 3600 * 1_000_000


def message_ids(contents: list[bytes]) -> list[str]:
    return [str(email.message_from_bytes(c, policy=email.policy.default)["Message-ID"]) for c in contents]


def test_each_letter_arrives_once_and_is_recorded(world: World) -> None:
    world.submit(5)
    with world.relay() as server:
        reports = world.until_idle()
    assert len(server.accepted) == 10
    assert len(set(message_ids(server.accepted))) == 10
    assert world.states() == {"sent": 10}
    assert sum(report.written for report in reports) == 10
    kinds = world.rows("SELECT kind, stage, code, count(*) FROM attempts GROUP BY kind, stage, code")
    assert [tuple(row) for row in kinds] == [("accept", "dot", 250, 10)]


def test_a_letter_that_is_not_sent_gets_a_line_without_the_replys_text(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "lettershop.rounds")
    world.submit(1)
    with world.relay({"DOT": [Say(b"451 4.7.1 not now, signer1@mail.example")]}):
        world.until_idle()
    (line,) = [each for each in caplog.records if each.name == "lettershop.rounds"]
    assert line.getMessage() == f"letter {line.letter} is queued after attempt 1: 451 4.7.1"
    (row,) = world.rows("SELECT letter_id, round_id FROM attempts WHERE kind = 'defer'")
    assert (line.letter, line.round, line.state, line.code, line.relay) == (*row, "queued", 451, "main")
    assert "@" not in str(vars(line))


def test_rehearsal_writes_to_nobody(world: World) -> None:
    world.submit(2)
    with world.relay() as server:
        world.until_idle()
    assert {to for letter in server.letters for to in letter.recipients} == {
        f"{office}@rehearsal.invalid" for office in world.home.campaigns[world.campaign].offices
    }


def test_live_writes_to_the_mailbox(world: World) -> None:
    world.change(mode="live")
    world.submit(1)
    with world.relay() as server:
        world.until_idle()
    mailboxes = {world.home.offices[office].mailbox for office in world.home.campaigns[world.campaign].offices}
    assert {to for letter in server.letters for to in letter.recipients} == mailboxes


def test_the_bytes_can_be_made_again(world: World) -> None:
    world.submit(2)
    with world.relay() as server:
        world.until_idle()
    database = connect_hot(world.ledger.url)
    try:
        for (letter,) in world.rows("SELECT id FROM letters"):
            found = recorded(database, world.keys, letter, 1)
            assert found is not None
            data = Renderer().render(found.making)
            assert data in server.accepted
            assert digest(found.salt, data) == found.hash
    finally:
        database.close()


def test_the_next_envelope_goes_with_the_content(world: World) -> None:
    world.submit(6)
    with world.relay() as server:
        world.run(rounds=1)
    assert server.connections == 1
    assert len(server.accepted) == 6
    assert server.said("EHLO") == 1


def test_a_connection_is_kept_for_the_next_round(world: World) -> None:
    world.submit(3)
    with world.relay() as server:
        world.until_idle()
    assert len(server.accepted) == 6
    assert server.connections == 1


def test_disconnect_after_dot_is_in_doubt_and_never_sent_again(world: World) -> None:
    world.submit(3)
    with world.relay(SCENARIOS["disconnect_after_dot"]) as server:
        world.until_idle()
        world.ahead_us = 24 * HOUR_US
        world.until_idle()
    assert world.states() == {"in_doubt": 1, "sent": 5}
    assert len(server.letters) == 6
    assert len(set(message_ids([letter.data for letter in server.letters]))) == 6


@pytest.mark.parametrize("name", ["disconnect_in_mail", "disconnect_in_data", "disconnect_after_354"])
def test_a_drop_before_the_dot_defers(world: World, name: str) -> None:
    world.submit(3)
    with world.relay(SCENARIOS[name]) as server:
        world.until_idle()
        world.ahead_us = HOUR_US
        world.until_idle()
    assert world.states() == {"sent": 6}
    assert len(server.accepted) == 6


def test_a_reset_once_the_kernel_took_the_dot_is_in_doubt(world: World) -> None:
    world.submit(3)
    with world.relay(SCENARIOS["reset_mid_content"]) as server:
        world.until_idle()
        world.ahead_us = HOUR_US
        world.until_idle()
    assert world.states() == {"in_doubt": 1, "sent": 5}
    assert len(server.accepted) == 5


@pytest.mark.parametrize("name", ["disconnect_in_greeting", "busy_greeting"])
def test_a_relay_in_trouble_keeps_everything_queued(world: World, name: str) -> None:
    world.submit(2)
    with world.relay(SCENARIOS[name]) as server:
        world.until_idle()
        refused = server.connections
    assert world.states() == {"queued": 4}
    assert refused <= 2
    with world.relay() as server:
        world.ahead_us = HOUR_US
        world.until_idle()
    assert world.states() == {"sent": 4}


def test_a_relay_that_is_not_there(world: World) -> None:
    world.submit(1)
    world.until_idle()  # nobody listens on port 1
    assert world.states() == {"queued": 2}
    ((kind, opens_at, strikes),) = world.rows("SELECT kind, opens_at, strikes FROM gates WHERE strikes > 0")
    assert (kind, strikes) == ("relay", 1)
    assert opens_at > world.ledger.now_us()


def test_a_deferred_letter_waits_and_goes(world: World) -> None:
    world.submit(1)
    with world.relay(SCENARIOS["defers_content"]) as server:
        world.until_idle()
        assert world.states() == {"queued": 1, "sent": 1}
        world.ahead_us = 4 * 60 * 1_000_000
        world.until_idle()
        assert world.states() == {"queued": 1, "sent": 1}
        world.ahead_us = 6 * 60 * 1_000_000
        world.until_idle()
    assert world.states() == {"sent": 2}
    ids = message_ids([letter.data for letter in server.letters])
    assert len(ids) == 3
    assert len(set(ids)) == 2


@pytest.mark.parametrize("ledger_url", ["sqlite"], indirect=True)  # long, and its SQL is in others
def test_a_letter_deferred_too_long_expires(world: World) -> None:
    world.submit(1)
    with world.relay({"DOT": Always(Say(b"451 4.0.0 try again later"))}):
        for _ in range(200):
            world.ahead_us += 2 * HOUR_US
            if world.until_idle() and "queued" not in world.states():
                break
    assert world.states() == {"expired": 2}


def test_what_reads_like_policy_is_set_aside(world: World) -> None:
    world.submit(1)
    with world.relay(SCENARIOS["refuses_content"]):
        world.until_idle()
    assert world.states() == {"held": 1, "sent": 1}


def test_a_refused_mailbox_holds_its_lane_and_refuses_nobody(world: World) -> None:
    world.submit(4)
    with world.relay(SCENARIOS["refuses_first_recipient"]) as server:
        world.until_idle()
        world.ahead_us = 48 * HOUR_US
        world.until_idle()
    assert world.states() == {"queued": 4, "sent": 4}
    assert len(server.accepted) == 4
    ((scope, reason),) = world.rows("SELECT scope, reason FROM holds WHERE lifted_at IS NULL")
    assert scope == "lane"
    assert "550 5.1.1" in reason


def test_three_refusals_in_a_row_hold_the_lane(world: World) -> None:
    world.submit(6)
    with world.relay({"DOT": Always(Say(b"550 no"))}) as server:
        world.until_idle()
    assert world.rows("SELECT count(*) FROM holds WHERE scope = 'lane' AND lifted_at IS NULL") == [(2,)]
    assert len(server.letters) == 6
    assert world.states() == {"queued": 6, "refused": 6}


def test_rate_talk_shuts_the_lane_for_a_while(world: World) -> None:
    world.submit(3)
    with world.relay({"RCPT": [Say(b"450 4.7.1 too many messages, slow down")]}) as server:
        world.until_idle()
        assert world.states() == {"queued": 3, "sent": 3}
        world.ahead_us = HOUR_US
        world.until_idle()
    assert world.states() == {"sent": 6}
    assert len(server.accepted) == 6


def test_limits_leave_the_rest_queued_and_say_why(world: World) -> None:
    world.change(mailbox=parse_rate("2/h"))
    world.submit(5)
    with world.relay() as server:
        world.until_idle()
    assert len(server.accepted) == 4
    assert world.states() == {"queued": 6, "sent": 4}
    gates = world.rows("SELECT kind, reason, opens_at FROM gates ORDER BY key")
    assert [kind for kind, _, _ in gates] == ["lane-pace", "lane-pace"]
    assert all("mailbox:" in reason and opens_at > world.ledger.now_us() for _, reason, opens_at in gates)
    assert world.rows("SELECT count(*) FROM attempts") == [(4,)]


def test_office_hours_are_kept(world: World) -> None:
    world.submit(1)
    world.change(observe_hours=True)
    now = world.ledger.now_us()
    night = 1_798_851_600 * 1_000_000  # Saturday, 2 January 2027, 01:00 UTC
    world.ahead_us = night - now
    with world.relay() as server:
        assert [report.opened for report in world.until_idle()] == [False]
        world.ahead_us = night + 57 * HOUR_US - now  # Monday, 10:00 UTC
        world.until_idle()
    assert len(server.accepted) == 2


@pytest.mark.parametrize(
    ("scope", "target"),
    [("everything", ""), ("campaign", "town-library"), ("relay", "main")],
)
def test_a_hold_keeps_letters_queued(world: World, scope: str, target: str) -> None:
    world.submit(1)
    place(world, scope, target)
    with world.relay() as server:
        assert [report.opened for report in world.until_idle()] == [False]
    assert server.connections == 0


def test_a_hold_that_comes_while_a_round_runs_stops_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.submit(5)
    before = Database._run_starts

    def late(self: Database, starts: Any, answers: Any) -> None:
        if starts and starts[0].claimed.letter == 3:
            self.rows("INSERT INTO holds (scope, target, reason, who, since) VALUES ('everything', '', 'r', 'w', 1)")
        before(self, starts, answers)

    monkeypatch.setattr(Database, "_run_starts", late)
    with world.relay() as server:
        world.until_idle()
    assert "sending" not in world.states()
    assert world.states()["queued"] == 10 - len(server.accepted)
    assert len(server.accepted) < 10
    assert all(letter.data for letter in server.letters)


def test_a_letter_cancelled_after_its_claim_is_not_sent(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.submit(2)
    before = Database._run_starts

    def late(self: Database, starts: Any, answers: Any) -> None:
        if any(start.claimed.letter == 1 for start in starts):
            self.rows("UPDATE letters SET state = 'cancelled', claim = NULL WHERE id = 1")
        before(self, starts, answers)

    monkeypatch.setattr(Database, "_run_starts", late)
    with world.relay() as server:
        world.until_idle()
    assert len(server.accepted) == 3
    assert len(server.letters) == 3
    assert world.rows("SELECT state FROM letters WHERE id = 1") == [("cancelled",)]


def test_a_forged_row_is_faulty_and_not_sent(world: World) -> None:
    world.submit(2)
    database = connect_hot(world.ledger.url)
    database.rows("UPDATE letters SET mac = ? WHERE id = 1", (b"x" * 32,))
    database.close()
    with world.relay() as server:
        world.until_idle()
    assert len(server.accepted) == 3
    assert world.rows("SELECT state, reason FROM letters WHERE id = 1") == [("faulty", "seal does not match")]


def test_a_letter_past_its_last_moment_expires_unsent(world: World) -> None:
    world.submit(1)
    database = connect_hot(world.ledger.url)
    database.rows("UPDATE letters SET not_after = ? WHERE id = 1", (world.ledger.now_us() - 1,))
    database.close()
    with world.relay() as server:
        world.until_idle()
    assert len(server.accepted) == 1
    assert world.states() == {"expired": 1, "sent": 1}


def test_nothing_is_sent_while_redis_is_away(world: World, own_redis_server: Any) -> None:
    world.submit(1)
    world.redis = own_redis_server
    own_redis_server.stop()
    with world.relay() as server:
        (report,) = world.run(rounds=1)
    assert report.trouble
    assert server.letters == []
    assert world.states() == {"queued": 2}


def test_a_pacer_without_memory_is_refilled_from_the_ledger(world: World) -> None:
    world.change(mailbox=parse_rate("3/h"))
    world.submit(5)
    with world.relay() as server:
        world.until_idle()
        sent = len(server.accepted)
        forget(world)
        world.ahead_us = 60 * 1_000_000
        world.until_idle()
    assert sent == 6
    assert len(server.accepted) == 6


def test_notices_go_first(world: World) -> None:
    world.submit(1)
    from worker.intake import PersonInput

    world.intake.sign(world.campaign, PersonInput("Sample Signer 99", "signer99@mail.example", "GB"))
    with world.relay() as server:
        world.until_idle()
    assert len(server.accepted) == 3
    assert server.letters[0].recipients[0].startswith("signer-")


def test_two_processes_share_a_lane_without_doubles(world: World) -> None:
    world.change(mailbox_connections=3)
    world.submit(40)

    async def both() -> None:
        houses = [world.house(), world.house()]
        try:
            await asyncio.gather(*(drain(house) for house in houses for _ in range(3)))
        finally:
            for house in houses:
                await world.close(house)

    async def drain(house: Any) -> None:
        pins = Pins(house.committer)
        while (await run_round(house, pins, ("office", "signers"))).opened:
            pass

    with world.relay() as server:
        asyncio.run(both())
        world.until_idle()
    assert world.states() == {"sent": 80}
    assert len(server.accepted) == 80
    assert len(set(message_ids(server.accepted))) == 80


def place(world: World, scope: str, target: str) -> None:
    database = connect_hot(world.ledger.url)
    database.rows(
        "INSERT INTO holds (scope, target, reason, who, since) VALUES (?, ?, 'a test', 'operator', 1)", (scope, target)
    )
    database.close()


def forget(world: World) -> None:
    """Redis loses the memory of this ledger, but is not new."""
    import redis

    from tests.fixtures.redis import open_windows

    with redis.Redis.from_url(world.redis.url, protocol=2) as client:
        client.flushall()
    open_windows(world.redis, world.ledger.ledger_id)
    with redis.Redis.from_url(world.redis.url, protocol=2) as client:
        client.hdel(f"lettershop:{world.ledger.ledger_id}:state", "epoch")


def used(world: World) -> list[int]:
    """What each office's mailbox limit has counted."""
    lanes = [key for (key,) in world.rows("SELECT key FROM lanes WHERE kind = 'office'")]

    async def ask() -> list[int]:
        pacer = Pacer(connect(world.redis.url), world.ledger.ledger_id, SystemClock())
        try:
            return [count for count, _ in await pacer.used([Limit(key, world.plan.mailbox) for key in lanes])]
        finally:
            await pacer.aclose()

    return asyncio.run(ask())


def test_a_full_round_sends_on_the_grants_it_was_given(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.change(most=4)
    world.submit(8)
    usual, asked = Pacer.ask, []

    async def ask(self: Pacer, wants: Any) -> Any:
        asked.append(len(wants))
        return await usual(self, wants)

    monkeypatch.setattr(Pacer, "ask", ask)
    with world.relay() as server:
        world.until_idle()
    assert len(server.accepted) == 16
    assert asked == [4, 4, 4, 4]  # one ask a round, no letter put back and asked for again
    assert used(world) == [8, 8]


def test_a_letter_asked_for_anew_counts_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.submit(8)
    usual, late = _Round._in_time, []

    def in_time(self: _Round, granted: Any) -> bool:
        if len(late) < 6:
            late.append(granted)
            return False  # as if its grant had too little life left
        return usual(self, granted)

    monkeypatch.setattr(_Round, "_in_time", in_time)
    with world.relay() as server:
        world.until_idle()
    assert len(late) == 6
    assert len(server.accepted) == 16
    assert used(world) == [8, 8]


def test_a_held_office_does_not_starve_the_one_that_shares_its_mailbox(world: World) -> None:
    first, second = (world.plan.offices[each] for each in world.plan.campaigns[world.campaign].offices)
    sharing = {**world.plan.offices, second.id: replace(second, mailbox=first.mailbox)}
    world.change(offices=sharing)
    world.submit(20)
    database = connect_hot(world.ledger.url)
    database.rows("UPDATE letters SET lane_id = (SELECT id FROM lanes WHERE key = ?)", (first.lane,))
    database.rows("UPDATE letters SET due_at = due_at - 1000000 WHERE addressee = ?", (first.id,))
    database.close()
    place(world, "office", first.id)
    with world.relay() as server:
        reports = world.until_idle(most=30)
    assert world.rows("SELECT addressee, state, count(*) FROM letters GROUP BY 1, 2 ORDER BY 2") == [
        (first.id, "queued", 20),
        (second.id, "sent", 20),
    ]
    assert len(server.accepted) == 20
    assert not reports[-1].more  # a worker would ring again at once, for ever


def test_a_relay_that_closes_after_each_letter_costs_no_letter_a_wait(world: World) -> None:
    world.submit(4)
    closing = Always(Then(b"421 4.4.2 that was enough for one connection\r\n"))
    with world.relay({"DOT": closing}) as server:
        world.until_idle()
    assert world.states() == {"sent": 8}
    assert len(server.accepted) == 8
    assert world.rows("SELECT count(*) FROM attempts") == [(8,)]


def test_a_relay_that_slows_us_down_between_letters_is_heeded(world: World) -> None:
    world.submit(4)
    with world.relay({"MAIL": [None, Say(b"421 4.7.0 too many letters, slow down"), None]}) as server:
        world.until_idle()
    assert server.connections <= 3
    assert world.states()["queued"] >= 1
