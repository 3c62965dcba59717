"""What a round tells the tally: attempts, replies, and how long letters were at each stage.

A letter that was not sent also gets a line in the log.

Labels are offices' ids, relays' names and words of fixed lists. Letters are told by the dozen, when what became of them
is recorded: one by one it would cost four times as much.
"""

import logging
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from worker.domain.states import State
from worker.domain.tallying import ATTEMPTS, DENIALS, REPLIES, STAGE, THROTTLED, reply_labels
from worker.domain.verdict import Stage
from worker.ledger.hot.lanes import Front
from worker.ledger.hot.values import Outcome
from worker.rounds.house import House

if TYPE_CHECKING:
    from worker.delivery import Connection

log = logging.getLogger("lettershop.rounds")

MICROSECONDS = 1_000_000
_DOT = Stage.DOT.value


def tell_attempts(house: House, front: Front, ended: Sequence[Outcome], queued_us: Sequence[int]) -> None:
    """Attempts have ended, with whatever verdict; and how long the letters that were marked had been due.

    Transmitting is told where content was answered: from MAIL to the reply to the final dot.
    """
    tally = house.tally
    seen = Counter(
        (
            each.claimed.addressee,
            each.place.relay,
            each.verdict.kind,
            each.verdict.reply.code,
            each.verdict.reply.enhanced,
        )
        for each in ended
        if each.verdict is not None
    )
    for (addressee, relay, kind, code, enhanced), n in seen.items():
        tally.add(ATTEMPTS, (addressee, relay, kind.value), n)
        tally.add(REPLIES, reply_labels(code, enhanced), n)
    tally.took(STAGE, ("transmit", front.lane_kind), [sum(each.steps.values()) for each in ended if _DOT in each.steps])
    tally.took(STAGE, ("queue", front.lane_kind), queued_us)
    for each in ended:
        if each.to != State.SENT:
            _say(each)


def _say(ended: Outcome) -> None:
    """A line for a letter that was not sent, with the reply's codes; the reply's text may quote an address."""
    reply = ended.verdict.reply if ended.verdict else None
    codes = {name: said for name in ("code", "enhanced") if (said := getattr(reply, name, None))}
    about = {
        "letter": ended.claimed.letter,
        "round": ended.place.round_id,
        "office": ended.claimed.addressee,
        "relay": ended.place.relay,
        "state": ended.to.value,
        **codes,
    }
    said = " ".join(map(str, codes.values())) or ended.reason
    log.info(
        "letter %d is %s after attempt %d: %s", about["letter"], about["state"], ended.claimed.number, said, extra=about
    )


def tell_connect(house: House, front: Front, connection: "Connection") -> None:
    """A connection was opened: TCP, TLS, greeting, EHLO and login together."""
    house.tally.took(STAGE, ("connect", front.lane_kind), [sum(connection.opening.values())])


def tell_leave(house: House, front: Front, seconds: float, letters: int) -> None:
    """The pacer gave leave for so many letters, after so long in the round."""
    house.tally.took(STAGE, ("throttle", front.lane_kind), [int(seconds * MICROSECONDS)] * letters)


def tell_denial(house: House, key: str, seconds: float) -> None:
    """The limit `key` gives no leave for so long. Only its kind is told: the rest of it may be an address."""
    scope = (key.partition(":")[0],)
    house.tally.add(DENIALS, scope)
    house.tally.add(THROTTLED, scope, int(seconds * MICROSECONDS))
