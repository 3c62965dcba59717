"""`check` says whether a home is fit to be used and, with `--live`, fit to write to real people.

All findings are reported at once, each with file, line and what to do. Reads files only; `live` connects to a PostgreSQL
ledger to ask whether its commits are durable, `ask_dns` asks for the mail servers of each domain. What stops a home from
being read at all (a malformed file, an unknown key) is `load_home`'s to refuse and never reaches this.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import dns.resolver

from worker.domain.clock import Clock, SystemClock
from worker.operations.checks.campaigns import check_campaigns
from worker.operations.checks.dns import check_dns
from worker.operations.checks.finding import Finding, Question
from worker.operations.checks.offices import check_offices
from worker.operations.checks.parts import check_parts
from worker.operations.checks.rules import check_reply_rules
from worker.operations.checks.texts import check_texts
from worker.settings import Home


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that was found, errors first."""

    findings: tuple[Finding, ...]

    @property
    def errors(self) -> tuple[Finding, ...]:
        """What must be mended."""
        return tuple(f for f in self.findings if f.level == "error")

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """What somebody should look at."""
        return tuple(f for f in self.findings if f.level == "warning")

    @property
    def ok(self) -> bool:
        """Whether the home passes."""
        return not self.errors

    def body(self) -> dict[str, Any]:
        """The JSON form."""
        return {"ok": self.ok, "findings": [asdict(finding) for finding in self.findings]}


def check(
    home: Home,
    *,
    live: bool = False,
    ask_dns: bool = False,
    clock: Clock | None = None,
    resolver: dns.resolver.Resolver | None = None,
) -> Report:
    """Look at everything. `live` (or a home in live mode) applies what live mode demands. Raises nothing of its own."""
    live = live or home.settings.mode == "live"
    question = Question(home, live, (clock or SystemClock()).now())
    found = list(_findings(question))
    if ask_dns:
        found += check_dns(question, resolver)
    unique = tuple(dict.fromkeys(found))
    return Report(tuple(sorted(unique, key=lambda f: f.level)))


def _findings(question: Question) -> Iterator[Finding]:
    yield from check_parts(question)
    yield from check_reply_rules(question)
    yield from check_offices(question)
    yield from check_campaigns(question)
    yield from check_texts(question)
