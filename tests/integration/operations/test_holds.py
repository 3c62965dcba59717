"""Hold, resume and resolve: what they stop, what they let go on, what they refuse. Both databases."""

import pytest
import sqlalchemy as sa

from tests.fixtures.world import World
from tests.smtp_server import SCENARIOS, Always, Say
from worker.domain.errors import BadInput, RefusedByState
from worker.ledger import audit, gates, holds
from worker.operations.holds import Order, hold, resume
from worker.operations.letters import Filter, list_letters
from worker.operations.moves import hold_letter, resolve_letter, resume_letter

MAYOR = "sampleton-mayor"
LANE = "mailbox:mayor@sampleton.example"


def order(scope: str, target: str = "", reason: str = "a test") -> Order:
    return Order(scope, target, "tester", reason)  # type: ignore[arg-type]


def verbs(world: World) -> list[tuple[str, str, str]]:
    with world.ledger.read() as connection:
        assert audit.verify(connection) == []
        return [(each.verb, each.target, each.reason) for each in reversed(audit.latest(connection))]


@pytest.mark.parametrize(
    ("scope", "target", "still"),
    [("everything", "", 0), ("campaign", "town-library", 0), ("office", MAYOR, 2), ("lane", LANE, 2),
     ("lane", "Mayor@Sampleton.example", 2)],
)  # fmt: skip
def test_what_is_held_stays_and_goes_on_when_resumed(world: World, scope: str, target: str, still: int) -> None:
    world.submit(2)
    hold(world.ledger, world.home, order(scope, target))
    with world.relay():
        world.until_idle()
        assert world.states() == ({"sent": still, "queued": 4 - still} if still else {"queued": 4})
        done = resume(world.ledger, world.home, order(scope, target, "mended"))
        assert done.lifted == 1
        world.until_idle()
    assert world.states() == {"sent": 4}
    name = {"lane": f"lane {LANE}"}.get(scope, f"{scope} {target}".strip())
    assert verbs(world) == [("hold", name, "a test"), ("resume", name, "mended")]


@pytest.mark.parametrize(("scope", "target"), [("lane", LANE), ("office", MAYOR)])
def test_a_refused_mailbox_goes_on_once_it_was_mended(world: World, scope: str, target: str) -> None:
    world.submit(2)
    with world.relay({"RCPT": Always(Say(b"550 5.1.1 no such mailbox"))}):
        world.until_idle()
    with world.relay():
        world.until_idle()
        assert world.states() == {"queued": 4}, "held: an operator must look"
        done = resume(world.ledger, world.home, order(scope, target))
        assert done.lifted == 1
        world.until_idle()
    assert world.states() == {"queued": 2, "sent": 2}
    with world.ledger.read() as connection:
        fuse = gates.read(connection, "lane-fuse", LANE)
        assert fuse is None or fuse.strikes == 0


def test_resuming_forgets_the_break_too(world: World) -> None:
    world.submit(1)
    with world.relay({"DOT": Always(Say(b"450 4.2.1 mailbox rate exceeded"))}):
        world.until_idle()
    done = resume(world.ledger, world.home, order("lane", LANE))
    assert done.opened == (f"lane {LANE}",)
    with world.relay():
        world.until_idle()
    assert world.states()["sent"] == 1


def test_a_hold_that_ends_by_itself(world: World) -> None:
    now = world.ledger.now_us()
    hold(world.ledger, world.home, order("everything"), until_us=now + 3600 * 1_000_000)
    with world.ledger.read() as connection:
        assert len(holds.standing(connection, now)) == 1
        assert holds.standing(connection, now + 3601 * 1_000_000) == []
    with pytest.raises(BadInput, match="which is past"):
        hold(world.ledger, world.home, order("everything"), until_us=now - 1)


def test_what_is_not_there_and_what_is_not_held(world: World) -> None:
    with pytest.raises(BadInput, match="there is no office 'nobody'; there are: "):
        hold(world.ledger, world.home, order("office", "nobody"))
    with pytest.raises(BadInput, match="there is no relay 'main'; there are: rehearsal"):
        hold(world.ledger, world.home, order("relay", "main"))
    with pytest.raises(BadInput, match=r"there is no lane 'x@y\.example'"):
        hold(world.ledger, world.home, order("lane", "x@y.example"))
    with pytest.raises(BadInput, match='"everything" takes no name'):
        hold(world.ledger, world.home, order("everything", "all"))
    with pytest.raises(RefusedByState, match=f"office {MAYOR} is not held"):
        resume(world.ledger, world.home, order("office", MAYOR))
    for reason in ("", " ", "two\nlines", "x" * 501):
        with pytest.raises(BadInput, match="reason"):
            order("everything", "", reason)
    assert verbs(world) == []


def test_one_letter_is_held_and_resumed(world: World) -> None:
    world.submit(1)
    letter = list_letters(world.ledger, Filter())[0]["id"]
    hold_letter(world.ledger, letter, "tester", "a look first")
    with world.relay():
        world.until_idle()
        assert world.states() == {"held": 1, "sent": 1}
        with pytest.raises(RefusedByState, match="a held letter cannot hold"):
            hold_letter(world.ledger, letter, "tester", "again")
        resume_letter(world.ledger, letter, "tester", "fine")
        world.until_idle()
    assert world.states() == {"sent": 2}
    with pytest.raises(RefusedByState, match="a sent letter cannot resume"):
        resume_letter(world.ledger, letter, "tester", "again")
    assert [verb for verb, *_ in verbs(world)] == ["hold", "resume"]


def in_doubt(world: World) -> int:
    """One letter in doubt, its round long over."""
    world.submit(1)
    with world.relay(SCENARIOS["disconnect_after_dot"]):
        world.until_idle()
    (letter,) = list_letters(world.ledger, Filter(state="in_doubt"))
    return int(letter["id"])


def rest(world: World) -> None:
    with world.ledger.write() as connection:
        connection.execute(sa.text("UPDATE rounds SET renewed_at = renewed_at - 960000000"))


def test_in_doubt_is_resolved_as_sent(world: World) -> None:
    letter = in_doubt(world)
    resolve_letter(world.ledger, letter, "sent", "tester", "the office has it")
    assert world.states() == {"sent": 2}
    assert verbs(world)[-1] == ("resolve", f"letter {letter}", "the office has it")
    with pytest.raises(RefusedByState, match="a sent letter cannot resolve"):
        resolve_letter(world.ledger, letter, "queued", "tester", "again")


def test_in_doubt_is_sent_again_with_the_same_bytes(world: World) -> None:
    letter = in_doubt(world)
    with pytest.raises(RefusedByState, match="its reply may still come; it can be queued again from"):
        resolve_letter(world.ledger, letter, "queued", "tester", "it never came")
    rest(world)
    resolve_letter(world.ledger, letter, "queued", "tester", "it never came")
    with world.relay() as server:
        world.until_idle()
    assert world.states() == {"sent": 2}
    one, two = world.rows("SELECT hash FROM attempts WHERE letter_id = ? ORDER BY number", letter)
    assert bytes(one[0]) == bytes(two[0])
    assert len(server.accepted) == 1


def test_who_withdrew_is_not_written_for_again(world: World) -> None:
    letter = in_doubt(world)
    rest(world)
    world.intake.withdraw(world.receipts[0].signature)
    with pytest.raises(RefusedByState, match="its signature is withdrawn"):
        resolve_letter(world.ledger, letter, "queued", "tester", "it never came")
    resolve_letter(world.ledger, letter, "sent", "tester", "let it rest")
