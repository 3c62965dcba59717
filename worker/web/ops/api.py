"""The same for programs: `GET /ops/api/status`, `needs`, `letters`, `letters/{letter}`, `acts/{act}`; `POST /ops/api/acts`.

A key with the scope `ops:read` may ask, one with `ops:act` may act. Begin an act by sending what a preview of it said:
without `expected` nothing is begun, and the answer (200) is the preview; with it, 201 and the act's number, or 409.
"""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.responses import JSONResponse, Response

from worker.domain.errors import BadInput
from worker.operations import acts
from worker.operations.acts import Order, Wanted
from worker.operations.letters import LONGEST_PAGE, PAGE, find_letters, show_letter
from worker.web.ops.desk import Desk
from worker.web.ops.guard import Gate, Visitor
from worker.web.ops.letters import FILTERS, filter_of

_LARGEST = 2**63 - 1
_MOST_SAID = 100
_UNKEPT = {"Cache-Control": "no-store"}
Number = Annotated[int, Path(ge=1, le=_LARGEST)]
Word = Annotated[str, Query(max_length=200)]
Text = Annotated[str, Field(max_length=500)]


class ActIn(BaseModel):
    """An act as a program asks for it; its criteria are those of `operations.acts.Wanted`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    verb: Text
    reason: Text = ""
    expected: int | None = Field(default=None, ge=0, le=_LARGEST)
    letters: tuple[int, ...] = Field(default=(), max_length=10_000)
    states: tuple[Text, ...] = Field(default=(), max_length=20)
    office: Text = ""
    campaign: Text = ""
    sendout: Text = ""
    code: Text = ""
    signature: int | None = Field(default=None, ge=1, le=_LARGEST)
    up_to: int | None = Field(default=None, ge=0, le=_LARGEST)

    def wanted(self) -> Wanted:
        """The letters that are meant. Raises BadInput."""
        return Wanted(
            self.verb, ids=self.letters, states=self.states, office=self.office, campaign=self.campaign,
            sendout=self.sendout, code=self.code, signature=self.signature, up_to=self.up_to,
        )  # fmt: skip


def add(routes: APIRouter, desk: Desk, gate: Gate) -> None:
    """Everything under /ops/api/."""
    _add_readings(routes, desk, gate)
    _add_acts(routes, desk, gate)


def _add_readings(routes: APIRouter, desk: Desk, gate: Gate) -> None:
    @routes.get("/ops/api/status", dependencies=[Depends(gate.viewer)])
    async def status() -> Response:
        return _json((await desk.pulse.now()).reading["status"])

    @routes.get("/ops/api/needs", dependencies=[Depends(gate.viewer)])
    async def needs() -> Response:
        return _json({"needs": (await desk.pulse.now()).reading["needs"]})

    @routes.get("/ops/api/letters", dependencies=[Depends(gate.viewer)])
    async def letters(
        state: Word = "", office: Word = "", campaign: Word = "", older: Word = "", code: Word = "", signature: Word = "",
        due: Word = "",
        after: Annotated[int, Query(ge=0, le=_LARGEST)] = 0,
        limit: Annotated[int, Query(ge=1, le=LONGEST_PAGE)] = PAGE,
    ) -> Response:  # fmt: skip
        said = dict(zip(FILTERS, (state, office, campaign, older, code, signature, due), strict=True))
        wanted = filter_of(said, after, desk.ledger.now_us)
        found = await desk.read(find_letters, desk.ledger, desk.home, wanted, limit + 1)
        following = found[limit - 1]["id"] if len(found) > limit else None
        return _json({"letters": found[:limit], "next_after": following})

    @routes.get("/ops/api/letters/{letter}", dependencies=[Depends(gate.viewer)])
    async def letter(letter: Number) -> Response:
        return _json(await desk.read(_letter, desk, letter))


def _letter(desk: Desk, letter: int) -> dict[str, Any]:
    try:
        return show_letter(desk.ledger, desk.home, letter, desk.readings.seen())
    except BadInput as exc:
        raise HTTPException(404, str(exc)) from exc


def _add_acts(routes: APIRouter, desk: Desk, gate: Gate) -> None:
    @routes.get("/ops/api/acts/{act}", dependencies=[Depends(gate.viewer)])
    async def act(act: Number) -> Response:
        try:
            return _json(await desk.read(acts.shown, desk.ledger, act))
        except BadInput as exc:
            raise HTTPException(404, str(exc)) from exc

    @routes.post("/ops/api/acts")
    async def begin(request: Request, user: Annotated[Visitor, Depends(gate.operator)]) -> Response:
        asked = _act_in(await request.body())
        wanted = asked.wanted()
        if asked.expected is None:
            found = await desk.read(acts.preview, desk.ledger, desk.home, wanted)
            return _json({"preview": found.body()})
        order = Order(user.name, asked.reason)
        number = await desk.shop.writing(acts.begin, desk.ledger, wanted, asked.expected, order)
        desk.carry_on(number)
        return _json({"act": number}, 201, {"Location": f"/ops/api/acts/{number}"})


def _act_in(body: bytes) -> ActIn:
    """Read after it is known who asks, not by the route's signature. Raises BadInput, which repeats no value."""
    try:
        return ActIn.model_validate_json(body)
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the body"
        raise BadInput(f"{where[:_MOST_SAID]}: {first['msg']}") from exc


def _json(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return JSONResponse(body, status, {**_UNKEPT, **(headers or {})})
