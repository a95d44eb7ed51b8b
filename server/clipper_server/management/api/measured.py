"""What was measured: queries, metrics."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response

from ..observations import PROMETHEUS, Observations, clipper_names
from . import openapi


class Measured:
    def __init__(self, observations: Observations) -> None:
        self._observations = observations

    def router(self) -> APIRouter:
        return openapi.router(
            ("GET", "/queries/{query_id}", self.why, 200),
            ("GET", "/metrics", self.metrics, 200),
            ("GET", "/instance", self.inspect, 200),
        )

    async def why(self, query_id: int) -> dict[str, Any]:
        """The path of one of the last queries, with times."""
        return await self._observations.why(query_id)

    async def metrics(self) -> Response:
        """The metrics of all live query frontends, in Prometheus's format."""
        return Response(await self._observations.metrics(), media_type=PROMETHEUS)

    async def inspect(self) -> dict[str, Any]:
        """The same, summed up under Clipper's names."""
        return clipper_names(await self._observations.metrics())
