"""Shadows of models, and what they said."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query, Response
from pydantic import Field

from clipper_container.errors import NotFound

from ...querylog import Pair, Said
from ..control import Control
from ..querylog import QueryLog
from ..shadows import Tallies
from ..state import Shadow
from . import answers, kept, openapi
from .bodies import Body, Number
from .current import Message
from .parameters import Who

MAX_PAIRS = 10_000


class NewShadow(Body):
    version: str
    fraction: Number = 0.2
    tolerance: Number = 0
    message: str = Field(default="", max_length=2000)


class Shadows:
    def __init__(self, control: Control, log: QueryLog, tallies: Tallies) -> None:
        self._control = control
        self._log = log
        self._tallies = tallies

    def router(self) -> APIRouter:
        return openapi.router(
            ("GET", "/models/{model}/shadows", self.shadows, 200),
            ("GET", "/models/{model}/shadow/pairs", self.shadow_pairs, 200),
            ("POST", "/models/{model}/shadow", self.start_shadow, 201),
            ("POST", "/models/{model}/shadow/promote", self.promote_shadow, 200),
            ("POST", "/models/{model}/shadow/stop", self.stop_shadow, 200),
        )

    async def shadows(self, model: str) -> list[answers.Shadow]:
        """All of the model's, the last one at the end, with how often they agreed."""
        return [self._described(shadow) for shadow in self._control.shadows.of(model)]

    def last(self) -> list[answers.Shadow]:
        """Each model's last one."""
        return [self._described(shadow) for shadow in self._control.shadows.last()]

    async def start_shadow(self, model: str, new: NewShadow, x_clipper_who: Who = "") -> answers.Shadow:
        """Ask a version beside the current one, for a fraction of the inputs; nobody gets its answers."""
        started = await self._control.shadows.start(
            model, new.version, new.fraction, new.tolerance, x_clipper_who, new.message
        )
        return self._described(started)

    async def promote_shadow(self, model: str, why: Message, x_clipper_who: Who = "") -> answers.Shadow:
        """Make the one that runs the current version, which ends the shadow."""
        shadow = self._control.shadows.live(model)
        await self._control.current.set(model, shadow.version, x_clipper_who, why.message)
        return self._described(self._control.shadows.of(model)[-1])

    async def stop_shadow(self, model: str, why: Message, x_clipper_who: Who = "") -> answers.Shadow:
        """Ask it no more. What was seen stays."""
        return self._described(await self._control.shadows.stop(model, x_clipper_who, why.message))

    async def shadow_pairs(
        self,
        model: str,
        limit: Annotated[int, Query(ge=1, le=MAX_PAIRS)] = 1000,
        differing: bool = False,
    ) -> Response:
        """The last pairs of the model's last shadow, the newest first; `differing`: only those."""
        found = self._control.shadows.of(model)
        if not found:
            raise NotFound(f"Model {model} has had no shadow: start_shadow begins one.")
        text = await asyncio.to_thread(self._pairs, found[-1], limit, differing)
        return Response(text, media_type="application/json")

    def _pairs(self, shadow: Shadow, limit: int, differing: bool) -> bytes:
        seen: dict[int, Pair] = {}  # a batch may be there twice
        for at, records in self._log.newest():
            if at < shadow.at or len(seen) == limit:
                break
            for record in records:
                if not isinstance(record, Pair) or record.shadow != shadow.id or (differing and record.same):
                    continue
                if len(seen) < limit:
                    seen.setdefault(record.query_id, record)
        return written(seen.values())

    def _described(self, shadow: Shadow) -> answers.Shadow:
        found: answers.Shadow = msgspec.to_builtins(shadow)
        found["seen"] = self._tallies.of(shadow.id)
        return found


def written(pairs: Iterable[Pair]) -> bytes:
    """In JSON."""
    return msgspec.json.encode([_described(pair) for pair in pairs], enc_hook=kept.plain)


def _described(pair: Pair) -> dict[str, Any]:
    found = {name: getattr(pair, name) for name in ("query_id", "at", "application", "control", "same")}
    return {**found, "input": kept.given(pair), "before": _said(pair.before), "after": _said(pair.after)}


def _said(said: Said) -> dict[str, Any]:
    if said.reason:
        return {"reason": said.reason, "text": said.text, "ms": said.ms}
    if not said.output:
        return {"size": said.size, "ms": said.ms}
    output = kept.value(said.output, said.dtype, said.shape) if said.dtype else msgspec.Raw(said.output)
    return {"output": output, "size": said.size, "ms": said.ms}
