"""Templates, tried on every office and on awkward signers: a missing variable is found here and not by a round."""

from collections.abc import Collection, Iterator, Mapping, Sequence

from worker.domain.address_block import block_on, frame_of
from worker.domain.campaign import Campaign, TextVersion
from worker.domain.making import ANNOUNCE, CONFIRM
from worker.operations.checks.finding import Finding, Question
from worker.rendering import Problem, check_text
from worker.rendering.words import NOTICE_VALUES
from worker.settings.wordings import notice_language

_LETTER = {"subject": "subject.txt", "text": "letter.txt", "html": "letter.html"}
_NOTICE = {"subject": "{kind}.subject.txt", "text": "{kind}.txt", "html": "{kind}.html"}
_SITE = {each: f"https://site.example/{each}" for each in NOTICE_VALUES}
_TOLD = {**_SITE, "occasion": "anniversary", "day": "2027-02-26"}
_SAID: Mapping[str, Sequence[Mapping[str, str] | None]] = {
    ANNOUNCE: ({**_TOLD, "consent_needed": ""}, {**_TOLD, "consent_needed": "yes"})
}
"""What notices of a kind say besides their links: each way in which they may say it."""


def check_texts(question: Question) -> Iterator[Finding]:
    """Findings about every template of every campaign, each with its file and line."""
    for campaign in question.home.campaigns.values():
        for problem in dict.fromkeys((*_letters(question, campaign), *_notices(question, campaign))):
            place = f"{problem.template}:{problem.line}" if problem.line else problem.template
            yield question.error(place, problem.message)


def _letters(question: Question, campaign: Campaign) -> list[Problem]:
    """The signed text, and the own text of each occasion."""
    found = _letter(question, campaign, campaign.text, "", ())
    for occasion in campaign.occasions.values():
        if occasion.text:
            found += _letter(question, campaign, occasion.text, f"{occasion.name}/", occasion.tags)
    return found


def _letter(
    question: Question, campaign: Campaign, text: TextVersion, folder: str, tags: Collection[str]
) -> list[Problem]:
    offices = question.home.offices
    blocks = [
        block_on(office, question.now.astimezone(office.zone).date(), campaign.language_for(office.language))
        for office in map(offices.__getitem__, campaign.offices)
        if not tags or office.tags & set(tags)
    ]

    def name(slug: str, language: str, part: str) -> str:
        return f"templates/{slug}/{folder}{language}/{_LETTER[part]}"

    return check_text(text, frame_of(campaign, offices), blocks, name=name) if blocks else []


def _notices(question: Question, campaign: Campaign) -> Iterator[Problem]:
    frame = frame_of(campaign, question.home.offices)
    for kind, text in campaign.notices.items():

        def name(_: str, language: str, part: str, kind: str = kind) -> str:
            folder = notice_language(kind, language, question.home.templates)
            return f"templates/notices/{folder}/{_NOTICE[part].format(kind=kind)}"

        for values in _SAID.get(kind, (None,)):
            yield from check_text(text, frame, (), values, name=name, typed=kind != CONFIRM)
