"""`ledger verify` finds what was damaged, and only that."""

from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.integration.ledger.sample import behind_its_back, fill
from worker.domain.states import State
from worker.ledger import verify as module
from worker.ledger.book import Ledger
from worker.ledger.keys import Keys
from worker.ledger.migrate import migrate
from worker.ledger.schema import (
    attempts,
    audit,
    count_deltas,
    letters,
    pins,
    sendouts,
    signer_versions,
    signers,
    tokens,
)
from worker.ledger.verify import CHECKS, verify

STATES = [State.QUEUED, State.CLAIMED, State.SENDING, State.SENT, State.IN_DOUBT]


def test_a_sound_ledger_has_no_problems(ledger: Ledger, ledger_keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(ledger, ledger_keys, STATES)
    parts: list[str] = []
    assert verify(ledger, parts.append) == []
    assert parts == list(CHECKS)
    monkeypatch.setattr(module, "PAGE", 2)
    assert verify(ledger) == []


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (sa.update(count_deltas).where(count_deltas.c.state == "sent").values(n=2),
         ["campaign 1, send-out 1, mayor: 1 letters too many are counted as sent"]),
        (sa.delete(count_deltas).where(count_deltas.c.state == "sent"),
         ["campaign 1, send-out 1, mayor: 1 letters too few are counted as sent"]),
        (audit.insert().values(at=1, who="", verb="", target="", reason="", details="{}", previous="", hash="00"),
         ["audit row 1 was altered"]),
        (sa.update(letters).where(letters.c.state == "claimed").values(claim=None),
         ["letter 2 is claimed without a claim"]),
        (sa.update(letters).where(letters.c.state == "sent").values(claim=1), ["letter 4 is sent and has a claim"]),
        (sa.delete(attempts), ["letter 3 is being sent, but its attempt has no mark"]),
        (sa.update(letters).where(letters.c.state == "sending").values(attempts=0),
         ["letter 3 is being sent, but its attempt has no mark", "letter 3 has more attempts than it counts"]),
        (sa.update(pins).values(body='{"a": 1}'), ["pin 1 was altered"]),
        (sa.update(pins).values(body="not JSON"), ["pin 1 was altered"]),
        (sa.update(signer_versions).where(signer_versions.c.signer_id == 2).values(sealed=b"\x01other" * 9),
         ["version 1 of signer 2 does not open with its key"]),
        (sa.update(tokens).where(tokens.c.signature_id == 2).values(sealed=b""),
         ["a token of signature 2 does not open with its key"]),
        (sa.update(letters).where(letters.c.id == 1).values(addressee="mayor "),
         ["campaign 1, send-out 1, mayor: 1 letters too many are counted as queued",
          "campaign 1, send-out 1, mayor : 1 letters too few are counted as queued",
          "letter 1 was not made by this house: its seal does not match"]),
        (sa.update(signers).where(signers.c.id == 2).values(wrapped_key=None), []),  # erased
    ],
)  # fmt: skip
def test_damage_is_named(ledger: Ledger, ledger_keys: Keys, damage: sa.Executable, said: list[str]) -> None:
    fill(ledger, ledger_keys, STATES)
    with ledger.write() as connection:
        connection.execute(damage)
    assert verify(ledger) == said


def test_a_state_that_does_not_exist_is_named(ledger: Ledger, ledger_keys: Keys) -> None:
    fill(ledger, ledger_keys, [State.QUEUED])
    with behind_its_back(ledger.url) as connection:
        if ledger.dialect == "sqlite":
            connection.exec_driver_sql("PRAGMA ignore_check_constraints=ON")
        else:
            connection.execute(sa.text("ALTER TABLE letters DROP CONSTRAINT state_known"))
        connection.execute(sa.update(letters).values(state="lost"))
        connection.execute(sa.update(count_deltas).values(state="lost"))
    problems = [problem for problem in verify(ledger) if "damaged" not in problem]  # SQLite's own check sees it too
    assert problems == ["letter 1 is in a state that does not exist: 'lost'"]


def test_many_problems_are_counted(ledger: Ledger, ledger_keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SHOWN", 2)
    fill(ledger, ledger_keys, [State.QUEUED] * 5)
    with ledger.write() as connection:
        connection.execute(sa.update(letters).values(mac=b""))
    assert verify(ledger)[1:] == [
        "letter 2 was not made by this house: its seal does not match",
        "seals: and 3 more",
    ]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "file.db"


def test_a_damaged_file_and_a_broken_reference_are_found(file: Path, ledger_keys: Keys) -> None:
    url = f"sqlite:///{file}"
    migrate(url, "rehearsal", ledger_keys)
    with behind_its_back(url, foreign_keys=False) as connection:
        connection.execute(sendouts.insert().values(id=1, campaign_id=77, name="signing", rank=1, made_at=1))
    with Ledger.open(url, ledger_keys, "rehearsal") as ledger:
        assert verify(ledger) == ["row 1 of sendouts refers to nothing in campaigns"]
    _drop_an_index_entry(file)
    with Ledger.open(url, ledger_keys, "rehearsal") as ledger:
        assert any(problem.startswith("the file is damaged: ") for problem in verify(ledger))


def _drop_an_index_entry(file: Path) -> None:
    """Add an index that does not know its table's row, behind SQLite's back."""
    with behind_its_back(f"sqlite:///{file}") as connection:
        run = connection.exec_driver_sql
        run("INSERT INTO campaigns (slug) VALUES ('library')")
        run("PRAGMA writable_schema=ON")
        run("CREATE TABLE other (slug TEXT NOT NULL)")
        run("CREATE INDEX other_slug ON other (slug)")
        root = run("SELECT rootpage FROM sqlite_master WHERE name = 'other_slug'").scalar_one()
        run("DELETE FROM sqlite_master WHERE name = 'other_slug'")
        run(
            "INSERT INTO sqlite_master (type, name, tbl_name, rootpage, sql)"
            f" VALUES ('index', 'campaigns_slug', 'campaigns', {root}, 'CREATE INDEX campaigns_slug ON campaigns (slug)')"
        )
