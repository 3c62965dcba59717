"""What becomes of a form that was sent: the traps, the fields, the limits, the record, in this order.

Everybody whose form is in order is shown the same page afterwards: who is new, who signs again, who has confirmed long
ago, who asked never to be written to, and the program that filled the honeypot. A form that is not in order comes back
with its input kept, each error beside its field.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import ceil

from fastapi import Request
from starlette.datastructures import FormData

from worker.domain.campaign import Campaign
from worker.domain.consents import SEND
from worker.domain.errors import Failed, RefusedByState
from worker.intake import Asked, BadPerson, Consent, PersonInput, Ready
from worker.web import faults
from worker.web.campaign_views import consents_of, occasions_of, offices_of, openness, text_language, version_of
from worker.web.forms import read_form
from worker.web.gate import HONEYPOT, STAMP, ClientAddress, Leave, Visit, client_of, suggestion, trapped
from worker.web.gate.challenge import FIELD
from worker.web.shop import Shop
from worker.web.views import FormView
from worker.web.words import N_, Words

SOURCE = "web"
UNPROVED = "no proof of work"
"""Why a signature is held whose sender was asked for one and runs no scripts."""

_FIELDS = ("name", "email", "country", "city", "comment", "language")
_WAIT = N_("Too many forms came from where you are. Nothing was lost: please send it again in %(minutes)s minutes.")
_AWAY = N_(
    "Your signature could not be saved just now. Nothing was lost on this page: please send it again in a minute."
)

OK, UNPROCESSABLE, TOO_MANY, UNAVAILABLE = 200, 422, 429, 503


@dataclass(frozen=True, slots=True)
class Answered:
    """`form` is None where all went well; else it is shown again, with `status`, and Retry-After where `wait_s` is not 0."""

    form: FormView | None
    frame: bool = False
    status: int = OK
    wait_s: int = 0


@dataclass(frozen=True, slots=True, repr=False)
class Sent:
    """A form as it came: single values cut to what a form may hold, ticked boxes as sets."""

    values: Mapping[str, str]
    consents: frozenset[str]
    offices: frozenset[str] | None  # None: the form did not ask
    frame: bool = False
    outside: bool = False  # posted by a page of the campaign's own site

    @classmethod
    def of(cls, form: FormData, *, outside: bool) -> "Sent":
        """Read it. Files are no values."""
        single = {name: value for name, value in form.items() if isinstance(value, str)}
        offices = {value for value in form.getlist("office") if isinstance(value, str)}
        return cls(
            values=single,
            consents=frozenset(value for value in form.getlist("consent") if isinstance(value, str)),
            offices=None if outside and not offices else frozenset(offices),
            frame=single.get("frame") == "1",
            outside=outside,
        )

    def get(self, name: str) -> str:
        """A single value, "" where there is none."""
        return self.values.get(name, "")


@dataclass(slots=True)
class _Reading:
    """A form while it is looked at: the language of its letter, and what is wrong with it so far."""

    sent: Sent
    campaign: Campaign
    language: str
    words: Words
    email: str
    errors: dict[str, str] = field(default_factory=dict)
    suggested: str = ""


def blank(shop: Shop, campaign: Campaign, language: str, *, frame: bool, challenge: bool) -> FormView:
    """The form as it is first shown."""
    return FormView(
        action=f"/c/{campaign.slug}",
        values={"language": language},
        offices=offices_of(shop.home, campaign),
        consents=consents_of(campaign, language),
        occasions=occasions_of(shop.letters, campaign, language, shop.clock.now()),
        stamp=shop.stamps.issue(campaign.slug, shop.clock.now()),
        version=version_of(campaign, language),
        challenge=challenge,
        asks_city=campaign.asks_city,
        takes_comments=campaign.takes_comments,
        frame=frame,
    )


class Signing:
    """Takes forms. Belongs to one event loop, as the shop's limits do."""

    def __init__(self, shop: Shop) -> None:
        self._shop = shop

    def client(self, request: Request) -> ClientAddress:
        """Whose request it is, for the limits."""
        peer = request.client.host if request.client else ""
        return client_of(peer, request.headers.getlist("x-forwarded-for"), self._shop.networks)

    async def answer(self, request: Request, campaign: Campaign) -> Answered:
        """Look at a form and record what is in order. Raises HTTPException for a body that is no form."""
        outside = request.headers.get("origin", "").lower() in campaign.sites
        sent = Sent.of(await read_form(request), outside=outside)
        language = text_language(campaign, sent.get("language"), request.headers.get("accept-language", ""))
        words = self._shop.pages.words_for(request, language)
        reading = _Reading(sent, campaign, language, words, sent.get("email").strip(" "))
        stamp_age = self._shop.stamps.read(sent.get(STAMP), campaign.slug, self._shop.clock.now())
        trap = trapped(sent.get(HONEYPOT), 1e9 if outside else stamp_age, self._shop.home.settings.form.least_seconds)
        if trap == "filled":
            return Answered(None, sent.frame)
        if trap:
            return self._again(reading, "too fast" if trap == "hasty" else "expired", keep_stamp=trap == "hasty")
        ready = self._read(reading)
        return self._again(reading) if ready is None else await self._admit(request, reading, ready)

    # -- the fields

    def _read(self, reading: _Reading) -> Ready | None:
        """The form as a signing in order, or None: then `reading.errors` says what is wrong."""
        sent, campaign = reading.sent, reading.campaign
        self._choose_address(reading)
        if SEND not in sent.consents:
            reading.errors["send"] = faults.fault(reading.words, "send", "missing")
        if not sent.outside and sent.get("version") != version_of(campaign, reading.language):
            reading.errors["form"] = faults.fault(reading.words, "form", "changed")
        person = PersonInput(
            name=sent.get("name"),
            email=reading.email,
            country=sent.get("country"),
            city=sent.get("city") if campaign.asks_city else "",
            comment=sent.get("comment") if campaign.takes_comments else "",
            language=reading.language,
        )
        try:
            ready = self._shop.intake.ready(campaign.slug, person, self._asked(reading))
        except BadPerson as exc:
            reading.errors |= {name: faults.fault(reading.words, name, why) for name, why in exc.fields.items()}
            return None
        except RefusedByState:
            reading.errors["form"] = faults.fault(reading.words, "form", openness(campaign, self._shop.clock.now()))
            return None
        return None if reading.errors else ready

    def _choose_address(self, reading: _Reading) -> None:
        """A likely slip of the fingers is asked about once."""
        better, choice = suggestion(reading.email), reading.sent.get("email_choice")
        if better and choice == "suggested":
            reading.email = better
        elif better and choice != "typed":
            reading.suggested = better
            reading.errors["email_choice"] = faults.fault(reading.words, "email_choice", "missing")

    def _asked(self, reading: _Reading) -> Asked:
        campaign, sent = reading.campaign, reading.sent
        kinds = [SEND, *(kind for kind in campaign.offers if kind in sent.consents)]
        consents = [Consent(kind, campaign.consent_words(kind, reading.language)) for kind in kinds]
        open_ones = {each for each in campaign.offices if self._shop.home.offices[each].accepts_letters}
        left_out = frozenset() if sent.offices is None else open_ones - sent.offices
        if left_out == open_ones:
            reading.errors["offices"] = faults.fault(reading.words, "offices", "missing")
            left_out = frozenset()
        return Asked(consents, left_out)

    # -- the limits and the record

    async def _admit(self, request: Request, reading: _Reading, ready: Ready) -> Answered:
        slug = reading.campaign.slug
        leave = await self._shop.limits.ask(Visit(self.client(request), ready.mailbox_key, ready.domain, slug))
        if not leave.allowed and not leave.silent:
            return self._later(reading, leave)
        hold = leave.held
        if leave.challenge and not await self._proved(reading.sent):
            if not reading.sent.get("asked"):
                return self._again(reading, "challenge", challenge=True)
            hold = hold or UNPROVED
        if leave.silent:
            return Answered(None, reading.sent.frame)
        try:
            await self._shop.intake.record(ready, source=SOURCE, hold=hold)
        except Failed:
            form = self._form(reading, {"form": reading.words.gettext(_AWAY)}, keep_stamp=True)
            return Answered(form, form.frame, UNAVAILABLE, 60)
        return Answered(None, reading.sent.frame)

    async def _proved(self, sent: Sent) -> bool:
        given = sent.get(FIELD)
        return bool(given) and await self._shop.challenges.solved(given, self._shop.clock.now())

    def _later(self, reading: _Reading, leave: Leave) -> Answered:
        minutes = max(1, ceil(leave.retry_after_s / 60))
        sentence = reading.words.gettext(_WAIT, minutes=reading.words.number(minutes))
        form = self._form(reading, {"form": sentence}, challenge=leave.challenge, keep_stamp=True)
        return Answered(form, form.frame, TOO_MANY, minutes * 60)

    # -- shown again

    def _again(
        self,
        reading: _Reading,
        why: str = "",
        *,
        challenge: bool = False,
        keep_stamp: bool = True,
    ) -> Answered:
        """`why` is a reason for the whole form, as `faults` knows them; "": its fields say what is wrong."""
        said = {"form": faults.fault(reading.words, "form", why)} if why else {}
        form = self._form(reading, said, challenge=challenge, keep_stamp=keep_stamp)
        return Answered(form, form.frame, UNPROCESSABLE)

    def _form(
        self, reading: _Reading, errors: Mapping[str, str], *, challenge: bool = False, keep_stamp: bool
    ) -> FormView:
        sent, shop = reading.sent, self._shop
        form = blank(shop, reading.campaign, reading.language, frame=sent.frame, challenge=challenge)
        every = {**reading.errors, **errors}
        return replace(
            form,
            values={name: sent.get(name) for name in _FIELDS} | {"language": reading.language},
            errors=every,
            offices=offices_of(shop.home, reading.campaign, sent.offices),
            consents=consents_of(reading.campaign, reading.language, sent.consents, every),
            suggestion=reading.suggested,
            stamp=(sent.get(STAMP) if keep_stamp and not sent.outside else "") or form.stamp,
            challenge=challenge or bool(sent.get("asked")),
        )
