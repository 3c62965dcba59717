"""Invented values for every page."""

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

from markupsafe import Markup
from starlette.requests import Request

from worker.domain.states import State
from worker.web.views import (
    AnniversaryView,
    CampaignView,
    Choice,
    ConsentView,
    FormView,
    LetterRow,
    LetterView,
    OccasionView,
    OfficeView,
    PrivacyView,
    Progress,
    SignerView,
    YearView,
)

NOW = datetime(2026, 11, 24, 14, 5, tzinfo=UTC)
OFFICES = (
    OfficeView("mayor", "Mayor", "Town of Sampleton", "IE"),
    OfficeView("shut", "Chair", "Club", "", accepts=False),
)
LANGUAGES = (
    Choice("en", "English", chosen=True, href="?language=en"),
    Choice("ar", "العربية", chosen=False, href="?language=ar"),
)
CAMPAIGN = CampaignView(
    slug="library",
    name="Town Library",
    site="https://library.example",
    controller="Friends, Sampleton",
    contact="questions@library.example",
    language="en",
    languages=LANGUAGES,
    title="Keep it open",
    lead=("We ask the council.", "Together."),
    goals=("Keep it.", "Hear us."),
    logo=True,
    has_look=True,
    openness="open",
    opens=None,
    closes=NOW,
    rehearsal=True,
)
BODY = Markup('<p>Dear Mayor,</p><p><span data-fill="name">Your name</span></p>')
LETTER = LetterView(
    *("mayor", "en", "You <l@library.example>", "Mayor", "Keep it", BODY, "Dear Mayor"),
    (Choice("mayor", "Mayor", chosen=True), Choice("other", "Other", chosen=False)),
    LANGUAGES,
)
KINDS = ("send", "yearly", "yearly_joint", "named", "answer", "copy")
CONSENTS = tuple(ConsentView(kind, f"Words of {kind}.", required=kind == "send") for kind in KINDS)
DAY = date(2027, 2, 26)
OCCASIONS = (OccasionView("anniversary", "yearly", DAY, replace(LETTER, subject="Once more", sent_in="fr")),)
FORM = FormView(
    *("/c/library/sign", {}, {}, OFFICES, CONSENTS),
    occasions=OCCASIONS,
    asks_city=True,
    takes_comments=True,
    stamp="st",
    version="ve",
)
WRONG = FormView(
    *("/c/library/sign", {"name": "<b>&", "email": "ada@gmial.com", "country": "FR", "comment": "</textarea>"}),
    {
        field: f"Sentence on {field}."
        for field in ("name", "email", "country", "send", "offices", "form", "email_choice")
    },
    *(OFFICES, CONSENTS, "ada@gmail.com"),
    challenge=True,
    asks_city=True,
    takes_comments=True,
)
DEEDS = ("withdraw", "correct", "consents", "agree", "end", "resend", "data", "erase")
PATHS = {deed: f"/me/t/{deed}" for deed in DEEDS}
SIGNER = SignerView(
    *("Ada <i>", "Sampleton", "My words", "IE", CAMPAIGN, NOW, NOW, "confirmed"),
    tuple(LetterRow(OFFICES[0], state.value, NOW, NOW, "250 2.0.0 <ok>") for state in State),
    *(CONSENTS, True, True, PATHS, "Waits."),
)
ASKED = AnniversaryView(
    *("anniversary", "yearly", DAY), given=True, near=True, lines=("New <b>.",), letter=LETTER, text="abc"
)
KEPT = AnniversaryView(*("party", "yearly", DAY), given=True, near=False, lines=("Fine.",), letter=LETTER)
NOT_GIVEN = AnniversaryView(*("day", "yearly", DAY), given=False, near=False, lines=("You have not.",), letter=None)
YEARLY_SIGNER = replace(
    SIGNER,
    years=(
        YearView(DAY, begun=True, letters=SIGNER.letters[:2]),
        YearView(DAY, begun=False, letters=SIGNER.letters[:1]),
    ),
    anniversaries=(ASKED, KEPT, NOT_GIVEN),
    occasions=OCCASIONS,
    version="ve",
)
PRIVACY = PrivacyView(
    *(
        CAMPAIGN,
        "Friends",
        "q@library.example",
        "Purpose.\n\nMore.",
        "Offices.",
        "3 years.",
        "Authority.",
        16,
        OFFICES,
        CONSENTS,
    )
)

PAGES: dict[str, tuple[str, dict[str, Any]]] = {
    "campaign": (
        "campaign.html",
        {"campaign": CAMPAIGN, "progress": Progress(1284, 9034), "letter": LETTER, "form": FORM},
    ),
    "wrong": ("campaign.html", {"campaign": CAMPAIGN, "progress": Progress(0, 0), "letter": LETTER, "form": WRONG}),
    "no form": ("campaign.html", {"campaign": CAMPAIGN, "progress": Progress(1, 1), "letter": LETTER, "form": None}),
    "embed": ("embed.html", {"campaign": CAMPAIGN, "form": FORM, "frame": True}),
    "sent": ("sent.html", {"campaign": CAMPAIGN, "frame": False}),
    "confirm": (
        "confirm.html",
        {
            "campaign": CAMPAIGN,
            "letter": LETTER,
            "offices": OFFICES,
            "name": "Ada",
            "action": "/confirm/t",
            "seen": "abc",
            "agreed": ["I ask for it."],
            "occasions": OCCASIONS,
            "never": "/never/t",
        },
    ),
    "message": ("message.html", {"title": "Done", "text": ("One.", "Two."), "links": (), "tone": "good"}),
    "signer": ("signer.html", {"campaign": CAMPAIGN, "signer": SIGNER}),
    "signer every year": ("signer.html", {"campaign": CAMPAIGN, "signer": YEARLY_SIGNER}),
    "signer kept": (
        "signer.html",
        {"campaign": CAMPAIGN, "signer": replace(SIGNER, anniversaries=(KEPT, NOT_GIVEN))},
    ),
    "erase": ("erase.html", {"campaign": CAMPAIGN, "action": "/me/t/erase", "back": "/me/t", "error": "Tick it."}),
    "never": ("never.html", {"action": "/never/t"}),
    "link": ("link.html", {"campaign": CAMPAIGN, "action": "/c/library/link", "challenge": True}),
    "privacy": ("privacy.html", {"campaign": CAMPAIGN, "privacy": PRIVACY}),
    "index": ("index.html", {"campaigns": (CAMPAIGN,)}),
    "no campaign": ("index.html", {"campaigns": ()}),
    "error": ("error.html", {}),
}


def asked(path: str = "/c/library", query: str = "", accept: str = "en", method: str = "GET") -> Request:
    """A request as the routes are given it."""
    headers = [(b"accept-language", accept.encode())]
    scope = {"type": "http", "method": method, "path": path, "query_string": query.encode(), "headers": headers}
    return Request({**scope, "scheme": "https", "server": ("letters.example", 443), "root_path": ""})
