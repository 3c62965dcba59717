"""The reply rules: readable, without gaps, each reading its own examples."""

from collections.abc import Iterator

from worker.delivery import check_rules, load_rules
from worker.domain.errors import BadInput
from worker.operations.checks.finding import Finding, Question

RULES = "config/reply-rules.toml"


def check_reply_rules(question: Question) -> Iterator[Finding]:
    """Findings about `config/reply-rules.toml`."""
    try:
        rules = load_rules(question.home.rules_text)
    except BadInput as exc:
        yield question.error(RULES, str(exc))
        return
    for sentence in check_rules(rules):
        yield question.error(RULES, sentence)
