"""The audit, newest first, and its proof. GET /ops/audit, POST /ops/audit/verify."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Annotated, Any
from urllib.parse import urlencode

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from worker.ledger.book import Ledger
from worker.operations import audit
from worker.operations.audit import PAGE, Sought
from worker.web.ops.guard import Gate, Visitor

AUDIT = "/ops/audit"
_Word = Annotated[str, Query(max_length=200)]
_Number = Annotated[int, Query(ge=0, le=2**63 - 1)]


def add(routes: APIRouter, gate: Gate) -> None:
    """The routes of the audit."""
    proving = Proving(gate.shop.ledger)

    async def page(request: Request, visitor: Visitor, sought: Sought, proof: audit.Proof | None = None) -> Response:
        found = await to_thread.run_sync(audit.entries, gate.shop.ledger, sought, PAGE + 1)
        shown: dict[str, Any] = {"entries": [_shown(each) for each in found[:PAGE]], "sought": sought, "proof": proof}
        older = _path(sought, found[PAGE - 1]["id"]) if len(found) > PAGE else ""
        return gate.page(request, visitor, "ops/audit.html", path=AUDIT, older=older, **shown)

    @routes.get(AUDIT)
    async def listed(
        request: Request,
        visitor: Annotated[Visitor, Depends(gate.viewer)],
        target: _Word = "",
        verb: _Word = "",
        who: _Word = "",
        before: _Number = 0,
    ) -> Response:
        target, verb, who = (each.strip().replace("\0", "") for each in (target, verb, who))
        return await page(request, visitor, Sought(target, verb, who, before))

    @routes.post(f"{AUDIT}/verify")
    async def verified(request: Request, visitor: Annotated[Visitor, Depends(gate.viewer)]) -> Response:
        return await page(request, visitor, Sought(), await proving.now())


class Proving:
    """One proof at a time, in a thread of its own: it reads every row, and whoever asks meanwhile is given the same one.

    Belongs to the event loop that first uses it.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger, self._thread = ledger, CapacityLimiter(1)
        self._under_way: asyncio.Task[audit.Proof] | None = None

    async def now(self) -> audit.Proof:
        """What the proof found. Raises Failed."""
        if self._under_way is None or self._under_way.done():
            self._under_way = asyncio.create_task(self._prove())
        return await asyncio.shield(self._under_way)  # one who goes away does not take it from the others

    async def _prove(self) -> audit.Proof:
        return await to_thread.run_sync(audit.proof, self._ledger, limiter=self._thread)


def _shown(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {**entry, "details": list(_flat(entry["details"]))}


def _flat(details: Mapping[str, Any]) -> Sequence[tuple[str, str]]:
    """Details as words: lists joined, what is nested as it is."""
    return [
        (name.replace("_", " "), ", ".join(map(str, value)) if isinstance(value, list) else str(value))
        for name, value in details.items()
        if value not in (None, "", [])
    ]


def _path(sought: Sought, before: int) -> str:
    wanted = {"target": sought.target, "verb": sought.verb, "who": sought.who, "before": before}
    return f"{AUDIT}?{urlencode({name: value for name, value in wanted.items() if value})}"
