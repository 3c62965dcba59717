"""`why`: each thing that rounds wait for is said, and the sentence says the one that decides. Both databases."""

import dataclasses
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
import sqlalchemy as sa

from tests.fixtures.world import World
from tests.smtp_server import Always, Say
from worker.domain.clock import to_us
from worker.domain.errors import BadInput
from worker.domain.limits import Limit, Rate
from worker.ledger import gates, holds, witness
from worker.ledger.schema import campaigns, letters, occurrences, processes, sendouts, signatures
from worker.operations.barriers import SINK, WITH_REASON
from worker.operations.limits_view import Gauge
from worker.operations.moves import hold_letter
from worker.operations.reasons import WHY
from worker.operations.status import Seen
from worker.operations.why import Why, why_letter, why_office

MAYOR = "sampleton-mayor"
FAR_US = 40 * 86_400_000_000
WELL = Seen(pacing_ready=True)


@pytest.fixture(autouse=True)
def a_worker(world: World) -> None:
    """Somebody is at work, and the offices are open at any hour, unless a test says otherwise."""
    settings = world.home.settings
    limits = settings.limits.model_copy(update={"office_hours": "ignore"})
    world.home = dataclasses.replace(world.home, settings=settings.model_copy(update={"limits": limits}))
    row = {"name": "one:1", "kind": "worker", "host": "one", "version": "1", "started_at": 1, "skew_us": 0,
           "disk_free": 1, "disk_size": 1, "config": "", "trouble": "", "seen_at": world.ledger.now_us()}  # fmt: skip
    with world.ledger.write() as connection:
        connection.execute(sa.insert(processes), row)


def the_letter(world: World) -> int:
    world.submit(1)
    with world.ledger.read() as connection:
        query = sa.select(letters.c.id).where(letters.c.addressee == MAYOR).order_by(letters.c.id.desc()).limit(1)
        return int(connection.execute(query).scalar_one())


def set_to(world: World, letter: int, **values: Any) -> None:
    with world.ledger.write() as connection:
        connection.execute(sa.update(letters).where(letters.c.id == letter).values(**values))


def why(world: World, letter: int, seen: Seen = WELL) -> Why:
    return why_letter(world.ledger, world.home, letter, seen)


def test_nothing_is_in_its_way(world: World) -> None:
    letter = the_letter(world)
    found = why(world, letter)
    assert found.chain == ()
    assert found.sentence == f"Letter {letter} is not stopped by anything: a worker takes it within seconds."
    second = the_letter(world)
    assert why(world, second).sentence == (
        f"Letter {second} waits for its turn: 1 letter is due before it in the same line."
    )


@pytest.mark.parametrize("scope", ["everything", "relay", "campaign", "lane", "office", "sendout"])
def test_every_scope_of_a_hold(world: World, scope: Any) -> None:
    letter = the_letter(world)
    with world.ledger.write() as connection:
        number = connection.execute(sa.select(letters.c.sendout_id).where(letters.c.id == letter)).scalar_one()
        target = {"relay": SINK, "campaign": world.campaign, "office": MAYOR, "sendout": str(number),
                  "lane": "mailbox:mayor@sampleton.example"}.get(scope, "")  # fmt: skip
        holds.place(connection, world.ledger.now_us(), scope, target, reason="look first", who="tester")
    found = why(world, letter)
    assert f"{scope} {target}".strip() + " is held since" in found.sentence
    assert "by tester: look first" in found.sentence
    assert [reason.mend for reason in found.chain] == [
        " ".join(filter(None, ("lettershop resume", scope, target, WITH_REASON)))
    ]
    if scope != "sendout":
        assert "look first" in why_office(world.ledger, world.home, MAYOR, WELL).sentence


def test_a_sendout_that_nobody_has_approved(world: World) -> None:
    the_letter(world)
    now = world.ledger.now_us()
    row = {"occasion": "anniversary", "period": 2027, "state": "announced", "was": "", "reason": "", "edition": 1,
           "told_to": 1, "starts_at": now + FAR_US, "approved_by": "", "written_to": 0, "written": 0,
           "made_at": now}  # fmt: skip
    with world.ledger.write() as connection:
        ours = sa.select(campaigns.c.id).where(campaigns.c.slug == world.campaign)
        row["campaign_id"] = connection.execute(ours).scalar_one()
        number = connection.execute(sa.insert(occurrences).returning(occurrences.c.id), row).scalar_one()
    (reason,) = [each for each in why_office(world.ledger, world.home, MAYOR, WELL).chain if each.kind == "send-out"]
    name = f"send-out {number}, anniversary-2027 of {world.campaign},"
    assert reason.text.startswith(f"{name} is not approved yet; it would begin ")
    assert reason.mend == f"lettershop sendouts approve {number} {WHY}"


def test_no_worker_is_alive(world: World) -> None:
    letter = the_letter(world)
    with world.ledger.write() as connection:
        connection.execute(sa.update(processes).values(seen_at=processes.c.seen_at - 60_000_000))
    found = why(world, letter)
    assert "no worker is alive" in found.sentence
    assert found.chain[0].mend == "lettershop up"
    with world.ledger.write() as connection:
        now = world.ledger.now_us()
        connection.execute(sa.update(processes).values(seen_at=now, drain_asked_at=now))
    assert "every worker was drained (one:1)" in why(world, letter).sentence


def test_pacing_away_and_settling(world: World) -> None:
    letter = the_letter(world)
    assert "pacing does not answer" in why(world, letter, Seen(pacing="no Redis")).sentence
    assert "pacing settles" in why(world, letter, Seen()).sentence


def test_a_restored_ledger(world: World, tmp_path: Any) -> None:
    letter = the_letter(world)
    world.home = dataclasses.replace(world.home, root=tmp_path)
    witness.note(tmp_path / "var" / "witness.json", world.ledger.ledger_id, 7)
    found = why(world, letter)
    assert "restored from a backup" in found.sentence
    assert found.chain[0].mend == f"lettershop ledger accept-restore {WHY}"


def test_office_hours_and_holidays(world: World) -> None:
    letter = the_letter(world)
    settings = world.home.settings
    observed = settings.limits.model_copy(update={"office_hours": "observe"})
    day = datetime.fromtimestamp(world.ledger.now_us() / 1e6, UTC)
    home = dataclasses.replace(
        world.home,
        settings=settings.model_copy(update={"limits": observed}),
        closed=lambda _country, date: "Sample Day" if date == day.date() else "",
    )
    found = why_letter(world.ledger, home, letter, WELL)
    assert "a public holiday (Sample Day), until" in found.sentence
    assert found.chain[0].mend == ""


def gauge(count: int, used: int) -> Gauge:
    def limits(_relay: str, _kind: str, lane: str, _domain: str, _campaign: str) -> tuple[Limit, ...]:
        return (Limit(lane, Rate(count, 3600)), Limit(lane, Rate(240, 86_400)))

    def ask(asked: Sequence[Limit]) -> Mapping[Limit, int]:
        return dict.fromkeys(asked, used)

    return Gauge(limits, ask)


def test_a_limit_with_its_numbers(world: World) -> None:
    letter = the_letter(world)
    lane, now = "mailbox:mayor@sampleton.example", world.ledger.now_us()
    with world.ledger.write() as connection:
        gates.strike(
            connection, now, "lane-pace", lane, opens_at_us=now + 60_000_000, reason=f"limit {lane} is used up"
        )
    seen = Seen(pacing_ready=True, gauge=gauge(30, 30))
    assert "its mailbox's limit of 30 an hour is used up by 30 letters, until" in why(world, letter, seen).sentence
    assert "its mailbox's limit is used up, until" in why(world, letter).sentence, "pacing cannot tell"
    assert why(world, letter, seen).chain[0].mend == "", "it ends by itself"


def test_what_lasts_longest_decides(world: World) -> None:
    letter, now = the_letter(world), world.ledger.now_us()
    with world.ledger.write() as connection:
        gates.strike(
            connection, now, "lane", "mailbox:mayor@sampleton.example", opens_at_us=now + 10**7, reason="421 busy"
        )
    set_to(world, letter, due_at=now + FAR_US)
    found = why(world, letter)
    assert [reason.kind for reason in found.chain] == ["gate", "drip"]
    assert "421 busy" not in found.sentence
    assert "spread over their days" in found.sentence


def test_a_relay_that_refuses_the_login(world: World) -> None:
    letter, now = the_letter(world), world.ledger.now_us()
    with world.ledger.write() as connection:
        for _ in range(3):
            gates.strike(connection, now, "relay", SINK, opens_at_us=now + 10**8, reason="535 5.7.8 bad credentials")
    found = why(world, letter)
    assert f"relay {SINK} refuses our login: correct its username or password (535 5.7.8" in found.sentence
    assert found.chain[0].mend == f"lettershop resume relay {SINK} {WITH_REASON}"


def test_a_retry_says_the_reply(world: World) -> None:
    letter = the_letter(world)
    with world.relay({"DOT": Always(Say(b"450 4.2.0 greylisted, try again later"))}):
        world.until_idle()
    with world.ledger.write() as connection:
        connection.execute(sa.text("DELETE FROM gates"))
    set_to(world, letter, due_at=world.ledger.now_us() + FAR_US)
    assert 'because "450 4.2.0 greylisted, try again later"' in why(world, letter).sentence


def test_a_refused_mailbox_holds_the_lane_with_its_reply(world: World) -> None:
    letter = the_letter(world)
    with world.relay({"RCPT": Always(Say(b"550 5.1.1 no such mailbox"))}):
        world.until_idle()
    found = why(world, letter)
    assert "550 5.1.1 no such mailbox" in found.sentence
    assert any(reason.mend.startswith("lettershop redirect sampleton-mayor ") for reason in found.chain)


def test_a_signature_that_ended(world: World) -> None:
    letter = the_letter(world)
    with world.ledger.write() as connection:
        connection.execute(sa.update(signatures).values(state="withdrawn"))
    assert "its signer withdrew" in why(world, letter).sentence
    with world.ledger.write() as connection:
        connection.execute(sa.update(signatures).values(state="confirmed"))
        connection.execute(sa.update(sendouts).values(consent="yearly"))
    assert "took back the consent" in why(world, letter).sentence


def test_its_last_moment_is_past(world: World) -> None:
    letter = the_letter(world)
    set_to(world, letter, not_after=world.ledger.now_us() - 1)
    assert "its last moment was" in why(world, letter).sentence


def test_the_wait_of_an_import(world: World) -> None:
    letter = the_letter(world)
    set_to(world, letter, due_at=to_us(datetime(2030, 1, 7, 12, tzinfo=UTC)))
    with world.ledger.write() as connection:
        connection.execute(sa.update(signatures).values(source="import:1"))
    assert "so that an import can be stopped" in why(world, letter).sentence


def test_held_for_an_operator(world: World) -> None:
    letter = the_letter(world)
    hold_letter(world.ledger, letter, "tester", "its words need a look")
    found = why(world, letter)
    assert "held for an operator" in found.sentence
    assert found.chain[0].mend == f"lettershop resume letter {letter} {WHY}"


def test_an_office_with_another_mailbox_or_none(world: World) -> None:
    letter = the_letter(world)
    mayor = dataclasses.replace(world.home.offices[MAYOR], mailbox="new@sampleton.example")
    moved = dataclasses.replace(world.home, offices={**world.home.offices, MAYOR: mayor})
    assert "another mailbox" in why_letter(world.ledger, moved, letter, WELL).sentence
    left = {name: office for name, office in world.home.offices.items() if name != MAYOR}
    gone = dataclasses.replace(world.home, offices=left)
    assert "not in config/offices.toml" in why_letter(world.ledger, gone, letter, WELL).sentence
    assert "no longer in config/offices.toml" in why_office(world.ledger, gone, MAYOR, WELL).sentence


@pytest.mark.parametrize(
    ("state", "words", "mend"),
    [
        ("refused", "was refused at", "requeue"),
        ("expired", "expired at", "requeue"),
        ("in_doubt", "nobody can know whether it arrived", "resolve sent"),
        ("faulty", "could not be made (template letter.txt)", "requeue"),
        ("cancelled", "was taken back before it was sent", "requeue"),
        ("bounced", "was accepted, and returned later", "requeue"),
        ("suppressed", "template letter.txt", "requeue"),
    ],
)
def test_letters_at_their_end(world: World, state: str, words: str, mend: str) -> None:
    letter = the_letter(world)
    set_to(world, letter, state=state, ended_at=world.ledger.now_us(), reason="template letter.txt")
    found = why(world, letter)
    assert words in found.sentence
    assert mend in found.chain[0].mend


def test_a_letter_that_was_sent(world: World) -> None:
    letter = the_letter(world)
    with world.relay():
        world.until_idle()
    found = why(world, letter)
    assert found.sentence.startswith(f"Letter {letter} was sent: the relay accepted it at ")
    assert '("250' in found.sentence
    assert found.chain[0].mend == ""
    assert why_office(world.ledger, world.home, MAYOR, WELL).sentence == f"No letter to {MAYOR} is queued (1 sent)."


def test_who_is_not_there(world: World) -> None:
    with pytest.raises(BadInput, match="there is no letter 99"):
        why(world, 99)
    with pytest.raises(BadInput, match=f"there is no office 'sampleton-mayer'; did you mean {MAYOR}"):
        why_office(world.ledger, world.home, "sampleton-mayer", WELL)


def test_an_office_without_letters(world: World) -> None:
    found = why_office(world.ledger, world.home, "nato-secretary-general", WELL)
    assert found.sentence == "No letter to nato-secretary-general is queued (there were none)."
