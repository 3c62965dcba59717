"""Why one letter stands where it stands: its state, its signature, its send-out, and what all letters wait for.

Each reason is one that rounds go by (`worker.rounds.choose`, `supply`, `making`) or that the statement of the mark checks
(`worker.ledger.hot.sql.FOUNDED`); nothing is guessed.
"""

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from worker.domain.clock import from_us
from worker.domain.states import State
from worker.ledger import reviews
from worker.ledger.schema import attempts, campaigns, consents, lanes, letters, rounds, sendouts, signatures
from worker.operations.barriers import Barriers, Reason, clock, why_lane, why_office
from worker.operations.slow import slow_reason, slow_rounds
from worker.operations.workers import ALIVE_US
from worker.settings import Home

SIGNER = "signer"
WHY = '--reason "why"'
MOST_AHEAD = 10_000
"""Letters ahead are counted so far: an operator needs no more to see that the limit is what it waits for."""

_STANDING = ("unconfirmed", "confirmed")
_AHEAD = sa.text("""
SELECT count(*) FROM (
    SELECT 1 FROM letters WHERE state = 'queued' AND addressee = :a AND due_at < :due LIMIT :most
) ahead
""")


def letter_row(connection: Connection, letter: int) -> RowMapping | None:
    """The letter with all that the reasons look at; None where there is none."""
    query = (
        sa.select(
            letters,
            campaigns.c.slug.label("campaign"),
            sendouts.c.name.label("sendout"),
            sendouts.c.consent.label("consent"),
            lanes.c.key.label("lane"),
            lanes.c.domain.label("domain"),
            signatures.c.state.label("signature_state"),
            signatures.c.source.label("source"),
        )
        .join(campaigns, campaigns.c.id == letters.c.campaign_id)
        .join(sendouts, sendouts.c.id == letters.c.sendout_id)
        .join(lanes, lanes.c.id == letters.c.lane_id)
        .join(signatures, signatures.c.id == letters.c.signature_id)
        .where(letters.c.id == letter)
    )
    return connection.execute(query).mappings().first()


def last_attempt(connection: Connection, letter: int) -> RowMapping | None:
    """Its newest attempt."""
    query = sa.select(attempts).where(attempts.c.letter_id == letter).order_by(attempts.c.number.desc()).limit(1)
    return connection.execute(query).mappings().first()


def reply_of(attempt: RowMapping | None) -> str:
    """What the relay said, in one line: "450 4.7.1 try again later"; "" where it said nothing."""
    if attempt is None:
        return ""
    return " ".join(filter(None, (str(attempt["code"] or ""), attempt["enhanced"], attempt["text"])))


# -- letters that wait ---------------------------------------------------------------------------------------------------
def why_waiting(connection: Connection, home: Home, row: RowMapping, barriers: Barriers) -> list[Reason]:
    """What keeps a letter that is not at its end, the widest reason first."""
    state = State(row["state"])
    if state in (State.CLAIMED, State.SENDING):
        return [
            *slow(connection, row["lane"], barriers.at_us, row["addressee"]),
            _in_hand(connection, row, barriers.at_us),
        ]
    if state is State.HELD:
        return [_held(connection, row)]
    if state is State.BOUND:
        return [Reason("bound", "a digest speaks for it")]
    return [
        *_wider(home, row, barriers),
        *barriers.held("sendout", str(row["sendout_id"])),
        *_founded(connection, row),
        *_own(connection, row, barriers.at_us),
        *_seen(connection, row),
        *slow(connection, row["lane"], barriers.at_us, row["addressee"]),
    ]


def _wider(home: Home, row: RowMapping, barriers: Barriers) -> list[Reason]:
    """What its office, lane and campaign wait for."""
    office = home.offices.get(row["addressee"])
    if office is not None and office.lane == row["lane"]:
        found = why_office(barriers, home, office, [row["campaign"]])
    else:
        found = why_lane(barriers, home, row["lane"], row["domain"], [row["campaign"]])
        if office is not None:
            moves = "its office has another mailbox now: it moves there within a minute of that change"
            found.append(Reason("register", moves))
        elif row["addressee"] != SIGNER:
            found.append(
                Reason("register", "its office is not in config/offices.toml", mend="lettershop offices import FILE")
            )
    if row["campaign"] not in home.campaigns:
        found.append(Reason("register", f"campaign {row['campaign']} is not in config/campaigns/"))
    return found


def _founded(connection: Connection, row: RowMapping) -> list[Reason]:
    """Whether it may still be written: its signature stands, and so does the consent that its send-out needs."""
    if row["signature_state"] not in _STANDING:
        said = "its signer was erased" if row["signature_state"] == "erased" else "its signer withdrew"
        return [Reason("signature", f"{said}: it is cancelled at its turn, and not sent")]
    if row["consent"] and not _consents(connection, row):
        return [
            Reason("signature", "its signer took back the consent for it: it is cancelled at its turn, and not sent")
        ]
    if row["signature_state"] == "unconfirmed" and row["addressee"] != SIGNER:
        return [Reason("signature", "its signature is not confirmed yet")]
    return []


def _consents(connection: Connection, row: RowMapping) -> bool:
    query = sa.select(consents.c.id).where(
        consents.c.signature_id == row["signature_id"],
        consents.c.kind == row["consent"],
        consents.c.withdrawn_at.is_(None),
    )
    return connection.execute(query.limit(1)).first() is not None


def _own(connection: Connection, row: RowMapping, at_us: int) -> list[Reason]:
    """What concerns this letter alone."""
    found: list[Reason] = []
    if row["not_after"] is not None and row["not_after"] <= at_us:
        past = clock(from_us(row["not_after"]))
        found.append(Reason("expired", f"its last moment was {past}: it expires at its turn, and is not sent"))
    if row["due_at"] > at_us:
        found.append(_not_yet(connection, row))
    if row["suspect"]:
        found.append(Reason("suspect", "a round died while it had this letter in hand: it is tried alone"))
    return found


def _not_yet(connection: Connection, row: RowMapping) -> Reason:
    due = from_us(row["due_at"])
    at = clock(due)
    if row["attempts"]:
        said = reply_of(last_attempt(connection, row["id"])) or row["reason"] or "it was deferred"
        return Reason("retry", f'its next attempt is at {at} because "{said}"', due)
    if str(row["source"]).startswith("import") and row["sendout"] == "signing":
        return Reason("wait", f"letters of imported signers wait until {at}, so that an import can be stopped", due)
    return Reason("drip", f"its turn in {row['sendout']}, whose letters are spread over their days, is {at}", due)


def _seen(connection: Connection, row: RowMapping) -> list[Reason]:
    """Whether somebody must look at the signer's own words first."""
    if row["addressee"] == SIGNER or reviews.waiting(connection, row["signature_id"]) != reviews.COMMENT:
        return []
    return [_unseen(row)]


def _unseen(row: RowMapping) -> Reason:
    number = row["signature_id"]
    return Reason(
        "review", "an operator has to look at the signer's own words", mend=f"lettershop signatures show {number}"
    )


def _held(connection: Connection, row: RowMapping) -> Reason:
    if why := reviews.waiting(connection, row["signature_id"]):
        if why == reviews.COMMENT:
            return _unseen(row)
        mend = f"lettershop signatures approve {row['signature_id']} {WHY}"
        return Reason("review", f"its signature waits for an operator's look ({why})", mend=mend)
    mend, said = f"lettershop resume letter {row['id']} {WHY}", reply_of(last_attempt(connection, row["id"]))
    if said and row["reason"] not in {"held by an operator", "resumed"}:
        return Reason("held", f'it was set aside for an operator because "{said}"', mend=mend)
    return Reason("held", f"it is held for an operator ({row['reason'] or 'no reason given'})", mend=mend)


def _in_hand(connection: Connection, row: RowMapping, at_us: int) -> Reason:
    found = connection.execute(sa.select(rounds).where(rounds.c.id == row["claim"])).first()
    if found is None:
        return Reason("round", f"round {row['claim']} has it in hand")
    doing = "is writing it" if row["state"] == State.SENDING else "has it in hand"
    if found.closed_at is None and found.renewed_at > at_us - ALIVE_US:
        return Reason("round", f"{found.worker} {doing} (round {found.id}, since {clock(from_us(found.opened_at))})")
    gone = f"{found.worker} had it in hand (round {found.id}) and was last seen {clock(from_us(found.renewed_at))}"
    return Reason("round", f"{gone}: a worker takes it back within a minute")


def slow(connection: Connection, lane: str, at_us: int, addressee: str) -> list[Reason]:
    """Whether its lane's mail server takes long to answer: nothing is wrong with the letters, but few go out."""
    office = "" if addressee == SIGNER else addressee
    return [slow_reason(each, at_us, office) for each in slow_rounds(connection, at_us) if each.lane == lane]


def ahead(connection: Connection, row: RowMapping, at_us: int) -> Reason | None:
    """How many letters to its addressee are due before it, where it is due itself."""
    given = {"a": row["addressee"], "due": row["due_at"], "most": MOST_AHEAD}
    n = connection.execute(_AHEAD, given).scalar_one() if row["due_at"] <= at_us else 0
    if not n:
        return None
    many = f"{n:,} letters are" if n > 1 else "1 letter is"
    return Reason("turn", f"{'more than ' if n >= MOST_AHEAD else ''}{many} due before it in the same line")


# -- letters at their end ------------------------------------------------------------------------------------------------
def why_ended(connection: Connection, row: RowMapping) -> Reason:
    """What became of a letter that is at its end, and the verb that takes it back from there."""
    reply = reply_of(last_attempt(connection, row["id"]))
    return _ENDS[State(row["state"])](
        row, reply, clock(from_us(row["ended_at"])) if row["ended_at"] else "some time ago"
    )


def _requeue(row: RowMapping) -> str:
    return f"lettershop requeue {row['id']} {WHY}"


def _ended(kind: str, text: str, mend: str = "") -> Reason:
    return Reason(kind, text, mend=mend)


_End = Callable[[Any, str, str], Reason]
_ENDS: dict[State, _End] = {
    State.SENT: lambda _, said, at: _ended("sent", f'it was sent: the relay accepted it at {at} ("{said}")'),
    State.BOUNCED: lambda row, _, at: _ended("bounced", f"it was accepted, and returned later ({at})", _requeue(row)),
    State.REFUSED: lambda row, said, at: _ended("refused", f'it was refused at {at}: "{said}"', _requeue(row)),
    State.EXPIRED: lambda row, said, at: _ended(
        "expired",
        f"it expired at {at}: " + (f'the last try said "{said}"' if said else row["reason"] or "its time was over"),
        _requeue(row),
    ),
    State.IN_DOUBT: lambda row, _, at: _ended(
        "in doubt",
        f"its content was sent and the reply never recorded ({at}): nobody can know whether it arrived, so it is not sent"
        " again by itself",
        f"lettershop resolve sent {row['id']} {WHY}",
    ),
    State.FAULTY: lambda row, _, at: _ended(
        "faulty", f"it could not be made ({row['reason'] or 'no reason recorded'}), {at}: ours to mend", _requeue(row)
    ),
    State.CANCELLED: lambda row, _, at: _ended(
        "cancelled", f"it was taken back before it was sent ({row['reason'] or 'cancelled'}), {at}", _requeue(row)
    ),
    State.SUPPRESSED: lambda row, _, at: _ended(
        "suppressed", f"{row['reason'] or 'its office asked not to be written to'}, {at}", _requeue(row)
    ),
}
