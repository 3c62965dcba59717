"""What a round hands to the committer and gets back. Plain values; moments are microseconds (`*_us`, `*_at`).

What is made for every letter is a named tuple, which costs a third of a frozen dataclass.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from worker.domain.states import Event, State
from worker.domain.verdict import Verdict

if TYPE_CHECKING:
    from worker.ledger.hot.database import Database

CountKey = tuple[int, int, str, str]
"""(campaign_id, sendout_id, addressee, state): one number of the counts."""


class Candidate(NamedTuple):
    """A due letter that a round may ask the pacer for."""

    letter: int
    campaign_id: int
    addressee: str
    rank: int
    suspect: int


class Claimed(NamedTuple):
    """A letter that a round holds, with all that making its message needs. `number` is that of its next attempt."""

    letter: int
    campaign_id: int
    sendout_id: int
    addressee: str
    number: int
    life_us: int
    not_after: int | None
    resend_of: int | None
    mac: bytes
    signature_id: int
    text_id: int
    language: str
    signer_id: int
    signer_version: int
    wrapped_key: bytes | None
    sealed: bytes
    sendout: str = ""  # its name: of a notice it tells the kind
    made_at: int = 0
    facts: str = "{}"  # JSON: what the send-out's notices say besides their links
    due_at: int = 0


@dataclass(frozen=True, slots=True)
class Place:
    """Where an attempt is made: the round, its lane, its relay."""

    round_id: int
    lane_id: int
    lane_key: str
    relay: str


class Start(NamedTuple):
    """The mark before content: what the bytes are made from, and their salted hash."""

    claimed: Claimed
    place: Place
    campaign: str  # slug, for the holds
    at_us: int
    addressee_pin: int | None
    frame_pin: int
    signer_version: int
    date_us: int
    renderer: int
    hash: bytes


class Outcome(NamedTuple):
    """How an attempt ended. `started` tells whether its mark was made; `to` and `event` are legal moves of the table.

    `verdict` is None where no relay was asked (a fault, an age-out): then no attempt row is written.
    """

    claimed: Claimed
    place: Place
    started: bool
    event: Event
    to: State
    at_us: int
    due_at: int
    life_us: int
    reason: str
    verdict: Verdict | None
    steps: Mapping[str, int] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Effect:
    """A change beyond the letter: the gate (kind, key) is moved to `opens_at`.

    `strike` True counts one more trouble in a row, False clears the count. A hold of `hold_scope` on `hold_target` is
    placed once the gate has `hold_strikes` in a row, or once its first trouble is `hold_age_us` old; 0 means never.
    """

    kind: str
    key: str
    opens_at: int
    reason: str
    at_us: int
    strike: bool
    hold_scope: str = ""
    hold_target: str = ""
    hold_strikes: int = 0
    hold_age_us: int = 0


@dataclass(frozen=True, slots=True)
class Call:
    """Any other work inside the group's transaction; `run` must be safe to run again after a lost commit."""

    run: "Callable[[Database], Any]"


Operation = Start | Outcome | Effect | Call
