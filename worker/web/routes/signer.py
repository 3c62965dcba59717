"""The signer's own page, reached by the private link in its notice: what became of each letter, and what may be done.

Every deed is a POST of a form on the page; the link itself is the proof of who does it. Links in mail are followed by
programs: no GET changes anything.
"""

import json
from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse

from worker.domain.errors import BadInput, RefusedByState
from worker.intake import BadPerson
from worker.intake.own_page import OwnPage
from worker.web import faults
from worker.web.campaign_views import version_of
from worker.web.forms import read_form
from worker.web.routes.campaign import SEE_OTHER
from worker.web.routes.messages import Messages
from worker.web.shop import Shop
from worker.web.signer_view import campaign_of, signer_view
from worker.web.signing_form import UNPROCESSABLE
from worker.web.words import N_

_DONE = {
    "corrected": N_("Corrected. All letters that have not left yet carry the new words."),
    "consents": N_("Your choices were saved."),
    "agreed": N_("You have agreed to the text. It goes out in your name on that day, or within days of it."),
    "ended": N_("Ended. Nothing more is written in your name on anniversaries."),
    "another-text": N_("The text has changed meanwhile, and nothing was recorded. Please read it before you agree."),
    "not-now": N_("Nothing was recorded: there is no text to agree to at present."),
    "resent": N_("The link is on its way to your mailbox: at once, or tomorrow if you were sent a message today."),
    "not-resent": N_("Nothing was sent: a message to you is on its way already, or the link was sent very often."),
    "withdrawn": N_("Withdrawn. What had not been sent will not be sent."),
    "too-late": N_("This can no longer be changed: your letters have left already, as you signed them."),
}
"""What `?done=` in the address says. A word of ours alone: nothing else is shown from there."""


def router(shop: Shop) -> APIRouter:
    """GET /me/{token}, /me/{token}/erase; POST /me/{token}/{deed}."""
    pages, routes = SignerPages(shop), APIRouter()
    routes.add_api_route("/me/{token}", pages.show, methods=["GET"])
    routes.add_api_route("/me/{token}/withdraw", pages.withdraw, methods=["POST"])
    routes.add_api_route("/me/{token}/correct", pages.correct, methods=["POST"])
    routes.add_api_route("/me/{token}/consents", pages.consents, methods=["POST"])
    routes.add_api_route("/me/{token}/agree", pages.agree, methods=["POST"])
    routes.add_api_route("/me/{token}/end", pages.end, methods=["POST"])
    routes.add_api_route("/me/{token}/resend", pages.resend, methods=["POST"])
    routes.add_api_route("/me/{token}/data", pages.data, methods=["POST"])
    routes.add_api_route("/me/{token}/erase", pages.ask, methods=["GET"])
    routes.add_api_route("/me/{token}/erase", pages.erase, methods=["POST"])
    return routes


class SignerPages:
    """The answers. Belongs to one event loop."""

    def __init__(self, shop: Shop) -> None:
        self._shop, self._messages, self._pages = shop, Messages(shop), shop.own_pages

    async def _opened(self, request: Request, token: str) -> OwnPage | Response:
        try:
            page = await run_in_threadpool(self._pages.read, token)
            return page if self._shop.campaign(page.campaign) else self._messages.show(request, "gone", status=410)
        except BadInput:
            return self._messages.show(request, "unknown", status=404)
        except RefusedByState:
            return self._messages.show(request, "erased", status=410)

    def _shown(self, request: Request, token: str, page: OwnPage, status: int = 200, **more: Any) -> Response:
        view = signer_view(self._shop, request, token, page, **more)
        told = _DONE.get(request.query_params.get("done", ""))
        notice = self._shop.pages.words_for(request, view.campaign.language).gettext(told) if told else ""
        at = f"/me/{token}"
        return self._shop.pages.html(
            request, "signer.html", status, signer=view, campaign=view.campaign, notice=notice, at=at
        )

    async def _act(self, request: Request, token: str, deed: Callable[[], Awaitable[str]]) -> Response:
        """Do it, and show the page with what came of it."""
        try:
            done = await deed()
        except BadPerson:  # a field: the caller's to show
            raise
        except BadInput:
            return self._messages.show(request, "unknown", status=404)
        except RefusedByState:
            page = await self._opened(request, token)
            if isinstance(page, Response):
                return page
            done = "too-late"
        ui = request.query_params.get("ui", "")
        kept = f"&ui={ui}" if ui in self._shop.pages.words else ""
        return RedirectResponse(f"/me/{token}?done={done}{kept}", SEE_OTHER)

    async def show(self, request: Request, token: str) -> Response:
        page = await self._opened(request, token)
        return page if isinstance(page, Response) else self._shown(request, token, page)

    async def withdraw(self, request: Request, token: str) -> Response:
        async def deed() -> str:
            await run_in_threadpool(self._pages.withdraw, token)
            return "withdrawn"

        return await self._act(request, token, deed)

    async def correct(self, request: Request, token: str) -> Response:
        form = await read_form(request)
        name, city, comment = (str(form.get(field, "")) for field in ("name", "city", "comment"))

        async def deed() -> str:
            await run_in_threadpool(self._pages.correct, token, name, city, comment)
            return "corrected"

        try:
            return await self._act(request, token, deed)
        except BadPerson as exc:
            page = await self._opened(request, token)
            if isinstance(page, Response):
                return page
            typed = {"name": name, "city": city, "comment": comment}
            return self._shown(request, token, page, UNPROCESSABLE, typed=typed, wrong=exc.fields)

    async def consents(self, request: Request, token: str) -> Response:
        form = await read_form(request)
        kinds = {str(kind) for kind in form.getlist("consent")}
        page = await self._opened(request, token)
        if isinstance(page, Response):
            return page
        version = version_of(self._shop.home.campaigns[page.campaign], campaign_of(self._shop, page).language)

        async def deed() -> str:
            if form.get("version", version) != version:  # the words or texts beside a consent are not those shown
                return "another-text"
            await run_in_threadpool(self._pages.choose, token, kinds)
            return "consents"

        return await self._act(request, token, deed)

    async def agree(self, request: Request, token: str) -> Response:
        form = await read_form(request)
        occasion, text = str(form.get("occasion", "")), str(form.get("text", ""))

        async def deed() -> str:
            return (await run_in_threadpool(self._pages.agree, token, occasion, text)).replace(" ", "-")

        return await self._act(request, token, deed)

    async def end(self, request: Request, token: str) -> Response:
        form = await read_form(request)
        kind = str(form.get("consent", ""))

        async def deed() -> str:
            await run_in_threadpool(self._pages.end, token, kind)
            return "ended"

        return await self._act(request, token, deed)

    async def resend(self, request: Request, token: str) -> Response:
        async def deed() -> str:
            return "resent" if await run_in_threadpool(self._pages.resend, token) else "not-resent"

        return await self._act(request, token, deed)

    async def data(self, request: Request, token: str) -> Response:
        page = await self._opened(request, token)
        if isinstance(page, Response):
            return page
        kept = await run_in_threadpool(self._pages.data, token)
        headers = {"Content-Disposition": 'attachment; filename="my-letters.json"'}
        body = json.dumps(kept, ensure_ascii=False, indent=2)
        return Response(body, media_type="application/json", headers=headers)

    async def ask(self, request: Request, token: str) -> Response:
        return await self._erasing(request, token)

    async def erase(self, request: Request, token: str) -> Response:
        form = await read_form(request)
        if form.get("erase") != "yes":
            return await self._erasing(request, token, missing=True)
        page = await self._opened(request, token)
        if isinstance(page, Response):
            return page
        await run_in_threadpool(self._pages.erase, token)
        return self._messages.show(request, "erased", page.campaign)

    async def _erasing(self, request: Request, token: str, *, missing: bool = False) -> Response:
        page = await self._opened(request, token)
        if isinstance(page, Response):
            return page
        campaign = campaign_of(self._shop, page)
        words = self._shop.pages.words_for(request, campaign.language)
        error = faults.fault(words, "erase", "missing") if missing else ""
        context: dict[str, Any] = {"action": f"/me/{token}/erase", "back": f"/me/{token}", "error": error}
        status = UNPROCESSABLE if missing else 200
        return self._shop.pages.html(
            request, "erase.html", status, campaign=campaign, at=f"/me/{token}/erase", **context
        )
