"""The operators' dashboard: its pages put together. `add(routes, gate)` is what `mount` calls."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from markupsafe import Markup
from starlette.responses import Response

from worker.web.heads import is_head
from worker.web.ops import acting, api, filters, letters, offices, reviews, sendouts
from worker.web.ops.acting import shown_act
from worker.web.ops.desk import Desk
from worker.web.ops.guard import Gate, Visitor
from worker.web.ops.live import EVENTS, HEADERS, Live, stream
from worker.web.ops.pulse import Frame, Parts
from worker.web.ops.reading import span_of

Closing = Callable[[], Awaitable[None]]

_LARGEST = 2**63 - 1
Word = Annotated[str, Query(max_length=20)]


def add(routes: APIRouter, gate: Gate) -> Closing:
    """Add the pages to `routes`; what closes them."""
    filters.install(gate.environment)
    desk = Desk(gate.shop, gate.environment)
    _add_overview(routes, desk, gate)
    for pages in (letters, offices, sendouts, reviews, acting, api):
        pages.add(routes, desk, gate)
    return desk.aclose


def _add_overview(routes: APIRouter, desk: Desk, gate: Gate) -> None:
    @routes.get("/ops")
    async def overview(
        request: Request, user: Annotated[Visitor, Depends(gate.viewer)], span: Word = "hour"
    ) -> Response:
        frame = await desk.pulse.now()
        shown = await desk.read(desk.overview, frame, may_act=user.may_act, span=span_of(span))
        parts = {name: Markup(html) for name, html in shown.items()}  # noqa: S704 -- our own templates made it
        return gate.page(request, user, "ops/overview.html", 200, parts=parts, span=span_of(span))

    @routes.get("/ops/live")
    async def live(
        request: Request,
        user: Annotated[Visitor, Depends(gate.viewer)],
        span: Word = "hour",
        act: Annotated[int, Query(ge=0, le=_LARGEST)] = 0,
    ) -> Response:
        if act:  # before anything is promised: there may be none
            await desk.read(shown_act, desk, act, may_act=user.may_act)
        if is_head(request.scope):
            return Response(media_type=EVENTS, headers=HEADERS)
        good = partial(gate.still, user)
        if act:
            found = stream(desk.pulse, partial(_act, desk, user, act), good, _over)
        else:
            make = partial(desk.overview, may_act=user.may_act, span=span_of(span))
            found = stream(desk.pulse, make, good)
        return Live(desk.streams, user.name, found)


def _act(desk: Desk, user: Visitor, act: int, frame: Frame) -> Parts:
    """The parts of an act's page: read once for all who look at it."""

    def make(_reading: object) -> Parts:
        found = shown_act(desk, act, may_act=user.may_act)
        html = desk.environment.get_template("ops/parts/act.html").render(act=found, may_act=user.may_act)
        return {"act": html, "over": "yes" if found["over"] else ""}

    return frame.made(f"act:{act}:{user.may_act}", make)


def _over(parts: Parts) -> bool:
    return parts.get("over") == "yes"
