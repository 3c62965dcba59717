"""What a change in the register does to letters: the head of a sample letter per campaign and language, before and after."""

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from worker.domain.address_block import block_on
from worker.operations.preview import preview
from worker.settings import Home


@dataclass(frozen=True, slots=True)
class Sample:
    """A letter to the office in the language that it is written to in; () where there is none on that side."""

    office: str
    campaign: str
    language: str
    before: tuple[str, ...]
    after: tuple[str, ...]

    def diff(self) -> list[str]:
        """The whole head with its changed lines marked by + and -."""
        lines = difflib.unified_diff(self.before, self.after, lineterm="", n=len(self.before) + len(self.after))
        return list(lines)[3:]


def samples(before: Home, after: Home, office: str, now: datetime) -> list[Sample]:
    """Of each campaign that writes to the office, those that differ."""
    old, new = dict(_heads(before, office, now)), dict(_heads(after, office, now))
    found = [Sample(office, *key, old.get(key, ()), new.get(key, ())) for key in {**old, **new}]
    return [sample for sample in found if sample.before != sample.after]


def _heads(home: Home, office: str, now: datetime) -> Iterator[tuple[tuple[str, str], tuple[str, ...]]]:
    for slug, campaign in home.campaigns.items():
        if office in campaign.offices:
            language = campaign.language_for(home.offices[office].language)
            yield (slug, language), _head(home, slug, office, now)


def _head(home: Home, slug: str, name: str, now: datetime) -> tuple[str, ...]:
    """To, Subject, and the letter down to its salutation; all of it where no line begins with that."""
    made = preview(home, slug, name, now)
    office = home.offices[name]
    language = home.campaigns[slug].language_for(office.language)
    salutation = block_on(office, now.astimezone(office.zone).date(), language).salutation
    body = made.data.decode().splitlines()
    end = next((number for number, line in enumerate(body, 1) if line.startswith(salutation)), len(body))
    return (f"To: {made.to}", f"Subject: {made.subject}", "", *body[:end])
