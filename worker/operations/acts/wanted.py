"""Which letters an act is about, as an operator says it; kept with the act, so that another process may carry it on."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

from worker.domain.errors import BadInput
from worker.domain.states import State
from worker.operations.acts.verbs import Verb, verb_named
from worker.operations.holds import checked_reason

MOST_IDS = 10_000
"""Letters that may be named one by one."""

_HIGHEST = 2**63 - 1
_LONGEST = 200
_CODE = re.compile(r"[245](\d\d|xx)|[245]\.\d{1,3}\.\d{1,3}", re.ASCII)
_NUMBERS = ("signature", "up_to", "older_us", "newer_us", "ended_from_us")


@dataclass(frozen=True, slots=True)
class Order:
    """Who says it, and why. Raises BadInput for a reason that is empty, too long or not printable."""

    who: str
    reason: str

    def __post_init__(self) -> None:
        checked_reason(self.reason)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A verb and its letters: all that fit every criterion; "" and None leave one out.

    `states` are named only where others than the verb's usual ones are meant. `office` is an office's id, or "signer" for
    notices; `sendout` a name like "anniversary-2027"; `code` the last reply's code, "550", "5xx" or "5.1.1". Letters are
    older than `older_us` and newer than `newer_us`, the moments (microseconds) before and after which they were made.
    `up_to` is the highest letter that is meant: what a preview counted. The last three are for undoing: letters whose
    reason is `mark`, or begins with `mark_starts`, and that ended at or after `ended_from_us`.

    Raises BadInput where there is no such verb or state, a value is not usable, or nothing narrows it down.
    """

    verb: str
    ids: tuple[int, ...] = ()
    states: tuple[str, ...] = ()
    office: str = ""
    campaign: str = ""
    sendout: str = ""
    code: str = ""
    signature: int | None = None
    older_us: int | None = None
    newer_us: int | None = None
    up_to: int | None = None
    mark: str = ""
    mark_starts: str = ""
    ended_from_us: int | None = None

    def __post_init__(self) -> None:
        verb_named(self.verb)
        self._check_ids()
        self._check_values()
        if not any(getattr(self, each.name) for each in fields(self) if each.name not in {"verb", "up_to"}):
            raise BadInput(
                "say which letters: their numbers, a state, an office, a campaign, a send-out, a reply code, …"
            )

    def _check_ids(self) -> None:
        if len(self.ids) > MOST_IDS:
            raise BadInput(
                f"at most {MOST_IDS:,} letters can be named one by one; say what they have in common instead"
            )
        for number in self.ids:
            if not 0 < number <= _HIGHEST:
                raise BadInput(f"{number} is not a letter's number; `lettershop letters list` shows them")
        object.__setattr__(self, "ids", tuple(sorted(set(self.ids))))

    def _check_values(self) -> None:
        unknown = [state for state in self.states if state not in {each.value for each in State}]
        if unknown:
            raise BadInput(f"{unknown[0]!r} is no state of a letter; there are: {', '.join(sorted(State))}")
        for name in ("office", "campaign", "sendout"):
            value = getattr(self, name)
            if len(value) > _LONGEST or not value.isprintable():
                raise BadInput(f"{name}: it must be one printable line of at most {_LONGEST} characters")
        if self.code and not _CODE.fullmatch(self.code):
            raise BadInput(f'{self.code!r} is no reply code; write one like "450", "4xx" or "5.1.1"')
        for name in _NUMBERS:
            number = getattr(self, name)
            if number is not None and not 0 <= number <= _HIGHEST:
                raise BadInput(f"{name}: {number} is out of range")

    @property
    def does(self) -> Verb:
        """The verb itself."""
        return verb_named(self.verb)

    @property
    def chosen(self) -> tuple[State, ...]:
        """The states whose letters are moved."""
        verb = self.does
        if self.states:
            return tuple(state for state in verb.allowed if state.value in self.states)
        return verb.allowed if self.ids else verb.usual

    @property
    def left_out(self) -> tuple[State, ...]:
        """The states whose letters fit and are not moved."""
        named = self.states or tuple(State)
        return tuple(state for state in State if state.value in named and state not in self.chosen)

    def body(self) -> dict[str, Any]:
        """The JSON form: what is said, and nothing of what is left out."""
        said = {each.name: getattr(self, each.name) for each in fields(self)}
        there = {name: value for name, value in said.items() if value or value == 0}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in there.items()}

    @classmethod
    def read(cls, body: Mapping[str, Any]) -> Self:
        """From its JSON form."""
        said: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in body.items()
        }
        return cls(**said)
