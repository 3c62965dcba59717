"""`backup` and `restore` on both ledgers: what goes into the file, and what comes out of it."""

import os
import resource
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from tests.integration.ledger.sample import any_lane, behind_its_back, fill, open_round
from worker.domain.errors import BadInput, Failed, LettershopError, RefusedByState
from worker.domain.states import State
from worker.ledger import audit, backup, backup_file, counts, from_backup, holds
from worker.ledger.book import Ledger
from worker.ledger.from_backup import Wish
from worker.ledger.keys import Keys, make_key_files
from worker.ledger.migrate import migrate, migrate_empty, upgrade
from worker.ledger.migrations import HEAD, ROWS_SINCE
from worker.ledger.restore import accept_restore
from worker.ledger.schema import (
    campaigns,
    gates,
    letters,
    metadata,
    processes,
    rounds,
    sessions,
    signatures,
    signers,
    users,
)
from worker.ledger.verify import verify
from worker.operations.backup import back_up, keep_keys
from worker.settings import KeyFiles

if TYPE_CHECKING:
    from tests.fixtures.postgres import PostgresServer

STATES = [State.QUEUED, State.SENT, State.IN_DOUBT, State.HELD, State.CLAIMED, State.SENDING]
CHANGED = {"holds", "audit", "rounds", "processes", "sessions"}
"""What a restore itself writes to; and it adds one signature of nobody, whose number tells it."""


@pytest.fixture(autouse=True)
def _small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.ledger.copy.PAGE", 2)


@pytest.fixture
def full(ledger: Ledger, ledger_keys: Keys) -> Ledger:
    """A ledger with something in most tables, and a round that is alive."""
    fill(ledger, ledger_keys, STATES)
    lane = any_lane(ledger)
    with ledger.write() as connection:
        open_round(connection, lane, slot=7, renewed_at=ledger.now_us())
        gone = open_round(connection, lane, slot=8)
        connection.execute(sa.delete(rounds).where(rounds.c.id == gone))  # its number must not come again
        holds.place(connection, 1, "office", "mayor", reason="asked", who="anna")
        audit.append(connection, 1, "anna", "hold", "office mayor", "é", {"n": 1})
        for kind, key in (("relay", "Ä"), ("relay", "a"), ("lane", "b"), ("lane", "B")):
            connection.execute(gates.insert().values(kind=kind, key=key, opens_at=1, reason="", since=1, strikes=1))
        user = connection.execute(
            users.insert()
            .values(name="anna", role="admin", password="x", made_at=1, changed_at=1)
            .returning(users.c.id)
        ).scalar_one()
        connection.execute(
            sessions.insert().values(hash=b"h", user_id=user, csrf="c", made_at=1, seen_at=1, expires_at=2**60)
        )
        connection.execute(
            processes.insert().values(
                name="host:1",
                kind="worker",
                host="host",
                version="1",
                started_at=1,
                seen_at=1,
                skew_us=0,
                disk_free=1,
                disk_size=1,
                config="",
                trouble="",
            )
        )
    return ledger


@pytest.fixture(params=["sqlite", "postgresql"])
def target_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A place without a ledger, of either kind."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'target' / 'ledger.db'}"
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    database = server.new_database()
    yield server.url(database)
    server.drop(database)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "ledger.backup"


@pytest.fixture
def sqlite_ledger(tmp_path: Path, migrated_file: Path, ledger_keys: Keys) -> Iterator[Ledger]:
    """For what does not depend on the ledger's kind."""
    url = f"sqlite:///{tmp_path / 'plain.db'}"
    (tmp_path / "plain.db").write_bytes(migrated_file.read_bytes())
    migrate(url, "rehearsal", ledger_keys)
    with Ledger.open(url, ledger_keys, "rehearsal") as opened:
        yield opened


def wish(url: str, keys: Keys, tmp_path: Path, **other: object) -> Wish:
    values = {"mode": "rehearsal", "who": "anna", "reason": "the drive died", "scratch": tmp_path / "scratch.db"}
    return Wish(**{"url": url, "keys": keys, **values, **other})  # type: ignore[arg-type]


def everything(ledger: Ledger) -> dict[str, list[str]]:
    with ledger.read() as connection:
        return {
            table.name: sorted(repr(tuple(row)) for row in connection.execute(_given(table)))
            for table in metadata.sorted_tables
            if table.name not in CHANGED
        }


def _given(table: sa.Table) -> sa.Select[tuple[object, ...]]:
    query = sa.select(table)
    return query.where(table.c.id < from_backup.GAP) if table in {signers, signatures} else query


# -- there and back ------------------------------------------------------------------------------------------------------
def test_every_row_comes_back_into_either_kind(
    full: Ledger, target_url: str, file: Path, ledger_keys: Keys, tmp_path: Path
) -> None:
    told: list[str] = []
    made = back_up(full, file, "anna", progress=lambda table, _rows: told.append(table))
    assert "letters" in told
    assert made.note.letters == len(STATES)
    assert made.note.waiting == 4
    assert made.note.version == HEAD
    with full.read() as connection:
        assert audit.latest(connection)[0].verb == "backup"
        assert (made.note.audit_id, made.note.audit_head) == connection.execute(
            sa.text("SELECT id, hash FROM audit WHERE verb = 'hold'")
        ).one()
    done = from_backup.bring_back(file, wish(target_url, ledger_keys, tmp_path))
    assert done.moved_to is None
    with Ledger.open(target_url, ledger_keys, "rehearsal") as target:
        assert target.ledger_id == full.ledger_id
        assert everything(target) == everything(full)
        assert verify(target) == []
        lane = any_lane(target)
        with target.write() as connection:
            assert counts.verify(connection) == []
            last = connection.execute(sa.select(sa.func.max(rounds.c.id))).scalar_one()
            assert open_round(connection, lane, slot=9) == last + 2
            assert audit.verify(connection) == []
            entry = audit.latest(connection)[0]
            assert (entry.verb, entry.who, entry.reason) == ("restore", "anna", "the drive died")
            assert entry.details["audit"] == [made.note.audit_id, made.note.audit_head]


def test_a_restored_ledger_is_held_and_can_be_accepted_at_once(
    full: Ledger, target_url: str, file: Path, ledger_keys: Keys, tmp_path: Path
) -> None:
    back_up(full, file, "anna")
    done = from_backup.bring_back(file, wish(target_url, ledger_keys, tmp_path))
    with Ledger.open(target_url, ledger_keys, "rehearsal") as target:
        with target.read() as connection:
            (hold,) = holds.standing(connection, target.now_us(), "everything")
            assert hold.who == from_backup.WHO
            assert "accept-restore" in hold.reason
            for table in (sessions, processes):  # whoever logged in or ran then does not now
                assert connection.execute(sa.select(table)).all() == []
        # a round was alive when the backup was made: nobody has to wait until it is not
        accepted = accept_restore(target, done.highest_round + 1, "anna", "the drive died")
        assert accepted.in_doubt == 4
        with target.read() as connection:
            assert holds.standing(connection, target.now_us(), "everything") == [hold]


def test_no_number_of_a_signature_is_given_twice(
    full: Ledger, target_url: str, file: Path, ledger_keys: Keys, tmp_path: Path
) -> None:
    """A producer that was given number 7 after the backup must not withdraw somebody else's 7 of the restored ledger."""
    back_up(full, file, "anna")
    fill(full, ledger_keys, [State.SENT] * 3)
    from_backup.bring_back(file, wish(target_url, ledger_keys, tmp_path))
    with Ledger.open(target_url, ledger_keys, "rehearsal") as target:
        (letter,) = fill(target, ledger_keys, [State.QUEUED])
        assert verify(target) == []
        numbers = sa.select(letters.c.signature_id, signatures.c.signer_id).join(signatures)
        with full.read() as old, target.read() as new:
            signature, signer = new.execute(numbers.where(letters.c.id == letter)).one()
            before = [old.execute(sa.select(sa.func.max(table.c.id))).scalar_one() for table in (signatures, signers)]
    assert signature > before[0]
    assert signer > before[1]


def test_the_file_is_one_file_for_its_owner_alone(full: Ledger, file: Path) -> None:
    back_up(full, file, "anna")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [each.name for each in file.parent.iterdir() if each.name.startswith(file.name)] == [file.name]
    assert file.read_bytes()[18:20] == b"\1\1", "no write-ahead log belongs to it"


def test_a_destroyed_key_is_not_in_a_backup(full: Ledger, file: Path) -> None:
    with full.write() as connection:
        key = connection.execute(sa.select(signers.c.wrapped_key).where(signers.c.id == 1)).scalar_one()
        connection.execute(sa.update(signers).where(signers.c.id == 1).values(wrapped_key=None, address_key=None))
    back_up(full, file, "anna")
    assert key not in file.read_bytes()


def test_writers_go_on_and_their_rows_are_not_in_it(full: Ledger, file: Path, ledger_keys: Keys) -> None:
    later: list[int] = []

    def write(table: str, _rows: int) -> None:
        if table == "campaigns" and not later:
            later.extend(fill(full, ledger_keys, [State.QUEUED]))

    made = back_up(full, file, "anna", progress=write)
    assert later
    assert made.note.letters == len(STATES)


def test_a_backup_is_made_of_a_ledger_whose_audit_was_tampered_with(full: Ledger, file: Path) -> None:
    with behind_its_back(full.url) as connection:
        connection.execute(sa.text("UPDATE audit SET reason = 'nothing' WHERE verb = 'hold'"))
    made = back_up(full, file, "anna")
    assert "was altered" in made.broken[0]


# -- where it may lie ----------------------------------------------------------------------------------------------------
def test_only_a_backup_is_replaced_and_only_if_told(sqlite_ledger: Ledger, file: Path) -> None:
    back_up(sqlite_ledger, file, "anna")
    before = file.stat().st_ino
    with pytest.raises(RefusedByState, match="is there already"):
        back_up(sqlite_ledger, file, "anna")
    assert file.stat().st_ino == before
    back_up(sqlite_ledger, file, "anna", force=True)
    assert file.stat().st_ino != before
    other = file.with_name("letter.txt")
    other.write_text("dear")
    with pytest.raises(RefusedByState, match="not a backup"):
        back_up(sqlite_ledger, other, "anna", force=True)
    assert other.read_text() == "dear"


@pytest.mark.parametrize("name", ["plain.db", "plain.db-wal", "link.db", "twin.db"])
def test_the_ledgers_own_files_are_never_replaced(sqlite_ledger: Ledger, tmp_path: Path, name: str) -> None:
    (tmp_path / "link.db").symlink_to(tmp_path / "plain.db")
    (tmp_path / "twin.db").hardlink_to(tmp_path / "plain.db")
    with pytest.raises(BadInput, match="belongs to the ledger"):
        back_up(sqlite_ledger, tmp_path / name, "anna", force=True)
    with sqlite_ledger.read() as connection:
        assert audit.latest(connection) == []


def test_places_that_are_none(sqlite_ledger: Ledger, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="there is no directory"):
        back_up(sqlite_ledger, tmp_path / "nowhere" / "b", "anna")
    with pytest.raises(BadInput, match="is a directory"):
        back_up(sqlite_ledger, tmp_path, "anna")


def test_two_at_once_to_one_place(sqlite_ledger: Ledger, file: Path) -> None:
    with backup_file.draft_of(file), pytest.raises(RefusedByState, match="by another process"):
        back_up(sqlite_ledger, file, "anna")
    assert not file.exists()
    back_up(sqlite_ledger, file, "anna")


# -- the worst moments ---------------------------------------------------------------------------------------------------
SCRIPT = """
import pathlib, resource, signal, sys, threading
from worker.ledger.book import Ledger
from worker.ledger.keys import Keys
from worker.domain.errors import Failed
from worker.operations.backup import back_up
url, folder, file, most = sys.argv[1:]
keys = Keys.load(*(pathlib.Path(folder) / f"{name}.key" for name in ("data", "lookup", "seal")))
def progress(table, rows):
    if table == "letters" and most == "hang":
        print("there", flush=True)
        threading.Event().wait()
if most != "hang":
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(most), resource.RLIM_INFINITY))
with Ledger.open(url, keys, "rehearsal") as ledger:
    try:
        back_up(ledger, pathlib.Path(file), "anna", force=True, progress=progress)
    except Failed as exc:
        print(exc)
"""


def _child(ledger: Ledger, tmp_path: Path, file: Path, most: str) -> "subprocess.Popen[str]":
    argv = [sys.executable, "-c", SCRIPT, ledger.url, str(tmp_path / "keys"), str(file), most]
    return subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)


def test_a_backup_that_is_killed_leaves_the_old_one(full: Ledger, file: Path, tmp_path: Path) -> None:
    back_up(full, file, "anna")
    old = file.read_bytes()
    with _child(full, tmp_path, file, "hang") as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "there\n"
        child.send_signal(signal.SIGKILL)
    assert file.read_bytes() == old
    assert file.with_name(f"{file.name}.part").exists()
    back_up(full, file, "anna", force=True)
    assert not file.with_name(f"{file.name}.part").exists()


def test_a_full_disk_leaves_the_old_one(full: Ledger, file: Path, tmp_path: Path) -> None:
    back_up(full, file, "anna")
    old = file.read_bytes()
    with _child(full, tmp_path, file, str(len(old) // 2)) as child:
        said, _ = child.communicate()
    assert said == f"the disk is full: {file}.part could not be written; make room and try again\n"
    assert file.read_bytes() == old
    assert not file.with_name(f"{file.name}.part").exists()
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY


def test_a_backup_that_is_not_what_was_read_gets_no_name(
    full: Ledger, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = backup.write

    def wrongly(ledger: Ledger, draft: Path, progress: backup.Progress) -> backup_file.Note:
        note = write(ledger, draft, progress)
        with backup_file.building(draft) as connection:
            connection.execute(sa.update(letters).where(letters.c.id == 1).values(reason="x"))
        return note

    monkeypatch.setattr(backup, "write", wrongly)
    with pytest.raises(Failed, match=r"the backup is damaged: letters should have 6 rows"):
        back_up(full, file, "anna")
    assert not file.exists()


# -- what is not restored ------------------------------------------------------------------------------------------------
def refused(file: Path, asked: Wish) -> LettershopError:
    with pytest.raises(LettershopError) as refusal:
        from_backup.bring_back(file, asked)
    return refusal.value


def test_keys_mode_and_version_must_be_the_ledgers(
    sqlite_ledger: Ledger, target_url: str, file: Path, ledger_keys: Keys, tmp_path: Path
) -> None:
    back_up(sqlite_ledger, file, "anna")
    others = [tmp_path / "other" / f"{name}.key" for name in ("data", "lookup", "seal")]
    make_key_files(others)
    found = refused(file, wish(target_url, Keys.load(*others), tmp_path))
    assert isinstance(found, RefusedByState)
    assert f"wrong key: {', '.join(map(str, others))}" in str(found)
    found = refused(file, wish(target_url, ledger_keys, tmp_path, mode="live"))
    assert 'made for mode "rehearsal"' in str(found)
    with behind_its_back(f"sqlite:///{file}") as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    found = refused(file, wish(target_url, ledger_keys, tmp_path))
    assert isinstance(found, RefusedByState)
    assert "newer version (9999" in str(found)


def test_an_older_backup_is_migrated(file: Path, target_url: str, ledger_keys: Keys, tmp_path: Path) -> None:
    with backup_file.draft_of(file) as draft:
        with backup_file.building(draft.path) as connection:
            upgrade(connection, "0003")
            connection.execute(campaigns.insert().values(slug="old"))
            stamp = {"i": "abc", "k": ledger_keys.checks()}
            connection.execute(sa.text("INSERT INTO meta VALUES (1, :i, 'rehearsal', 1, :k, 0, 1)"), stamp)
            backup_file.put_note(connection, backup_file.Note(1, "abc", "0003", 0, 0, 0, "", ()))
        draft.publish()
    before = file.read_bytes()
    from_backup.bring_back(file, wish(target_url, ledger_keys, tmp_path))
    with Ledger.open(target_url, ledger_keys, "rehearsal") as target, target.read() as connection:
        assert connection.execute(sa.select(campaigns.c.slug)).scalars().all() == ["old"]
        assert audit.latest(connection)[0].details["backup_version"] == "0003"
    assert file.read_bytes() == before, "a backup is only read"
    assert list(tmp_path.glob("scratch*")) == []


def test_damage_is_noticed_and_nothing_is_made(
    full: Ledger, file: Path, target_url: str, ledger_keys: Keys, tmp_path: Path
) -> None:
    back_up(full, file, "anna")
    whole = file.read_bytes()
    asked = wish(target_url, ledger_keys, tmp_path)
    place = whole.index(b"a test")  # a signature's evidence: no structure of SQLite's is hurt
    for damaged in (
        whole[:place] + b"A" + whole[place + 1 :],
        whole[: len(whole) // 2],
        whole[:4096] + os.urandom(4096) + whole[8192:],
    ):
        file.write_bytes(damaged)
        assert isinstance(refused(file, asked), Failed)
    file.write_bytes(whole)
    from_backup.bring_back(file, asked)  # none of them left anything in the way


def test_damage_to_an_older_backup_is_noticed(
    full: Ledger, file: Path, target_url: str, ledger_keys: Keys, tmp_path: Path
) -> None:
    back_up(full, file, "anna")
    with behind_its_back(f"sqlite:///{file}") as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = :v"), {"v": ROWS_SINCE})
        older = f"""UPDATE backup_note SET body = replace(body, '"{HEAD}"', '"{ROWS_SINCE}"')"""
        assert connection.execute(sa.text(older)).rowcount == 1
        connection.execute(sa.text("UPDATE signatures SET evidence = 'A test'"))
    found = refused(file, wish(target_url, ledger_keys, tmp_path))
    assert isinstance(found, Failed)
    assert "is damaged: signatures should have" in str(found)


def test_what_is_no_backup_is_refused(target_url: str, full: Ledger, ledger_keys: Keys, tmp_path: Path) -> None:
    asked = wish(target_url, ledger_keys, tmp_path)
    text = tmp_path / "letter.txt"
    text.write_text("dear")
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    strange = [text, tmp_path / "missing", tmp_path, pipe]
    if full.dialect == "sqlite":
        strange.append(tmp_path / "ledger.db")  # a ledger in use, whose last rows may stand in its log
    for path in strange:
        assert isinstance(refused(path, asked), BadInput), path


# -- into what it goes ---------------------------------------------------------------------------------------------------
def test_a_database_with_something_in_it_is_refused(
    sqlite_ledger: Ledger, file: Path, postgres_url: str, ledger_keys: Keys, tmp_path: Path
) -> None:
    back_up(sqlite_ledger, file, "anna")
    migrate_empty(postgres_url)
    with behind_its_back(postgres_url) as connection:
        connection.execute(campaigns.insert().values(slug="other"))
    for replace in (False, True):
        found = refused(file, wish(postgres_url, ledger_keys, tmp_path, replace=replace))
        assert isinstance(found, RefusedByState)
        assert "is not empty" in str(found)
    with behind_its_back(postgres_url) as connection:
        connection.execute(sa.delete(campaigns))
    from_backup.bring_back(file, wish(postgres_url, ledger_keys, tmp_path))


def test_a_file_that_is_there_is_moved_aside_only_if_told(
    sqlite_ledger: Ledger, file: Path, ledger_keys: Keys, tmp_path: Path
) -> None:
    back_up(sqlite_ledger, file, "anna")
    fill(sqlite_ledger, ledger_keys, [State.SENT])
    url = sqlite_ledger.url
    assert "--replace" in str(refused(file, wish(url, ledger_keys, tmp_path)))
    asked = wish(url, ledger_keys, tmp_path, replace=True)
    with sqlite_ledger.read() as connection:
        connection.execute(sa.select(letters))
        assert "in use by another process" in str(refused(file, asked))
    sqlite_ledger.close()
    done = from_backup.bring_back(file, asked)
    assert done.moved_to is not None
    assert not done.moved_to.with_name(f"{done.moved_to.name}-wal").exists()
    with Ledger.open(f"sqlite:///{done.moved_to}", ledger_keys, "rehearsal") as old, old.read() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(letters)).scalar_one() == 1
    with Ledger.open(url, ledger_keys, "rehearsal") as new, new.read() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(letters)).scalar_one() == 0


def test_a_ledger_that_is_wrecked_is_moved_aside_with_its_log(
    sqlite_ledger: Ledger, file: Path, ledger_keys: Keys, tmp_path: Path
) -> None:
    back_up(sqlite_ledger, file, "anna")
    sqlite_ledger.close()
    ledger, log = tmp_path / "plain.db", tmp_path / "plain.db-wal"
    ledger.write_bytes(b"no database at all" * 1000)
    log.write_bytes(b"its log")
    done = from_backup.bring_back(file, wish(sqlite_ledger.url, ledger_keys, tmp_path, replace=True))
    assert done.moved_to is not None
    assert done.moved_to.with_name(f"{done.moved_to.name}-wal").read_bytes() == b"its log"
    with Ledger.open(sqlite_ledger.url, ledger_keys, "rehearsal") as new:
        assert verify(new) == []


def test_a_restore_that_fails_leaves_what_was_there(
    full: Ledger, file: Path, target_url: str, ledger_keys: Keys, tmp_path: Path
) -> None:
    def fail(table: str, _rows: int) -> None:
        if table == "letters":
            raise KeyboardInterrupt

    back_up(full, file, "anna")
    asked = wish(target_url, ledger_keys, tmp_path)
    with pytest.raises(KeyboardInterrupt):
        from_backup.bring_back(file, asked, fail)
    with pytest.raises(RefusedByState):
        Ledger.open(target_url, ledger_keys, "rehearsal")
    from_backup.bring_back(file, asked)


# -- the keys ------------------------------------------------------------------------------------------------------------
def test_keys_are_copied_apart_and_never_overwritten(file: Path, ledger_keys: Keys, tmp_path: Path) -> None:
    files = KeyFiles(**{name: tmp_path / "keys" / f"{name}.key" for name in ("data", "lookup", "seal")})
    safe = tmp_path / "safe"
    with pytest.raises(BadInput, match="must not lie beside the backup"):
        keep_keys(files, file.parent, file)
    with pytest.raises(BadInput, match="where the keys are in use"):
        keep_keys(files, tmp_path / "keys", file)
    with pytest.raises(BadInput, match="cannot be written"):
        keep_keys(files, tmp_path / "no" / "where", file)
    copied = keep_keys(files, safe, file)
    assert [path.name for path in copied] == ["data.key", "lookup.key", "seal.key"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in copied} == {0o600}
    assert Keys.load(*copied).checks() == ledger_keys.checks()
    assert keep_keys(files, safe, file) == []
    (safe / "seal.key").write_text("0" * 64)
    with pytest.raises(RefusedByState, match="no key is ever overwritten"):
        keep_keys(files, safe, file)
