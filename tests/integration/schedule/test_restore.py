"""A ledger that was restored from a backup made before its send-out ran: nothing of it fires again by itself."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.fixtures.postgres import PostgresServer
from tests.integration.intake.travel import Traveller, mail, on_the_clock
from tests.integration.schedule.scene import DAY, OFFICES, ORDER, START, Scene, each_once, is_, yearly
from worker.dispatch.engine import Engine
from worker.domain.errors import RefusedByState
from worker.domain.occurrence import Life
from worker.ledger.keys import Keys
from worker.ledger.restore import accept_restore
from worker.ledger.witness import behind, highest_round
from worker.schedule import approve, cancel, life, resume, tick

Backup = Callable[[], str]


@pytest.fixture
def backup(ledger_url: str, postgres: PostgresServer, tmp_path: Path) -> Iterator[Backup]:
    """Copies the ledger, which must be closed; gives the copy's URL."""
    copies: list[str] = []

    def copy() -> str:
        scheme, _, rest = ledger_url.partition("://")
        if scheme == "sqlite":
            path = tmp_path / "backup.db"
            with closing(sqlite3.connect(rest.removeprefix("/"))) as source, closing(sqlite3.connect(path)) as target:
                source.backup(target)
            return f"sqlite:///{path}"
        name = rest.removeprefix("postgres@/").partition("?")[0]
        copies.append(postgres.new_database(name))
        return postgres.url(copies[-1])

    yield copy
    for each in copies:
        postgres.drop(each)


@pytest.mark.parametrize("taken", [Life.PLANNED, Life.ANNOUNCED, Life.APPROVED])
def test_what_ran_since_the_backup_does_not_run_again(
    ledger_url: str, ledger_keys: Keys, backup: Backup, taken: Life
) -> None:
    clock = Traveller()
    with on_the_clock(ledger_url, ledger_keys, clock) as ledger:
        scene = Scene(ledger, ledger_keys, clock, yearly(), dict(OFFICES))
        scene.sign(1, 2)
        scene.at(START - 15 * DAY).tick()
        if taken is not Life.PLANNED:
            scene.announce()
        if taken is Life.APPROVED:
            approve(scene.board, scene.now().id, ORDER)
        is_(scene.now(), taken)
    url = backup()

    with on_the_clock(ledger_url, ledger_keys, clock) as ledger:
        scene = Scene(ledger, ledger_keys, clock, yearly(), dict(OFFICES))
        if taken is Life.PLANNED:
            scene.announce()
        if taken is not Life.APPROVED:
            approve(scene.board, scene.now().id, ORDER)
        is_(scene.at(START).tick(), Life.SENDING)
        assert each_once(scene, [1, 2])

    with on_the_clock(url, ledger_keys, clock) as ledger:
        restored = Scene(ledger, ledger_keys, clock, yearly(), dict(OFFICES))
        is_(restored.now(), taken)
        assert accept_restore(ledger, 1000, "anna", "the drive died").epoch == 2
        before = mail(ledger)
        for moment in (START, START + DAY, START + 6 * DAY):
            held = restored.at(moment).tick()
            assert is_(held, Life.HELD)
        assert held.reason == "the ledger was restored: look what had gone out"
        assert (restored.letters(), mail(ledger)) == ([], before)
        is_(restored.at(START + 8 * DAY).tick(), Life.MISSED)
        cancel(restored.board, held.id, ORDER)
        tick(restored.board)
        assert (restored.letters(), mail(ledger)) == ([], before)
        assert restored.counted()


def test_an_operator_who_knows_that_nothing_had_gone_out_resumes_it(
    ledger_url: str, ledger_keys: Keys, backup: Backup
) -> None:
    clock = Traveller()
    with on_the_clock(ledger_url, ledger_keys, clock) as ledger:
        scene = Scene(ledger, ledger_keys, clock, yearly(), dict(OFFICES))
        scene.sign(1, 2)
        approve(scene.board, scene.announce().id, ORDER)
    with on_the_clock(backup(), ledger_keys, clock) as ledger:
        restored = Scene(ledger, ledger_keys, clock, yearly(), dict(OFFICES))
        accept_restore(ledger, 1000, "anna", "the drive died")
        resume(restored.board, restored.now().id, ORDER)
        assert is_(restored.at(START).tick(), Life.SENDING)
        assert each_once(restored, [1, 2])


def test_a_send_out_far_ahead_is_left_alone(scene: Scene) -> None:
    scene.sign(1)
    scene.at(START - 310 * DAY).tick()
    accept_restore(scene.ledger, 1000, "anna", "the drive died")
    assert is_(scene.tick(), Life.PLANNED)


def test_a_worker_whose_ledger_is_behind_plans_nothing(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine asks the witness before each tick; here only its gate is looked at."""
    scene.sign(1)
    engine = object.__new__(Engine)
    engine._board = scene.board
    engine._wake = lambda _: None
    with scene.ledger.read() as connection:
        assert behind(scene.ledger, highest_round(connection) + 1)
    engine._behind = True
    engine.plan()
    with pytest.raises(AssertionError):
        scene.now()  # nothing was planned
    engine._behind = False
    engine.plan()
    assert is_(scene.now(), Life.PLANNED)
    assert life.tick(scene.board) == 0


def test_accepting_says_which_send_outs_it_held(scene: Scene) -> None:
    from worker.ledger import audit

    scene.sign(1)
    seen = scene.at(START - 15 * DAY).tick()
    accept_restore(scene.ledger, 1000, "anna", "the drive died")
    with scene.ledger.read() as connection:
        assert audit.latest(connection)[0].details["send_outs"] == [seen.id]
    with pytest.raises(RefusedByState, match="it is held"):
        approve(scene.board, seen.id, ORDER)
