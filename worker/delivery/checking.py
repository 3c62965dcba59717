"""Checks a rules file beyond its form: every reply gets a verdict, and each rule reads what it says it reads."""

from collections.abc import Iterator

from worker.delivery.replies import Raw, to_reply
from worker.delivery.rules import CODES, Rule, Rules
from worker.delivery.verdicts import classify
from worker.domain.verdict import Reply, Stage


def check_rules(rules: Rules) -> list[str]:
    """What is wrong, one sentence each; an empty list where nothing is.

    Gaps: a stage and code that no rule decides for certain. Shadows: an example that an earlier rule takes. A rule
    without examples is reported too.
    """
    return [*_gaps(rules), *(problem for rule in rules.rules for problem in _examples(rules, rule))]


def _gaps(rules: Rules) -> Iterator[str]:
    for stage in Stage:
        open_codes = [code for code in CODES if not _decided(rules, stage, code)]
        if open_codes:
            yield f"no rule decides every reply at {stage} with code {_spans(open_codes)}"


def _decided(rules: Rules, stage: Stage, code: int) -> bool:
    return any(rule.unconditional for rule in rules.by_code.get(code, ()) if stage in rule.stages)


def _spans(codes: list[int]) -> str:
    """[0, 450, 451, 452] as "000, 450-452"."""
    spans: list[list[int]] = []
    for code in codes:
        if spans and code == spans[-1][1] + 1:
            spans[-1][1] = code
        else:
            spans.append([code, code])
    return ", ".join(f"{a:03}" if a == b else f"{a:03}-{b:03}" for a, b in spans)


def _examples(rules: Rules, rule: Rule) -> Iterator[str]:
    if not rule.examples:
        yield f"rule {rule.name!r} carries no example"
    for example in rule.examples:
        yield from _example(rules, rule, example)


def _example(rules: Rules, rule: Rule, example: str) -> Iterator[str]:
    where, colon, said = example.partition(": ")
    stages = tuple(stage for stage in Stage if colon and stage == where) or rule.stages
    reply = _reply(said if colon and where in tuple(Stage) else example)
    if reply is None:
        yield f"rule {rule.name!r}: its example {example!r} begins with no reply code"
        return
    for stage in stages:
        verdict = classify(rules, stage, reply)
        if verdict.rule != rule.name:
            yield f"rule {rule.name!r} does not read its example {example!r} at {stage}: {verdict.rule!r} does"


def _reply(line: str) -> Reply | None:
    code = line[:3]
    if not (code.isascii() and code.isdigit()) or int(code) not in CODES:
        return None
    return to_reply(Raw(int(code), (line[4:].encode(),)))
