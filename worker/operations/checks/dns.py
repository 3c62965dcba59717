"""Does the DNS know a mail server for each domain? Asked only on request (`check --dns`), one question a domain."""

from collections.abc import Iterator

import dns.exception
import dns.resolver
from email_validator import EmailNotValidError, EmailUndeliverableError, validate_email

from worker.operations.checks.finding import Finding, Question, campaign_file
from worker.settings import domain_of

TIMEOUT_S = 10


def check_dns(question: Question, resolver: dns.resolver.Resolver | None = None) -> Iterator[Finding]:
    """Findings for domains without a mail server. `resolver` None: the system's."""
    try:
        resolver = resolver or system_resolver()
    except dns.exception.DNSException as exc:
        yield question.warning("DNS", f"nothing could be asked: {exc}")
        return
    asked: dict[str, tuple[str, str]] = {}
    for place, address in _addresses(question):
        domain = domain_of(address)
        if domain not in asked:
            asked[domain] = _ask(address, resolver)
        level, said = asked[domain]
        if level == "error":
            yield question.if_live(place, f"{address}: {said}")
        elif level == "warning":
            yield question.warning(place, f"{address}: {said}")


def _addresses(question: Question) -> Iterator[tuple[str, str]]:
    named = {office for campaign in question.home.campaigns.values() for office in campaign.offices}
    for office in question.home.offices.values():
        if office.id in named:
            yield question.office_at(office.id, "mailbox"), office.mailbox
    for slug, campaign in question.home.campaigns.items():
        file = campaign_file(slug)
        yield question.at(file, "sender", "address"), campaign.sender.address
        yield question.at(file, "contact"), campaign.contact


def system_resolver() -> dns.resolver.Resolver:
    """What this machine is set up to ask. Raises dns.resolver.NoResolverConfiguration."""
    resolver = dns.resolver.Resolver()
    resolver.lifetime = TIMEOUT_S
    return resolver


def _ask(address: str, resolver: dns.resolver.Resolver) -> tuple[str, str]:
    try:
        found = validate_email(address, check_deliverability=True, dns_resolver=resolver)
    except EmailUndeliverableError as exc:
        return "error", str(exc)
    except EmailNotValidError:
        return "", ""  # .test, where it is allowed: no DNS knows it
    if getattr(found, "mx", None) is None:
        return "warning", "the DNS did not answer; ask again later"
    return "", ""
