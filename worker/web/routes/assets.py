"""Files that pages are made of: the house's own, and a campaign's colours and logo."""

from pathlib import PurePath

from fastapi import APIRouter, HTTPException, Response
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse

from worker.web.look import look_css
from worker.web.shop import Shop

_KEPT = {"Cache-Control": "public, max-age=3600"}
_LOGOS = {".svg": "image/svg+xml", ".png": "image/png", ".jpg": "image/jpeg", ".webp": "image/webp"}
_LOGO_POLICY = "default-src 'none'; style-src 'none'; sandbox"  # an SVG opened by itself may do nothing


def router(shop: Shop) -> APIRouter:
    """GET /static/..., /c/{slug}/look.css, /c/{slug}/logo and /altcha."""
    routes = APIRouter()

    @routes.get("/static/{digest}/{name}")
    async def static(digest: str, name: str) -> Response:
        found = shop.pages.static.response(digest, name)
        if found is None:
            raise HTTPException(404)
        return found

    @routes.get("/c/{slug}/look.css")
    async def look(slug: str) -> Response:
        campaign = shop.campaign(slug)
        if campaign is None:
            raise HTTPException(404)
        return Response(look_css(campaign.look), media_type="text/css", headers=_KEPT)

    @routes.get("/c/{slug}/logo")
    async def logo(slug: str) -> Response:
        campaign = shop.campaign(slug)
        if campaign is None or not campaign.look.logo:
            raise HTTPException(404)
        file = shop.home.templates / campaign.slug / campaign.look.logo
        try:
            data = await run_in_threadpool(file.read_bytes)
        except OSError as exc:
            raise HTTPException(404) from exc
        kind = _LOGOS[PurePath(campaign.look.logo).suffix]
        return Response(data, media_type=kind, headers={**_KEPT, "Content-Security-Policy": _LOGO_POLICY})

    @routes.get("/altcha")
    async def altcha() -> Response:
        return JSONResponse(shop.challenges.issue(shop.clock.now()), headers={"Cache-Control": "no-store"})

    return routes
