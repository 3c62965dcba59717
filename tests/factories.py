"""Sample values for tests: each `make_*` gives a whole, valid value; name only what your test is about."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from worker.domain.campaign import TextVersion, Wording
from worker.domain.making import Frame, Making, OfficeBlock
from worker.domain.person import Person
from worker.rendering import NUMBER

NOON = datetime(2027, 2, 26, 12, 0, 0, tzinfo=UTC)

SUBJECT = "Please keep the {{ campaign.name }} open"

TEXT = """\
{% if office.holder %}{{ office.form }} {{ office.holder }}
{% endif %}{{ office.title }}, {{ office.organisation }}

{{ office.salutation }},

the library in Mill Lane is the only place in town where anybody may sit down, read and be warm without paying for it. \
In the last year it lent 41,000 books and helped 900 people with forms they could not fill in alone. The council has \
announced that it will decide on its closing in spring.

I ask you to contribute to the following goals:

{% for goal in goals -%}
{{ loop.index }}. {{ goal }}
{% endfor %}
{%- if signer.comment %}
In my own words:

{{ signer.comment | quote }}
{% endif %}
Yours sincerely,
{{ signer.name }}{% if signer.city %}, {{ signer.city }}{% endif %} ({{ signer.country }})
{{ date }}

This open letter goes to:
{% for addressee in campaign.addressees -%}
- {{ addressee }}
{% endfor %}
Sent by {{ campaign.name }} ({{ campaign.site }}) for {{ signer.name }}, who confirmed this letter. \
Questions, or one joint letter instead of many, or none: {{ campaign.contact }}. Responsible: {{ campaign.controller }}.
"""

HTML = """\
<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>{{ campaign.name }}</title></head>
<body>
<p>{% if office.holder %}{{ office.form }} {{ office.holder }}<br>
{% endif %}{{ office.title }}, {{ office.organisation }}</p>
<p>{{ office.salutation }},</p>
<p>the library in Mill Lane is the only place in town where anybody may sit down, read and be warm without paying for it. \
In the last year it lent 41,000 books and helped 900 people with forms they could not fill in alone. The council has \
announced that it will decide on its closing in spring.</p>
<p>I ask you to contribute to the following goals:</p>
<ol>
{% for goal in goals -%}
<li>{{ goal }}</li>
{% endfor -%}
</ol>
{% if signer.comment -%}
<blockquote>{{ signer.comment | br }}</blockquote>
{% endif -%}
<p>Yours sincerely,<br>{{ signer.name }}{% if signer.city %}, {{ signer.city }}{% endif %} ({{ signer.country }})<br>\
{{ date }}</p>
<ul>
{% for addressee in campaign.addressees -%}
<li>{{ addressee }}</li>
{% endfor -%}
</ul>
<p><small>Sent by <a href="{{ campaign.site }}">{{ campaign.name }}</a> for {{ signer.name }}, who confirmed this \
letter. Questions, or one joint letter instead of many, or none: {{ campaign.contact }}. \
Responsible: {{ campaign.controller }}.</small></p>
</body>
</html>
"""

NOTICE_TEXT = "Dear {{ signer.name }},\n\nplease confirm your letter: {{ values.link }}\n\n{{ campaign.name }}\n"
NOTICE_HTML = '<p>Dear {{ signer.name }},</p>\n<p><a href="{{ values.link }}">Confirm your letter</a></p>\n'


def make_person(**changes: Any) -> Person:
    """A visibly invented signer."""
    person = Person(
        name="Sample Signer 01",
        email="signer.01@people.example",
        country="NL",
        city="Utrecht",
        comment="I learnt to read there.",
        language="en",
    )
    return replace(person, **changes)


def make_office_block(**changes: Any) -> OfficeBlock:
    """The town council, nobody named."""
    block = OfficeBlock(
        office="town-council",
        title="Chair of the Town Council",
        organisation="Town of Millbrook",
        country="NL",
        holder="",
        form="",
        salutation="Dear Chair",
        mailbox="council@millbrook.example",
        language="en",
    )
    return replace(block, **changes)


def make_frame(**changes: Any) -> Frame:
    """The neutral campaign's frame with two addressees."""
    frame = Frame(
        campaign="town-library",
        name="Millbrook Library",
        site="https://library.example",
        controller="Friends of Millbrook Library",
        contact="questions@library.example",
        sender="letters@library.example",
        sender_pattern="{signer} via {campaign}",
        reply_to="replies@library.example",
        subject_tag="[Millbrook Library]",
        list_id="letters.library.example",
        default_language="en",
        addressees=("Chair of the Town Council, Town of Millbrook", "Mayor, Town of Millbrook"),
    )
    return replace(frame, **changes)


def make_wording(**changes: Any) -> Wording:
    """One language's templates."""
    wording = Wording(
        subject=SUBJECT,
        text=TEXT,
        html=HTML,
        goals=("Keep the library open.", "Keep it free of charge.", "Open it on Saturdays."),
    )
    return replace(wording, **changes)


def make_text_version(campaign: str = "town-library", **changes: Any) -> TextVersion:
    """A text version in English; `changes` are those of its one wording, or `wordings` itself."""
    wordings = changes.pop("wordings", None) or {"en": make_wording(**changes)}
    return TextVersion(campaign, wordings)


def make_notice_text(**changes: Any) -> TextVersion:
    """The text version of a confirmation notice; its templates use `values.link`."""
    wording = Wording("Please confirm your letter", NOTICE_TEXT, NOTICE_HTML, ())
    return TextVersion("town-library", {"en": replace(wording, **changes)})


def make_making(**changes: Any) -> Making:
    """A letter to an office. Give `text` and its hash follows; `office=None` with `values` makes a notice."""
    text = changes.pop("text", None) or make_text_version()
    making = Making(
        letter=1,
        message_id="town-library.1.town-council@library.example",
        date=NOON,
        renderer=NUMBER,
        text=text,
        text_hash=text.hash,
        frame=make_frame(),
        office=make_office_block(),
        signer=make_person(),
        language="en",
    )
    return replace(making, **changes)


def make_notice(**changes: Any) -> Making:
    """A confirmation notice to a signer."""
    given = {
        "text": make_notice_text(),
        "office": None,
        "values": {"link": "https://library.example/confirm/abc", "token": "abc"},
        "message_id": "town-library.2.confirm-1@library.example",
    }
    return make_making(**{**given, **changes})
