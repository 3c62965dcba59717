"""How numbers, moments and states are written on the operators' pages: one way each, for every template.

Texts of others (a relay's reply, a reason, an address) are escaped by the environment and marked up as `theirs`: a
direction of their own, so that no sign in them turns the words around. `clean` takes out what no page should hold, from
everything that is printed.
"""

import unicodedata
from datetime import UTC, datetime
from typing import Any

from jinja2 import Environment
from markupsafe import Markup

from worker.web.ops.charts import span_words
from worker.web.ops.figures import GROUPS, letters_path, word
from worker.web.ops.story import STEPS

_GROUP_OF = {state.value: name for name, states in GROUPS.items() for state in states}
_SMALL = 10  # below it, a tenth is worth saying
_UNSEEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def amount(n: float | None) -> str:
    """A number with its thousands parted; a dash where nobody knows it."""
    if n is None:
        return "\N{EN DASH}"
    if isinstance(n, int) or n >= _SMALL or n == int(n):
        return f"{round(n):,}"
    return f"{n:.1f}"


def moment(at: str | datetime, *, seconds: bool = False) -> Markup:
    """A moment, UTC, to the minute. `at` is ISO 8601 or aware."""
    found = datetime.fromisoformat(at) if isinstance(at, str) else at
    found = found.astimezone(UTC)
    text = f"{found:%Y-%m-%d %H:%M:%S}" if seconds else f"{found:%Y-%m-%d %H:%M}"
    return Markup('<time datetime="{}">{} UTC</time>').format(found.strftime("%Y-%m-%dT%H:%M:%SZ"), text)


def group(state: str) -> str:
    """The group that a state is drawn in."""
    return _GROUP_OF.get(state, "ended")


def step(name: str) -> int:
    """The colour of a step of SMTP: the same in every drawing."""
    return STEPS.index(name) if name in STEPS else len(STEPS)


def clean(text: Any) -> Any:
    """Without signs that nobody sees: controls but for line ends, those that turn the direction, lone surrogates."""
    if not isinstance(text, str) or isinstance(text, Markup) or text.isprintable():
        return text
    return "".join("\N{REPLACEMENT CHARACTER}" if c != "\n" and unicodedata.category(c) in _UNSEEN else c for c in text)


def install(environment: Environment) -> None:
    """Teach them to an environment; every text that a template prints is cleaned."""
    environment.finalize = clean
    environment.filters.update(amount=amount, moment=moment, span=span_words, state=word, group=group, step=step)
    environment.globals.update(letters_path=letters_path, groups=list(GROUPS))
