"""The world's faults: a full disk, a busy file, a server that is away. Each says so, loses nothing, and passes."""

import contextlib
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.fixtures.postgres import PostgresServer
from worker.domain.errors import Failed
from worker.ledger import engine as doors
from worker.ledger import turn
from worker.ledger.book import Ledger, reachable
from worker.ledger.engine import raw_connection
from worker.ledger.keys import Keys
from worker.ledger.migrate import migrate
from worker.ledger.schema import campaigns


@pytest.fixture
def on_sqlite(tmp_path: Path, ledger_keys: Keys) -> Ledger:
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    migrate(url, "rehearsal", ledger_keys)
    return Ledger.open(url, ledger_keys, "rehearsal")


def _slugs(ledger: Ledger) -> int:
    with ledger.read() as connection:
        found: int = connection.execute(sa.select(sa.func.count()).select_from(campaigns)).scalar_one()
        return found


def test_a_full_database_says_so_keeps_what_it_had_and_recovers(on_sqlite: Ledger) -> None:
    def write(slug: str, pages: int) -> None:
        with on_sqlite.write() as connection:
            connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")
            connection.execute(campaigns.insert().values(slug=slug))

    write("first", 1_000_000)
    with pytest.raises(Failed, match=r"the disk is full \(.*ledger\.db\): make room; nothing acknowledged is lost"):
        write("x" * 1_000_000, 1)
    assert _slugs(on_sqlite) == 1
    write("y" * 1_000_000, 1_000_000)
    assert _slugs(on_sqlite) == 2
    on_sqlite.close()


_FILLING = """
import pathlib, resource, signal, sys
import sqlalchemy as sa
from worker.domain.errors import Failed
from worker.ledger.book import Ledger
from worker.ledger.keys import Keys
from worker.ledger.schema import campaigns
url, folder = sys.argv[1:]
keys = Keys.load(*(pathlib.Path(folder) / f"{name}.key" for name in ("data", "lookup", "seal")))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
ledger = Ledger.open(url, keys, "rehearsal")
soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, hard))
written, said = 0, ""
def write():
    with ledger.write() as connection:
        connection.execute(campaigns.insert().values(slug=f"{written}" + "x" * 5000))
while not said:
    try:
        write()
        written += 1
    except Failed as exc:
        said = str(exc)
assert "the disk is full" in said, said
resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
write()
with ledger.read() as connection:
    assert connection.execute(sa.select(sa.func.count()).select_from(campaigns)).scalar_one() == written + 1
print(written + 1)
"""


def test_a_full_disk_says_so_and_recovers_by_itself(on_sqlite: Ledger, tmp_path: Path) -> None:
    argv = [sys.executable, "-c", _FILLING, on_sqlite.url, str(tmp_path / "keys")]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert _slugs(on_sqlite) == int(done.stdout)
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 600_000
    on_sqlite.close()


def test_a_ledger_that_another_holds_is_busy(
    on_sqlite: Ledger, ledger_keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turn, "BUSY_S", 0.05)
    holder = raw_connection(on_sqlite.url)
    holder.execute("BEGIN IMMEDIATE")
    with Ledger.open(on_sqlite.url, ledger_keys, "rehearsal") as impatient:
        with pytest.raises(Failed, match="is busy: another process has held it"), impatient.write():
            pass
        assert _slugs(impatient) == 0  # readers are never in the way
        holder.execute("ROLLBACK")
        with impatient.write():
            pass
    holder.close()
    on_sqlite.close()


def test_a_file_that_may_not_be_written_is_told(on_sqlite: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    on_sqlite.close()
    monkeypatch.setattr(doors, "_file_read_only", lambda _url: True)
    with pytest.raises(Failed, match="cannot be written"), on_sqlite.read() as connection:
        connection.execute(campaigns.insert().values(slug="x"))
    on_sqlite.close()


def test_too_many_at_once_are_told(on_sqlite: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(on_sqlite.engine.pool, "_timeout", 0.01)
    with contextlib.ExitStack() as stack:
        for _ in range(doors.POOL_SIZE + doors.POOL_OVERFLOW):
            stack.enter_context(on_sqlite.read())
        with pytest.raises(Failed, match="all connections to the ledger are in use"), on_sqlite.read():
            pass
    on_sqlite.close()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT])
def test_a_server_that_goes_away_and_comes_back(
    postgres: PostgresServer, postgres_url: str, ledger_keys: Keys, how: signal.Signals
) -> None:
    migrate(postgres_url, "rehearsal", ledger_keys)
    ledger = Ledger.open(postgres_url, ledger_keys, "rehearsal")
    with ledger.write() as connection:
        connection.execute(campaigns.insert().values(slug="library"))
    assert ledger.now_us() > 0
    postgres.stop(how)
    try:
        for attempt in (ledger.read, ledger.write):
            with pytest.raises(Failed, match=r"the ledger postgresql://.* is away \(.*\): nothing is sent"), attempt():
                pass
        assert "is away" in reachable(ledger)
        assert ledger.now_us() > 0  # carried on for a while
        for call in (
            lambda: raw_connection(postgres_url),
            lambda: Ledger.open(postgres_url, ledger_keys, "rehearsal"),
            lambda: migrate(postgres_url, "rehearsal", ledger_keys),
        ):
            with pytest.raises(Failed, match="is away"):
                call()
    finally:
        postgres.start()
    assert _slugs(ledger) == 1
    assert reachable(ledger) == ""
    ledger.close()


def test_a_server_that_dies_within_a_transaction(
    postgres: PostgresServer, postgres_url: str, ledger_keys: Keys
) -> None:
    migrate(postgres_url, "rehearsal", ledger_keys)
    with Ledger.open(postgres_url, ledger_keys, "rehearsal") as ledger:
        with pytest.raises(Failed, match="is away"):
            _write_through_a_crash(ledger, postgres)
        assert _slugs(ledger) == 0


def test_a_user_who_may_not_make_tables_is_told(postgres: PostgresServer, postgres_url: str, ledger_keys: Keys) -> None:
    with postgres.connect() as connection:
        connection.execute("DROP ROLE IF EXISTS plain")
        connection.execute("CREATE ROLE plain LOGIN")
    with pytest.raises(Failed, match=r"does not permit it \(permission denied for schema public\): its user must own"):
        migrate(postgres_url.replace("postgres@", "plain@"), "rehearsal", ledger_keys)


def _write_through_a_crash(ledger: Ledger, postgres: PostgresServer) -> None:
    with ledger.write() as connection:
        connection.execute(campaigns.insert().values(slug="library"))
        postgres.stop(signal.SIGQUIT)
        postgres.start()
        connection.execute(campaigns.insert().values(slug="other"))
