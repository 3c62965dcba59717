"""A signer's own words reach no office while somebody has still to look at them, whatever put the letter in the queue."""

from tests.fixtures.world import World
from worker.intake import PersonInput
from worker.ledger import letters_write, reviews


def test_a_letter_whose_comment_waits_for_a_look_is_set_aside(world: World) -> None:
    person = PersonInput("Sample Signer 01", "one@mail.example", "GB", comment="I learnt to read there.")
    signature = world.intake.submit(world.campaign, person, evidence="a test").signature
    with world.ledger.write() as connection:  # the letters are queued, as after a requeue or a late reply
        reviews.begin(connection, signature, reviews.COMMENT, world.ledger.now_us())
    with world.relay() as server:
        world.until_idle()
        assert server.accepted == []
        assert world.states() == {"held": 2}
        reasons = world.rows("SELECT DISTINCT reason FROM letters")
        assert [reason for (reason,) in reasons] == ["comment"]
        with world.ledger.write() as connection:
            reviews.decide(connection, [signature], reviews.APPROVED, world.ledger.now_us())
            letters_write.release(connection, signature, reviews.COMMENT, world.ledger.now_us())
        world.until_idle()
        assert len(server.accepted) == 2
        assert all(b"I learnt to read there." in letter for letter in server.accepted)
