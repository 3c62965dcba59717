"""The forms of verbs, what they do, and the acts over letters that they begin.

A form counts first. Whoever confirms says how many letters they saw; where it is more by then nothing is done,
and the answer (409) shows the new one and asks again. Errors come back with the form as it was filled in.
"""

from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple

from fastapi import APIRouter, Depends, HTTPException, Path, Request
from starlette.datastructures import FormData
from starlette.responses import RedirectResponse, Response

from worker.domain.errors import BadInput, LettershopError, RefusedByState
from worker.operations import acts
from worker.operations.acts import Order, Preview
from worker.web.forms import read_form
from worker.web.ops.charts import gauge
from worker.web.ops.deeds import By, Deed, wanted_of
from worker.web.ops.desk import Desk
from worker.web.ops.guard import Gate, Visitor

_LARGEST = 2**63 - 1
_LONGEST = 2_000
_SHOWN_ACTS = 100
SEE_OTHER, CONFLICT, BAD = 303, 409, 400

Number = Annotated[int, Path(ge=1, le=_LARGEST)]


def add(routes: APIRouter, desk: Desk, gate: Gate) -> None:
    """GET and POST /ops/act/{verb}; GET /ops/acts, /ops/acts/{act}, POST its /stop; GET and POST its /undo."""
    _add_forms(routes, desk, gate)
    _add_acts(routes, desk, gate)
    _add_undo(routes, desk, gate)


class Sheet(NamedTuple):
    """A form as it is shown: what was said, what was counted, what is wrong."""

    said: Mapping[str, str]
    reason: str = ""
    preview: Preview | None = None
    waiting: int | None = None
    error: str = ""
    stale: int | None = None
    status: int = 200


# -- the forms -----------------------------------------------------------------------------------------------------------
def _add_forms(routes: APIRouter, desk: Desk, gate: Gate) -> None:
    def shown(request: Request, user: Visitor, deed: Deed, sheet: Sheet) -> Response:
        return gate.page(request, user, "ops/act.html", sheet.status, **_view(deed, sheet))

    @routes.get("/ops/act/{verb}")
    async def form(request: Request, user: Annotated[Visitor, Depends(gate.operator)], verb: str) -> Response:
        deed = _deed(desk, verb)
        said = said_of(deed, dict(request.query_params))
        return shown(request, user, deed, await desk.read(_counted, desk, deed, Sheet(said)))

    @routes.post("/ops/act/{verb}")
    async def act(request: Request, user: Annotated[Visitor, Depends(gate.operator)], verb: str) -> Response:
        deed = _deed(desk, verb)
        given = await read_form(request)
        said = said_of(deed, given)
        reason = str(given.get("reason", ""))[:_LONGEST]
        if given.get("step") == "look":
            return shown(request, user, deed, await desk.read(_counted, desk, deed, Sheet(said, reason)))
        try:
            if deed.letters:
                return await _begin(request, user, deed, given, Sheet(said, reason))
            assert deed.do is not None
            came = await desk.shop.writing(deed.do, desk.place, said, By(user.name, reason))
        except LettershopError as exc:
            sheet = Sheet(said, reason, error=str(exc), status=_status(exc))
            return shown(request, user, deed, await desk.read(_counted, desk, deed, sheet))
        if isinstance(came, int):
            desk.carry_on(came, follow=False)
            return RedirectResponse(f"/ops/acts/{came}", SEE_OTHER)
        return gate.see_other(user, came, f"{deed.title}: done.")

    async def _begin(request: Request, user: Visitor, deed: Deed, given: FormData, sheet: Sheet) -> Response:
        order, expected = Order(user.name, sheet.reason), _whole(given.get("expected"))
        found = await desk.read(_preview, desk, deed, sheet.said, _whole(given.get("up_to")) or None)
        if found.count > expected:
            fresh = await desk.read(_preview, desk, deed, sheet.said)
            return shown(request, user, deed, sheet._replace(preview=fresh, stale=expected, status=CONFLICT))
        number = await desk.shop.writing(acts.begin, desk.ledger, found.wanted, expected, order)
        desk.carry_on(number)
        return RedirectResponse(f"/ops/acts/{number}", SEE_OTHER)


def _deed(desk: Desk, verb: str) -> Deed:
    if verb not in desk.deeds:
        raise HTTPException(404, f"there is no verb {verb!r}")
    return desk.deeds[verb]


def said_of(deed: Deed, given: Mapping[str, Any]) -> dict[str, str]:
    """What a form, or an address, says of the deed's own fields."""
    return {field.name: str(given.get(field.name, ""))[:_LONGEST] for field in deed.fields}


def _counted(desk: Desk, deed: Deed, sheet: Sheet) -> Sheet:
    """The sheet with its count, where there is one and something is said. An error is kept: the count's own comes after."""
    if not any(sheet.said.values()):
        return sheet
    try:
        if deed.waiting is not None:
            return sheet._replace(waiting=deed.waiting(desk.place, sheet.said))
        return sheet if deed.count is None else sheet._replace(preview=deed.count(desk.place, sheet.said))
    except LettershopError as exc:
        return sheet if sheet.error else sheet._replace(error=str(exc), status=_status(exc))


def _preview(desk: Desk, deed: Deed, said: Mapping[str, str], up_to: int | None = None) -> Preview:
    wanted = wanted_of(deed.letters, said, desk.ledger.now_us(), up_to)
    return acts.preview(desk.ledger, desk.home, wanted)


def _whole(text: Any) -> int:
    digits = str(text or "")
    return int(digits) if digits.isascii() and digits.isdecimal() and len(digits) < 19 else -1  # noqa: PLR2004 -- 64 bits


def _status(exc: LettershopError) -> int:
    return BAD if isinstance(exc, BadInput) else CONFLICT if isinstance(exc, RefusedByState) else 503


def _view(deed: Deed, sheet: Sheet) -> dict[str, Any]:
    fields = [
        {
            "name": each.name, "label": each.label, "hint": each.hint, "options": each.options, "needed": each.needed,
            "value": sheet.said[each.name],
        }
        for each in deed.fields
    ]  # fmt: skip
    return {
        "it": {
            "action": f"/ops/act/{deed.verb}", "title": deed.title, "about": deed.about, "button": deed.button,
            "counts": deed.counts, "fields": fields,
        },
        "preview": _previewed(sheet.preview),
        "waiting": sheet.waiting,
        "stale": sheet.stale,
        "error": sheet.error,
        "reason": sheet.reason,
        "reason_error": "",
        "back": "/ops",
    }  # fmt: skip


def _previewed(found: Preview | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {
        "total": found.count,
        "up_to": found.up_to,
        "states": sorted(found.by_state.items(), key=lambda each: -each[1]),
        "offices": list(found.by_office.items())[:200],
        "notes": [f"{n:,} more fit and are left alone: {why}" for why, n in found.not_allowed.items()],
    }


# -- acts over letters ---------------------------------------------------------------------------------------------------
def _add_acts(routes: APIRouter, desk: Desk, gate: Gate) -> None:
    @routes.get("/ops/acts")
    async def listed(request: Request, user: Annotated[Visitor, Depends(gate.viewer)]) -> Response:
        found = await desk.read(acts.listing, desk.ledger, _SHOWN_ACTS)
        return gate.page(request, user, "ops/acts.html", 200, acts=[act_view(each) for each in found])

    @routes.get("/ops/acts/{act}")
    async def one(request: Request, user: Annotated[Visitor, Depends(gate.viewer)], act: Number) -> Response:
        found = await desk.read(shown_act, desk, act, may_act=user.may_act)
        return gate.page(request, user, "ops/act_done.html", 200, act=found, error="", reason="")

    @routes.post("/ops/acts/{act}/stop")
    async def stop(request: Request, user: Annotated[Visitor, Depends(gate.operator)], act: Number) -> Response:
        reason = str((await read_form(request)).get("reason", ""))[:_LONGEST]
        try:
            await desk.shop.writing(_stop, desk, act, user.name, reason)
        except (BadInput, RefusedByState) as exc:
            found = await desk.read(shown_act, desk, act, may_act=user.may_act)
            return gate.page(request, user, "ops/act_done.html", _status(exc), act=found, error=str(exc), reason=reason)
        return gate.see_other(user, f"/ops/acts/{act}", "It is stopped. What it moved stays moved.")


def _stop(desk: Desk, act: int, who: str, reason: str) -> None:
    acts.stop(desk.ledger, act, Order(who, reason))


def shown_act(desk: Desk, act: int, *, may_act: bool) -> dict[str, Any]:
    """One act as its page shows it. Raises HTTPException (404)."""
    try:
        found = acts.shown(desk.ledger, act)
    except BadInput as exc:
        raise HTTPException(404, str(exc)) from exc
    return {
        **act_view(found),
        "cannot_undo": found["cannot_undo"],
        "undone_by": found["undone_by"],
        "may_undo": may_act and not found["cannot_undo"],
    }


_TITLES = {
    "hold": "Hold letters",
    "resume": "Resume letters",
    "cancel": "Cancel letters",
    "requeue": "Requeue letters",
    "resolve-sent": "Resolve as sent",
    "resolve-queued": "Resolve: send again",
}


def act_view(act: Mapping[str, Any]) -> dict[str, Any]:
    """An act's JSON form with what is drawn of it."""
    done = act["moved"] + act["skipped"]
    return {
        **act,
        "title": f"{_TITLES.get(act['verb'], act['verb'])}, act {act['id']}",
        "gauge": gauge(min(done, act["expected"]), act["expected"]),
        "over": act["state"] in {"done", "stopped"},
        "filter": [(name, _said(value)) for name, value in act["wanted"].items() if name not in _INNER],
    }


_NAMED = 20  # letters that are named one by one
_INNER = {"verb", "up_to", "mark", "mark_starts", "ended_from_us"}


def _said(value: Any) -> str:
    if not isinstance(value, list):
        return str(value)
    return ", ".join(map(str, value[:_NAMED])) + (" and more" if len(value) > _NAMED else "")


def _add_undo(routes: APIRouter, desk: Desk, gate: Gate) -> None:
    def shown(request: Request, user: Visitor, act: int, sheet: Sheet) -> Response:
        view = _view(_UNDO, sheet)
        view["it"] |= {"action": f"/ops/acts/{act}/undo", "title": f"Take back act {act}"}
        return gate.page(request, user, "ops/act.html", sheet.status, **{**view, "back": f"/ops/acts/{act}"})

    def counted(act: int, sheet: Sheet) -> Sheet:
        try:
            return sheet._replace(preview=acts.preview_undo(desk.ledger, act))
        except LettershopError as exc:
            return sheet if sheet.error else sheet._replace(error=str(exc), status=_status(exc))

    @routes.get("/ops/acts/{act}/undo")
    async def form(request: Request, user: Annotated[Visitor, Depends(gate.operator)], act: Number) -> Response:
        return shown(request, user, act, await desk.read(counted, act, Sheet({})))

    @routes.post("/ops/acts/{act}/undo")
    async def undo(request: Request, user: Annotated[Visitor, Depends(gate.operator)], act: Number) -> Response:
        given = await read_form(request)
        sheet = Sheet({}, str(given.get("reason", ""))[:_LONGEST])
        expected = _whole(given.get("expected"))
        found = await desk.read(counted, act, sheet)
        if found.preview is not None and found.preview.count > expected:
            return shown(request, user, act, found._replace(stale=expected, status=CONFLICT))
        try:
            order = Order(user.name, sheet.reason)
            number = await desk.shop.writing(acts.undo, desk.ledger, act, order, expected)
        except LettershopError as exc:
            sheet = sheet._replace(error=str(exc), status=_status(exc))
            return shown(request, user, act, await desk.read(counted, act, sheet))
        desk.carry_on(number)
        return RedirectResponse(f"/ops/acts/{number}", SEE_OTHER)


_UNDO = Deed(
    "undo", "Take back", "Letters that have not moved on since go back to where they were.", "Take it back", ()
)
