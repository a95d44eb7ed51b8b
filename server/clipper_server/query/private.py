"""What a query frontend tells management at its own address: the paths of queries, and how it batches."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from . import traces
from .configuration import Configuration


class ManagementOnly:
    """Tells management's requests from those of others: they come to the frontend's own address, with the
    cluster's token.
    """

    def __init__(self, configuration: Configuration, token: str) -> None:
        self._configuration = configuration
        self._expected = f"Bearer {token}".encode()

    def asks(self, request: Request) -> bool:
        return self._came_here(request) and self._knows_token(request)

    def alone(self, answer: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Any]:
        """`answer` for management; at the port that all share nothing is private."""

        async def checked(request: Request) -> Response:
            if not self._came_here(request):
                return JSONResponse({"error": "Not found"}, 404)
            if not self._knows_token(request):
                cause = "Management asks here, with the cluster's token."
                return JSONResponse({"error": "Unauthorized", "cause": cause}, 401)
            return await answer(request)

        return checked

    def _came_here(self, request: Request) -> bool:
        _, port = request.scope["server"]
        return str(port) == self._configuration.private.rpartition(":")[2]

    def _knows_token(self, request: Request) -> bool:
        return hmac.compare_digest(request.headers.get("authorization", "").encode(), self._expected)


def private(configuration: Configuration, management: ManagementOnly) -> Mount:
    async def last(_: Request) -> Response:
        found = configuration.traces.last
        if found is None:
            return JSONResponse(None, 404)
        ago_ms = 1000 * (configuration.clock() - found.finished_at)
        return JSONResponse({**traces.describe(found, configuration.frontend), "ago_ms": ago_ms})

    async def query(request: Request) -> Response:
        found = configuration.traces.find(request.path_params["query_id"])
        if found is None:
            return JSONResponse(None, 404)
        return JSONResponse(traces.describe(found, configuration.frontend))

    async def batching(request: Request) -> Response:
        model, version = request.path_params["model"], request.path_params["version"]
        queue = configuration.queue(model, version)
        if queue is None:
            return JSONResponse(None, 404)
        now = queue.history.now()
        replicas = []
        for replica in queue.ready:
            # The limit for one that comes now, if all the time of its objective were left.
            table = replica.latencies.at(1)
            limit, _ = replica.way.limit(table, configuration.objective_s(model))
            rows = [
                {"cost": cost, "mean_ms": 1000 * mean, "p99_ms": 1000 * p99, "batches": seen}
                for cost, mean, p99, seen in table.rows()
            ]
            replicas.append(
                {
                    "replica": replica.name,
                    "limit": limit,
                    "sizes": rows,
                    "at_once": [msgspec.structs.asdict(each) for each in replica.latencies.rows()],
                    "useless": replica.latencies.useless(),
                }
            )
        windows: list[dict[str, Any]] = [
            {**msgspec.structs.asdict(window), "ago_s": now - window.began_s}
            for window in queue.history.windows()
        ]
        found = {
            "frontend": configuration.frontend,
            "way": str(queue.spec.batching),
            "delay_micros": queue.spec.batching.delay_micros,
            "concurrency": queue.spec.concurrency,
            "waiting": queue.waiting.count,
            "dispatches": dict(queue.metrics.dispatches),
            "replicas": replicas,
            "windows": windows,
        }
        return Response(msgspec.json.encode(found), media_type="application/json")

    paths = {
        "/queries/last": last,
        "/queries/{query_id:int}": query,
        "/batching/{model}/{version}": batching,
    }
    return Mount("/private", routes=[Route(path, management.alone(found)) for path, found in paths.items()])
