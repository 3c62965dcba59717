"""The letter as a page shows it: the very words that an office gets, rendered by the renderer itself.

Its HTML is made for mail programs: tables, colours and styles of its own. Here only its structure is kept (paragraphs,
lists, emphasis, links), by an allow-list, so that it reads well in the page's own type on any screen, in both themes
and on paper, and so that no style or script of a template can act on the page.

In a letter that nobody has signed yet the visitor's words are marked: `<span data-fill="name">`, which a script of the page
fills as they are typed. The marks are made from characters of the private use area, which no signer may use.
"""

import re
from collections.abc import Collection
from dataclasses import replace
from datetime import datetime, timedelta
from functools import lru_cache

import nh3
from markupsafe import Markup, escape

from worker.domain.address_block import block_on, frame_of
from worker.domain.campaign import Campaign, TextVersion
from worker.domain.making import Making
from worker.domain.occasion import Occasion
from worker.domain.person import Person
from worker.intake.anniversaries import Next
from worker.intake.own_page import OwnPage
from worker.rendering import NUMBER, body_html, body_text, subject_line
from worker.settings import Home
from worker.web.views import Choice, LetterView
from worker.web.words import own_name

_TAGS = {"p", "br", "ul", "ol", "li", "strong", "em", "b", "i", "a", "blockquote", "h1", "h2", "h3", "div", "hr"}
_DROPPED = {"style", "script", "title", "head"}
_MARKS = {"name": "\ue001", "city": "\ue002", "country": "\ue003", "comment": "\ue004"}
_SAMPLES = {
    "en": {"name": "Your name", "city": "your town", "country": "your country", "comment": "What you add yourself."},
    "fr": {"name": "Votre nom", "city": "votre ville", "country": "votre pays", "comment": "Ce que vous ajoutez."},
}
_ANYBODY = Person(
    name=_MARKS["name"],
    email="anybody@rehearsal.invalid",
    country=_MARKS["country"],
    city=_MARKS["city"],
    comment=_MARKS["comment"],
)
_OWN_LINES = re.compile(r"<(p|div|blockquote)\b[^>]*white-space:\s*pre-(?:line|wrap)[^>]*>")
_CACHED_FOR = timedelta(hours=1)


class Letters:
    """Letters of one home. Safe to share between threads."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._unsigned = lru_cache(maxsize=500)(self._render_unsigned)

    def unsigned(
        self, campaign: Campaign, office: str, language: str, now: datetime, occasion: Occasion | None = None
    ) -> LetterView:
        """The letter as it would go to `office` today, the visitor's words marked. "" for the office's own language.

        That of an `occasion` with a text of its own: as on its next day. Raises TemplateFault where the template cannot be
        used.
        """
        used = language or campaign.language_for(self._home.offices[office].language)
        name, moment = (occasion.name, occasion.starts_at(occasion.next_year(now))) if occasion else ("", now)
        return self._unsigned(campaign.slug, office, used, int(moment.timestamp() // _CACHED_FOR.total_seconds()), name)

    def signed(self, campaign: Campaign, office: str, page: OwnPage, now: datetime) -> LetterView:
        """The letter as it was signed, to `office`, as it would be written today. Raises TemplateFault."""
        making = self._making(campaign, office, "", page.text, page.person, now)
        return self._view(making, office, filled=False)

    def of_occasion(self, campaign: Campaign, occasion: Occasion, language: str, now: datetime) -> LetterView:
        """The occasion's own text as it would go to the first of its offices. Raises TemplateFault."""
        return self.unsigned(campaign, addressees(self._home, campaign, occasion)[0], language, now, occasion)

    def to_come(self, campaign: Campaign, ahead: Next, page: OwnPage, language: str) -> LetterView:
        """The letter of an anniversary as it would be written for this signer, to be read in `language`.

        Raises TemplateFault.
        """
        office = addressees(self._home, campaign, ahead.occasion, page.left_out)[0]
        making = self._making(campaign, office, language, ahead.text or page.text, page.person, ahead.starts)
        return self._view(making, office, filled=False)

    def _render_unsigned(self, slug: str, office: str, language: str, hour: int, occasion: str) -> LetterView:
        campaign = self._home.campaigns[slug]
        text = campaign.occasions[occasion].text if occasion else campaign.text
        assert text is not None
        now = datetime.fromtimestamp(hour * _CACHED_FOR.total_seconds(), self._home.offices[office].zone)
        person = _ANYBODY if campaign.takes_comments else replace(_ANYBODY, comment="")
        making = self._making(campaign, office, language, text, person, now)
        return self._view(making, office, filled=True)

    def _making(
        self, campaign: Campaign, office_id: str, language: str, text: TextVersion, person: Person, now: datetime
    ) -> Making:
        office = self._home.offices[office_id]
        used = language or campaign.language_for(office.language)
        used = used if used in text.wordings else campaign.default_language
        return Making(
            letter=0,
            message_id=f"page@{campaign.sender.address.rpartition('@')[2]}",
            date=now.replace(microsecond=0),
            renderer=NUMBER,
            text=text,
            text_hash=text.hash,
            frame=frame_of(campaign, self._home.offices),
            office=block_on(office, now.astimezone(office.zone).date(), used),
            signer=person,
            language=used,
        )

    def _view(self, making: Making, office_id: str, *, filled: bool) -> LetterView:
        campaign, frame, block = self._home.campaigns[making.frame.campaign], making.frame, making.office
        assert block is not None
        pattern = escape(frame.sender_pattern.replace("{campaign}", frame.name))
        name = _place("name", making.language) if filled else escape(making.signer.name)
        holder = " ".join(part for part in (block.form, block.holder) if part)
        return LetterView(
            office=office_id,
            language=making.language,
            sender=pattern.replace("{signer}", name),
            to=", ".join(part for part in (holder, block.title, block.organisation) if part),
            subject=_unmarked(subject_line(making), making.language),
            body=_body(making, filled=filled),
            text=_unmarked(body_text(making), making.language),
            offices=tuple(
                Choice(each, _label(self._home, each), each == office_id)
                for each in campaign.offices
                if self._home.offices[each].accepts_letters
            ),
            languages=tuple(Choice(each, own_name(each), each == making.language) for each in campaign.languages),
            sent_in=campaign.language_for(self._home.offices[office_id].language),
        )


def addressees(home: Home, campaign: Campaign, occasion: Occasion, left_out: Collection[str] = ()) -> tuple[str, ...]:
    """The ids of the offices that are written to on an occasion, in the campaign's order; its first where there are none."""
    taking = [each for each in campaign.offices if home.offices[each].accepts_letters and each not in left_out]
    tagged = [each for each in taking if not occasion.tags or occasion.tags & home.offices[each].tags]
    return tuple(tagged) or campaign.offices[:1]


def structure(html: str) -> str:
    """A mail's HTML without anything but its structure: safe to stand in a page.

    Where a template keeps the signer's own line breaks (`white-space: pre-line`), so does the page.
    """
    return nh3.clean(
        _OWN_LINES.sub(r'<\1 class="own-lines">', html),
        tags=_TAGS,
        allowed_classes={tag: {"own-lines"} for tag in ("p", "div", "blockquote")},
        clean_content_tags=_DROPPED,
        attributes={"a": {"href"}},
        url_schemes={"http", "https", "mailto"},
        link_rel="noopener noreferrer",
        strip_comments=True,
    )


def _body(making: Making, *, filled: bool) -> Markup:
    """The letter's structure; where it is not signed yet, with places for the visitor's words."""
    html = structure(body_html(making))
    for name, mark in _MARKS.items() if filled else ():
        html = html.replace(mark, _place(name, making.language))
    return Markup(html)  # noqa: S704 - cleaned by `structure`


def _place(name: str, language: str) -> Markup:
    """Where the visitor's words come to stand, with a sample in it."""
    return Markup('<span data-fill="{}">{}</span>').format(name, _samples(language)[name])


def _unmarked(text: str, language: str) -> str:
    for name, mark in _MARKS.items():
        text = text.replace(mark, _samples(language)[name])
    return text


def _samples(language: str) -> dict[str, str]:
    return _SAMPLES.get(language.partition("-")[0], _SAMPLES["en"])


def _label(home: Home, office: str) -> str:
    entry = home.offices[office]
    return ", ".join(part for part in (entry.title, entry.organisation) if part)
