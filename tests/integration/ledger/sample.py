"""A few letters in a ledger, made with the ledger's own parts, for tests that need something to look at."""

import contextlib
from collections.abc import Iterator

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from worker.domain.campaign import TextVersion, Wording
from worker.domain.states import State
from worker.ledger import counts, pins
from worker.ledger import lanes as ledger_lanes
from worker.ledger.book import Ledger
from worker.ledger.engine import make_engine
from worker.ledger.keys import Keys, person_aad, token_aad
from worker.ledger.schema import (
    attempts,
    campaigns,
    lanes,
    letters,
    rounds,
    sendouts,
    signatures,
    signer_versions,
    signers,
    tokens,
)

TEXT = TextVersion("library", {"en": Wording("Keep the library", "Dear {{ office.title }}", "", ("keep it open",))})


def fill(ledger: Ledger, keys: Keys, states: list[State], addressee: str = "mayor") -> list[int]:
    """One signature of its own for each state, and one letter of it in that state. Returns the letters' ids."""
    with ledger.write() as connection:
        campaign = _id(connection, campaigns, slug="library")
        sendout = _id(connection, sendouts, campaign_id=campaign, name="signing", rank=1, made_at=1)
        lane = ledger_lanes.ensure(connection, "mailbox:mayor@town.example", "office", "town.example")
        text = pins.pin(connection, "text", TEXT.body())
        return list(_letters(connection, keys, (campaign, sendout, lane, text), states, addressee))


def _letters(
    connection: Connection, keys: Keys, ground: tuple[int, int, int, int], states: list[State], addressee: str
) -> Iterator[int]:
    campaign, sendout, lane, text = ground
    at_us = 1_000_000
    for state in states:
        wrapped = keys.new_signer_key()
        n = connection.execute(sa.select(sa.func.count()).select_from(signers)).scalar_one() + 1
        signer = _new(connection, signers, address_key=keys.address_key(f"s{n}@people.example"), key_version=1,
                      wrapped_key=wrapped, version=1, made_at=at_us)  # fmt: skip
        sealed = keys.seal(wrapped, {"person": {"name": f"Sample Signer {n:02}"}, "salt": "00"}, person_aad(signer, 1))
        connection.execute(signer_versions.insert().values(signer_id=signer, version=1, sealed=sealed, made_at=at_us))
        signature = _new(connection, signatures, campaign_id=campaign, signer_id=signer, language="en", text_id=text,
                         person_key=keys.person_key("library", f"s{n}@people.example"), state="confirmed",
                         source="test", evidence="a test", made_at=at_us)  # fmt: skip
        connection.execute(
            tokens.insert().values(
                hash=keys.token_hash(f"token {n}"),
                signature_id=signature,
                kind="confirm",
                sealed=keys.seal(wrapped, {"token": f"token {n}"}, token_aad(signature)),
                made_at=at_us,
                expires_at=at_us,
            )
        )
        held = state in {State.CLAIMED, State.SENDING}
        claim = _round(connection, lane) if held else None
        letter = _new(connection, letters, signature_id=signature, campaign_id=campaign, sendout_id=sendout, rank=1,
                      addressee=addressee, lane_id=lane, state=state.value, due_at=at_us, made_at=at_us, claim=claim,
                      attempts=int(state is State.SENDING), life_us=0, suspect=0, doubts=0, reason="",
                      mac=keys.mac(signature, TEXT.hash, addressee))  # fmt: skip
        if state is State.SENDING:
            connection.execute(attempts.insert().values(letter_id=letter, number=1, round_id=claim, relay="main",
                                                        lane_id=lane, started_at=at_us))  # fmt: skip
        counts.add(connection, {(campaign, sendout, addressee, state.value): 1})
        yield letter


def _round(connection: Connection, lane: int) -> int:
    slot = connection.execute(sa.select(sa.func.count()).select_from(rounds)).scalar_one()
    return open_round(connection, lane, slot)


def open_round(connection: Connection, lane: int, slot: int = 0, renewed_at: int = 0) -> int:
    return _new(connection, rounds, lane_id=lane, slot=slot, worker="w", relay="main", lone=False, opened_at=0,
                renewed_at=renewed_at, ended="")  # fmt: skip


@contextlib.contextmanager
def behind_its_back(url: str, *, create: bool = False, foreign_keys: bool = True) -> Iterator[Connection]:
    """A writing transaction on the database, past the ledger's door."""
    engine = make_engine(url, create=create, foreign_keys=foreign_keys)
    try:
        with engine.begin() as connection:
            yield connection
    finally:
        engine.dispose()


def any_lane(ledger: Ledger) -> int:
    with ledger.read() as connection:
        found: int = connection.execute(sa.select(lanes.c.id).limit(1)).scalar_one()
        return found


def state_of(ledger: Ledger, letter: int) -> State:
    with ledger.read() as connection:
        return State(connection.execute(sa.select(letters.c.state).where(letters.c.id == letter)).scalar_one())


def _id(connection: Connection, table: sa.Table, **values: object) -> int:
    name = next(n for n in ("slug", "name") if n in values)
    found: int | None = connection.execute(sa.select(table.c.id).where(table.c[name] == values[name])).scalar()
    return _new(connection, table, **values) if found is None else found


def _new(connection: Connection, table: sa.Table, **values: object) -> int:
    made: int = connection.execute(table.insert().values(**values).returning(table.c.id)).scalar_one()
    return made
