"""Signatures are made here: who signed what, found by keyed hashes, readable only with the key files.

One person has at most one standing signature in a campaign, which a unique index enforces. An unconfirmed one gives way:
to a confirmed one of the same person, and to a new unconfirmed one once its token has run out or the text is another
version. What gave way is `withdrawn`. Until then it takes on what the newest form says (`revise`).

One person is one row of `signers` for all campaigns, so that erasing is one act. What they say of themselves may
differ from campaign to campaign: each signing adds a version, and the signature keeps the number of its own.

Locks are taken in one order everywhere: signers, then signatures, then letters, each by rising id.
"""

import json
from collections.abc import Sequence
from dataclasses import astuple, dataclass, replace

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from worker.domain.person import Person
from worker.ledger import people, quiet, tokens
from worker.ledger.bulk import insert_rows, reserve_ids, select_among, sent_together
from worker.ledger.keys import Keys
from worker.ledger.schema import choices, consents, signatures, signer_versions, signers
from worker.ledger.standing import CONFIRMED, STANDING, UNCONFIRMED, WITHDRAWN, end

_SIGNER = ("id", "address_key", "wrapped_key", "version", "key_version")
_SIGNATURE = ("id", "signer_id", "signer_version", "person_key", "language", "request_key")
_CONSENT = ("signature_id", "kind", "wording_hash", "language")


@dataclass(frozen=True, slots=True)
class Given:
    """A consent of a kind of `domain.consents`; `wording_hash` names the pinned words."""

    kind: str
    wording_hash: str
    language: str


@dataclass(frozen=True, slots=True, repr=False)
class Entry:
    """One person's signing, validated. `request_key` is already hashed."""

    person: Person
    address_key: bytes
    person_key: bytes
    language: str
    consents: tuple[Given, ...]
    request_key: str | None = None
    left_out: frozenset[str] = frozenset()  # offices that the signer does not write to


@dataclass(frozen=True, slots=True)
class Act:
    """What the signings of one transaction have in common. `state` is `UNCONFIRMED` or `CONFIRMED`."""

    campaign_id: int
    text_id: int
    state: str
    source: str
    evidence: str
    key_version: int
    at_us: int


@dataclass(frozen=True, slots=True)
class Recorded:
    """What became of an entry. `repeated`: the signature stood already. `clash`: its request key is another person's.

    `again`: the person had signed before, and that signature ended. `QUIET` is no state of a signature: nothing was
    recorded, because the address asked never to be written to again.
    """

    signature_id: int
    state: str
    person_key: bytes
    wrapped_key: bytes = b""
    repeated: bool = False
    clash: bool = False
    replayed: bool = False  # the very request was made before
    text_id: int = 0
    again: bool = False
    signer_id: int = 0
    stranger: bool = False  # the signer was not known before
    left_out: frozenset[str] = frozenset()
    address_key: bytes = b""
    comment: bool = False  # they added words of their own


QUIET = "quiet"


def record(connection: Connection, keys: Keys, act: Act, entries: Sequence[Entry]) -> list[Recorded]:
    """Record the entries set-wise; the answers are in their order. An entry that stands already changes nothing.

    Raises SQLAlchemy's or psycopg's IntegrityError where another transaction records the same person or request at the
    same time: run it again.
    """
    known = _known_signers(connection, entries)
    hushed = quiet.among(connection, [e.address_key for e in entries]) if act.state == UNCONFIRMED else set()
    by_request = _by_request(connection, act, entries)
    standing, ended = _earlier(connection, [e for e in entries if e.request_key not in by_request])
    _give_way(connection, act, standing)
    answers: list[Recorded] = []
    new: list[tuple[int, Entry]] = []
    ids = iter(reserve_ids(connection, signatures, len(entries)))
    for entry in entries:
        if entry.address_key in hushed:
            answers.append(Recorded(0, QUIET, entry.person_key, repeated=True))
            continue
        found = by_request.get(entry.request_key or "") or standing.get(entry.person_key)
        if found:
            answers.append(_again(found, entry))
            continue
        signature_id = next(ids)
        fresh = Recorded(
            signature_id,
            act.state,
            entry.person_key,
            again=entry.person_key in ended,
            stranger=entry.address_key not in known,
            left_out=entry.left_out,
            address_key=entry.address_key,
            comment=bool(entry.person.comment),
        )
        standing[entry.person_key] = fresh
        if entry.request_key:
            by_request[entry.request_key] = fresh
        new.append((signature_id, entry))
        answers.append(fresh)
    whose = _insert(connection, keys, act, new, known)
    return [_with_signer(answer, whose) for answer in answers]


def _again(found: Recorded, entry: Entry) -> Recorded:
    clash = found.person_key != entry.person_key
    return replace(found, repeated=True, clash=clash)


def _with_signer(answer: Recorded, whose: dict[int, "_Signer"]) -> Recorded:
    signer = whose.get(answer.signature_id)
    return replace(answer, wrapped_key=signer.wrapped_key, signer_id=signer.id) if signer else answer


@dataclass(frozen=True, slots=True, repr=False)
class _Signer:
    id: int
    version: int
    wrapped_key: bytes


def _known_signers(connection: Connection, entries: Sequence[Entry]) -> dict[bytes, _Signer]:
    keys = [entry.address_key for entry in entries]
    sql = "SELECT id, address_key, version, wrapped_key FROM signers WHERE address_key"
    found = select_among(connection, sql, keys, "ORDER BY id FOR UPDATE")
    return {bytes(key): _Signer(signer_id, version, wrapped) for signer_id, key, version, wrapped in found}


def _by_request(connection: Connection, act: Act, entries: Sequence[Entry]) -> dict[str, Recorded]:
    """Signatures of whatever state that were made by the same requests: a request repeated is never a new signing."""
    asked = [entry.request_key for entry in entries if entry.request_key]
    if not asked:
        return {}
    names = ("id", "state", "person_key", "request_key", "signer_id")
    wanted = sa.select(*(signatures.c[name] for name in names)).where(
        signatures.c.campaign_id == act.campaign_id, signatures.c.request_key.in_(asked)
    )
    rows = connection.execute(wanted)
    return {
        r.request_key: Recorded(r.id, r.state, bytes(r.person_key), signer_id=r.signer_id, replayed=True) for r in rows
    }


def _earlier(connection: Connection, entries: Sequence[Entry]) -> tuple[dict[bytes, Recorded], set[bytes]]:
    """The standing signatures of these people in their campaign, and which of them have ended ones.

    The person's key is of one campaign alone; naming the campaign too would lead SQLite to an index of all its rows.
    """
    keys = [entry.person_key for entry in entries]
    sql = "SELECT id, state, person_key, signer_id, text_id FROM signatures WHERE person_key"
    rows = select_among(connection, sql, keys, "ORDER BY id FOR UPDATE")
    found = [Recorded(number, state, bytes(key), signer_id=who, text_id=text) for number, state, key, who, text in rows]
    standing = {r.person_key: r for r in found if r.state in STANDING}
    return standing, {r.person_key for r in found if r.state not in STANDING}


def _give_way(connection: Connection, act: Act, standing: dict[bytes, Recorded]) -> None:
    """End the unconfirmed signatures that a new one takes the place of, and forget them in `standing`."""
    unconfirmed = {s.signature_id for s in standing.values() if s.state == UNCONFIRMED}
    if act.state == UNCONFIRMED and unconfirmed:
        same = {s.signature_id for s in standing.values() if s.text_id == act.text_id}
        unconfirmed -= tokens.valid_for(connection, unconfirmed & same, act.at_us)
    end(connection, unconfirmed, WITHDRAWN, "superseded", act.at_us)
    for person_key in [key for key, s in standing.items() if s.signature_id in unconfirmed]:
        del standing[person_key]


def _insert(
    connection: Connection, keys: Keys, act: Act, new: Sequence[tuple[int, Entry]], known: dict[bytes, _Signer]
) -> dict[int, _Signer]:
    """Insert signers, versions, signatures, choices and consents. Returns each new signature's signer."""
    strangers = [entry for _, entry in new if entry.address_key not in known]
    made = {
        entry.address_key: _Signer(signer_id, 0, keys.new_signer_key())
        for signer_id, entry in zip(reserve_ids(connection, signers, len(strangers)), strangers, strict=True)
    }
    again = [known[entry.address_key].id for _, entry in new if entry.address_key in known]
    if again:
        connection.execute(sa.update(signers).where(signers.c.id.in_(again)).values(version=signers.c.version + 1))
    everybody = known | made
    whose = {signature_id: everybody[entry.address_key] for signature_id, entry in new}
    versions = [
        (s.id, s.version + 1, people.sealed(keys, s.wrapped_key, entry.person, s.id, s.version + 1))
        for (_, entry), s in zip(new, whose.values(), strict=True)
    ]
    rows = sorted((s.id, key, s.wrapped_key, 1, act.key_version) for key, s in made.items())
    with sent_together(connection):
        insert_rows(connection, signers, _SIGNER, rows, made_at=act.at_us)
        insert_rows(connection, signer_versions, ("signer_id", "version", "sealed"), versions, made_at=act.at_us)
        _insert_signatures(connection, act, new, whose)
    return whose


def revise(connection: Connection, keys: Keys, signature_id: int, entry: Entry, source: str, at_us: int) -> None:
    """Let an unconfirmed signature say what `entry` says, of the same text version. The caller holds its lock."""
    was = people.opened(connection, keys, signature_id)
    person = (
        entry.person if was is None else replace(entry.person, email=was.person.email)
    )  # the mailbox that was asked
    if was is not None and was.person != person:
        people.rewrite(connection, keys, signature_id, was, person, at_us)
    mine = signatures.c.id == signature_id
    connection.execute(sa.update(signatures).where(mine).values(language=entry.language))
    connection.execute(sa.delete(choices).where(choices.c.signature_id == signature_id))
    if entry.left_out:
        left = [(signature_id, canonical_list(entry.left_out))]
        insert_rows(connection, choices, ("signature_id", "left_out"), left)
    stand = sa.and_(consents.c.signature_id == signature_id, consents.c.withdrawn_at.is_(None))
    columns = [consents.c[name] for name in ("kind", "wording_hash", "language")]
    if set(connection.execute(sa.select(*columns).where(stand)).all()) != {astuple(c) for c in entry.consents}:
        connection.execute(sa.update(consents).where(stand).values(withdrawn_at=at_us))
        given = [(signature_id, *astuple(c)) for c in entry.consents]
        insert_rows(connection, consents, _CONSENT, given, source=source, given_at=at_us)


def canonical_list(names: frozenset[str]) -> str:
    """How offices left out are stored."""
    return json.dumps(sorted(names))


def left_out(connection: Connection, signature_id: int) -> frozenset[str]:
    """The offices that a signature's letter does not go to because its signer said so."""
    wanted = sa.select(choices.c.left_out).where(choices.c.signature_id == signature_id)
    return frozenset(json.loads(connection.execute(wanted).scalar() or "[]"))


def _insert_signatures(
    connection: Connection, act: Act, new: Sequence[tuple[int, Entry]], whose: dict[int, _Signer]
) -> None:
    rows = []
    for signature_id, entry in new:
        signer = whose[signature_id]
        rows.append((signature_id, signer.id, signer.version + 1, entry.person_key, entry.language, entry.request_key))
    confirmed_at = act.at_us if act.state == CONFIRMED else None
    insert_rows(
        connection,
        signatures,
        _SIGNATURE,
        rows,
        campaign_id=act.campaign_id,
        text_id=act.text_id,
        state=act.state,
        source=act.source,
        evidence=act.evidence,
        made_at=act.at_us,
        confirmed_at=confirmed_at,
    )
    out = [(signature_id, canonical_list(e.left_out)) for signature_id, e in new if e.left_out]
    insert_rows(connection, choices, ("signature_id", "left_out"), out)
    given = [(signature_id, c.kind, c.wording_hash, c.language) for signature_id, e in new for c in e.consents]
    insert_rows(connection, consents, _CONSENT, given, source=act.source, given_at=act.at_us)
