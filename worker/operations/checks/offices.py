"""The register: mailboxes that stand for others, holders that nobody has looked at for long, offices that declined."""

from collections.abc import Collection, Iterator
from dataclasses import replace
from datetime import date

import dns.resolver

from worker.domain.office import Office
from worker.operations.checks.dns import check_dns
from worker.operations.checks.finding import OFFICES, Finding, Question
from worker.settings import domain_of, is_placeholder


def check_offices(question: Question) -> Iterator[Finding]:
    """Findings about the offices that some campaign writes to."""
    offices = [office for office in question.home.offices.values() if office.id in _written_to(question)]
    left = [office for office in offices if _placeholder(question, office)]
    if left and not question.live:
        yield question.warning(
            OFFICES,
            f"{len(left)} mailboxes are placeholders that reach nobody: fine in rehearsal, refused in live mode",
        )
    for office in left if question.live else ():
        yield _says_placeholder(question, office)
    for office in offices:
        yield from _holders(question, office)
        yield from _standing(question, office)


def check_one(question: Question, office: Office) -> Iterator[Finding]:
    """Every finding about one office, also what `check` does not say of each: a placeholder, a vacancy, no campaign."""
    if _placeholder(question, office):
        yield _says_placeholder(question, office)
    yield from _holders(question, office)
    if office.holders and office.vacancy == "title" and office.present(_day(question, office)) is None:
        yield question.warning(
            question.office_at(office.id, "holders"),
            f"office {office.id}: nobody is in office today, so letters use the title",
        )
    yield from _standing(question, office)
    if office.id not in _written_to(question):
        yield question.warning(question.office_at(office.id), f"office {office.id}: no campaign writes to it")


def check_mail_servers(
    question: Question, offices: Collection[str], resolver: dns.resolver.Resolver | None = None
) -> Iterator[Finding]:
    """Findings of `check_dns` about the mailboxes of these offices, whether or not a campaign writes to them."""
    some = next(iter(question.home.campaigns.values()))
    home = replace(question.home, campaigns={some.slug: replace(some, offices=tuple(offices))})
    places = {question.office_at(office, "mailbox") for office in offices}
    asked = replace(question, home=home)
    yield from (found for found in check_dns(asked, resolver) if found.place in {*places, "DNS"})


def _written_to(question: Question) -> set[str]:
    return {office for campaign in question.home.campaigns.values() for office in campaign.offices}


def _day(question: Question, office: Office) -> date:
    return question.now.astimezone(office.zone).date()


def _placeholder(question: Question, office: Office) -> bool:
    test = question.home.settings.allow_test_domains
    return is_placeholder(domain_of(office.mailbox), allow_test_domains=test)


def _says_placeholder(question: Question, office: Office) -> Finding:
    place = question.office_at(office.id, "mailbox")
    return question.if_live(place, f"office {office.id}: {office.mailbox} is a placeholder; enter the office's mailbox")


def _holders(question: Question, office: Office) -> Iterator[Finding]:
    day = _day(question, office)
    there = office.present(day)
    waits = office.standstill(day)
    if there is None and waits:
        yield question.warning(
            question.office_at(office.id, "holders"),
            f"office {office.id}: {waits}, so its letters wait; look who holds it, then `lettershop offices set-holder`",
        )
    if there is None or office.holder_on(day):
        return
    since = f"since {there.verified}" if there.verified else "so far"
    then = "its letters wait" if waits else "letters use the title"
    yield question.warning(
        question.office_at(office.id, "holders"),
        f"office {office.id}: its holder was not verified {since}, so {then};"
        " look who holds the office, then set name and verified",
    )


def _standing(question: Question, office: Office) -> Iterator[Finding]:
    if not office.accepts_letters:
        yield question.warning(
            question.office_at(office.id, "accepts_letters"),
            f"office {office.id} asked not to be written to ({office.refusal}); no letter is made for it",
        )
    elif question.live and not (office.source and office.as_of):
        yield question.warning(
            question.office_at(office.id, "mailbox"),
            f"office {office.id}: say where and when its mailbox was found, in source and as_of",
        )
