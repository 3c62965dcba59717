"""What an operator can do on these pages, but for send-outs: each verb's form, its count, and the use case behind it.

A `Deed` is data and two functions. `count` tells how many letters it would be (None: it is not about letters one by one);
`do` does it, and says where to go then. `waiting` tells how many letters wait where a verb is not about letters one by
one. All raise the house's errors, which the routes turn into pages.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NamedTuple

from worker.domain.clock import from_us
from worker.domain.duration import parse_duration
from worker.domain.errors import BadInput
from worker.domain.states import State
from worker.ledger.book import Ledger
from worker.ledger.holds import Scope
from worker.ledger.limit_changes import SCOPES
from worker.operations import fleet, holds, limit_changes
from worker.operations.acts.choosing import Preview, preview
from worker.operations.acts.verbs import VERBS
from worker.operations.acts.wanted import Wanted
from worker.settings import Home
from worker.web.ops.figures import word

_MICROSECOND = timedelta(microseconds=1)
_SCOPES = (
    ("office", "an office"),
    ("lane", "a lane"),
    ("campaign", "a campaign"),
    ("relay", "a relay"),
    ("everything", "everything"),
)


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a form. `options`: (value, words) to choose from."""

    name: str
    label: str
    hint: str = ""
    options: Sequence[tuple[str, str]] = ()
    needed: bool = False


class Place(NamedTuple):
    """What a deed works on."""

    home: Home
    ledger: Ledger


class By(NamedTuple):
    """Who does it, why, and how many letters they saw it would be."""

    who: str
    reason: str
    expected: int = 0


Said = Mapping[str, str]
"""What the form's fields say, "" where nothing."""


@dataclass(frozen=True, slots=True)
class Deed:
    """A verb with its form. `letters`: the act on letters that it begins, whose progress is shown then.

    `do` returns the path that is shown next, or the number of an act that it has begun besides.
    """

    verb: str
    title: str
    about: str
    button: str
    fields: tuple[Field, ...]
    do: Callable[[Place, Said, By], str | int] | None = None
    count: Callable[[Place, Said], Preview] | None = None
    letters: str = ""
    waiting: Callable[[Place, Said], int] | None = None

    @property
    def counts(self) -> bool:
        """Whether it says how many letters it would be, or how many wait there, before it is done."""
        return self.count is not None or self.waiting is not None


# -- verbs over letters --------------------------------------------------------------------------------------------------
_LETTER_FIELDS = (
    Field("letter", "Letters", "Their numbers, with commas; empty for all that fit the rest."),
    Field("state", "State", "", (("", "those that it is usual for"), *((s.value, word(s.value)) for s in State))),
    Field("office", "Office", "An office's id; empty for any."),
    Field("campaign", "Campaign", "Its slug; empty for any."),
    Field("sendout", "Send-out", "Like signing or anniversary-2027; empty for any."),
    Field("code", "Last reply", "Like 550 or 5.1.1; empty for any."),
    Field("signature", "Signature", "Its number; empty for any."),
    Field("older", "Made longer ago than", "Like 2 h or 3 d; empty for any age."),
)
_WORDS = {
    "hold": ("Hold letters", "They stay where they are until somebody resumes them.", "Hold them"),
    "resume": ("Resume letters", "They go back to the queue, as early as they were due.", "Resume them"),
    "cancel": ("Cancel letters", "They are not sent. What was sent stays sent.", "Cancel them"),
    "requeue": ("Requeue letters", "They are tried again, as if for the first time.", "Requeue them"),
    "resolve-sent": (
        "Resolve letters in doubt: they were sent",
        "Say so if the relay's log shows that it took them. They are not sent again.",
        "They were sent",
    ),
    "resolve-queued": (
        "Resolve letters in doubt: send them again",
        "Say so if the relay's log shows that it never took them. The very same message goes out again.",
        "Send them again",
    ),
}


def wanted_of(verb: str, said: Said, now_us: int, up_to: int | None = None) -> Wanted:
    """The letters that a form names, up to the one numbered `up_to`. Raises BadInput."""
    older = said["older"].strip()
    return Wanted(
        verb,
        ids=tuple(_number(each, "a letter's number") for each in said["letter"].replace(" ", ",").split(",") if each),
        states=(said["state"],) if said["state"] else (),
        office=said["office"].strip(),
        campaign=said["campaign"].strip(),
        sendout=said["sendout"].strip(),
        code=said["code"].strip(),
        signature=_number(said["signature"], "a signature's number") if said["signature"].strip() else None,
        older_us=now_us - length_of(older) // _MICROSECOND if older else None,
        up_to=up_to,
    )


def length_of(text: str) -> timedelta:
    """A length of time. Raises BadInput."""
    try:
        return parse_duration(text)
    except ValueError as exc:
        raise BadInput(str(exc)) from exc


def _number(text: str, what: str) -> int:
    digits = text.strip()
    if not (digits.isascii() and digits.isdecimal() and len(digits) < 19):  # noqa: PLR2004 -- what 64 bits hold
        raise BadInput(f"{digits!r} is not {what}")
    return int(digits)


def _counted(verb: str) -> Callable[[Place, Said], Preview]:
    def count(place: Place, said: Said) -> Preview:
        return preview(place.ledger, place.home, wanted_of(verb, said, place.ledger.now_us()))

    return count


def _over_letters(verb: str) -> Deed:
    title, about, button = _WORDS[verb]
    return Deed(f"letters-{verb}", title, about, button, _LETTER_FIELDS, count=_counted(verb), letters=verb)


# -- holds ---------------------------------------------------------------------------------------------------------------
def _order(said: Said, by: By) -> holds.Order:
    return holds.Order(*_target(said), by.who, by.reason)


def _target(said: Said) -> tuple[Scope, str]:
    scope = said["scope"]
    if scope not in dict(_SCOPES):
        raise BadInput(f"choose what is meant: {', '.join(name for name, _ in _SCOPES)}")
    return scope, said["target"].strip() if scope != "everything" else ""  # type: ignore[return-value]  # it is one of them


def _waiting(place: Place, said: Said) -> int:
    return holds.waiting(place.ledger, place.home, *_target(said))


def _hold(place: Place, said: Said, by: By) -> str:
    until_us = None
    if length := said["for"].strip():
        until_us = place.ledger.now_us() + length_of(length) // _MICROSECOND
    holds.hold(place.ledger, place.home, _order(said, by), until_us)
    return "/ops"


def _resume(place: Place, said: Said, by: By) -> str:
    holds.resume(place.ledger, place.home, _order(said, by))
    return "/ops"


_SCOPE = Field("scope", "What", "", _SCOPES, needed=True)
_TARGET = Field("target", "Which", "An office's id, a lane or mailbox, a campaign, a relay; empty for everything.")


# -- limits, workers -----------------------------------------------------------------------------------------------------
def _limit(forget: Callable[[], None]) -> Callable[[Place, Said, By], str]:
    def do(place: Place, said: Said, by: By) -> str:
        wish = limit_changes.Wish(
            said["scope"], said["target"].strip(), said["rate"].strip(), length_of(said["for"]), by.who, by.reason,
            replace=said["replace"] == "yes",
        )  # fmt: skip
        limit_changes.set_limit(place.ledger, place.home, wish, forget)
        return "/ops"

    return do


def _lift(place: Place, said: Said, by: By) -> str:
    limit_changes.lift_limit(place.ledger, place.home, said["scope"], said["target"].strip(), by.who, by.reason)
    return "/ops"


def _drain(place: Place, said: Said, by: By) -> str:
    fleet.drain(place.ledger, said["target"].strip(), by.who, by.reason)
    return "/ops"


def _undrain(place: Place, said: Said, by: By) -> str:
    fleet.undrain(place.ledger, said["target"].strip(), by.who, by.reason)
    return "/ops"


_LIMITS = tuple((scope, scope.replace("-", ", ").replace("day", "a day")) for scope in SCOPES)
_LIMIT = Field("scope", "Which limit", "", _LIMITS, needed=True)
_OF = Field("target", "Of what", "An office's id, a mail domain, a relay, or CAMPAIGN:OFFICE.", needed=True)
_WORKER = Field("target", "Worker", "Like mill-1:4021; the overview lists them.", needed=True)


def deeds(forget: Callable[[], None]) -> dict[str, Deed]:
    """Every verb by name. `forget` makes the pacer count from the ledger anew (see `limit_changes.set_limit`)."""
    single = (
        Deed(
            "hold", "Hold", "Nothing of it is sent until it is resumed, or until the time you say is over.", "Hold it",
            (_SCOPE, _TARGET, Field("for", "For how long", "Like 2 h or 3 d; empty: until somebody resumes it.")), _hold,
            waiting=_waiting,
        ),
        Deed(
            "resume", "Resume", "Its holds are lifted and its trouble is forgotten: the next letter is tried at once.",
            "Resume it", (_SCOPE, _TARGET), _resume, waiting=_waiting,
        ),
        Deed(
            "limit", "Change a limit for a while", "The whole fleet keeps to it within seconds; it falls back by itself."
            " A mailbox is given at most ten times what is configured.", "Change it",
            (
                _LIMIT, _OF, Field("rate", "Letters", "In any window, like 60/h or 500/day.", needed=True),
                Field("for", "For how long", "Like 2 h or 3 d.", needed=True),
                Field("replace", "If it is changed already", "", (("", "say so"), ("yes", "replace that change"))),
            ), _limit(forget),
        ),
        Deed(
            "limit-lift", "End a changed limit", "It is as configured again within seconds.", "End it", (_LIMIT, _OF), _lift,
        ),
        Deed(
            "drain", "Drain a worker", "It ends its rounds and begins no other, but stays: stop it then.", "Drain it",
            (_WORKER,), _drain,
        ),
        Deed("undrain", "Let a drained worker go on", "It begins rounds again.", "Let it go on", (_WORKER,), _undrain),
    )  # fmt: skip
    return {deed.verb: deed for deed in (*single, *(_over_letters(verb) for verb in VERBS))}


def changed(ledger: Ledger, lanes: Sequence[str]) -> list[dict[str, Any]]:
    """The changed limits in force that name one of these lanes; JSON forms."""
    found = limit_changes.listing(ledger)
    return [
        {**limit_changes.body(each), "until": from_us(each.until_us)}
        for each in found
        if any(each.target == lane or each.target.endswith(f":{lane}") for lane in lanes)
    ]
