"""Letters on the operators' pages: the list with its filters, one letter's life, its signer on request, the search."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, HTTPException, Path, Query, Request
from starlette.responses import Response

from worker.domain.errors import BadInput, LettershopError, RefusedByState
from worker.domain.states import State
from worker.operations.acts import VERBS
from worker.operations.letters import PAGE, Filter, due_span, find_letters, list_letters, show_letter, signatures_of
from worker.operations.signers import show_signer
from worker.web.forms import read_form
from worker.web.ops import story
from worker.web.ops.deeds import length_of
from worker.web.ops.desk import Desk
from worker.web.ops.figures import letters_path
from worker.web.ops.guard import Gate, Visitor
from worker.web.ops.mending import act_path
from worker.web.ops.offices_view import office_path

FILTERS = ("state", "office", "campaign", "older", "code", "signature", "due")
_LARGEST = 2**63 - 1
_FOUND = 20
_MICROSECOND = timedelta(microseconds=1)

Number = Annotated[int, Path(ge=1, le=_LARGEST)]
Word = Annotated[str, Query(max_length=200)]


def add(routes: APIRouter, desk: Desk, gate: Gate) -> None:
    """GET /ops/letters, /ops/letters/{letter}, /ops/search; POST /ops/letters/{letter}/signer, /ops/search."""
    _add_list(routes, desk, gate)
    _add_letter(routes, desk, gate)
    _add_search(routes, desk, gate)


# -- the list ------------------------------------------------------------------------------------------------------------
def _add_list(routes: APIRouter, desk: Desk, gate: Gate) -> None:
    @routes.get("/ops/letters")
    async def letters(
        request: Request,
        user: Annotated[Visitor, Depends(gate.viewer)],
        state: Word = "",
        office: Word = "",
        campaign: Word = "",
        older: Word = "",
        code: Word = "",
        signature: Word = "",
        due: Word = "",
        after: Annotated[int, Query(ge=0, le=_LARGEST)] = 0,
    ) -> Response:
        said = dict(zip(FILTERS, (state, office, campaign, older, code, signature, due), strict=True))
        found: list[dict[str, Any]] = []
        error = ""
        try:
            wanted = filter_of(said, after, desk.ledger.now_us)
            found = await desk.read(find_letters, desk.ledger, desk.home, wanted, PAGE + 1)
        except BadInput as exc:
            error = str(exc)
        following = letters_path(**said, after=found[PAGE - 1]["id"]) if len(found) > PAGE else ""
        return gate.page(
            request, user, "ops/letters.html", 400 if error else 200,
            filters=said, states=[each.value for each in State], campaigns=list(desk.home.campaigns),
            offices=list(desk.home.offices)[:500], letters=found[:PAGE], following=following, error=error,
            acting=_acting(said),
        )  # fmt: skip


def filter_of(said: Mapping[str, str], after: int, now_us: Callable[[], int]) -> Filter:
    """The filter that a form says. Raises BadInput."""
    older, signature, due = said["older"].strip(), said["signature"].strip(), said["due"].strip()
    return Filter(
        state=said["state"].strip(),
        office=said["office"].strip(),
        campaign=said["campaign"].strip(),
        signature=number_of(signature, "signature") if signature else None,
        after=after,
        code=said["code"].strip(),
        older_us=now_us() - length_of(older) // _MICROSECOND if older else None,
        due_us=due_span(due, now_us()) if due else None,
    )


def number_of(text: str, what: str) -> int:
    """A number of the ledger's. Raises BadInput."""
    digits = text.strip()
    if not (digits.isascii() and digits.isdecimal() and len(digits) < 19):  # noqa: PLR2004 -- what 64 bits hold
        raise BadInput(f"{what}: {digits!r} is not a number")
    return int(digits)


def _acting(said: Mapping[str, str]) -> list[tuple[str, str]]:
    """The verbs whose letters may be among those listed; none for a list of everything, or one that no verb can name."""
    state = said["state"]
    if not any(said.values()) or said["due"] or "," in state:
        return []
    return [
        (name.replace("-", ": "), act_path(f"letters-{name}", **said))
        for name, verb in VERBS.items()
        if not state or state in {each.value for each in verb.allowed}
    ]


# -- one letter ----------------------------------------------------------------------------------------------------------
def _add_letter(routes: APIRouter, desk: Desk, gate: Gate) -> None:
    async def page(request: Request, user: Visitor, letter: int, status: int = 200, **more: Any) -> Response:
        context = await desk.read(_letter, desk, letter)
        verbs = story.verbs(context["letter"]) if user.may_act else []
        shown = {"signer": None, "signer_error": "", "reason": "", **more}
        return gate.page(request, user, "ops/letter.html", status, verbs=verbs, **context, **shown)

    @routes.get("/ops/letters/{letter}")
    async def one(request: Request, user: Annotated[Visitor, Depends(gate.viewer)], letter: Number) -> Response:
        return await page(request, user, letter)

    @routes.post("/ops/letters/{letter}/signer")
    async def signer(request: Request, user: Annotated[Visitor, Depends(gate.operator)], letter: Number) -> Response:
        reason = str((await read_form(request)).get("reason", ""))
        found = await desk.read(_letter, desk, letter)
        try:
            person = await desk.shop.writing(show_signer, desk.ledger, found["letter"]["signature"], user.name, reason)
        except (BadInput, RefusedByState) as exc:
            status = 400 if isinstance(exc, BadInput) else 409
            return await page(request, user, letter, status, signer_error=str(exc), reason=reason)
        names = ("name", "email", "city", "country", "language", "comment")
        return await page(request, user, letter, signer=[(name, person[name]) for name in names])


def _letter(desk: Desk, letter: int) -> dict[str, Any]:
    try:
        found = show_letter(desk.ledger, desk.home, letter, desk.readings.seen())
    except BadInput as exc:
        raise HTTPException(404, str(exc)) from exc
    return {
        "letter": found,
        "sentence": found["why"],
        "chain": found["chain"],
        "events": story.happenings(found),
        "step_names": story.step_names(found),
    }


# -- the search ----------------------------------------------------------------------------------------------------------
def _add_search(routes: APIRouter, desk: Desk, gate: Gate) -> None:
    blank: dict[str, Any] = {
        "q": "", "found": None, "error": "", "letters": None, "more": False, "address": "", "reason": "",
    }  # fmt: skip

    @routes.get("/ops/search")
    async def search(request: Request, user: Annotated[Visitor, Depends(gate.viewer)], q: Word = "") -> Response:
        found = await desk.read(find, desk, q) if q.strip() else None
        return gate.page(request, user, "ops/search.html", 200, **{**blank, "q": q, "found": found})

    @routes.post("/ops/search")
    async def of_signer(request: Request, user: Annotated[Visitor, Depends(gate.operator)]) -> Response:
        form = await read_form(request)
        said = {name: str(form.get(name, "")) for name in ("address", "reason")}
        try:
            letters = await desk.shop.writing(letters_of, desk, said["address"], user.name, said["reason"])
        except LettershopError as exc:
            status = 400 if isinstance(exc, BadInput) else 409
            return gate.page(request, user, "ops/search.html", status, **{**blank, **said, "error": str(exc)})
        shown = {"letters": letters[:PAGE], "more": len(letters) > PAGE, "reason": said["reason"]}
        return gate.page(request, user, "ops/search.html", 200, **{**blank, **shown})


def letters_of(desk: Desk, address: str, who: str, reason: str) -> list[dict[str, Any]]:
    """The letters and notices of a signer, by exact address; the search leaves an audit row. Raises BadInput."""
    key = desk.ledger.keys.address_key(desk.shop.intake.canonical(address.strip()))
    signatures = signatures_of(desk.ledger, key, who, reason)
    return list_letters(desk.ledger, Filter(signatures=signatures), PAGE + 1) if signatures else []


def find(desk: Desk, q: str) -> list[tuple[str, str]]:
    """What a number or a word names: (words, address)."""
    word = q.strip()
    found: list[tuple[str, str]] = []
    if word.isascii() and word.isdecimal() and len(word) < 19:  # noqa: PLR2004 -- what 64 bits hold
        number = int(word)
        if number and _is_letter(desk, number):
            found.append((f"letter {number}", f"/ops/letters/{number}"))
        if list_letters(desk.ledger, Filter(signature=number), 1):
            found.append((f"signature {number}: its letters", letters_path(signature=number)))
    folded = word.casefold()
    offices = [
        office
        for office in desk.home.offices.values()
        if folded in f"{office.id} {office.title} {office.organisation}".casefold()
    ]
    found += [(f"office {office.id}", office_path(office.id)) for office in offices[:_FOUND]]
    if len(offices) > _FOUND:
        found.append((f"{len(offices):,} offices: the list", f"/ops/offices?{urlencode({'q': word})}"))
    return found


def _is_letter(desk: Desk, number: int) -> bool:
    return any(each["id"] == number for each in list_letters(desk.ledger, Filter(after=number - 1), 1))
