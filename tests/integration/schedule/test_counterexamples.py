"""Ways in which a send-out could have written what nobody agreed to, or to whom it must not; each was once possible."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from tests.integration.intake.scene import text
from tests.integration.schedule.scene import AGAIN, DAY, ORDER, START, Scene, is_, occasion, yearly
from worker.domain.occurrence import Life
from worker.ledger import holds, lanes, letters_write, occurrences, quiet
from worker.ledger.hot import sql
from worker.ledger.keys import SealBroken
from worker.ledger.restore import accept_restore
from worker.ledger.schema import letters, signer_versions, signers
from worker.ledger.transact import transact
from worker.schedule import approve, cancel, expand, life, tick


@contextmanager
def nothing_made_yet(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Inside, an expansion dies before its first page."""
    with monkeypatch.context() as patch:
        patch.setattr(expand.Expansion, "next_page", lambda *_: False)
        yield


def bars(scene: Scene) -> set[str]:
    with scene.ledger.read() as connection:
        return {each.target for each in holds.standing(connection, scene.ledger.now_us(), "sendout")}


def ask_for_quiet(scene: Scene) -> None:
    with scene.ledger.write() as connection:
        quiet.ask(connection, connection.execute(sa.select(signers.c.address_key)).scalar(), scene.ledger.now_us())


def founded(scene: Scene, addressee: str) -> int:
    """Letters that could be begun, as far as their signature and consent go."""
    condition = "<> 'signer'" if addressee == "office" else "= 'signer'"
    asked = sa.text(f"SELECT count(*) FROM letters WHERE addressee {condition} AND state = 'queued' AND {sql.FOUNDED}")
    with scene.ledger.read() as connection:
        return int(connection.execute(asked).scalar_one())


def test_an_edit_while_letters_are_made_changes_nothing_this_year(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.sign(1, 2)
    approve(scene.board, scene.announce().id, ORDER)
    with nothing_made_yet(monkeypatch):
        is_(scene.at(START).tick(), Life.EXPANDING)
    scene.campaign = yearly(occasion(text=text("Another text by now.")))
    is_(scene.tick(), Life.SENDING)
    assert scene.now().written == 2


def test_nobody_is_sent_a_text_they_did_not_agree_to_because_the_config_was_put_back(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.sign(1, 2)
    scene.campaign = yearly(occasion(text=text("A new text.")))
    approve(scene.board, scene.announce().id, ORDER)
    with nothing_made_yet(monkeypatch):
        is_(scene.at(START).tick(), Life.EXPANDING)
    scene.campaign = yearly(occasion(text=AGAIN))
    scene.tick()
    assert scene.letters() == []


def test_a_cancel_follows_letters_into_a_lane_that_is_made_meanwhile(scene: Scene) -> None:
    scene.sign(1, 2, 3)
    scene.through()
    moved: list[int] = []

    def another_mailbox(_: int) -> None:
        left = [each for each in scene.letters() if each["state"] == "queued"]
        if left and not moved:
            with scene.ledger.write() as connection:
                lane = lanes.ensure(connection, "mailbox:new@mail.example", "office", "mail.example")
                moved.append(letters_write.move_lane(connection, left[0]["addressee"], left[0]["lane_id"], lane, 500))

    cancel(scene.board, scene.now().id, ORDER, another_mailbox)
    assert moved == [6]  # three of the anniversary, three of the signing
    tick(scene.board)
    assert {each["state"] for each in scene.letters()} == {"cancelled"}
    assert bars(scene) == set()


def test_one_damaged_row_stops_no_other_occasion(scene: Scene) -> None:
    scene.campaign = yearly(
        occasion(name="jubilee", countries=frozenset({"DE"}), text=None, day=19), occasion(text=None)
    )
    scene.sign(1, 2)
    with scene.ledger.write() as connection:
        first = signer_versions.c.signer_id == 1
        connection.execute(sa.update(signer_versions).where(first).values(sealed=b"damaged"))
    assert scene.at(START - 14 * DAY).tick().state is Life.ANNOUNCED


def test_what_goes_wrong_with_one_occasion_is_told_after_the_others(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.campaign = yearly(occasion(name="jubilee", day=19), occasion())
    scene.sign(1)
    tick(scene.board)
    from worker.schedule import life

    honest = life.advance

    def sometimes(board: object, number: int) -> bool:
        if number == 1:
            raise SealBroken
        return honest(board, number)  # type: ignore[arg-type]

    monkeypatch.setattr(life, "advance", sometimes)
    with pytest.raises(SealBroken):
        tick(scene.at(START - 14 * DAY).board)
    with scene.ledger.read() as connection:
        assert [each.state for each in occurrences.listed(connection)] == [Life.PLANNED, Life.ANNOUNCED]


def test_who_asks_for_quiet_after_their_letters_were_made_is_not_written_for(scene: Scene) -> None:
    scene.sign(1)
    scene.through()
    assert founded(scene, "office") == 6  # three of the signing, three of the anniversary
    ask_for_quiet(scene)
    assert founded(scene, "office") == 3


def test_who_asks_for_quiet_while_they_are_told_is_not_told(scene: Scene) -> None:
    scene.sign(1)
    scene.at(START - 14 * DAY).tick()
    assert founded(scene, "signer") == 1
    ask_for_quiet(scene)
    assert founded(scene, "signer") == 0


@pytest.mark.parametrize("day", [14, 28])
def test_a_day_that_supporters_were_not_told_is_announced_anew(scene: Scene, day: int) -> None:
    scene.sign(1)
    approve(scene.board, scene.announce().id, ORDER)
    scene.campaign = yearly(occasion(day=day))
    scene.at(START - 6 * DAY).tick()
    if day > 20:
        scene.at(START - 6 * DAY + timedelta(minutes=1)).tick()
    found = scene.now()
    assert (found.edition, found.approved_at, found.state) == (2, None, Life.ANNOUNCED)
    assert scene.letters() == []
    start = found.start_us
    with scene.ledger.read() as connection:
        last = connection.execute(
            sa.select(letters.c.not_after).where(letters.c.addressee == "signer", letters.c.state == "queued")
        ).scalars()
        assert all(moment is None or moment > start for moment in last)


def test_a_send_out_held_after_a_restore_is_barred(scene: Scene) -> None:
    scene.sign(1)
    number = scene.through().sendout_id
    accept_restore(scene.ledger, 1000, "anna", "the drive died")
    is_(scene.tick(), Life.HELD)
    assert str(number) in bars(scene)


def test_people_who_go_on_signing_do_not_keep_an_expansion_from_its_end(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.sign(1, 2)
    approve(scene.board, scene.announce().id, ORDER)
    newcomers = iter(range(3, 9))

    def then_somebody_signs(*arguments: Any) -> Any:
        moved = transact(*arguments)
        scene.sign(next(newcomers))
        return moved

    monkeypatch.setattr(life, "transact", then_somebody_signs)
    is_(scene.at(START).tick(), Life.SENDING)
    assert {each["signature_id"] for each in scene.letters()} == {1, 2}
