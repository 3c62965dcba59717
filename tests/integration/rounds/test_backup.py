"""A backup made while letters leave and people sign, brought back on either ledger: nothing is lost, nothing sent twice."""

import contextlib
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from tests.fixtures.redis import open_windows
from tests.fixtures.world import World
from tests.smtp_server import SmtpServer
from tests.support import until
from worker.domain.clock import SystemClock
from worker.domain.states import State
from worker.intake import Intake
from worker.ledger import audit, counts, holds
from worker.ledger.book import Ledger
from worker.ledger.from_backup import Wish, bring_back
from worker.ledger.restore import accept_restore
from worker.ledger.schema import letters, signatures
from worker.ledger.verify import verify
from worker.operations.backup import back_up

if TYPE_CHECKING:
    from tests.fixtures.postgres import PostgresServer

MESSAGE_ID = re.compile(rb"^Message-ID: (<[^>]+>)", re.MULTILINE | re.IGNORECASE)


@pytest.fixture(params=["the same kind", "the other kind"])
def target_url(request: pytest.FixtureRequest, world: World, tmp_path: Path) -> Iterator[str]:
    if (world.ledger.dialect == "sqlite") is (request.param == "the same kind"):
        yield f"sqlite:///{tmp_path / 'restored.db'}"
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    database = server.new_database()
    yield server.url(database)
    server.drop(database)


@contextlib.contextmanager
def going_on(*works: Callable[[], object]) -> Iterator[None]:
    """Do each work again and again, each in a thread of its own, while the block runs."""
    stop, broken = threading.Event(), []

    def keep(work: Callable[[], object]) -> None:
        try:
            while not stop.is_set():
                work()
        except BaseException as exc:  # noqa: BLE001 -- told below, in the test's own thread
            broken.append(exc)

    threads = [threading.Thread(target=keep, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert broken == []


def arrived(server: SmtpServer) -> Counter[bytes]:
    found = Counter(match[1] for letter in server.letters if (match := MESSAGE_ID.search(letter.data)))
    assert sum(found.values()) == len(server.letters)
    return found


def elsewhere(world: World, ledger: Ledger) -> World:
    """The same house on the restored ledger, where not even Redis remembers the old one."""
    open_windows(world.redis, ledger.ledger_id)
    intake = Intake(ledger, world.keys, world.home.campaigns, world.home.offices, SystemClock())
    return replace(world, ledger=ledger, intake=intake, receipts=[])


def test_under_load(world: World, target_url: str, tmp_path: Path) -> None:
    file = tmp_path / "ledger.backup"
    with world.relay() as server:
        world.submit(10)
        with going_on(lambda: world.submit(1), lambda: world.run(rounds=1)):
            until(lambda: len(server.letters) > 5, "letters to leave")
            acknowledged = len(world.receipts)
            made = back_up(world.ledger, file, "anna")
            after = len(server.letters)
            until(lambda: len(server.letters) > after + 5, "letters to leave after the backup")
        sent = arrived(server)
        wish = Wish(target_url, world.keys, "rehearsal", "anna", "the drive died", tmp_path / "scratch.db")
        done = bring_back(file, wish)
        assert done.note == made.note
        with Ledger.open(target_url, world.keys, "rehearsal") as ledger:
            _nothing_is_lost(world, ledger, acknowledged)
            restored = elsewhere(world, ledger)
            _nothing_leaves(restored, server)
            _accepted(restored, done.highest_round + 1, server)
            assert {n for each, n in arrived(server).items() if each in sent} == {1}, "none was sent twice"
            _sent_since(world.ledger, ledger)


def _nothing_is_lost(world: World, ledger: Ledger, acknowledged: int) -> None:
    assert verify(ledger) == []
    with ledger.read() as connection:
        assert counts.verify(connection) == []
        assert audit.verify(connection) == []
        there = set(connection.execute(sa.select(signatures.c.id)).scalars())
    assert {receipt.signature for receipt in world.receipts[:acknowledged]} <= there
    assert acknowledged >= 10


def _sent_since(old: Ledger, new: Ledger) -> None:
    """What the old ledger knows as sent is sent in the new one, or was put in doubt there; some of it was."""
    sent, doubted = State.SENT.value, State.IN_DOUBT.value
    with old.read() as connection:
        went = connection.execute(sa.select(letters.c.id).where(letters.c.state == sent)).scalars().all()
    with new.read() as connection:
        now = connection.execute(sa.select(letters.c.state).where(letters.c.id.in_(went))).scalars().all()
    assert set(now) == {sent, doubted}


def _nothing_leaves(restored: World, server: SmtpServer) -> None:
    before = len(server.letters)
    restored.submit(1)  # people may go on signing: that is kept, and waits too
    assert not restored.run(rounds=2)[0].opened
    assert len(server.letters) == before
    assert restored.states().get("queued", 0) > 0, "there was something to send"


def _accepted(restored: World, witness: int, server: SmtpServer) -> None:
    """What may have gone out is in doubt, and stays there when all goes on; a new signature's letters leave."""
    before = len(server.letters)
    accept_restore(restored.ledger, witness, "anna", "the drive died")
    assert not {"queued", "claimed", "sending", "held"} & set(restored.states())
    assert not restored.run(rounds=2)[0].opened, "still on hold"
    with restored.ledger.write() as connection:
        doubted = connection.execute(sa.select(letters.c.id).where(letters.c.state == State.IN_DOUBT.value)).all()
        holds.lift(connection, restored.ledger.now_us(), "everything", "")
    assert doubted, "some letter waited when the backup was made, and went out after it"
    restored.until_idle()
    assert len(server.letters) == before
    assert restored.states()["in_doubt"] == len(doubted)
    restored.submit(1)
    restored.until_idle()
    assert len(server.letters) > before
