"""Reply rules: data that says how a reply is read. The first rule that fits gives the verdict.

The file is TOML, a list of `[[rule]]`:

    name      what the verdict is attributed to, unique
    stages    where it came: connect greeting ehlo starttls auth mail rcpt data content dot; left out: all of them
    codes     "550", a class like "45x" or "4xx", or "000" where the relay said nothing; left out: "4xx" and "5xx"
    enhanced  "5.1.1", or with an x for any number, "5.7.x"; left out: any or none
    text      a regular expression sought in the text, whatever its case; left out: any
    kind      accept, defer, refuse, set_aside, lose
    scope     letter, mailbox, domain, relay, connection
    examples  replies that this rule must read: "550 5.1.1 no such user", "rcpt: 550 ..." for one stage alone

What the protocol settles no rule can change: a 2xx to the final dot is an accept and nothing else is; no answer to it
is a lose and nothing else is. `load_rules` refuses a file that says otherwise, and a rule that no reply can reach.
"""

import difflib
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any, TypeVar

from worker.domain.errors import BadInput
from worker.domain.verdict import Kind, Reply, Scope, Stage

CODES = (0, *range(200, 600))
"""Every code a reply can have; 0 where the relay said nothing."""

_KEYS = ("name", "stages", "codes", "enhanced", "text", "kind", "scope", "examples")
_CODE = re.compile(r"000|[2-5](?:[0-9][0-9]|[0-9]x|xx)")
_ENHANCED = re.compile(r"(?:[245]|x)\.(?:\d{1,3}|x)\.(?:\d{1,3}|x)")
_NAME = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
# A text is at most 1,000 characters, so a pattern without unbounded or nested repeats costs a bounded time.
_UNSAFE = re.compile(r"(?<!\\)[*+]|\\\d|\(\?(?!:)|\)\{|\]\{\d*,\}|\{\d*,\}|\{\d{3,}|,\d{3,}\}")
_LONGEST_PATTERN = 1_000
_MOST_REPEATS = 2
_MOST_OPTIONS = 10

M = TypeVar("M", Stage, Kind, Scope)


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. It fits a reply of any of `stages` x `codes` that meets `enhanced` and `text`."""

    name: str
    stages: tuple[Stage, ...]
    codes: tuple[str, ...]
    enhanced: tuple[str, ...]
    text: str
    kind: Kind
    scope: Scope
    examples: tuple[str, ...]
    _enhanced: re.Pattern[str] | None = field(repr=False, compare=False, default=None)
    _text: re.Pattern[str] | None = field(repr=False, compare=False, default=None)

    @property
    def unconditional(self) -> bool:
        """Whether stage and code alone decide."""
        return not self.enhanced and not self.text

    def fits(self, reply: Reply) -> bool:
        """Whether the reply meets `enhanced` and `text`; stage and code are the caller's to look at."""
        if self._enhanced is not None and self._enhanced.fullmatch(reply.enhanced) is None:
            return False
        return self._text is None or self._text.search(reply.text) is not None

    def wider_than(self, other: "Rule") -> bool:
        """Whether whatever meets the other's `enhanced` and `text` meets this one's."""
        if self.text not in ("", other.text):
            return False
        if not self.enhanced:
            return True
        return bool(other.enhanced) and all(any(_covers(mine, one) for mine in self.enhanced) for one in other.enhanced)


@dataclass(frozen=True)
class Rules:
    """Rules in their order."""

    rules: tuple[Rule, ...]

    @cached_property
    def by_code(self) -> Mapping[int, tuple[Rule, ...]]:
        """The rules about each code, in order. Not by stage as well: an enum's hash costs more than the look."""
        found: dict[int, list[Rule]] = {}
        for rule in self.rules:
            for code in codes_of(rule.codes):
                found.setdefault(code, []).append(rule)
        return {code: tuple(rules) for code, rules in found.items()}


@cache
def codes_of(patterns: tuple[str, ...]) -> frozenset[int]:
    """The codes that patterns like "550", "45x", "5xx", "000" stand for."""
    found: set[int] = set()
    for pattern in patterns:
        digits = pattern.rstrip("x")
        step = 10 ** (len(pattern) - len(digits))
        found.update(range(int(digits) * step, (int(digits) + 1) * step))
    return frozenset(found)


def load_rules(path: Path) -> Rules:
    """Read and check a rules file. Raises `BadInput` that names the file, the rule and what is wrong with it."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as exc:
        raise BadInput(f"{path}: cannot be read: {exc.strerror}; `lettershop init` lays out a home with one") from exc
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise BadInput(f"{path}: not TOML: {exc}") from exc
    try:
        return parse_rules(document)
    except ValueError as exc:
        raise BadInput(f"{path}: {exc}") from exc


def parse_rules(document: Mapping[str, Any]) -> Rules:
    """The rules of a parsed TOML document. Raises ValueError."""
    for key in document:
        if key != "rule":
            raise ValueError(f"unknown key {key!r}; the file is a list of [[rule]]")
    bodies = document.get("rule")
    if not isinstance(bodies, list) or not bodies:
        raise ValueError("no [[rule]] in it")
    rules = tuple(_rule(number, body) for number, body in enumerate(bodies, 1))
    for n, rule in enumerate(rules):
        if any(rule.name == other.name for other in rules[:n]):
            raise ValueError(f"rule {rule.name!r}: another rule has this name; give each its own")
        _reachable(rule, rules[:n])
    return Rules(rules)


def _rule(number: int, body: Any) -> Rule:
    if not isinstance(body, dict):
        raise ValueError(f"rule {number} is not a table")  # noqa: TRY004 - one kind of error for a bad file
    name = body.get("name", "")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ValueError(f"rule {number}: `name` must be words of a-z and 0-9 joined by hyphens")
    try:
        return _settled(_parsed(name, body))
    except ValueError as exc:
        raise ValueError(f"rule {name!r}: {exc}") from None


def _parsed(name: str, body: Mapping[str, Any]) -> Rule:
    for key in body:
        if key not in _KEYS:
            near = difflib.get_close_matches(key, _KEYS, 1)
            raise ValueError(f"unknown key {key!r}" + (f"; did you mean {near[0]!r}?" if near else ""))
    enhanced = _words(body, "enhanced", _ENHANCED, ())
    text = body.get("text", "")
    return Rule(
        name=name,
        stages=tuple(_member(Stage, word, "stages") for word in _words(body, "stages", None, tuple(Stage))),
        codes=_words(body, "codes", _CODE, ("4xx", "5xx")),
        enhanced=enhanced,
        text=text,
        kind=_member(Kind, body.get("kind"), "kind"),
        scope=_member(Scope, body.get("scope"), "scope"),
        examples=_words(body, "examples", None, ()),
        _enhanced=re.compile("|".join(e.replace(".", r"\.").replace("x", r"\d{1,3}") for e in enhanced))
        if enhanced
        else None,
        _text=_pattern(text),
    )


def _words(
    body: Mapping[str, Any], key: str, form: re.Pattern[str] | None, default: tuple[str, ...]
) -> tuple[str, ...]:
    if key not in body:
        return default
    words = body[key]
    if not isinstance(words, list) or not words or not all(isinstance(word, str) for word in words):
        raise ValueError(f"`{key}` must be a list of strings, not empty")
    for word in words:
        if form is not None and not form.fullmatch(word):
            raise ValueError(f"`{key}` has {word!r}, which is not of the form described in the file's head")
    return tuple(words)


def _member(kind: type[M], word: Any, key: str) -> M:
    try:
        return kind(word)
    except ValueError:
        raise ValueError(f"`{key}` has {word!r}; it must be one of {', '.join(kind)}") from None


def _pattern(text: Any) -> re.Pattern[str] | None:
    if text == "":
        return None
    if not isinstance(text, str) or len(text) > _LONGEST_PATTERN:
        raise ValueError(f"`text` must be a regular expression of at most {_LONGEST_PATTERN} characters")
    if _UNSAFE.search(text) or text.count("{") > _MOST_REPEATS or text.count("?") - text.count("(?:") > _MOST_OPTIONS:
        raise ValueError(
            "`text` could take too long on a hostile reply: no * or +, no repeated groups, no look-around, no "
            f"back-references, at most {_MOST_REPEATS} repeats like {{0,40}} (under 100) and {_MOST_OPTIONS} '?'"
        )
    try:
        return re.compile(text, re.IGNORECASE | re.ASCII)
    except re.error as exc:
        raise ValueError(f"`text` is not a regular expression: {exc}") from None


def _settled(rule: Rule) -> Rule:
    """Refuse what the protocol has settled otherwise. It goes by the first digit alone."""
    for stage in rule.stages:
        for first in sorted({code // 100 for code in codes_of(rule.codes)}):
            reads = f"reads {stage} {f'{first}xx' if first else '000'} as {rule.kind}"
            if (rule.kind is Kind.ACCEPT) != accepts(stage, first * 100):
                raise ValueError(f"{reads}: a 2xx to the dot is `accept`, and nothing else is")
            if (rule.kind is Kind.LOSE) != loses(stage, first * 100):
                raise ValueError(f"{reads}: no answer to the dot is `lose`, and nothing else is")
    return rule


def accepts(stage: Stage, code: int) -> bool:
    """Whether this is the relay taking responsibility for the letter (RFC 5321 section 6.1)."""
    return stage is Stage.DOT and 200 <= code < 300  # noqa: PLR2004


def loses(stage: Stage, code: int) -> bool:
    """Whether the letter may have been taken without our being told."""
    return stage is Stage.DOT and not (200 <= code < 300 or 400 <= code < 600)  # noqa: PLR2004


def _reachable(rule: Rule, before: tuple[Rule, ...]) -> None:
    wider = [other for other in before if other.wider_than(rule)]
    takers: list[str] = []
    for stage in rule.stages:
        left = codes_of(rule.codes)
        for other in wider:
            if stage in other.stages and left & codes_of(other.codes):
                left -= codes_of(other.codes)
                takers.append(other.name)
        if left:
            return
    raise ValueError(f"rule {rule.name!r}: no reply reaches it; all are taken by {', '.join(dict.fromkeys(takers))}")


def _covers(mine: str, other: str) -> bool:
    return all(m in ("x", o) for m, o in zip(mine.split("."), other.split("."), strict=True))
