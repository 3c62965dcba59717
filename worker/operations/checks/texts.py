"""Templates, tried on every office and on awkward signers: a missing variable is found here and not by a round."""

from collections.abc import Iterator

from worker.domain.address_block import block_on, frame_of
from worker.domain.campaign import Campaign
from worker.domain.making import CONFIRM
from worker.operations.checks.finding import Finding, Question
from worker.rendering import Problem, check_text
from worker.settings.wordings import notice_language

_LETTER = {"subject": "subject.txt", "text": "letter.txt", "html": "letter.html"}
_NOTICE = {"subject": "{kind}.subject.txt", "text": "{kind}.txt", "html": "{kind}.html"}


def check_texts(question: Question) -> Iterator[Finding]:
    """Findings about every template of every campaign, each with its file and line."""
    for campaign in question.home.campaigns.values():
        for problem in (*_letters(question, campaign), *_notices(question, campaign)):
            place = f"{problem.template}:{problem.line}" if problem.line else problem.template
            yield question.error(place, problem.message)


def _letters(question: Question, campaign: Campaign) -> list[Problem]:
    offices = question.home.offices
    blocks = [
        block_on(office, question.now.astimezone(office.zone).date(), campaign.language_for(office.language))
        for office in map(offices.__getitem__, campaign.offices)
    ]

    def name(slug: str, language: str, part: str) -> str:
        return f"templates/{slug}/{language}/{_LETTER[part]}"

    return check_text(campaign.text, frame_of(campaign, offices), blocks, name=name)


def _notices(question: Question, campaign: Campaign) -> Iterator[Problem]:
    frame = frame_of(campaign, question.home.offices)
    for kind, text in campaign.notices.items():

        def name(_: str, language: str, part: str, kind: str = kind) -> str:
            folder = notice_language(kind, language, question.home.templates)
            return f"templates/notices/{folder}/{_NOTICE[part].format(kind=kind)}"

        yield from check_text(text, frame, (), name=name, typed=kind != CONFIRM)
