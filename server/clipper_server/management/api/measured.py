"""What was measured: queries, metrics."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Any

from fastapi import APIRouter
from fastapi.responses import StreamingResponse

from ..observations import PROMETHEUS, Observations, clipper_names
from . import openapi

CHUNK = 64 << 10


class Measured:
    def __init__(self, observations: Observations) -> None:
        self._observations = observations

    def router(self) -> APIRouter:
        return openapi.router(
            ("GET", "/queries/last", self.why_last, 200),
            ("GET", "/queries/{query_id}", self.why, 200),
            ("GET", "/metrics", self.metrics, 200),
            ("GET", "/instance", self.inspect, 200),
        )

    async def why(self, query_id: int) -> dict[str, Any]:
        """The path of one of the last queries, with times."""
        return await self._observations.why(query_id)

    async def why_last(self) -> dict[str, Any]:
        """The path of the query that ended last."""
        return await self._observations.last()

    async def metrics(self) -> StreamingResponse:
        """The metrics of all live query frontends, in Prometheus's format."""
        return StreamingResponse(_in_chunks(await self._observations.metrics()), media_type=PROMETHEUS)

    async def inspect(self) -> dict[str, Any]:
        """The same, summed up under Clipper's names."""
        return await clipper_names(await self._observations.metrics())


async def _in_chunks(parts: Iterable[memoryview]) -> AsyncIterator[bytes]:
    for part in parts:
        for begin in range(0, len(part), CHUNK):
            yield bytes(part[begin : begin + CHUNK])
            await asyncio.sleep(0)
