"""What a query frontend tells management at its own address: the paths of queries, and how it batches."""

from __future__ import annotations

from typing import Any

import fastapi
import msgspec
from fastapi.responses import JSONResponse

from . import traces
from .configuration import Configuration


def is_private(request: fastapi.Request, configuration: Configuration) -> bool:
    """Whether it came to the frontend's own address, where management asks."""
    _, port = request.scope["server"]
    return str(port) == configuration.private.rpartition(":")[2]


def private(configuration: Configuration) -> fastapi.APIRouter:
    def check(request: fastapi.Request) -> None:
        if not is_private(request, configuration):
            raise fastapi.HTTPException(404)

    router = fastapi.APIRouter(
        prefix="/private", dependencies=[fastapi.Depends(check)], include_in_schema=False
    )

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
