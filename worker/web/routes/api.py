"""The API: a campaign and its letter for other sites and programs, signing, and signatures for holders of a key.

`docs/api.md` shows each operation with an example; `/api/v1/openapi.json` describes them all.
"""

from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Header, Path, Query, Request, Response
from pydantic import BaseModel
from pydantic.json_schema import SkipJsonSchema
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse

from worker.domain.campaign import Campaign
from worker.domain.occasion import Occasion as Kept
from worker.domain.tallying import ASKED
from worker.intake import BadPerson
from worker.rendering import TemplateFault
from worker.web import api_models as models
from worker.web import campaign_views as views
from worker.web.api_auth import Needs, key_of, missing, sees, source_of
from worker.web.api_document import document, problems
from worker.web.api_reading import read_signature
from worker.web.api_signing import IDEMPOTENCY, Signatures
from worker.web.api_wire import RETRY, Refusal, preflight, route_class
from worker.web.counting import mail_class, tally_of
from worker.web.shop import Shop

PREFIX = "/api/v1"
CAMPAIGN = "/campaigns/{slug}"
SIGNATURE = "/signatures/{number}"
PUBLIC, BY_KEY = "campaigns", "signatures"
OK, CREATED, ACCEPTED = 200, 201, 202

_KEPT = {"Cache-Control": "public, max-age=60"}
_FRESH = {"Cache-Control": "public, max-age=5"}
_OWN = {"Cache-Control": "no-store"}
_SAMPLE = {
    "name": "Sample Signer 01",
    "email": "one@mail.example",
    "country": "IE",
    "consents": ["send"],
    "version": "0123456789abcdef0123",
}
_EXAMPLES: Any = {
    "unconfirmed": {"summary": "By anybody", "value": _SAMPLE},
    "confirmed": {
        "summary": "With a key, confirmed elsewhere",
        "value": {
            **{name: value for name, value in _SAMPLE.items() if name != "version"},
            "confirmed": True,
            "evidence": "our form of 3 May, confirmed by mail",
        },
    },
}

_MADE: dict[int | str, dict[str, Any]] = {
    OK: {"model": models.MadeOut, "description": "Stood already; nothing was changed."},
    CREATED: {"model": models.MadeOut, "description": "Recorded as confirmed."},
}

Slug = Annotated[str, Path(description="The campaign's name in addresses.")]
Language = Annotated[str, Query(description="One of the campaign's languages.", max_length=35)]
Office = Annotated[str, Query(description="The id of one of its offices.", max_length=100)]
Occasion = Annotated[
    str, Query(description="The name of one of its occasions that has a text of its own.", max_length=100)
]
Number = Annotated[int, Path(description="The signature's id.", ge=1, le=models.LARGEST_ID)]
Given = Annotated[models.SignatureRequest, Body(openapi_examples=_EXAMPLES)]
Name = Annotated[
    str | SkipJsonSchema[None],
    Header(
        alias=IDEMPOTENCY,
        description="A name of your own for this request: what comes again with it is never a second signing.",
        min_length=1,
        max_length=128,
        pattern=r"^[!-~]+$",
    ),
]


def router(shop: Shop) -> APIRouter:
    """Everything under /api/v1, and /api/v1/openapi.json; OPTIONS for the campaigns' own sites."""
    routes = APIRouter(
        prefix=PREFIX,
        route_class=route_class(shop.home.campaigns),
        generate_unique_id_function=lambda route: route.name,
    )
    _add_public(routes, shop)
    _add_held(routes, shop)

    @lru_cache(maxsize=1)
    def described() -> Mapping[str, Any]:
        return document(routes.routes, shop.home.settings.base_url)

    @routes.get("/openapi.json", include_in_schema=False)
    def openapi() -> Response:
        return JSONResponse(described(), headers=_KEPT)

    return routes


def _add_public(routes: APIRouter, shop: Shop) -> None:
    public = Public(shop)
    readings: tuple[tuple[str, Any], ...] = (
        ("", public.campaign),
        ("/counters", public.counters),
        ("/offices", public.offices),
        ("/preview", public.preview),
    )
    for below, answer in readings:
        routes.add_api_route(f"{CAMPAIGN}{below}", answer, tags=[PUBLIC], responses=problems(404, 422))
    routes.add_api_route(
        f"{CAMPAIGN}/signatures",
        Signing(shop).sign,
        methods=["POST"],
        status_code=ACCEPTED,
        response_model=models.AskedOut,
        tags=[PUBLIC],
        dependencies=[Depends(Needs(shop.ledger, "sign", optional=True))],
        responses=problems(401, 403, 404, 408, 409, 413, 415, 422, 428, 429) | _MADE,
        openapi_extra={"security": [{}]},  # a key is welcome, and not needed
    )
    for path in (CAMPAIGN, f"{CAMPAIGN}/{{part}}"):
        routes.add_api_route(path, public.preflight, methods=["OPTIONS"], include_in_schema=False)


def _add_held(routes: APIRouter, shop: Shop) -> None:
    held, of_key = Held(shop), problems(401, 403, 404, 422)
    routes.add_api_route(
        SIGNATURE, held.read, tags=[BY_KEY], dependencies=[Depends(Needs(shop.ledger, "read"))], responses=of_key
    )
    routes.add_api_route(
        f"{SIGNATURE}/withdraw",
        held.withdraw,
        methods=["POST"],
        tags=[BY_KEY],
        dependencies=[Depends(Needs(shop.ledger, "withdraw"))],
        responses=of_key | problems(408, 413),
    )


class Public:
    """What anybody may read. Belongs to one event loop."""

    def __init__(self, shop: Shop) -> None:
        self._shop = shop

    async def campaign(self, response: Response, slug: Slug, language: Language = "") -> models.CampaignOut:
        """A campaign in one of its languages, the first one where none is named: what a form of your own shows."""
        campaign = _known(self._shop, slug)
        used = _language(campaign, language)
        response.headers.update(_KEPT)
        view = views.campaign_view(campaign, used, self._shop.clock.now(), rehearsal=False)
        base = f"{self._shop.home.settings.base_url}/c/{slug}"
        more = {
            "languages": campaign.languages,
            "consents": views.consents_of(campaign, used),
            "occasions": _occasions(campaign, self._shop.clock.now()),
            "form": campaign,
            "text_version": campaign.text.hash,
            "version": views.version_of(campaign, used),
            "page": base,
            "privacy": f"{base}/privacy",
        }
        return models.CampaignOut.model_validate(_named_alike(view, models.CampaignOut, more))

    async def counters(self, response: Response, slug: Slug) -> models.CountersOut:
        """How many have signed, and how many letters were accepted."""
        _known(self._shop, slug)
        response.headers.update(_FRESH)
        return models.CountersOut.model_validate(await self._shop.progress.of(slug))

    async def offices(self, response: Response, slug: Slug) -> models.OfficesOut:
        """Whom the letter goes to."""
        campaign = _known(self._shop, slug)
        response.headers.update(_KEPT)
        return models.OfficesOut.model_validate({"offices": views.offices_of(self._shop.home, campaign)})

    async def preview(
        self, response: Response, slug: Slug, office: Office = "", language: Language = "", occasion: Occasion = ""
    ) -> models.PreviewOut:
        """The letter as it would go to an office today, with sample words where the signer's own will stand.

        That of an `occasion` as it would go on its next day.
        """
        campaign = _known(self._shop, slug)
        chosen, on = self._office(campaign, office), _occasion(campaign, occasion)
        used = _language(campaign, language) if language else ""
        response.headers.update(_KEPT)
        try:
            letter = await run_in_threadpool(
                self._shop.letters.unsigned, campaign, chosen, used, self._shop.clock.now(), on
            )
        except TemplateFault as exc:  # an operator's: `lettershop check` names the line
            raise Refusal(503, "the letter cannot be shown just now", RETRY) from exc
        plain = {"html": str(letter.body), "sender": letter.sender.striptags()}
        return models.PreviewOut.model_validate(_named_alike(letter, models.PreviewOut, plain))

    async def preflight(self, slug: str) -> Response:
        """OPTIONS: what a page of another site may do (Fetch Standard, 3.2.2)."""
        _known(self._shop, slug)
        return preflight()

    def _office(self, campaign: Campaign, asked: str) -> str:
        taking = [each.id for each in views.offices_of(self._shop.home, campaign) if each.accepts]
        if asked and asked not in taking:
            raise BadPerson({"office": "is none of this campaign's that take letters; `offices` lists them"})
        if not taking:
            raise Refusal(404, "none of this campaign's offices takes letters now")
        return asked or taking[0]


class Signing:
    """Taking signatures. Belongs to one event loop."""

    def __init__(self, shop: Shop) -> None:
        self._shop, self._signatures = shop, Signatures(shop)

    async def sign(self, request: Request, slug: Slug, given: Given, named: Name = None) -> Response:
        """Record a signature. 202: its signer is asked by mail to confirm, unless that was done before.

        With a key and `confirmed` it was confirmed elsewhere: its letters are made at once (201), unless the same
        person had signed or the same request had come (200).
        """
        key, campaign, name = key_of(request), _known(self._shop, slug), named or ""
        if key is None and given.confirmed:
            raise missing("`confirmed` needs an API key with the scope sign")
        if key is None:
            asked = await self._signatures.ask(request, campaign, given, name)
            tally_of(request).add(ASKED, (mail_class(given.email),))
            return _json(asked, ACCEPTED)
        if not sees(key, slug):
            raise _nothing()
        if not given.confirmed:
            asked = await self._signatures.ask_for(campaign, given, name, key)
            tally_of(request).add(ASKED, (mail_class(given.email),))
            return _json(asked, ACCEPTED)
        made = await self._signatures.submit(campaign, given, name, key)
        place = None if made.id is None else {"Location": f"{PREFIX}/signatures/{made.id}"}
        return _json(made, OK if made.repeated else CREATED, place)


class Held:
    """What the holder of a key may see and do with the signatures that came through it."""

    def __init__(self, shop: Shop) -> None:
        self._shop = shop

    async def read(self, request: Request, response: Response, number: Number) -> models.SignatureOut:
        """Where a signature and its letters stand, with the receiving servers' replies; nothing of its signer."""
        response.headers.update(_OWN)
        return await self._seen(request, number)

    async def withdraw(self, request: Request, number: Number) -> models.WithdrawnOut:
        """End a signature: what is not sent is taken back. Asked again, nothing more happens."""
        await self._seen(request, number)
        key = key_of(request)
        assert key is not None
        who = source_of(key)
        ended = await run_in_threadpool(self._shop.intake.withdraw, number, who=who, reason="asked through the API")
        now = await self._seen(request, number)
        return models.WithdrawnOut(id=number, state=now.state, cancelled=ended.cancelled)

    async def _seen(self, request: Request, number: int) -> models.SignatureOut:
        key = key_of(request)
        assert key is not None
        found = await run_in_threadpool(read_signature, self._shop.ledger, number, source_of(key))
        if found is None or not sees(key, found.campaign):
            raise _nothing()
        return found


def _known(shop: Shop, slug: str) -> Campaign:
    campaign = shop.campaign(slug)
    if campaign is None:
        raise _nothing()
    return campaign


def _nothing() -> Refusal:
    return Refusal(404, "there is no such thing here")


def _language(campaign: Campaign, asked: str) -> str:
    if asked and asked not in campaign.languages:
        raise BadPerson({"language": f"this campaign has {', '.join(campaign.languages)}"})
    return asked or campaign.default_language


def _occasions(campaign: Campaign, now: datetime) -> list[models.OccasionOut]:
    return [
        models.OccasionOut(
            name=each.name,
            kind=each.consent,
            day=each.day_in(each.next_year(now)),
            text_version=each.text.hash if each.text else None,
        )
        for each in campaign.occasions.values()
    ]


def _occasion(campaign: Campaign, asked: str) -> Kept | None:
    found = campaign.occasions.get(asked)
    if asked and (found is None or found.text is None):
        raise BadPerson({"occasion": "is none of this campaign's that have a text of their own"})
    return found


def _json(body: BaseModel, status: int, headers: Mapping[str, str] | None = None) -> Response:
    return JSONResponse(body.model_dump(mode="json"), status, headers)


def _named_alike(view: object, model: type[BaseModel], more: Mapping[str, Any]) -> dict[str, Any]:
    """The values of `view` that the model names, and `more`."""
    return {name: getattr(view, name) for name in model.model_fields.keys() - more.keys()} | dict(more)
