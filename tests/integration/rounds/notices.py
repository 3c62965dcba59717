"""Notices queued by hand, so that tests of rounds need no door that makes them."""

from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from tests.factories import make_notice_text
from tests.fixtures.world import World
from worker.domain.campaign import TextVersion
from worker.ledger import lanes
from worker.ledger.keys import person_aad, token_aad
from worker.ledger.letters_write import Making, ensure_sendout, make
from worker.ledger.schema import signatures, signer_versions, signers, tokens
from worker.operations.rebuild import Rebuilt, rebuild
from worker.wiring.home import connect_hot

LINKS = {each: f"https://library.example/{each}/{{token}}" for each in ("confirm", "page", "never")}


def notice_texts() -> dict[str, TextVersion]:
    """Notices of three kinds, each of which says its kind and its values in one line."""
    line = "<{} {{{{ token }}}} {{{{ link }}}} {{{{ never_link }}}}>\n{{{{ copy }}}}\n"
    return {
        kind: make_notice_text(text=line.format(kind), html=line.format(kind))
        for kind in ("confirm", "page", "imported")
    }


def furnish(world: World, **changes: Any) -> None:
    """Give the world's campaign these notices and links, and whatever else it should have."""
    links = {f"{name}_link": url for name, url in LINKS.items()}
    campaign = replace(world.plan.campaigns[world.campaign], notices=notice_texts(), **{**links, **changes})
    world.change(campaigns={**world.plan.campaigns, world.campaign: campaign})


def confirmed(world: World, **changes: Any) -> int:
    """A confirmed signature (its letters to offices stand in the queue), its signer's data changed."""
    world.submit(1)
    signature: int = world.receipts[-1].signature
    with world.ledger.write() as connection:
        row = _signer(connection, signature)
        aad = person_aad(row.id, row.version)
        body = world.keys.unseal(row.wrapped_key, row.sealed, aad)
        sealed = world.keys.seal(row.wrapped_key, {**body, "person": {**body["person"], **changes}}, aad)
        mine = (signer_versions.c.signer_id == row.id) & (signer_versions.c.version == row.version)
        connection.execute(sa.update(signer_versions).where(mine).values(sealed=sealed))
    return signature


def give_token(world: World, signature: int, kind: str, token: str) -> None:
    """Record a token, made now."""
    with world.ledger.write() as connection:
        row = _signer(connection, signature)
        values = {
            "hash": world.keys.token_hash(token),
            "signature_id": signature,
            "kind": kind,
            "sealed": world.keys.seal(row.wrapped_key, {"token": token}, token_aad(signature)),
            "made_at": world.ledger.now_us(),
            "expires_at": 2**62,
        }
        connection.execute(sa.insert(tokens), values)


def queue(world: World, signature: int, sendout: str) -> int:
    """Queue a notice of this send-out; its letter's id."""
    with world.ledger.write() as connection:
        at_us = world.ledger.now_us()
        campaign, text_id = connection.execute(
            sa.select(signatures.c.campaign_id, signatures.c.text_id).where(signatures.c.id == signature)
        ).one()
        text_hash = connection.execute(sa.text("SELECT hash FROM pins WHERE id = :id"), {"id": text_id}).scalar_one()
        lane = lanes.ensure(connection, "signers:page", "signers", "")
        made = ensure_sendout(connection, campaign, sendout, 0, at_us)
        make(connection, world.keys, made, [Making(signature, text_hash, {"signer": lane})], at_us)
        newest: int = connection.execute(sa.text("SELECT max(id) FROM letters")).scalar_one()
    return newest


def rebuilt(world: World, letter: int, attempt: int | None = None) -> Rebuilt:
    """The message of an attempt, made again from what was recorded."""
    database = connect_hot(world.ledger.url)
    try:
        return rebuild(world.ledger, database, world.keys, letter, attempt)
    finally:
        database.close()


def _signer(connection: sa.Connection, signature: int) -> Any:
    columns = (signers.c.id, signers.c.wrapped_key, signer_versions.c.version, signer_versions.c.sealed)
    joined = signatures.join(signers, signers.c.id == signatures.c.signer_id).join(
        signer_versions,
        (signer_versions.c.signer_id == signers.c.id) & (signer_versions.c.version == signatures.c.signer_version),
    )
    return connection.execute(sa.select(*columns).select_from(joined).where(signatures.c.id == signature)).one()
