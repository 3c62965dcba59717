"""Opening a ledger, and its transactions."""

import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, IntegrityError

from tests.fixtures.postgres import PostgresServer
from tests.integration.ledger.sample import behind_its_back
from worker.domain.errors import Failed, RefusedByState
from worker.ledger import engine as doors
from worker.ledger.book import Ledger, reachable
from worker.ledger.engine import durability, raw_connection
from worker.ledger.keys import Keys
from worker.ledger.migrate import migrate
from worker.ledger.schema import campaigns, meta


class _Clock:
    def now(self) -> datetime:
        return datetime(2027, 2, 26, tzinfo=UTC)

    def monotonic(self) -> float:
        return 0.0


def _slugs(ledger: Ledger) -> list[str]:
    with ledger.read() as connection:
        return list(connection.execute(sa.select(campaigns.c.slug).order_by(campaigns.c.id)).scalars())


def test_what_is_written_can_be_read(ledger: Ledger) -> None:
    with ledger.write() as connection:
        connection.execute(campaigns.insert().values(slug="library"))
    assert _slugs(ledger) == ["library"]
    assert reachable(ledger) == ""
    assert ledger.ledger_id in repr(ledger)


def test_a_block_that_raises_writes_nothing(ledger: Ledger) -> None:
    def write() -> None:
        with ledger.write() as connection:
            connection.execute(campaigns.insert().values(slug="library"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write()
    assert _slugs(ledger) == []


def test_a_reading_cannot_write(ledger: Ledger) -> None:
    with pytest.raises(DBAPIError, match=r"(?i)read-?only"), ledger.read() as connection:
        connection.execute(campaigns.insert().values(slug="library"))
    with ledger.write() as connection:  # the connection goes back to the pool as good as new
        connection.execute(campaigns.insert().values(slug="library"))
    assert _slugs(ledger) == ["library"]


def test_a_reading_sees_one_moment(ledger: Ledger) -> None:
    count = sa.select(sa.func.count()).select_from(campaigns)
    with ledger.read() as reading:
        assert reading.execute(count).scalar_one() == 0
        with ledger.write() as connection:
            connection.execute(campaigns.insert().values(slug="library"))
        assert reading.execute(count).scalar_one() == 0
    assert _slugs(ledger) == ["library"]


def test_writers_from_many_threads_all_commit(ledger: Ledger) -> None:
    def write(thread: int) -> None:
        for n in range(10):
            with ledger.write() as connection:
                seen = connection.execute(sa.select(sa.func.count()).select_from(campaigns)).scalar_one()
                connection.execute(campaigns.insert().values(slug=f"{thread}-{n}-{seen}"))

    threads = [threading.Thread(target=write, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(_slugs(ledger)) == 40


def test_a_broken_rule_is_the_callers_and_passes_through(ledger: Ledger) -> None:
    def write() -> None:
        with ledger.write() as connection:
            connection.execute(campaigns.insert().values(slug="s3cret"))

    write()
    with pytest.raises(IntegrityError, match="parameters hidden"):
        write()
    assert _slugs(ledger) == ["s3cret"]


def test_the_clock_is_the_databases_or_the_one_handed_in(ledger: Ledger, ledger_keys: Keys) -> None:
    host_us = datetime.now(UTC).timestamp() * 1_000_000
    assert abs(ledger.now_us() - host_us) < 60_000_000
    with ledger.read():
        assert ledger.now_us() <= ledger.now_us()
    with Ledger.open(ledger.url, ledger_keys, "rehearsal", clock=_Clock()) as other:
        assert other.now_us() == 1_803_600_000_000_000


def test_mode_and_keys_must_be_the_ledgers(ledger: Ledger, ledger_keys: Keys, tmp_path: Path) -> None:
    with pytest.raises(RefusedByState, match='made for mode "rehearsal" and cannot be used in mode "live"'):
        Ledger.open(ledger.url, ledger_keys, "live")
    good = [tmp_path / "keys" / f"{name}.key" for name in ("data", "lookup", "seal")]
    other = tmp_path / "other.key"
    other.write_text("ab" * 32)
    other.chmod(0o600)
    with pytest.raises(RefusedByState, match=r"wrong key: .*/other\.key is not what the ledger") as refusal:
        Ledger.open(ledger.url, Keys.load(other, *good[1:]), "rehearsal")
    assert "lookup" not in str(refusal.value)
    third = tmp_path / "third.key"
    third.write_text("cd" * 32)
    third.chmod(0o600)
    with pytest.raises(RefusedByState, match=r"other\.key, .*third\.key are not"):
        Ledger.open(ledger.url, Keys.load(good[0], other, third), "rehearsal")


def test_what_is_not_there_is_not_made(tmp_path: Path, ledger_keys: Keys) -> None:
    with pytest.raises(RefusedByState, match=r"there is no ledger at .*: run `lettershop migrate`"):
        Ledger.open(f"sqlite:///{tmp_path / 'none.db'}", ledger_keys, "rehearsal")
    assert not (tmp_path / "none.db").exists()
    with pytest.raises(Failed, match="cannot be opened"):
        raw_connection(f"sqlite:///{tmp_path / 'none.db'}")


def test_an_empty_database_is_not_a_ledger(postgres_url: str, ledger_keys: Keys) -> None:
    with pytest.raises(RefusedByState, match="is not a ledger yet: run `lettershop migrate`"):
        Ledger.open(postgres_url, ledger_keys, "rehearsal")


def test_a_ledger_without_its_stamp_is_refused(ledger: Ledger, ledger_keys: Keys) -> None:
    with behind_its_back(ledger.url) as connection:
        connection.execute(meta.delete())
    with pytest.raises(RefusedByState, match="is not complete"):
        Ledger.open(ledger.url, ledger_keys, "rehearsal")


def test_a_ledger_without_its_tables_is_damaged(ledger: Ledger, ledger_keys: Keys) -> None:
    with behind_its_back(ledger.url) as connection:
        meta.drop(connection)
    with pytest.raises(Failed, match="damaged: its tables are missing"):
        Ledger.open(ledger.url, ledger_keys, "rehearsal")


def test_a_file_that_is_no_database_is_named_as_damaged(tmp_path: Path, ledger_keys: Keys) -> None:
    file = tmp_path / "ledger.db"
    file.write_bytes(b"this was a ledger once " * 500)
    with pytest.raises(Failed, match=r"ledger\.db is damaged"):
        Ledger.open(f"sqlite:///{file}", ledger_keys, "rehearsal")


def test_the_raw_connection_is_set_up_alike(ledger: Ledger) -> None:
    connection = raw_connection(ledger.url)
    if ledger.dialect == "sqlite":
        settings = {name: connection.execute(f"PRAGMA {name}").fetchone()[0] for name in
                    ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")}  # fmt: skip
        assert settings == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 0}
    else:
        assert connection.execute("SHOW application_name").fetchone() == ("lettershop",)
        assert connection.execute("SELECT count(*) FROM meta").fetchone() == (1,)
    connection.close()


def test_durability_is_looked_at(ledger: Ledger, postgres: PostgresServer) -> None:
    with ledger.read() as connection:
        assert durability(connection) == []
    with ledger.write() as connection:
        if ledger.dialect == "postgresql":
            connection.execute(sa.text("SET LOCAL synchronous_commit = off"))
            assert durability(connection) == ["PostgreSQL's synchronous_commit is off: set `synchronous_commit = on`"]


def test_a_file_that_cannot_be_in_wal_is_told(tmp_path: Path) -> None:
    with behind_its_back(f"sqlite:///{tmp_path / 'x.db'}", create=True) as connection:
        connection.execute(sa.text("CREATE TABLE t (a)"))
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'x.db'}")
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA journal_mode=DELETE").fetchall()
        assert durability(connection) == ["SQLite's journal mode is delete, not wal: is the ledger on a network drive?"]
    engine.dispose()


def test_an_old_or_foreign_server_is_refused(
    postgres: PostgresServer, ledger_keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    latin = "latin1"
    with postgres.connect() as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {latin}".encode())
        connection.execute(
            f"CREATE DATABASE {latin} TEMPLATE template0 ENCODING LATIN1 LOCALE_PROVIDER libc LOCALE 'C'".encode()
        )
    with pytest.raises(RefusedByState, match="encoded in LATIN1"):
        migrate(postgres.url(latin), "rehearsal", ledger_keys)
    monkeypatch.setattr(doors, "_OLDEST_SERVER", 99)
    with pytest.raises(RefusedByState, match="needs PostgreSQL 99 or newer; this is PostgreSQL 18"):
        migrate(postgres.url(latin), "rehearsal", ledger_keys)
    postgres.drop(latin)
