"""Two who do the same, or the opposite, at the same instant; on both databases."""

import contextlib
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from tests.integration.intake.scene import (
    ROOT,
    child,
    letters_of,
    make_intake,
    person,
    rows,
    standing,
    states,
    token_of,
)
from worker.domain.errors import RefusedByState
from worker.ledger import counts
from worker.ledger.book import Ledger
from worker.ledger.keys import Keys
from worker.ledger.schema import letters, signers


@pytest.fixture(autouse=True)
def counts_agree(ledger: Ledger) -> Iterator[None]:
    yield
    with ledger.read() as connection:
        assert counts.verify(connection) == []


def at_once(*acts: Callable[[], Any]) -> list[Any]:
    """Run the acts in threads that start together; their results, an error as itself."""
    gate = threading.Barrier(len(acts))

    def run(act: Callable[[], Any]) -> Any:
        gate.wait()
        try:
            return act()
        except RefusedByState as exc:
            return exc

    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(run, acts))


def test_one_token_confirmed_by_many_at_once(ledger: Ledger, ledger_keys: Keys) -> None:
    intake = make_intake(ledger, ledger_keys)
    signed = intake.sign("library", person())
    token = token_of(ledger, ledger_keys, signed.signature)
    others = [make_intake(ledger, ledger_keys) for _ in range(6)]
    receipts = at_once(*(lambda i=i: i.confirm(token) for i in others))
    assert sorted(receipt.letters for receipt in receipts) == [0, 0, 0, 0, 0, 3]
    assert {receipt.signature for receipt in receipts} == {signed.signature}
    assert len(letters_of(ledger, signed.signature)) == 4


def test_one_address_signed_by_many_at_once(ledger: Ledger, ledger_keys: Keys) -> None:
    for n in range(5):
        others = [make_intake(ledger, ledger_keys) for _ in range(4)]
        receipts = at_once(*(lambda i=i, n=n: i.sign("library", person(n)) for i in others))
        assert [receipt.repeated for receipt in receipts].count(False) == 1
        assert len({receipt.signature for receipt in receipts}) == 1
    assert standing(ledger) == {"unconfirmed": 5}
    assert len(rows(ledger, sa.select(signers))) == 5


def test_confirming_and_withdrawing_at_once(ledger: Ledger, ledger_keys: Keys) -> None:
    intake = make_intake(ledger, ledger_keys)
    for n in range(8):
        signed = intake.sign("library", person(n))
        token = token_of(ledger, ledger_keys, signed.signature)
        acts = [lambda token=token: intake.confirm(token), lambda s=signed: intake.withdraw(s.signature)]
        at_once(*(acts if n % 2 else acts[::-1]))
        assert set(states(ledger, signed.signature).values()) == {"cancelled"}
    assert standing(ledger) == {"withdrawn": 8}


def test_signing_and_erasing_at_once(ledger: Ledger, ledger_keys: Keys) -> None:
    intake = make_intake(ledger, ledger_keys)
    for n in range(6):
        signed = intake.submit("library", person(n), evidence="e")
        at_once(
            lambda s=signed: intake.erase(s.signature),
            lambda n=n: intake.submit("library", person(n), evidence="e"),
        )
        for row in rows(ledger, sa.select(signers)):
            assert (row["wrapped_key"] is None) == (row["erased_at"] is not None)
    query = sa.select(letters.c.id).where(
        letters.c.state == "queued",
        letters.c.signature_id.in_(sa.text("SELECT id FROM signatures WHERE state = 'erased'")),
    )
    assert rows(ledger, query) == []


def test_processes_that_submit_the_same_people(ledger: Ledger, ledger_keys: Keys, tmp_path: Path) -> None:
    with contextlib.ExitStack() as stack:
        processes = [
            stack.enter_context(
                subprocess.Popen(
                    child("child_signing", ledger.url, str(tmp_path / "keys"), order),
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                    cwd=ROOT,
                )
            )
            for order in ("1", "-1", "1")
        ]
        for process in processes:
            assert process.stdout
            assert process.stdout.readline() == "ready\n"
        first = [process.communicate("go\n", timeout=60)[0] for process in processes]
    assert sum(map(int, first)) == 60
    assert standing(ledger) == {"confirmed": 60}
    assert len(rows(ledger, sa.select(letters.c.id))) == 180
