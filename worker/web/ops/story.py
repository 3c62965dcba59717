"""One letter's life in its order: attempts with their replies and the time that each SMTP step took, verbs. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from worker.domain.states import Event, State, events_from
from worker.web.ops.charts import Segment, stacked
from worker.web.ops.mending import act_path

STEPS = ("connect", "greeting", "ehlo", "tls", "auth", "mail", "rcpt", "data", "content", "dot")
"""In the order of the dialogue; steps that are not named here come after."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """An attempt as it is drawn. `at` is when it ended, or began where nobody knows how it ended."""

    number: int
    verdict: str
    at: str | None
    relay: str
    round: int
    worker: str
    code: int | None
    enhanced: str
    text: str
    stage: str
    rule: str
    scope: str
    segments: tuple[Segment, ...]
    words: str
    whole: float


@dataclass(frozen=True, slots=True)
class Happening:
    """An attempt, or a verb of somebody's."""

    at: str
    attempt: Attempt | None = None
    verb: str = ""
    who: str = ""
    reason: str = ""


def happenings(letter: Mapping[str, Any]) -> list[Happening]:
    """Everything that `operations.letters.show_letter` tells, in order."""
    longest = max((sum(each["steps_ms"].values()) for each in letter["attempts_made"]), default=0)
    found = [_tried(each, longest) for each in letter["attempts_made"]]
    found += [
        Happening(each["at"], verb=each["verb"], who=each["who"], reason=each["reason"]) for each in letter["audit"]
    ]
    return sorted(found, key=lambda each: each.at)


def step_names(letter: Mapping[str, Any]) -> list[str]:
    """The steps that any attempt took, in the order of the dialogue: what the colours mean."""
    seen = {name for each in letter["attempts_made"] for name in each["steps_ms"]}
    return [*(name for name in STEPS if name in seen), *sorted(seen - set(STEPS))]


def _tried(made: Mapping[str, Any], longest: float) -> Happening:
    steps = {name: made["steps_ms"][name] for name in _in_order(made["steps_ms"])}
    whole = sum(steps.values())
    at = made["ended_at"] or made["started_at"]
    attempt = Attempt(
        number=made["number"],
        verdict=made["verdict"] or "",
        at=at,
        relay=made["relay"],
        round=made["round"],
        worker=made["worker"] or "",
        code=made["code"],
        enhanced=made["enhanced"] or "",
        text=made["text"] or "",
        stage=made["stage"] or "",
        rule=made["rule"] or "",
        scope=made["scope"] or "",
        segments=stacked(steps, longest),
        words=", ".join(f"{name} {ms:g} ms" for name, ms in steps.items()),
        whole=round(whole, 1),
    )
    return Happening(at or "", attempt)


def _in_order(steps: Iterable[str]) -> list[str]:
    there = set(steps)
    return [*(name for name in STEPS if name in there), *sorted(there - set(STEPS))]


# -- what may be done to it ----------------------------------------------------------------------------------------------
_VERBS: tuple[tuple[str, str, Event], ...] = (
    ("Hold", "letters-hold", Event.HOLD),
    ("Resume", "letters-resume", Event.RESUME),
    ("Say it was sent", "letters-resolve-sent", Event.RESOLVE),
    ("Send it again", "letters-resolve-queued", Event.RESOLVE),
    ("Requeue", "letters-requeue", Event.REQUEUE),
    ("Cancel", "letters-cancel", Event.CANCEL),
)


def verbs(letter: Mapping[str, Any]) -> Sequence[tuple[str, str]]:
    """What an operator may do to it in its state: (words, the form's address)."""
    can = events_from(State(letter["state"]))
    return [(words, act_path(verb, letter=str(letter["id"]))) for words, verb, event in _VERBS if event in can]
