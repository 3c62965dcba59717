"""Yearly send-outs on the operators' pages: all of them, the coming year, one with its preflights, and stepping in.

The verbs are `worker.schedule`'s own. One that moves a great many letters goes on behind the answer: what is done stands in
the ledger first, and ticks do the rest if this process ends.
"""

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Path, Request
from starlette.responses import Response

from worker import schedule
from worker.domain.clock import from_us, to_us
from worker.domain.errors import BadInput, RefusedByState
from worker.ledger import witness
from worker.schedule import Board, Order
from worker.schedule.views import ahead, detail, overview
from worker.web.forms import read_form
from worker.web.ops import sendouts_view
from worker.web.ops.desk import Desk
from worker.web.ops.guard import Gate, Visitor

_LARGEST = 2**63 - 1
_LONGEST = 2_000
WAITED_S = 5.0
"""For so long an answer waits for letters to be moved."""

Number = Annotated[int, Path(ge=1, le=_LARGEST)]
_BLANK: Mapping[str, Any] = {"error": "", "form": {"verb": "", "ends": "", "reason": ""}}


def add(routes: APIRouter, desk: Desk, gate: Gate) -> None:
    """GET /ops/sendouts, /ops/sendouts/{number}; POST /ops/sendouts/{number} and its /preflight."""

    async def page(request: Request, user: Visitor, number: int, status: int = 200, **more: Any) -> Response:
        shown = sendouts_view.shown(await desk.read(_detail, desk, number))
        verbs = sendouts_view.verbs(shown["it"]["state"])
        return gate.page(request, user, "ops/sendout.html", status, **{**shown, "verbs": verbs, **_BLANK, **more})

    @routes.get("/ops/sendouts")
    async def listed(request: Request, user: Annotated[Visitor, Depends(gate.viewer)]) -> Response:
        rows, dates = await desk.read(_listed, desk)
        year = sendouts_view.year(dates, from_us(desk.ledger.now_us()))
        return gate.page(request, user, "ops/sendouts.html", 200, rows=rows, year=year)

    @routes.get("/ops/sendouts/{number}")
    async def one(request: Request, user: Annotated[Visitor, Depends(gate.viewer)], number: Number) -> Response:
        return await page(request, user, number)

    @routes.post("/ops/sendouts/{number}/preflight")
    async def preflight(request: Request, user: Annotated[Visitor, Depends(gate.operator)], number: Number) -> Response:
        del request
        report = await desk.shop.writing(_preflight, desk, number, user.name)
        found = "nothing is wrong" if report.passed else f"found wrong: {len(report.errors)}"
        return gate.see_other(user, f"/ops/sendouts/{number}", f"It was looked over: {found}.")

    @routes.post("/ops/sendouts/{number}")
    async def step(request: Request, user: Annotated[Visitor, Depends(gate.operator)], number: Number) -> Response:
        given = await read_form(request)
        form = {name: str(given.get(name, ""))[:_LONGEST] for name in ("verb", "ends", "reason", "state")}
        try:
            said = await _do(desk, number, user.name, form, sure=given.get("sure") == "yes")
        except (BadInput, RefusedByState) as exc:
            status = 400 if isinstance(exc, BadInput) else 409
            return await page(request, user, number, status, error=str(exc), form=form)
        return gate.see_other(user, f"/ops/sendouts/{number}", said)


def _listed(desk: Desk) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    board = desk.board()
    return overview(board), ahead(board)


def _detail(desk: Desk, number: int) -> dict[str, Any]:
    try:
        return detail(desk.board(), number)
    except BadInput as exc:
        raise HTTPException(404, str(exc)) from exc


def _preflight(desk: Desk, number: int, who: str) -> schedule.Preflight:
    return schedule.preflight(desk.board(), number, who)


# -- stepping in ---------------------------------------------------------------------------------------------------------
_DONE = {
    "approve": "It is approved, and begins when its time comes.",
    "run": "It begins now.",
    "hold": "It is held.",
    "resume": "It goes on where it was.",
    "end": "Its end is moved.",
    "cancel": "It is cancelled for this year.",
}


_VERBS: Mapping[str, Callable[[Board, int, Order], Any]] = {
    "approve": schedule.approve,
    "hold": schedule.hold,
    "resume": schedule.resume,
    "cancel": schedule.cancel,
}


async def _do(desk: Desk, number: int, who: str, form: Mapping[str, str], *, sure: bool) -> str:
    """Do it; what is said of it. Raises BadInput, RefusedByState."""
    if not sure:
        raise BadInput("say that you have read what it does")
    verb = form["verb"]
    if verb not in _DONE:
        raise BadInput(f"choose what is to be done: {', '.join(_DONE)}")
    call = _call(desk, number, Order(who, form["reason"]), form)
    task = asyncio.ensure_future(desk.shop.writing(_unchanged, desk, number, form["state"], call))
    done, _ = await asyncio.wait({task}, timeout=WAITED_S)
    if not done:
        desk.look_after(task)
        return f"{_DONE[verb]} Its letters are being moved."
    task.result()
    return _DONE[verb]


def _call(desk: Desk, number: int, order: Order, form: Mapping[str, str]) -> Callable[[Board], Any]:
    if form["verb"] == "end":
        return partial(_move_end, number=number, ends=_moment(form["ends"]), order=order)
    if form["verb"] == "run":
        return partial(_run, desk, number=number, order=order)
    return partial(_step, _VERBS[form["verb"]], number=number, order=order)


def _step(verb: Callable[[Board, int, Order], Any], board: Board, number: int, order: Order) -> Any:
    return verb(board, number, order)


def _move_end(board: Board, number: int, ends: datetime, order: Order) -> int:
    return schedule.move_end(board, number, to_us(ends), order)


def _run(desk: Desk, board: Board, number: int, order: Order) -> None:
    """Nothing is begun on a ledger that was restored and not accepted yet."""
    witness.refuse_behind(desk.ledger, witness.read(desk.home.var / "witness.json", desk.ledger.ledger_id))
    schedule.run(board, number, order)


def _unchanged(desk: Desk, number: int, state: str, call: Callable[[Board], Any]) -> Any:
    """Do it if the send-out is still what its page showed. Raises RefusedByState."""
    board = desk.board()
    now = detail(board, number)["state"]
    if state and now != state:
        raise RefusedByState(f"it was {state} when you looked, and is {now} now; nothing was done: look again")
    return call(board)


def _moment(text: str) -> datetime:
    """A moment as it is written in a form; UTC where no offset stands. Raises BadInput."""
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError as exc:
        raise BadInput(f'{text.strip()!r} is not a moment; write it like "2027-03-05 17:00"') from exc
    return found if found.tzinfo else found.replace(tzinfo=UTC)
