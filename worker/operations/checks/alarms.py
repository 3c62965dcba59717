"""`[alarms]`: whether operators can be told, and at what time the summary goes out."""

from collections.abc import Iterator

from worker.domain.errors import BadInput
from worker.operations.checks.finding import SETTINGS, Finding, Question
from worker.operations.watchdog.summary import Plan, zone_of
from worker.settings import address, domain_of, is_placeholder


def check_alarms(question: Question) -> Iterator[Finding]:
    """Findings about the watchdog's settings."""
    keys = question.home.settings.alarms
    for name, reads in (("time_zone", lambda: zone_of(keys)), ("summary", lambda: Plan.of(keys))):
        try:
            reads()
        except BadInput as exc:
            yield question.error(question.at(SETTINGS, "alarms", name), str(exc))
            break  # a summary has a zone: that would be said twice
    if not keys.to:
        if question.live:
            place = question.at(SETTINGS, "alarms")
            yield question.warning(place, "alarms.to is empty: nobody is told by mail when something needs an operator")
        return
    for n, to in enumerate(keys.to):
        yield from _address(question, question.at(SETTINGS, "alarms", "to", n), "alarms.to", to)
    place = question.at(SETTINGS, "alarms", "sender")
    if keys.sender:
        yield from _address(question, place, "alarms.sender", keys.sender)
    else:
        yield question.if_live(place, "alarms.sender is not set; enter the address that alarms come from")


def _address(question: Question, place: str, key: str, text: str) -> Iterator[Finding]:
    test = question.home.settings.allow_test_domains
    try:
        found = address(text, allow_test_domains=test)
    except ValueError as exc:
        yield question.error(place, f"{key}: {exc}")
        return
    if not found.isascii():
        yield question.error(place, f"{key}: give an address whose part before the @ is ASCII")
    if is_placeholder(domain_of(found), allow_test_domains=test):
        yield question.if_live(place, f"{key}: {found} is a placeholder; enter the real address")
    offices = [office.id for office in question.home.offices.values() if office.mailbox.lower() == found.lower()]
    if offices:
        yield question.error(
            place, f"{key}: {found} is the mailbox of office {offices[0]}; enter an operator's address"
        )
