"""The register: mailboxes that stand for others, holders that nobody has looked at for long, offices that declined."""

from collections.abc import Iterator

from worker.domain.office import Office
from worker.operations.checks.finding import OFFICES, Finding, Question
from worker.settings import domain_of, is_placeholder


def check_offices(question: Question) -> Iterator[Finding]:
    """Findings about the offices that some campaign writes to."""
    named = {office for campaign in question.home.campaigns.values() for office in campaign.offices}
    offices = [office for office in question.home.offices.values() if office.id in named]
    yield from _placeholders(question, offices)
    for office in offices:
        yield from _holders(question, office)
        yield from _standing(question, office)


def _placeholders(question: Question, offices: list[Office]) -> Iterator[Finding]:
    test = question.home.settings.allow_test_domains
    left = [o for o in offices if is_placeholder(domain_of(o.mailbox), allow_test_domains=test)]
    if question.live:
        for office in left:
            place = question.office_at(office.id, "mailbox")
            yield question.error(
                place, f"office {office.id}: {office.mailbox} is a placeholder; enter the office's mailbox"
            )
    elif left:
        yield question.warning(
            OFFICES,
            f"{len(left)} mailboxes are placeholders that reach nobody: fine in rehearsal, refused in live mode",
        )


def _holders(question: Question, office: Office) -> Iterator[Finding]:
    day = question.now.astimezone(office.zone).date()
    now_in_office = [h for h in office.holders if h.in_office(day)]
    if not now_in_office or office.holder_on(day):
        return
    latest = max((h.verified for h in now_in_office if h.verified), default=None)
    since = f"since {latest}" if latest else "so far"
    yield question.warning(
        question.office_at(office.id, "holders"),
        f"office {office.id}: its holder was not verified {since}, so letters use the title;"
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
