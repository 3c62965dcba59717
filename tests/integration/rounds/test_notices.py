"""Mail to signers: which text and token each kind has, what it encloses, and that it can be made again. Both databases."""

import email
import email.policy
from types import SimpleNamespace

import pytest
import sqlalchemy as sa

from tests.factories import make_making, make_person
from tests.fixtures.world import World
from tests.integration.rounds.notices import confirmed, furnish, give_token, queue, rebuilt
from tests.integration.rounds.test_crashes import rescue
from tests.smtp_server import SCENARIOS, SmtpServer
from worker.domain.errors import RefusedByState
from worker.intake import PersonInput
from worker.ledger.hot.recorded import Recorded
from worker.ledger.hot.values import Claimed
from worker.operations.moves import resolve_letter
from worker.rendering import Renderer
from worker.rounds.making import _made

KINDS = ("confirm", "page", "imported")


def to_signers(server: SmtpServer) -> list[str]:
    """The plain texts of the notices that arrived."""
    mails = [email.message_from_bytes(data, policy=email.policy.default) for data in server.accepted]
    return [mail.get_body(("plain",)).get_content().replace("\r\n", "\n") for mail in mails if mail["Auto-Submitted"]]


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_has_its_own_text_token_and_links(world: World, kind: str) -> None:
    furnish(world)
    signature = confirmed(world, copy=False)
    give_token(world, signature, "confirm", "to-confirm")
    give_token(world, signature, "page", "to-the-page")
    letter = queue(world, signature, f"{kind}-1")
    with world.relay() as server:
        world.until_idle()
    token = "to-confirm" if kind == "confirm" else "to-the-page"
    link = "confirm" if kind == "confirm" else "page"
    never = f"https://library.example/never/{token}"
    assert to_signers(server) == [f"<{kind} {token} https://library.example/{link}/{token} {never}>\n"]
    assert rebuilt(world, letter).same


def test_a_newer_token_does_not_change_a_notice_that_was_sent(world: World) -> None:
    furnish(world)
    signature = confirmed(world)
    letters = []
    with world.relay() as server:
        for number in (1, 2):
            give_token(world, signature, "page", f"token-{number}")
            letters.append(queue(world, signature, f"page-{number}"))
            world.until_idle()
    assert [f"token-{number}" in text for number, text in enumerate(to_signers(server), 1)] == [True, True]
    assert all(rebuilt(world, letter).same for letter in letters)


def test_a_notice_waits_and_still_carries_the_token_it_was_queued_with(world: World) -> None:
    furnish(world)
    signature = confirmed(world)
    give_token(world, signature, "page", "first")
    queue(world, signature, "page-1")
    give_token(world, signature, "page", "second")
    with world.relay() as server:
        world.until_idle()
    (text,) = to_signers(server)
    assert "<page first " in text


@pytest.mark.parametrize(("kind", "holds"), [("confirm", False), ("page", True), ("imported", True)])
def test_a_copy_for_who_wants_one_and_never_before_confirming(world: World, kind: str, holds: bool) -> None:
    furnish(world)
    signature = confirmed(world, copy=True, comment="Leave the lamps on.")
    give_token(world, signature, "confirm", "to-confirm")
    give_token(world, signature, "page", "to-the-page")
    letter = queue(world, signature, f"{kind}-1")
    with world.relay() as server:
        world.until_idle()
    (text,) = to_signers(server)
    assert ("Leave the lamps on." in text) is holds
    assert ("Open letter\n" in text) is holds
    assert rebuilt(world, letter).same


def test_a_notice_sent_again_out_of_doubt_has_the_same_bytes(world: World) -> None:
    furnish(world, in_doubt="resend_once")
    signature = confirmed(world, copy=True)
    give_token(world, signature, "page", "first")
    letter = queue(world, signature, "page-1")
    with world.relay({"DOT": SCENARIOS["disconnect_after_dot"]["DOT"]}) as server:
        world.until_idle()
        give_token(world, signature, "page", "second")
        furnish(world, in_doubt="resend_once", page_link="https://elsewhere.example/{token}")
        world.ahead_us = 16 * 60 * 1_000_000
        rescue(world)
        world.until_idle()
    sent = [each.data for each in server.letters if b"Auto-Submitted" in each.data]
    assert len(sent) == 2
    assert sent[0] == sent[1]
    assert [rebuilt(world, letter, attempt).same for attempt in (1, 2)] == [True, True]


def test_a_confirmation_holds_nothing_that_was_typed(world: World) -> None:
    typed = PersonInput("Buy Cheap Things", "victim@mail.example", "GB", "Act Now Town", "visit bad.example")
    world.intake.sign(world.campaign, typed)
    with world.relay() as server:
        world.until_idle()
    (notice,) = (bytes(each) for each in server.accepted)
    mail = email.message_from_bytes(notice, policy=email.policy.default)
    assert mail["To"] == "victim@mail.example"
    parts = [part.get_content() for part in mail.iter_parts()]
    for text in (*parts, *mail.values()):
        assert not [word for word in ("Cheap", "Act Now", "bad.example") if word in text]


@pytest.mark.parametrize(
    ("sendout", "reason"), [("party-1", "no templates for notices of kind party"), ("page-1", "its link was deleted")]
)
def test_a_notice_that_cannot_be_made_is_faulty_and_says_why(world: World, sendout: str, reason: str) -> None:
    furnish(world)
    letter = queue(world, confirmed(world), sendout)
    with world.relay() as server:
        world.until_idle()
    assert to_signers(server) == []
    assert [tuple(row) for row in world.rows("SELECT state, reason FROM letters WHERE id = ?", letter)] == [
        ("faulty", reason)
    ]
    assert world.states() == {"faulty": 1, "sent": 2}


def test_a_notice_whose_link_was_deleted_is_not_made_again(world: World) -> None:
    furnish(world)
    signature = confirmed(world)
    give_token(world, signature, "page", "first")
    letter = queue(world, signature, "page-1")
    with world.relay():
        world.until_idle()
    kept = rebuilt(world, letter).recorded_hash
    with world.ledger.write() as connection:
        connection.execute(sa.text("DELETE FROM tokens"))
    with pytest.raises(RefusedByState, match=f"the link that this notice carries was deleted.*{kept}"):
        rebuilt(world, letter)


@pytest.mark.parametrize(("kind", "again"), [("confirm", False), ("page", True), ("imported", True)])
def test_a_notice_in_doubt_is_queued_again_only_where_it_still_makes_sense(
    world: World, kind: str, again: bool
) -> None:
    furnish(world)
    signature = confirmed(world)
    give_token(world, signature, "confirm", "to-confirm")
    give_token(world, signature, "page", "to-the-page")
    letter = queue(world, signature, f"{kind}-1")
    with world.relay({"DOT": SCENARIOS["disconnect_after_dot"]["DOT"]}) as server:
        world.until_idle()
        with world.ledger.write() as connection:
            connection.execute(sa.text("UPDATE rounds SET renewed_at = renewed_at - 960000000"))
        if again:
            resolve_letter(world.ledger, letter, "queued", "tester", "it never came")
            world.until_idle()
        else:
            with pytest.raises(RefusedByState, match="its signature is confirmed, so it is not written again"):
                resolve_letter(world.ledger, letter, "queued", "tester", "it never came")
    assert len(to_signers(server)) == int(again)


def test_offices_answer_the_signer_who_lets_them(world: World) -> None:
    confirmed(world, answer=True)
    confirmed(world, answer=False)
    with world.relay() as server:
        world.until_idle()
    replies = [email.message_from_bytes(data, policy=email.policy.default)["Reply-To"] for data in server.accepted]
    desk = world.plan.campaigns[world.campaign].sender.reply_to
    assert sorted(replies) == [desk] * 2 + ["signer1@mail.example"] * 2


@pytest.mark.parametrize("wide", [False, True])
def test_the_envelope_says_where_an_answer_needs_smtputf8(world: World, wide: bool) -> None:
    claimed = Claimed(1, 1, 1, "mayor", 1, 0, None, None, b"", 1, 1, "en", 1, 1, b"", b"")
    signer = make_person(answer=True, email="zoë@people.example" if wide else "zoe@people.example")
    house = SimpleNamespace(plan=world.plan, renderer=Renderer())
    made = _made(house, claimed, "town-library", Recorded(make_making(signer=signer), b"", b"", 1, 1, 1))
    assert made.envelope.recipient == "mayor@rehearsal.invalid"
    assert made.envelope.smtputf8 is wide
