"""`ledger verify`: read the whole ledger and say what is not as it should be.

Looks at: the database file and its references (SQLite), counts against a full count, the audit's chain, letters whose
state does not agree with their claim or attempts, pinned values against their hashes, personal data against its seals,
letters against their MAC. Changes nothing, and may run beside the workers: each part sees one moment.
"""

import hmac
import json
from collections.abc import Callable, Iterator

import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from worker.domain.campaign import content_hash
from worker.domain.states import State
from worker.ledger import audit, counts
from worker.ledger.book import Ledger
from worker.ledger.keys import Keys, SealBroken, person_aad, token_aad
from worker.ledger.schema import attempts, letters, pins, sendouts, signatures, signer_versions, signers, tokens

PAGE = 1_000
SHOWN = 100
"""At most so many problems of one kind are listed, then only their number."""

_IN_HAND = [State.CLAIMED.value, State.SENDING.value]

Check = Callable[[Connection, Keys], Iterator[str]]


def verify(ledger: Ledger, progress: Callable[[str], None] = lambda _part: None) -> list[str]:
    """Every problem found, one sentence each; empty where the ledger is sound. `progress` is told each part's name.

    Raises Failed where the database is away or too damaged to be read at all.
    """
    problems: list[str] = []
    for name, check in CHECKS.items():
        progress(name)
        with ledger.read() as connection:
            problems += _bounded(name, check(connection, ledger.keys))
    return problems


def _bounded(name: str, found: Iterator[str]) -> list[str]:
    shown: list[str] = []
    more = 0
    for problem in found:
        if len(shown) < SHOWN:
            shown.append(problem)
        else:
            more += 1
    return [*shown, f"{name}: and {more} more"] if more else shown


def _database(connection: Connection, _keys: Keys) -> Iterator[str]:
    if connection.dialect.name != "sqlite":
        return  # PostgreSQL looks after its own files: see pg_amcheck and data checksums
    for (line,) in connection.exec_driver_sql(f"PRAGMA integrity_check({SHOWN})"):
        if line != "ok":
            yield f"the file is damaged: {line}"
    for table, row, parent, _ in connection.exec_driver_sql("PRAGMA foreign_key_check"):
        yield f"row {row} of {table} refers to nothing in {parent}"


def _counts(connection: Connection, _keys: Keys) -> Iterator[str]:
    for cell, excess in counts.verify(connection):
        yield (
            f"campaign {cell.campaign_id}, send-out {cell.sendout_id}, {cell.addressee}: {abs(excess)} letters too"
            f" {'many' if excess > 0 else 'few'} are counted as {cell.state}"
        )


def _audit(connection: Connection, _keys: Keys) -> Iterator[str]:
    yield from audit.verify(connection)


def _states(connection: Connection, _keys: Keys) -> Iterator[str]:
    known = [state.value for state in State]
    for row in _each(connection, sa.select(letters.c.id, letters.c.state).where(letters.c.state.not_in(known))):
        yield f"letter {row['id']} is in a state that does not exist: {row['state']!r}"
    claimed = letters.c.state.in_(_IN_HAND)
    odd = (claimed & letters.c.claim.is_(None)) | (~claimed & letters.c.claim.is_not(None))
    for row in _each(connection, sa.select(letters.c.id, letters.c.state).where(odd)):
        yield f"letter {row['id']} is {row['state']} {'without' if row['state'] in _IN_HAND else 'and has'} a claim"


def _attempts(connection: Connection, _keys: Keys) -> Iterator[str]:
    mark = (attempts.c.letter_id == letters.c.id) & (attempts.c.number == letters.c.attempts)
    marked = sa.exists().where(mark, attempts.c.started_at.is_not(None), attempts.c.ended_at.is_(None))
    unmarked = sa.select(letters.c.id).where(letters.c.state == State.SENDING.value, ~marked)
    for row in _each(connection, unmarked):
        yield f"letter {row['id']} is being sent, but its attempt has no mark"
    later = sa.exists().where(attempts.c.letter_id == letters.c.id, attempts.c.number > letters.c.attempts)
    for row in _each(connection, sa.select(letters.c.id).where(later)):
        yield f"letter {row['id']} has more attempts than it counts"


def _pins(connection: Connection, _keys: Keys) -> Iterator[str]:
    for row in _each(connection, sa.select(pins.c.id, pins.c.hash, pins.c.body)):
        if _hash_of(row["body"]) != row["hash"]:
            yield f"pin {row['id']} was altered"


def _hash_of(body: str) -> str:
    try:
        return content_hash(json.loads(body))
    except ValueError:
        return ""


def _people(connection: Connection, keys: Keys) -> Iterator[str]:
    """Erased signers have no key any more; what is left of them cannot be opened, and is not looked at."""
    query = (
        sa.select(signers.c.id, signers.c.wrapped_key, signer_versions.c.version, signer_versions.c.sealed)
        .join(signer_versions, signer_versions.c.signer_id == signers.c.id)
        .where(signers.c.wrapped_key.is_not(None))
    )
    for row in _each(connection, query, signers.c.id, signer_versions.c.version):
        aad = person_aad(row["id"], row["version"])
        if not _opens(keys, row["wrapped_key"], row["sealed"], aad):
            yield f"version {row['version']} of signer {row['id']} does not open with its key"


def _tokens(connection: Connection, keys: Keys) -> Iterator[str]:
    query = (
        sa.select(tokens.c.hash, tokens.c.signature_id, tokens.c.sealed, signers.c.wrapped_key)
        .join(signatures, signatures.c.id == tokens.c.signature_id)
        .join(signers, signers.c.id == signatures.c.signer_id)
        .where(signers.c.wrapped_key.is_not(None))
    )
    for row in _each(connection, query, tokens.c.hash):
        if not _opens(keys, row["wrapped_key"], row["sealed"], token_aad(row["signature_id"])):
            yield f"a token of signature {row['signature_id']} does not open with its key"


def _opens(keys: Keys, wrapped: bytes, sealed: bytes, aad: bytes) -> bool:
    try:
        keys.unseal(wrapped, sealed, aad)
    except SealBroken:
        return False
    return True


def _seals(connection: Connection, keys: Keys) -> Iterator[str]:
    query = (
        sa.select(letters.c.id, letters.c.signature_id, letters.c.addressee, letters.c.mac, pins.c.hash)
        .join(signatures, signatures.c.id == letters.c.signature_id)
        .join(sendouts, sendouts.c.id == letters.c.sendout_id)
        .join(pins, pins.c.id == sa.func.coalesce(sendouts.c.text_id, signatures.c.text_id))
    )
    for row in _each(connection, query, letters.c.id):
        if not hmac.compare_digest(keys.mac(row["signature_id"], row["hash"], row["addressee"]), row["mac"]):
            yield f"letter {row['id']} was not made by this house: its seal does not match"


def _each(
    connection: Connection, query: sa.Select[tuple[object, ...]], *key: sa.Column[object]
) -> Iterator[RowMapping]:
    """The rows of `query`, read page by page after the `key` columns (default: the first one selected)."""
    key = key or tuple(query.selected_columns)[:1]  # type: ignore[assignment]
    after: tuple[object, ...] | None = None
    while True:
        page = query.order_by(*key).limit(PAGE)
        if after is not None:
            places = [sa.literal(value, column.type) for value, column in zip(after, key, strict=True)]
            page = page.where(sa.tuple_(*key) > sa.tuple_(*places))
        rows = connection.execute(page).mappings().all()
        yield from rows
        if len(rows) < PAGE:
            return
        after = tuple(rows[-1][column.name] for column in key)


CHECKS: dict[str, Check] = {
    "database": _database,
    "counts": _counts,
    "audit": _audit,
    "states": _states,
    "attempts": _attempts,
    "pins": _pins,
    "people": _people,
    "tokens": _tokens,
    "seals": _seals,
}
