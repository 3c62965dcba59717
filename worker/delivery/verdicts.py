"""From what the relay said to what it means: pure, total, and it never raises."""

from worker.delivery.replies import printable
from worker.delivery.rules import Rules, accepts, loses
from worker.delivery.values import Trouble
from worker.domain.verdict import Kind, Reply, Scope, Stage, Verdict

NO_RULE = "no-rule"
"""The name of the verdict given where the file has no rule; `check_rules` reports such gaps."""

_OPENING = frozenset({Stage.CONNECT, Stage.GREETING, Stage.EHLO, Stage.STARTTLS, Stage.AUTH})
_ASKING = frozenset({Stage.MAIL, Stage.RCPT, Stage.DATA})


def classify(rules: Rules, stage: Stage, reply: Reply) -> Verdict:
    """The verdict on a reply: that of the first rule that fits it, else a careful one named `no-rule`."""
    for rule in rules.by_code.get(reply.code, ()):
        if stage in rule.stages and rule.fits(reply):
            return Verdict(rule.kind, rule.scope, stage, reply, rule.name)
    return _without_rule(stage, reply)


def classify_trouble(rules: Rules, trouble: Trouble) -> Verdict:
    """The verdict on a broken dialogue. At DOT it is always `lose`."""
    return classify(rules, trouble.stage, _said(trouble))


def _said(trouble: Trouble) -> Reply:
    """The reply to judge by. One that answered no command says nothing about this letter: it becomes text only."""
    reply = trouble.reply
    if reply is None:
        return Reply(0, "", printable(trouble.reason.encode()))
    stray = trouble.stage in _ASKING and reply.code // 100 != 4  # noqa: PLR2004
    if reply.code and (stray or trouble.stage is Stage.DOT):
        said = f"{trouble.reason}: {reply.code} {reply.enhanced} {reply.text}"
        return Reply(0, "", printable(said.encode()))
    return reply


def _without_rule(stage: Stage, reply: Reply) -> Verdict:
    def verdict(kind: Kind, scope: Scope) -> Verdict:
        return Verdict(kind, scope, stage, reply, NO_RULE)

    if accepts(stage, reply.code):
        return verdict(Kind.ACCEPT, Scope.LETTER)
    if loses(stage, reply.code):
        return verdict(Kind.LOSE, Scope.LETTER)
    if stage in _OPENING:
        return verdict(Kind.DEFER, Scope.RELAY)
    if reply.code // 100 == 5:  # noqa: PLR2004
        return verdict(Kind.SET_ASIDE, Scope.LETTER)
    return verdict(Kind.DEFER, Scope.LETTER if reply.code // 100 == 4 else Scope.CONNECTION)  # noqa: PLR2004
