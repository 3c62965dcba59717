"""GET /metrics: numbers for a monitoring system, for holders of an API key with the scope `metrics`.

The answer is Prometheus's text format, or OpenMetrics where that is asked for. 503 where the ledger is away: then the
monitoring system sees a target that is down. Broker and pacing that are away are told as such.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from fastapi import APIRouter, Depends, Request, Response
from prometheus_client import CollectorRegistry, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from starlette.concurrency import run_in_threadpool

from worker.domain.limits import Limit
from worker.ledger import limit_changes
from worker.ledger.lanes import CONFIRMATIONS
from worker.operations.metrics import Answers, collect
from worker.operations.metrics.asking import ask_parts
from worker.rounds.pace import limits_of
from worker.web.api_auth import Needs, key_of
from worker.web.api_wire import Refusal, route_class
from worker.web.shop import Shop
from worker.wiring.plan import plan_of
from worker.wiring.servers import broker_url, open_pacer

if TYPE_CHECKING:
    from worker.ledger.limit_changes import Standing

PATH = "/metrics"


def router(shop: Shop) -> APIRouter:
    """GET /metrics."""
    routes = APIRouter(route_class=route_class({}))
    routes.add_api_route(
        PATH, Scrape(shop).answer, methods=["GET"], dependencies=[Depends(Needs(shop.ledger, "metrics"))]
    )
    return routes


class Scrape:
    """The answer to one. Belongs to one event loop."""

    def __init__(self, shop: Shop) -> None:
        self._shop = shop

    async def answer(self, request: Request) -> Response:
        """All numbers at this moment. 401 without a key, 403 for a key without the scope or for one campaign alone."""
        key = key_of(request)
        if key is None or key.campaign:
            raise Refusal(
                403, "the numbers are of all campaigns, and this key is for one; make a key without --campaign"
            )
        home, ledger = self._shop.home, self._shop.ledger
        limits = await run_in_threadpool(self._limits)
        answers = await ask_parts(broker_url(home), open_pacer(home, ledger), limits)
        body, kind = await run_in_threadpool(self._render, answers, request.headers.get("accept", ""))
        return Response(body, media_type=kind, headers={"Cache-Control": "no-store"})

    def _limits(self) -> dict[str, Sequence[Limit]]:
        """The whole limits of each relay, of which mail to signers may use all; those that were changed, as they are now."""
        plan, ledger = plan_of(self._shop.home), self._shop.ledger
        with ledger.read() as connection:
            standing = limit_changes.standing(connection, ledger.now_us())
        changed: Standing = {(change.scope, change.target): change.rate for change in standing}
        return {each.name: limits_of(plan, each, "signers", CONFIRMATIONS, "", "", changed) for each in plan.relays}

    def _render(self, answers: Answers, accept: str) -> tuple[bytes, str]:
        encode, kind = choose_encoder(accept)
        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Found(collect(self._shop.home, self._shop.ledger, answers)))
        return encode(registry), kind


class _Found(Collector):
    """What was collected, as a registry wants it."""

    def __init__(self, metrics: list[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> list[Metric]:
        return self._metrics
