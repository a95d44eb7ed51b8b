"""What a query frontend tells management at its own address: the paths of queries, and how it batches."""

from __future__ import annotations

import hmac
from typing import Any

import fastapi
import msgspec
from fastapi.responses import JSONResponse

from . import traces
from .configuration import Configuration


class ManagementOnly:
    """Tells management's requests from those of others: they come to the frontend's own address, with the
    cluster's token.
    """

    def __init__(self, configuration: Configuration, token: str) -> None:
        self._configuration = configuration
        self._expected = f"Bearer {token}".encode()

    def asks(self, request: fastapi.Request) -> bool:
        return self._came_here(request) and self._knows_token(request)

    def check(self, request: fastapi.Request) -> None:
        """Raises HTTPException for others; at the port that all share nothing is private."""
        if not self._came_here(request):
            raise fastapi.HTTPException(404)
        if not self._knows_token(request):
            raise fastapi.HTTPException(401, "Management asks here, with the cluster's token.")

    def _came_here(self, request: fastapi.Request) -> bool:
        _, port = request.scope["server"]
        return str(port) == self._configuration.private.rpartition(":")[2]

    def _knows_token(self, request: fastapi.Request) -> bool:
        return hmac.compare_digest(request.headers.get("authorization", "").encode(), self._expected)


def private(configuration: Configuration, management: ManagementOnly) -> fastapi.APIRouter:

    router = fastapi.APIRouter(
        prefix="/private", dependencies=[fastapi.Depends(management.check)], include_in_schema=False
    )

    @router.get("/queries/last")
    async def last() -> fastapi.Response:
        found = configuration.traces.last
        if found is None:
            return JSONResponse(None, 404)
        ago_ms = 1000 * (configuration.clock() - found.finished_at)
        return JSONResponse({**traces.describe(found, configuration.frontend), "ago_ms": ago_ms})

    @router.get("/queries/{query_id}")
    async def query(query_id: int) -> fastapi.Response:
        found = configuration.traces.find(query_id)
        if found is None:
            return JSONResponse(None, 404)
        return JSONResponse(traces.describe(found, configuration.frontend))

    @router.get("/batching/{model}/{version}")
    async def batching(model: str, version: str) -> fastapi.Response:
        queue = configuration.queue(model, version)
        if queue is None:
            return JSONResponse(None, 404)
        now = queue.history.now()
        replicas = []
        for replica in queue.ready:
            # The limit for one that comes now, if all the time of its objective were left.
            limit, _ = replica.way.limit(replica.table, configuration.objective_s(model))
            rows = [
                {"cost": cost, "mean_ms": 1000 * mean, "p99_ms": 1000 * p99, "batches": seen}
                for cost, mean, p99, seen in replica.table.rows()
            ]
            replicas.append({"replica": replica.name, "limit": limit, "sizes": rows})
        windows: list[dict[str, Any]] = [
            {**msgspec.structs.asdict(window), "ago_s": now - window.began_s}
            for window in queue.history.windows()
        ]
        found = {
            "frontend": configuration.frontend,
            "way": str(queue.spec.batching),
            "delay_micros": queue.spec.batching.delay_micros,
            "waiting": queue.waiting.count,
            "dispatches": dict(queue.metrics.dispatches),
            "replicas": replicas,
            "windows": windows,
        }
        return fastapi.Response(msgspec.json.encode(found), media_type="application/json")

    return router
