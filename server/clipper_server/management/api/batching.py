"""How a version's batches are formed."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from ..control import Control, find
from ..observations import Observations
from ..specs import parse_batching
from . import answers, openapi
from .bodies import Body, Whole
from .describe import Describe


class Batching(Body):
    batching: str
    batch_delay_micros: Whole = 0


class Batches:
    def __init__(self, control: Control, observations: Observations, describe: Describe) -> None:
        self._control = control
        self._observations = observations
        self._describe = describe
        self._state = control.state

    def router(self) -> APIRouter:
        return openapi.router(
            ("PUT", "/models/{model}/versions/{version}/batching", self.set_batching, 200),
            ("GET", "/models/{model}/versions/{version}/batching", self.batching, 200),
        )

    async def set_batching(self, model: str, version: str, batching: Batching) -> answers.Version:
        """Form batches in another way from now on, without a restart."""
        spec = parse_batching(batching.batching, batching.batch_delay_micros)
        return self._describe(await self._control.versions.set_batching(model, version, spec))

    async def batching(self, model: str, version: str) -> list[dict[str, Any]]:
        """How each live query frontend forms batches, and what they took."""
        find.version(self._state, model, version)
        return await self._observations.batching(model, version)
