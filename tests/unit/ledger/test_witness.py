"""The witness file."""

import threading
from pathlib import Path

import pytest

from worker.domain.errors import Failed
from worker.ledger import witness


def test_the_highest_round_of_each_ledger_is_kept(tmp_path: Path) -> None:
    file = tmp_path / "var" / "witness.json"
    assert witness.read(file, "a") == 0
    for ledger, number in (("a", 5), ("b", 2), ("a", 3)):
        witness.note(file, ledger, number)
    assert (witness.read(file, "a"), witness.read(file, "b")) == (5, 2)


def test_many_may_note_at_once(tmp_path: Path) -> None:
    file = tmp_path / "witness.json"
    threads = [threading.Thread(target=witness.note, args=(file, f"l{n % 2}", n)) for n in range(1, 21)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (witness.read(file, "l0"), witness.read(file, "l1")) == (20, 19)


@pytest.mark.parametrize("text", ["", "[1]", '{"a": "x"}', '{"a": null}'])
def test_an_unreadable_witness_is_not_taken_for_none(tmp_path: Path, text: str) -> None:
    file = tmp_path / "witness.json"
    file.write_text(text)
    with pytest.raises(Failed, match=r"witness\.json cannot be read.*delete the file"):
        witness.read(file, "a")


def test_a_witness_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "var").write_text("a file")
    with pytest.raises(Failed, match="cannot be written"):
        witness.note(tmp_path / "var" / "witness.json", "a", 1)
