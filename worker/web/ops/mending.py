"""Where the dashboard mends what a need's command line mends: one table from verbs to pages. Pure."""

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from worker.web.ops.figures import letters_path


@dataclass(frozen=True, slots=True)
class Mend:
    """A page and what its button says. `acts`: it leads to a form, which viewers are not shown."""

    verb: str
    href: str
    acts: bool = False


def act_path(verb: str, **fields: str) -> str:
    """The form of a verb, filled in."""
    given = {name: value for name, value in fields.items() if value}
    return f"/ops/act/{verb}" + (f"?{urlencode(given)}" if given else "")


def mending(command: str) -> Mend | None:
    """Where to do what `command` (a line beginning with "lettershop") does; None where only a shell can."""
    try:
        words = shlex.split(command.partition("(")[0])[1:]
    except ValueError:
        return None
    for verbs, page in _PAGES:
        if tuple(words[: len(verbs)]) == verbs:
            return page(words[len(verbs) :])
    return None


def _hold(verb: str) -> Callable[[Sequence[str]], Mend]:
    def page(rest: Sequence[str]) -> Mend:
        scope = rest[0] if rest else ""
        target = rest[1] if len(rest) > 1 and not rest[1].startswith("-") else ""
        return Mend(verb.capitalize(), act_path(verb, scope=scope, target=target), acts=True)

    return page


def _letters(rest: Sequence[str]) -> Mend:
    wanted = {key: _option(rest, f"--{key}") for key in ("state", "office", "campaign")}
    return Mend("See the letters", letters_path(**wanted))


def _resolve(_rest: Sequence[str]) -> Mend:
    return Mend("Resolve", act_path("letters-resolve-sent", state="in_doubt"), acts=True)


def _redirect(rest: Sequence[str]) -> Mend:
    return Mend("Correct the mailbox", act_path("redirect", office=rest[0] if rest else ""), acts=True)


def _sendout(rest: Sequence[str]) -> Mend:
    number = next((word for word in rest if word.isdecimal()), "")
    return Mend("See the send-out", f"/ops/sendouts/{number}" if number else "/ops/sendouts")


def _acts(rest: Sequence[str]) -> Mend:
    number = next((word for word in rest if word.isdecimal()), "")
    return Mend("See the act", f"/ops/acts/{number}" if number else "/ops/acts")


def _reviews(_rest: Sequence[str]) -> Mend:
    return Mend("Look at them", "/ops/reviews")


def _audit(_rest: Sequence[str]) -> Mend:
    return Mend("See the audit", "/ops/audit")


def _workers(_rest: Sequence[str]) -> Mend:
    return Mend("See the processes", "/ops#workers")


def _office(rest: Sequence[str]) -> Mend:
    return Mend("See the office", f"/ops/offices/{quote(rest[0], safe='')}" if rest else "/ops/offices")


_PAGES: tuple[tuple[tuple[str, ...], Callable[[Sequence[str]], Mend]], ...] = (
    (("hold",), _hold("hold")),
    (("resume",), _hold("resume")),
    (("letters", "list"), _letters),
    (("resolve",), _resolve),
    (("redirect",), _redirect),
    (("sendouts",), _sendout),
    (("acts",), _acts),
    (("signatures",), _reviews),
    (("audit",), _audit),
    (("workers",), _workers),
    (("offices", "show"), _office),
)


def _option(words: Sequence[str], name: str) -> str:
    place = words.index(name) + 1 if name in words else len(words)
    return words[place] if place < len(words) else ""


def need_view(need: Mapping[str, Any]) -> dict[str, Any]:
    """A need's JSON form with where it is mended, and with the list of its letters."""
    mend = mending(need["mend"])
    return {
        **need,
        "href": mend.href if mend else "",
        "verb": mend.verb if mend else "",
        "acts": bool(mend and mend.acts),
        "list": _list(need),
    }


_STATES = {"in-doubt": "in_doubt", "set-aside": "held", "faulty": "faulty", "refused": "refused"}


def _list(need: Mapping[str, Any]) -> str:
    kind, target = need["kind"], need["target"]
    if kind in {"mailbox", "past-life", "stalled"}:
        return letters_path(state="queued", office=target)
    return letters_path(state=_STATES.get(kind, target if kind in {"expired", "bounced"} else ""))
