"""The next anniversary of a signature, as its signer's own page tells of it: when, what happens, what they may do."""

from datetime import datetime, timedelta

from worker.intake.anniversaries import Next
from worker.intake.own_page import OwnPage
from worker.web.letter import addressees
from worker.web.shop import Shop
from worker.web.views import AnniversaryView, CampaignView
from worker.web.words import N_, Words

_NOT_AGREED = N_("You have not agreed to be written for on this day. You may, under “Change what you agreed to”.")
_TOO_LATE = N_(
    "You could not be told of it in good time, so you are not written for this time. Next year you are, if all is well."
)
_NEW = N_(
    "This text is new to you, so silence is not enough: nothing is sent in your name unless you agree to it here. "
    "If you do nothing, you are not written for this time."
)
_CHANGED = N_("The text has changed since you agreed. Before the day you are asked by e-mail whether you agree to it.")
_TOLD = N_("It leaves in your name on that day or within days of it. You need do nothing.")
_TO_BE_TOLD = N_("Before that day you are told by e-mail what will be written. You need do nothing.")
_HELD = N_("Somebody at the campaign is looking at it first. It may come later, or not at all.")


def anniversary_view(shop: Shop, words: Words, view: CampaignView, page: OwnPage, ahead: Next) -> AnniversaryView:
    """One occasion of the page of a signature that stands; `view` is its campaign. Raises TemplateFault."""
    campaign = shop.home.campaigns[page.campaign]
    late = _late(ahead, shop.home.settings.sendouts.announced_for, shop.clock.now())
    offices = addressees(shop.home, campaign, ahead.occasion, page.left_out)
    must_agree = ahead.must_agree and not late
    return AnniversaryView(
        name=ahead.occasion.name,
        kind=ahead.occasion.consent,
        day=ahead.day,
        given=ahead.consents,
        near=ahead.consents and (ahead.announced or must_agree),
        lines=_lines(words, ahead, late=late, offices=len(offices)),
        letter=shop.letters.to_come(campaign, ahead, page, view.language) if ahead.consents and not late else None,
        text=ahead.text.hash if must_agree and ahead.text else "",
        under_way=_under_way(words, words.day(ahead.under_way)) if ahead.under_way else "",
    )


def _late(ahead: Next, announced_for: timedelta, now: datetime) -> bool:
    """It is too late to be told of it, and they were not. One that begins late gives so much more time."""
    told_by = max(ahead.starts, now) - announced_for
    return ahead.planned and now > told_by and (ahead.told is None or ahead.told > told_by)


def _lines(words: Words, ahead: Next, *, late: bool, offices: int) -> tuple[str, ...]:
    if not ahead.consents:
        return (words.gettext(_NOT_AGREED),)
    if late:
        return (words.gettext(_TOO_LATE),)
    written = words.ngettext(
        "A letter is written for you again, to %(n)s office.",
        "Letters are written for you again, to %(n)s offices.",
        offices,
    )
    silent = _TOLD if ahead.told else _TO_BE_TOLD
    asked = _NEW if ahead.planned else _CHANGED
    return (written, words.gettext(silent if ahead.knows else asked), *([words.gettext(_HELD)] if ahead.held else ()))


def _under_way(words: Words, day: str) -> str:
    return words.gettext("The letters of %(day)s are being made and sent at present.", day=day)
