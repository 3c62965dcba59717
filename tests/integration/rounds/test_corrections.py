"""A signer corrects what a round has in hand: what goes out is the newest, and what went out can be made again."""

import asyncio
import email
import email.policy
from typing import Any

import pytest

from tests.fixtures.world import World
from tests.integration.rounds.notices import rebuilt
from worker.intake import PersonInput
from worker.intake.own_page import OwnPages
from worker.ledger import tokens
from worker.ledger.hot import Committer, Start
from worker.ledger.tokens import CONFIRM, PAGE, Kind

OFFICES = 2


def own_page(world: World) -> str:
    """The page of a signer who has just confirmed."""
    signed = world.intake.sign(world.campaign, PersonInput("Sample Signer 01", "one@mail.example", "GB", "Town"))

    def token(kind: Kind) -> str:
        with world.ledger.read() as connection:
            found = tokens.reveal(connection, world.keys, signed.signature, kind)
        assert found is not None
        return found

    world.intake.confirm(token(CONFIRM))
    return token(PAGE)


def names(contents: list[bytes]) -> list[bool]:
    """Of each letter: whether it holds the corrected name, and never both."""
    told = []
    for data in contents:
        mail = email.message_from_bytes(data, policy=email.policy.default)
        text = mail.get_body(("plain",)).get_content() + str(mail["From"])
        assert ("Sample Signer 01" in text) != ("Ada Corrected" in text)
        told.append("Ada Corrected" in text)
    return told


def offices(server: Any) -> list[bytes]:
    return [data for data in server.accepted if b"Auto-Submitted" not in data]


def test_a_correction_while_a_round_has_the_letter_in_hand(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    token, pages, commit = own_page(world), OwnPages(world.intake), Committer.commit
    caught: list[str] = []

    async def late(self: Committer, *operations: Any) -> list[Any]:
        starts = [each for each in operations if isinstance(each, Start) and each.claimed.addressee != "signer"]
        if starts and not caught:  # the message is made from the old words, its mark not yet written
            caught.append(starts[0].claimed.addressee)
            await asyncio.to_thread(pages.correct, token, "Ada Corrected", "Town", "")
        return await commit(self, *operations)

    monkeypatch.setattr(Committer, "commit", late)
    with world.relay() as server:
        world.until_idle()
    assert caught
    assert names(offices(server)) == [True] * OFFICES
    assert world.states()["sent"] == OFFICES + 1
    assert world.rows("SELECT count(*) FROM attempts WHERE signer_version = 1 AND started_at IS NOT NULL")[0][0] <= 1


def test_what_was_sent_before_a_correction_keeps_its_words(world: World) -> None:
    token, pages = own_page(world), OwnPages(world.intake)
    with world.relay() as server:
        while not offices(server):
            world.run(1)
        pages.correct(token, "Ada Corrected", "Town", "")
        world.until_idle()
    assert names(offices(server)) == [False, True]
    sent = world.rows("SELECT id FROM letters WHERE addressee <> 'signer' AND state = 'sent'")
    assert len(sent) == OFFICES
    assert all(rebuilt(world, number).same for (number,) in sent)
