"""Offices on the operators' pages: the list, and one with its limits, why its letters wait, and when they will be done."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Query, Request
from starlette.responses import Response

from worker.domain.errors import BadInput
from worker.operations.why import why_office
from worker.web.ops import figures, offices_view
from worker.web.ops.deeds import changed
from worker.web.ops.desk import Desk
from worker.web.ops.guard import Gate, Visitor

_MOST_PAGES = 10_000_000


def add(routes: APIRouter, desk: Desk, gate: Gate) -> None:
    """GET /ops/offices, /ops/offices/{office}."""

    @routes.get("/ops/offices")
    async def offices(
        request: Request,
        user: Annotated[Visitor, Depends(gate.viewer)],
        q: Annotated[str, Query(max_length=200)] = "",
        sort: Annotated[str, Query(max_length=20)] = "due",
        page: Annotated[int, Query(ge=1, le=_MOST_PAGES)] = 1,
    ) -> Response:
        frame = await desk.pulse.now()
        listed = await desk.read(offices_view.listed, _all(desk, frame.reading["status"]["offices"]), q, sort, page)
        return gate.page(request, user, "ops/offices.html", 200, **listed)

    @routes.get("/ops/offices/{office}")
    async def one(request: Request, user: Annotated[Visitor, Depends(gate.viewer)], office: str) -> Response:
        frame = await desk.pulse.now()
        context = await desk.read(_office, desk, frame.reading, office)
        states = {name: context[name] for name in ("registered", "held", "accepts")}
        verbs = offices_view.verbs(context["office"], **states)
        return gate.page(request, user, "ops/office.html", 200, **context, verbs=verbs if user.may_act else [])


def _all(desk: Desk, offices: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those of the status, and those of the register that nobody writes to."""
    there = {each["id"] for each in offices}
    idle = [offices_view.nothing_of(each) for each in desk.home.offices.values() if each.id not in there]
    return [*offices, *idle]


def _office(desk: Desk, reading: Any, name: str) -> dict[str, Any]:
    registered = desk.home.offices.get(name)
    found = next((each for each in reading["status"]["offices"] if each["id"] == name), None)
    if found is None and registered is not None:
        found = offices_view.nothing_of(registered)
    try:
        why = why_office(desk.ledger, desk.home, name, desk.readings.seen())
    except BadInput as exc:
        raise HTTPException(404, str(exc)) from exc
    if found is None:
        raise HTTPException(404, f"there is no office {name!r}, and no letter to one")
    lanes = [registered.lane] if registered else []
    holds = reading["status"]["holds"]
    return {
        "office": found,
        "registered": registered is not None,
        "accepts": registered is None or registered.accepts_letters,
        "held": any(
            (each["scope"], each["target"]) in {("office", name), *(("lane", lane) for lane in lanes)} for each in holds
        ),
        "sentence": why.sentence,
        "chain": [reason.body() for reason in why.chain],
        "bar": figures.office_bar(found),
        "limits": [figures.limit_gauge(each) for each in found["limits"]],
        "changes": changed(desk.ledger, lanes),
        "facts": offices_view.facts(registered),
        "forecast": offices_view.forecast_of(reading["forecast"], name),
    }
