"""Imports that are taken back, page by page, on both databases."""

from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from tests.integration.intake.scene import (
    campaign,
    letters_of,
    make_intake,
    person,
    rows,
    set_state,
    signature_row,
    standing,
    states,
)
from tests.integration.intake.travel import DAY, linked
from worker.domain.errors import BadInput, Failed, RefusedByState
from worker.intake import Intake, Progress, import_file
from worker.intake.bulk import chunk_size
from worker.ledger import audit, counts
from worker.ledger.book import Ledger
from worker.ledger.keys import Keys
from worker.ledger.schema import signatures
from worker.operations.imports import PAGE, Stopped, list_imports, stop_import

HEADER = "name,email,country,city,comment,language,yearly\n"


def written(tmp_path: Path, n: int, *, extra: str = "") -> Path:
    file = tmp_path / "people.csv"
    lines = [
        f'Sample Signer,signer{i}@mail.example,GB,Town,"I ask\nyou",en,{"yes" if i == 0 else ""}\n' for i in range(n)
    ]
    file.write_text(HEADER + "".join(lines) + extra)
    return file


@pytest.fixture
def paged(ledger: Ledger, ledger_keys: Keys) -> Intake:
    """A door to a campaign that has pages for its signers."""
    return make_intake(ledger, ledger_keys, linked(), linked("park"))


# -- stopped -----------------------------------------------------------------------------------------------------------
def stop(ledger: Ledger, number: int = 1, **more: Any) -> Stopped:
    return stop_import(ledger, number, "operator", "the wrong list", **more)


def audited(ledger: Ledger) -> list[audit.Entry]:
    with ledger.read() as connection:
        return [each for each in reversed(audit.latest(connection, 1_000)) if each.verb == "stop"]


def test_an_import_is_stopped_page_by_page(ledger: Ledger, paged: Intake, tmp_path: Path) -> None:
    n = 2 * PAGE + 3
    other = paged.submit("library", person(0), evidence="e")  # stood before: the list did not bring it
    import_file(paged, "library", written(tmp_path, n), evidence="e", wait=DAY)
    (tmp_path / "more").mkdir()
    import_file(paged, "park", written(tmp_path / "more", 2), evidence="e", wait=DAY)
    mine = [row["id"] for row in rows(ledger, sa.select(signatures.c.id).where(signatures.c.source == "import:1"))]
    paged.withdraw(mine[0])
    set_state(ledger, mine[1], "council", "sent")
    set_state(ledger, mine[1], "mayor", "in_doubt")
    set_state(ledger, mine[2], "signer", "sent")
    set_state(ledger, mine[3], "council", "claimed", claim=7)
    seen: list[int] = []
    done = stop(ledger, progress=lambda so_far: seen.append(so_far.signatures))
    ended = len(mine) - 1
    assert done == Stopped(signatures=ended, cancelled=3 * ended - 2, notices=ended - 1, gone=2)
    assert seen == [PAGE, 2 * PAGE, ended]
    assert standing(ledger) == {"withdrawn": len(mine), "confirmed": 3}
    assert signature_row(ledger, other.signature)["state"] == "confirmed"
    assert states(ledger, mine[1]) == {
        "council": "sent", "ministry": "cancelled", "mayor": "in_doubt", "signer": "cancelled",
    }  # fmt: skip
    assert {each["reason"] for each in letters_of(ledger, mine[4])} == {"import stopped"}
    entries = audited(ledger)
    assert [(each.who, each.target, each.reason) for each in entries] == [
        ("operator", "import 1", "the wrong list")
    ] * len(seen)
    assert sorted(k for each in entries for k in each.details["signatures"]) == mine[1:]
    assert stop(ledger) == Stopped()
    assert len(audited(ledger)) == len(seen)
    with ledger.read() as connection:
        assert counts.verify(connection) == []


def test_a_stop_that_broke_off_goes_on(ledger: Ledger, paged: Intake, tmp_path: Path) -> None:
    import_file(paged, "library", written(tmp_path, 2 * PAGE), evidence="e", wait=DAY)

    def fail(_: Stopped) -> None:
        raise Failed("the ledger is away")

    with pytest.raises(Failed):
        stop(ledger, progress=fail)
    assert standing(ledger) == {"withdrawn": PAGE, "confirmed": PAGE}
    assert stop(ledger).signatures == PAGE
    assert standing(ledger) == {"withdrawn": 2 * PAGE}


def test_a_stopped_import_reads_no_more_rows(ledger: Ledger, ledger_keys: Keys, tmp_path: Path) -> None:
    intake = make_intake(ledger, ledger_keys)
    size = chunk_size(intake.desk, campaign())
    file = written(tmp_path, 3 * size)

    def meanwhile(_: Progress) -> None:
        stop(ledger)

    with pytest.raises(RefusedByState, match="another run of this import is under way"):
        import_file(intake, "library", file, evidence="e", progress=meanwhile)
    assert standing(ledger) == {"withdrawn": size}
    assert audited(ledger)[0].details == {"unfinished": True}
    assert import_file(intake, "library", file, evidence="e").finished_before
    assert standing(ledger) == {"withdrawn": size}


def test_stopping_while_signers_withdraw_and_erase(ledger: Ledger, paged: Intake, tmp_path: Path) -> None:
    n = PAGE
    import_file(paged, "library", written(tmp_path, n), evidence="e", wait=DAY)
    with ThreadPoolExecutor(4) as pool:
        acts: list[Future[Any]] = [pool.submit(stop, ledger), pool.submit(stop, ledger)]
        acts += [pool.submit((paged.withdraw, paged.erase)[k % 2], k) for k in range(1, n + 1)]
        for act in acts:
            act.result()
    assert set(standing(ledger)) <= {"withdrawn", "erased"}
    assert {state for k in range(1, n + 1) for state in states(ledger, k).values()} == {"cancelled"}
    with ledger.read() as connection:
        assert counts.verify(connection) == []


def test_an_import_that_is_not_there_or_a_reason_that_is_none(ledger: Ledger) -> None:
    with pytest.raises(BadInput, match="there is no import 7; `lettershop imports list`"):
        stop(ledger, 7)
    with pytest.raises(BadInput, match="a reason is needed"):
        stop_import(ledger, 7, "operator", " ")


def test_imports_are_listed_the_newest_first(ledger: Ledger, paged: Intake, tmp_path: Path) -> None:
    assert list_imports(ledger) == []
    for n, slug in enumerate(("library", "park"), 1):
        folder = tmp_path / slug
        folder.mkdir()
        import_file(paged, slug, written(folder, n, extra="short,row\n"), evidence=f"list {n}")
    newest, oldest = list_imports(ledger)
    assert (newest["import"], newest["campaign"], newest["evidence"]) == (2, "park", "list 2")
    assert (newest["rows"], newest["accepted"], newest["rejected"]) == (3, 2, 1)
    assert newest["ended_at"] is not None
    assert list_imports(ledger, 1, before=2) == [oldest]
