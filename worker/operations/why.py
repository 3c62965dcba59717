"""`why`: one sentence a volunteer understands, and the chain of reasons behind it.

The chain goes from the widest reason to the narrowest: this installation, the relays, holds, limits and troubles, the
office and its hours, the letter itself. The sentence says the one that decides: what somebody has to mend before anything
moves, else what lasts longest of that which ends by itself.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.engine import Connection

from worker.domain.clock import from_us
from worker.domain.errors import BadInput, LettershopError
from worker.domain.limits import Limit
from worker.domain.occurrence import Life
from worker.domain.states import WAITING, State
from worker.ledger import occurrences, witness
from worker.ledger.book import Ledger
from worker.operations.barriers import Barriers, Reason, Share, clock, read_barriers, relay_names, share_of
from worker.operations.barriers import why_office as office_waits
from worker.operations.due import due_now, read_letters
from worker.operations.limits_view import Gauge, Used, find_office, rate_text, scope_of
from worker.operations.reasons import WHY, ahead, letter_row, slow, why_ended, why_waiting
from worker.operations.status import Seen
from worker.operations.workers import workers
from worker.settings import Home

_SENDERS: dict[Share, tuple[str, ...]] = {"office": ("worker",), "signers": ("worker", "express")}
"""Which processes take letters of which share: an express worker takes mail to signers alone."""


@dataclass(frozen=True, slots=True)
class Why:
    """The answer. `chain` has every reason, the widest first; `sentence` says the one that decides."""

    sentence: str
    chain: tuple[Reason, ...]

    def body(self) -> dict[str, Any]:
        """The JSON form."""
        return {"sentence": self.sentence, "chain": [reason.body() for reason in self.chain]}


def why_letter(ledger: Ledger, home: Home, letter: int, seen: Seen | None = None) -> Why:
    """Why this letter is where it is. `seen` tells of broker, pacing and limits. Raises BadInput where there is none."""
    limits = _limits(home, seen)
    with ledger.read() as connection:
        row = letter_row(connection, letter)
        if row is None:
            raise BadInput(f"there is no letter {letter}; `lettershop letters list` shows those there are")
        at_us = ledger.now_us()
        if State(row["state"]) not in WAITING:
            ended = why_ended(connection, row)
            return Why(_sentence(f"Letter {letter}", ended), (ended,))
        barriers = read_barriers(connection, at_us)
        own = why_waiting(connection, home, row, barriers)
        if row["state"] != State.QUEUED:
            return Why(_sentence(f"Letter {letter}", own[0]), tuple(own))
        chain = [*fleet(ledger, home, connection, at_us, seen, share_of(row["lane"])), *told(own, barriers, limits)]
        turn = ahead(connection, row, at_us)
    return _waiting(f"Letter {letter}", [*chain, *([turn] if turn else [])])


def why_office(ledger: Ledger, home: Home, office_id: str, seen: Seen | None = None) -> Why:
    """What keeps the letters to this office. Raises BadInput where there is no such office, and no letter to one."""
    limits = _limits(home, seen)
    with ledger.read() as connection:
        at_us = ledger.now_us()
        letters = read_letters(connection)
        mine = letters.of(office_id)
        if office_id not in home.offices and not mine:
            find_office(home, office_id)
        due = due_now(connection, at_us, letters).get(office_id)
        barriers = read_barriers(connection, at_us)
        office = home.offices.get(office_id)
        if office is None:
            gone = "it is no longer in config/offices.toml: put it back, or its letters stay"
            own = [Reason("register", gone, mend="lettershop offices import FILE")]
        else:
            slugs = [slug for slug, campaign in home.campaigns.items() if office_id in campaign.offices]
            own = told(office_waits(barriers, home, office, slugs), barriers, limits)
            own += [*_sendouts(connection, home, slugs), *slow(connection, office.lane, at_us, office_id)]
        chain = [*fleet(ledger, home, connection, at_us, seen), *own]
    queued = mine[State.QUEUED]
    later = list(_attention(office_id, mine))
    hands = mine[State.CLAIMED] + mine[State.SENDING]
    if not queued and hands:
        are = f"{hands:,} letters to {office_id} are" if hands > 1 else f"The letter to {office_id} is"
        said = next((reason.text for reason in chain if reason.kind == "slow"), "they go one after the other")
        return Why(f"{are} in a worker's hands: {said}.", (*chain, *later))
    if not queued:
        ended = ", ".join(f"{n:,} {state.replace('_', ' ')}" for state, n in sorted(mine.items()) if n)
        return Why(f"No letter to {office_id} is queued ({ended or 'there were none'}).", (*chain, *later))
    now = due.n if due else 0
    besides = f", {hands:,} more in a worker's hands" if hands else ""
    what = (
        f"{queued:,} letters to {office_id} ({now:,} of them due{besides})"
        if queued > 1
        else f"The letter to {office_id}"
    )
    if not due and not any(reason.mend for reason in chain):
        drip = Reason("drip", "none of them is due yet", None)
        return Why(f"{what}: {_text(chain) or drip.text}.", (*chain, drip, *later))
    return Why(_waiting(what, chain, many=queued > 1).sentence, (*chain, *later))


# -- what stops everything -----------------------------------------------------------------------------------------------
def fleet(
    ledger: Ledger, home: Home, connection: Connection, at_us: int, seen: Seen | None, share: Share = "office"
) -> list[Reason]:
    """What keeps every letter of this installation: a restored ledger, no worker, pacing away. `share`: which letters."""
    found: list[Reason] = []
    try:
        number = witness.read(home.var / "witness.json", ledger.ledger_id)
        if witness.highest_round(connection) < number:
            restored = "the ledger was restored from a backup, and letters may have gone out since: nothing is sent"
            found.append(Reason("ledger", restored, mend=f"lettershop ledger accept-restore {WHY}"))
    except LettershopError as exc:
        found.append(Reason("ledger", str(exc)))
    found += _workers(connection, at_us, share)
    if seen is not None and seen.pacing:
        found.append(
            Reason("pacing", f"pacing does not answer, so nothing is sent: {seen.pacing}", mend="lettershop up")
        )
    elif seen is not None and not seen.pacing_ready:
        found.append(Reason("pacing", "pacing settles: Redis is new or is being refilled, which takes some seconds"))
    return found


def _workers(connection: Connection, at_us: int, share: Share) -> Iterator[Reason]:
    alive = [each for each in workers(connection, at_us) if each["alive"] and each["kind"] in _SENDERS[share]]
    drained = [each for each in alive if each["draining"]]
    if not alive:
        yield Reason("workers", "no worker is alive: nobody takes letters", mend="lettershop up")
    elif len(drained) == len(alive):
        names = ", ".join(each["name"] for each in drained)
        mend = f"lettershop workers undrain {drained[0]['name']} {WHY}"
        yield Reason("workers", f"every worker was drained ({names}) and takes no letters", mend=mend)


def _sendouts(connection: Connection, home: Home, slugs: Sequence[str]) -> Iterator[Reason]:
    """Yearly send-outs to the office that wait for somebody."""
    for each in occurrences.open_ones(connection):
        if each.campaign not in slugs:
            continue
        name = f"send-out {each.id}, {each.name} of {each.campaign},"
        occasion = home.campaigns[each.campaign].occasions.get(each.occasion)
        if each.state is Life.HELD:
            yield Reason(
                "send-out", f"{name} is held ({each.reason})", mend=f"lettershop sendouts resume {each.id} {WHY}"
            )
        elif each.state is Life.MISSED:
            yield Reason("send-out", f"{name} was missed", mend=f"lettershop sendouts run {each.id} {WHY}")
        elif each.state is Life.ANNOUNCED and occasion is not None and occasion.approval:
            begins = from_us(each.start_us)
            text = f"{name} is not approved yet; it would begin {clock(begins)}"
            yield Reason("send-out", text, mend=f"lettershop sendouts approve {each.id} {WHY}")


def _attention(office: str, mine: Any) -> Iterator[Reason]:
    """Letters to the office that no waiting helps."""
    if n := mine[State.IN_DOUBT]:
        mend = f"lettershop letters list --state in_doubt --office {office}"
        yield Reason("in doubt", f"{n:,} in doubt: nobody can know whether they arrived", mend=mend)
    if n := mine[State.HELD]:
        yield Reason(
            "held", f"{n:,} held for an operator", mend=f"lettershop letters list --state held --office {office}"
        )
    if n := mine[State.REFUSED]:
        mend = f"lettershop letters list --state refused --office {office}"
        yield Reason("refused", f"{n:,} refused by its mail server", mend=mend)


# -- words -------------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class _Limits:
    """Limits with how much of each is used, for the words of a limit's gate."""

    gauge: Gauge | None = None
    home: Home | None = None

    def of(self, key: str, gate: tuple[str, str]) -> tuple[list[Limit], Used]:
        """Every limit of this key, and their use."""
        if self.gauge is None or self.home is None:
            return [], {}
        limits = [limit for limit in self._all(key, gate) if limit.key == key]
        return limits, self.gauge.ask(limits)

    def _all(self, key: str, gate: tuple[str, str]) -> list[Limit]:
        assert self.gauge is not None
        assert self.home is not None
        kind, _, rest = key.partition(":")
        if kind == "relay":
            share = gate[1].rpartition(":")[2]
            return list(self.gauge.limits_of(rest, "office" if share == "office" else "signers", "", "", ""))
        slug, lane = rest.split(":", 1) if kind == "campaign" else ("", key if kind == "mailbox" else "")
        relay = relay_names(self.home)[0]
        return list(self.gauge.limits_of(relay, "office", lane, rest if kind == "domain" else "", slug))


def _limits(home: Home, seen: Seen | None) -> _Limits:
    return _Limits(seen.gauge, home) if seen is not None and seen.gauge is not None and relay_names(home) else _Limits()


def told(found: Sequence[Reason], barriers: Barriers, limits: _Limits) -> list[Reason]:
    """The reasons in words for a volunteer: limits with their numbers, a refused login by its name."""
    return [_told(reason, barriers, limits) for reason in found]


def _told(reason: Reason, barriers: Barriers, limits: _Limits) -> Reason:
    gate = barriers.gates.get(reason.about)
    if reason.kind != "gate" or gate is None:
        return reason
    if gate.kind == "relay":
        return reason
    if gate.kind in {"lane", "domain"}:
        whose = "its mailbox" if gate.kind == "lane" else f"its mail domain {gate.key}"
        often = f"{gate.strikes} times in a row" if gate.strikes > 1 else "once"
        return dataclasses.replace(reason, text=f'a break after trouble with {whose}, {often}: "{gate.reason}"')
    key = gate.reason.removeprefix("limit ").removesuffix(" is used up")
    return dataclasses.replace(reason, kind="limit", text=_limit(key, reason.about, limits))


_OF = {
    "mailbox": "its mailbox's limit",
    "mailbox-day": "its mailbox's limit",
    "campaign-office": "the campaign's own limit for it",
    "announce": "the limit of announcements",
}


def _limit(key: str, gate: tuple[str, str], limits: _Limits) -> str:
    found, used = limits.of(key, gate)
    full = [limit for limit in found if used.get(limit, 0) >= limit.rate.count] or (found if len(found) == 1 else [])
    if not full:
        return f"{_whose(key, key.partition(':')[0])} is used up"
    limit = full[0]
    by = f" by {used[limit]:,} letters" if limit in used else ""
    return f"{_whose(key, scope_of(limit))} of {rate_text(limit.rate)} is used up{by}"


def _whose(key: str, scope: str) -> str:
    name = key.partition(":")[2]
    if scope.startswith("relay"):
        return f"relay {name}'s {'day quota' if scope == 'relay-day' else 'limit'}"
    return f"the limit of mail domain {name}" if scope == "domain" else _OF.get(scope, f"limit {key}")


def deciding(chain: Sequence[Reason]) -> Reason | None:
    """The reason that decides: the widest that somebody must end, else the one that lasts longest."""
    stays = [reason for reason in chain if reason.until is None and reason.kind not in {"turn", "suspect"}]
    if stays:
        return stays[0]
    ending = [reason for reason in chain if reason.until is not None]
    far = datetime.min.replace(tzinfo=UTC)
    return max(ending, key=lambda reason: reason.until or far, default=chain[0] if chain else None)


def _waiting(what: str, chain: Sequence[Reason], *, many: bool = False) -> Why:
    wait = "wait" if many else "waits"
    reason = deciding(chain)
    if reason is None:
        are = "are" if many else "is"
        return Why(
            f"{what} {are} not stopped by anything: a worker takes {'them' if many else 'it'} within seconds.", ()
        )
    if reason.kind == "turn":
        return Why(f"{what} {wait} for {'their' if many else 'its'} turn: {reason.text}.", tuple(chain))
    return Why(f"{what} {wait}: {_text([reason])}.", tuple(chain))


def _text(chain: Sequence[Reason]) -> str:
    reason = deciding(chain)
    if reason is None:
        return ""
    until = clock(reason.until) if reason.until is not None else ""
    return f"{reason.text}, until {until}" if until and until not in reason.text else reason.text


def _sentence(what: str, reason: Reason) -> str:
    if reason.text.startswith("it "):
        return f"{what} {reason.text.removeprefix('it ')}."
    return f"{what}: {reason.text}."
