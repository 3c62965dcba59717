"""Letters, one by one: a list that filters and pages, and one letter's whole story.

Nothing here opens a signer's data. What a relay said was masked when it was read. A signer is found by the keyed hash of
their exact address alone, and the look stands in the audit.
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from worker.domain.clock import from_us
from worker.domain.errors import BadInput
from worker.domain.states import WAITING, State
from worker.ledger import audit
from worker.ledger.book import Ledger
from worker.ledger.schema import attempts, campaigns, lanes, letters, rounds, sendouts, signatures, signers
from worker.ledger.sql import now_us
from worker.ledger.transact import transact
from worker.operations.barriers import iso
from worker.operations.holds import checked_reason
from worker.operations.limits_view import find_office
from worker.operations.reasons import SIGNER
from worker.operations.status import Seen
from worker.operations.why import why_letter
from worker.settings import Home

PAGE = 50
LONGEST_PAGE = 1_000
_MILLISECOND_US = 1_000
_MINUTE_US = 60_000_000
_SPAN = re.compile(r"(?P<least>\d{1,7})-(?P<most>\d{0,7})", re.ASCII)
_CODE = re.compile(r"[245](?:\d\d|xx)", re.ASCII)
_ENHANCED = re.compile(r"[245]\.\d{1,3}\.\d{1,3}", re.ASCII)
_MOST_SIGNATURES = 1_000
_LONGEST_WORD = 200


@dataclass(frozen=True, slots=True)
class Filter:
    """Which letters; "" and None mean any. `after` is the id that the page begins behind.

    `state` may name several, with commas. `code` is that of the last attempt's reply: "450", "4xx", or an enhanced one like
    "5.1.1". Letters are older than `older_us`, and newer than `newer_us`, the moments (microseconds) before and after which
    they were made. `due_us`: queued, and due after the first moment and not after the second. Raises BadInput for a name
    that no ledger could hold.
    """

    state: str = ""
    office: str = ""
    campaign: str = ""
    signature: int | None = None
    after: int = 0
    sendout: str = ""
    code: str = ""
    older_us: int | None = None
    newer_us: int | None = None
    signatures: tuple[int, ...] | None = None  # those of one signer, as `signatures_of` found them
    due_us: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        for name in ("office", "campaign", "sendout"):
            value = getattr(self, name)
            if len(value) > _LONGEST_WORD or not value.isprintable():
                raise BadInput(f"{name}: it must be one printable line of at most {_LONGEST_WORD} characters")


def list_letters(ledger: Ledger, wanted: Filter, limit: int = PAGE) -> list[dict[str, Any]]:
    """Up to `limit` letters in the order they were made. Raises BadInput for a state or a code that cannot be."""
    query = _letters().where(letters.c.id > wanted.after).order_by(letters.c.id).limit(min(limit, LONGEST_PAGE + 1))
    for condition in _conditions(wanted):
        query = query.where(condition)
    with ledger.read() as connection:
        return [_body(row) for row in connection.execute(query).mappings()]


def find_letters(ledger: Ledger, home: Home, wanted: Filter, limit: int = PAGE) -> list[dict[str, Any]]:
    """The same, for whoever may have mistyped: where no letter fits, raises BadInput too for a name that nobody knows.

    Letters of an office that has left the register are found all the same.
    """
    found = list_letters(ledger, wanted, limit)
    if not found and wanted.office not in {"", SIGNER}:
        find_office(home, wanted.office)
    if not found and wanted.campaign and wanted.campaign not in home.campaigns:
        raise BadInput(f"there is no campaign {wanted.campaign!r}; there are: {', '.join(sorted(home.campaigns))}")
    return found


def _conditions(wanted: Filter) -> Iterator[sa.ColumnElement[bool]]:
    if wanted.state:
        yield _in_states(wanted.state.split(","))
    for value, column in (
        (wanted.office, letters.c.addressee),
        (wanted.campaign, campaigns.c.slug),
        (wanted.sendout, sendouts.c.name),
        (wanted.signature, letters.c.signature_id),
    ):
        if value not in {"", None}:
            yield column == value
    if wanted.signatures is not None:
        yield letters.c.signature_id.in_(wanted.signatures)
    if wanted.older_us is not None:
        yield letters.c.made_at < wanted.older_us
    if wanted.newer_us is not None:
        yield letters.c.made_at > wanted.newer_us
    if wanted.due_us is not None:
        yield _in_states([State.QUEUED])
        yield letters.c.due_at > wanted.due_us[0]
        yield letters.c.due_at <= wanted.due_us[1]
    if wanted.code:
        yield replied(wanted.code)


def _in_states(names: Sequence[str]) -> sa.ColumnElement[bool]:
    for name in names:
        if name not in {state.value for state in State}:
            raise BadInput(f"{name!r} is no state of a letter; there are: {', '.join(sorted(State))}")
    # as literals: SQLite uses a partial index only where it reads the same words
    literals: list[sa.ColumnElement[str]] = [sa.literal_column(f"'{name}'") for name in names]
    return letters.c.state == literals[0] if len(literals) == 1 else letters.c.state.in_(literals)


def due_span(text: str, at_us: int) -> tuple[int, int]:
    """The due times that `text` means at `at_us`, for `Filter.due_us`.

    "now" is all that is due; "20-40" what has been due for 20 minutes to less than 40, "1280-" for 1280 or more: the columns
    of the shape. Raises BadInput for another text.
    """
    found = _SPAN.fullmatch("0-" if text == "now" else text)
    if found is None:
        raise BadInput(f'due: {text!r} is none of "now", "20-40" and "1280-" (minutes since they fell due)')
    least, most = found["least"], found["most"]
    return at_us - int(most) * _MINUTE_US if most else 0, at_us - int(least) * _MINUTE_US


def replied(code: str) -> sa.ColumnElement[bool]:
    """Whether the last attempt's reply had this code."""
    said: sa.ColumnElement[bool]
    if _ENHANCED.fullmatch(code):
        said = attempts.c.enhanced == code
    elif not _CODE.fullmatch(code):
        raise BadInput(f'{code!r} is no reply code; write one like "450", "4xx" or "5.1.1"')
    elif code.endswith("xx"):
        said = attempts.c.code.between(int(code[0]) * 100, int(code[0]) * 100 + 99)
    else:
        said = attempts.c.code == int(code)
    last = (attempts.c.letter_id == letters.c.id) & (attempts.c.number == letters.c.attempts)
    return sa.exists().where(last & said).correlate(letters)


def signatures_of(ledger: Ledger, address_key: bytes, who: str, reason: str) -> tuple[int, ...]:
    """The signatures of the signer of this address, for `Filter.signatures`; () where there is none.

    `address_key` is the keyed hash of the canonical address. That somebody looked stands in the audit, which names the
    signer by number. Raises BadInput for a reason that is none.
    """
    checked_reason(reason)

    def work(connection: Connection) -> tuple[int, ...]:
        signer = connection.execute(sa.select(signers.c.id).where(signers.c.address_key == address_key)).scalar()
        target = "nobody" if signer is None else f"signer {signer}"
        audit.append(connection, now_us(connection), who, "look-up", target, reason)
        mine = sa.select(signatures.c.id).where(signatures.c.signer_id == signer).order_by(signatures.c.id)
        return tuple(connection.execute(mine.limit(_MOST_SIGNATURES)).scalars()) if signer is not None else ()

    return transact(ledger, work)


def show_letter(ledger: Ledger, home: Home, letter: int, seen: Seen | None = None) -> dict[str, Any]:
    """A letter's story: where it stands and why, each attempt with its reply and steps, what operators did, as one timeline.

    `why` and `chain` are `why_letter`'s sentence and the reasons behind it. `seen` tells of pacing and limits. Raises
    BadInput where there is no such letter.
    """
    why = why_letter(ledger, home, letter, seen).body()
    with ledger.read() as connection:
        row = connection.execute(_letters().where(letters.c.id == letter)).mappings().one()
        tries = [_attempt(each) for each in _attempts(connection, letter)]
        acts = [
            {"at": iso(from_us(each.at_us)), "who": each.who, "verb": each.verb, "reason": each.reason}
            for each in reversed(audit.latest(connection, 100, f"letter {letter}"))
        ]
        body = _body(row)
        return {
            **body,
            "why": why["sentence"],
            "chain": why["chain"],
            "attempts_made": tries,
            "audit": acts,
            "timeline": _timeline(body, tries, acts),
        }


def _timeline(
    body: dict[str, Any], tries: Sequence[dict[str, Any]], acts: Sequence[dict[str, Any]]
) -> list[dict[str, Any]]:
    """What happened to the letter, in order: {"at", "what", "text"}; `what` is made, attempt, audit or ended."""
    events = [{"at": body["made_at"], "what": "made", "text": f"made for send-out {body['sendout']}", "attempt": None}]
    for each in tries:
        said = " ".join(filter(None, (str(each["code"] or ""), each["enhanced"], each["text"]))) or "no reply recorded"
        text = f"attempt {each['number']} over relay {each['relay']}: {each['verdict'] or 'not ended'}: {said}"
        at = each["ended_at"] or each["started_at"]
        events.append({"at": at, "what": "attempt", "text": text, "attempt": each["number"]})
    for act in acts:
        text = f"{act['who']}: {act['verb']}: {act['reason']}"
        events.append({"at": act["at"], "what": "audit", "text": text, "attempt": None})
    if body["ended_at"]:
        text = body["state"] + (f" ({body['reason']})" if body["reason"] else "")
        events.append({"at": body["ended_at"], "what": "ended", "text": text, "attempt": None})
    order = {"made": 0, "attempt": 1, "audit": 2, "ended": 3}
    return sorted(events, key=lambda event: (event["at"] or "", order[event["what"]]))


def _letters() -> sa.Select[Any]:
    """Every column that is shown, joined with the names that its ids stand for."""
    columns = (
        "id", "signature_id", "addressee", "state", "reason", "attempts", "doubts", "suspect", "made_at", "due_at",
        "ended_at", "not_after", "claim",
    )  # fmt: skip
    return (
        sa.select(
            *(letters.c[name] for name in columns),
            campaigns.c.slug.label("campaign"),
            sendouts.c.name.label("sendout"),
            lanes.c.key.label("lane"),
            lanes.c.domain.label("domain"),
        )
        .join(campaigns, campaigns.c.id == letters.c.campaign_id)
        .join(sendouts, sendouts.c.id == letters.c.sendout_id)
        .join(lanes, lanes.c.id == letters.c.lane_id)
    )


def _body(row: RowMapping) -> dict[str, Any]:
    return {
        "id": row["id"],
        "state": row["state"],
        "campaign": row["campaign"],
        "sendout": row["sendout"],
        "office": row["addressee"],
        "signature": row["signature_id"],
        "lane": row["lane"],
        "reason": row["reason"],
        "attempts": row["attempts"],
        "doubts": row["doubts"],
        "made_at": iso(from_us(row["made_at"])),
        "due_at": iso(from_us(row["due_at"])) if row["state"] in WAITING else None,
        "ended_at": iso(from_us(row["ended_at"])) if row["ended_at"] else None,
    }


def _attempts(connection: Connection, letter: int) -> list[RowMapping]:
    query = (
        sa.select(attempts, rounds.c.worker)
        .join(rounds, rounds.c.id == attempts.c.round_id, isouter=True)
        .where(attempts.c.letter_id == letter)
        .order_by(attempts.c.number)
    )
    return list(connection.execute(query).mappings())


def _attempt(row: RowMapping) -> dict[str, Any]:
    steps: dict[str, int] = json.loads(row["steps"] or "{}")
    return {
        "number": row["number"],
        "relay": row["relay"],
        "round": row["round_id"],
        "worker": row["worker"],
        "started_at": iso(from_us(row["started_at"])) if row["started_at"] else None,
        "ended_at": iso(from_us(row["ended_at"])) if row["ended_at"] else None,
        "verdict": row["kind"],
        "scope": row["scope"],
        "stage": row["stage"],
        "code": row["code"],
        "enhanced": row["enhanced"],
        "text": row["text"],
        "rule": row["rule"],
        "steps_ms": {step: round(us / _MILLISECOND_US, 1) for step, us in steps.items()},
        "hash": row["hash"].hex() if row["hash"] else None,
    }
