"""Making a ledger and bringing it to the present version."""

import re
import threading
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.integration.ledger.sample import behind_its_back
from worker.domain.errors import BadInput, Failed, RefusedByState
from worker.ledger.book import Ledger
from worker.ledger.keys import Keys
from worker.ledger.migrate import migrate, migrate_empty
from worker.ledger.migrations import HEAD, KNOWN
from worker.ledger.schema import metadata


def test_a_new_ledger_is_made_and_a_present_one_left_as_it_is(unmade_ledger_url: str, ledger_keys: Keys) -> None:
    assert migrate(unmade_ledger_url, "rehearsal", ledger_keys) is None
    with Ledger.open(unmade_ledger_url, ledger_keys, "rehearsal") as ledger:
        first = ledger.ledger_id
    assert migrate(unmade_ledger_url, "rehearsal", ledger_keys) == HEAD
    with Ledger.open(unmade_ledger_url, ledger_keys, "rehearsal") as ledger:
        assert ledger.ledger_id == first
        assert len(first) == 16
        assert ledger.epoch() == 1


def test_the_steps_make_the_schema_that_the_code_states(
    unmade_ledger_url: str, postgres_url: str, tmp_path: Path
) -> None:
    migrate_empty(unmade_ledger_url)
    stated = f"sqlite:///{tmp_path / 'stated.db'}" if unmade_ledger_url.startswith("sqlite") else postgres_url
    with behind_its_back(unmade_ledger_url) as connection:
        migrated = _catalogue(connection)
    with behind_its_back(stated, create=True) as connection:
        metadata.create_all(connection)
        assert migrated == _catalogue(connection)


def test_postgresql_tidies_the_letters_after_hundreds_of_changes(postgres_url: str) -> None:
    migrate_empty(postgres_url)
    with behind_its_back(postgres_url) as connection:
        (options,) = connection.execute(sa.text("SELECT reloptions FROM pg_class WHERE relname = 'letters'")).one()
    assert set(options) == {
        "autovacuum_vacuum_scale_factor=0",
        "autovacuum_vacuum_insert_scale_factor=0",
        "autovacuum_vacuum_threshold=500",
        "autovacuum_vacuum_insert_threshold=5000",
    }


def _catalogue(connection: sa.Connection) -> set[tuple[str, ...]]:
    """Everything the database itself says of its tables, indexes and constraints."""
    if connection.dialect.name == "sqlite":
        found = {
            ("column", table, *map(str, column[1:]))
            for (table,) in connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'table'")
            for column in connection.exec_driver_sql(f"PRAGMA table_xinfo('{table}')")
        }
        for kind, name, table, sql in connection.exec_driver_sql("SELECT type, name, tbl_name, sql FROM sqlite_master"):
            head, _, body = " ".join((sql or "").split()).partition("(")
            lines = re.split(r",(?![^()]*\))", body.strip().removesuffix(")"))
            parts = [head.strip(), *sorted(line.strip() for line in lines)]
            found.add((kind, name, table, *parts))
    else:
        found = set()
        for query in (
            """SELECT 'column', table_name, column_name, data_type, is_nullable, coalesce(column_default, '')
               FROM information_schema.columns WHERE table_schema = 'public'""",
            "SELECT 'index', tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'",
            """SELECT 'constraint', conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
               WHERE connamespace = 'public'::regnamespace""",
            "SELECT 'sequence', sequencename, data_type::text FROM pg_sequences WHERE schemaname = 'public'",
        ):
            found |= {tuple(row) for row in connection.execute(sa.text(query))}
    return {row for row in found if not any("alembic_version" in part for part in row)}


def test_of_two_migrators_one_waits_and_finds_nothing_to_do(unmade_ledger_url: str, ledger_keys: Keys) -> None:
    results: list[str | None] = []

    def make() -> None:
        results.append(migrate(unmade_ledger_url, "rehearsal", ledger_keys))

    threads = [threading.Thread(target=make) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(str, results)) == [HEAD, HEAD, "None"]


def test_a_ledger_of_a_newer_version_is_refused(unmade_ledger_url: str, ledger_keys: Keys) -> None:
    migrate(unmade_ledger_url, "rehearsal", ledger_keys)
    _set_version(unmade_ledger_url, "9999")
    for attempt in (
        lambda: migrate(unmade_ledger_url, "rehearsal", ledger_keys),
        lambda: migrate_empty(unmade_ledger_url),
        lambda: Ledger.open(unmade_ledger_url, ledger_keys, "rehearsal"),
    ):
        with pytest.raises(RefusedByState, match=rf"newer version \(9999; this program knows up to {HEAD}\)"):
            attempt()


def test_a_ledger_of_an_older_version_is_refused(
    unmade_ledger_url: str, ledger_keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    migrate(unmade_ledger_url, "rehearsal", ledger_keys)
    _set_version(unmade_ledger_url, "0000")
    monkeypatch.setattr("worker.ledger.admission.KNOWN", ("0000", *KNOWN))
    with pytest.raises(RefusedByState, match=r"older version \(0000\): run `lettershop migrate`"):
        Ledger.open(unmade_ledger_url, ledger_keys, "rehearsal")


def test_migrating_keeps_to_mode_and_keys(unmade_ledger_url: str, ledger_keys: Keys, tmp_path: Path) -> None:
    migrate(unmade_ledger_url, "rehearsal", ledger_keys)
    with pytest.raises(RefusedByState, match='made for mode "rehearsal"'):
        migrate(unmade_ledger_url, "live", ledger_keys)
    with pytest.raises(RefusedByState, match="wrong key"):
        migrate(unmade_ledger_url, "rehearsal", Keys(b"1" * 32, b"2" * 32, b"3" * 32))
    with pytest.raises(BadInput, match="mode is 'test'"):
        migrate(unmade_ledger_url, "test", ledger_keys)


def test_a_row_that_refers_to_nothing_stops_a_migration(tmp_path: Path, ledger_keys: Keys) -> None:
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    migrate(url, "rehearsal", ledger_keys)
    with behind_its_back(url, foreign_keys=False) as connection:
        astray = "INSERT INTO sendouts (id, campaign_id, name, rank, made_at) VALUES (1, 77, 'signing', 1, 1)"
        connection.execute(sa.text(astray))
    with pytest.raises(Failed, match="1 rows refer to nothing"):
        migrate(url, "rehearsal", ledger_keys)


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path, ledger_keys: Keys) -> None:
    (tmp_path / "var").write_text("a file")
    with pytest.raises(Failed, match="cannot be made"):
        migrate(f"sqlite:///{tmp_path / 'var' / 'deep' / 'ledger.db'}", "rehearsal", ledger_keys)


def test_a_migration_that_dies_leaves_nothing(
    unmade_ledger_url: str, ledger_keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.ledger.admission.put_stamp", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        migrate(unmade_ledger_url, "rehearsal", ledger_keys)
    monkeypatch.undo()
    with pytest.raises(RefusedByState, match="not a ledger yet: run `lettershop migrate`"):
        Ledger.open(unmade_ledger_url, ledger_keys, "rehearsal")


def _set_version(url: str, version: str) -> None:
    with behind_its_back(url) as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = :v"), {"v": version})
